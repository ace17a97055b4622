//! The turn as a state machine. Three pure functions and nothing else:
//!
//! - [`admit`]: what an input becomes, as records, or why it is refused;
//! - [`apply`]: how a record changes [`State`], and which events follow from it;
//! - [`pending`]: which effects come next.
//!
//! There is no clock, no randomness, no I/O and no `async` here: time and chance come in a `Stamp`. `apply` only
//! accumulates; whatever was decided is in the record, so that a newer engine cannot decide the past anew.

mod admit;
mod apply;
mod deferred;
mod digest;
pub mod ledger;
mod pending;
mod state;
mod view;

pub use admit::{admit, environment_patience, waits_for_environment, would_try_again};
pub use apply::apply;
pub use deferred::{shows, shows_offered};
pub use pending::{context, pending, review_context, standing};
pub use state::{
    Awaited, Call, CallState, HeadKind, Held, Intent, ItemHead, LastTurn, OpenCall, OpenTool, Program, Request, State,
    Turn,
};
pub use view::{head, turn_view};

#[cfg(test)]
mod tests;
