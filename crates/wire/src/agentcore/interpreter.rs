//! Code interpreters, their sessions and their tools: what both planes are asked and answer.

mod request;
mod shown;

pub use request::{
    InterpreterCreate, InterpreterMode, Invocation, Invoked, Language, SessionStart, SessionStatus, SessionsAsked,
};
pub use shown::{
    Content, Entry, Interpreter, InterpreterDeleted, InterpreterMade, InterpreterSummary, Interpreters, Network,
    Outcome, Resource, Session, SessionBegun, SessionStopped, SessionSummary, Sessions, Structured,
};

use super::runtime::told;
use crate::error::Fault;

/// The id of an interpreter, as it stands in a path.
pub fn interpreter_id(text: &str) -> Result<(), Fault> {
    let of_project = text.rsplit_once('-').is_some_and(|(name, mark)| {
        mark.len() == 10 && mark.bytes().all(|byte| byte.is_ascii_alphanumeric()) && super::runtime::is_name(name, 48)
    });
    told(of_project || text == "aws.codeinterpreter.v1", "codeInterpreterIdentifier", text)
}

/// The id of a session.
pub fn session_id(text: &str) -> Result<(), Fault> {
    let fits = (1..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    told(fits, "sessionId", text)
}

#[cfg(test)]
mod tests;
