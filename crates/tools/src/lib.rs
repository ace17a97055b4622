//! What a session's model may call and this server performs, from wherever it comes: the tools of its environment, of MCP
//! servers, the web, the search for tools, programs. [`Toolbox`] is all of it, behind `types::Tools`.
//!
//! ```text
//! offered   workbench + servers' tools (named, pinned, classed) + web + search + programs     one list
//! perform   by kind and label: workbench | remote | web | search | program                    one outcome
//! ```
//!
//! It decides no consent and keeps no log: that is the engine's and the gate's. It never sends a call twice where it may
//! have been performed.

mod admission;
mod approvals;
mod calls;
mod changes;
mod listings;
mod names;
mod offer;
mod pin;
mod program;
mod remote;
pub mod search;
mod servers;
#[cfg(test)]
mod stage;
mod toolbox;
mod warnings;
pub mod web;

pub use approvals::{Policy, Word};
pub use toolbox::{Parts, Toolbox};
pub use web::Web;
