//! The JSON of Amazon Bedrock: what `bedrock-runtime` is asked and answers (Converse, and InvokeModel in the words of Nova),
//! and what `bedrock` tells of models. Names and bounds are those of AWS's own model of the service.
//!
//! Reading refuses by its name what no model behind this server does; nothing is passed over that a client relies on. A
//! member that is null counts as missing, as in all of AWS's JSON.

pub mod answer;
pub mod converse;
mod document;
pub mod event;
pub mod invoke;
pub mod models;
mod tool;
mod turns;

pub use turns::{Part, Turn};

use crate::error::Fault;

/// What AWS has and this server does not: said, and never passed over.
fn not_served(path: &str, what: &str) -> Fault {
    Fault::at(path, format!("{what} at {path} is not supported by this server."))
}
