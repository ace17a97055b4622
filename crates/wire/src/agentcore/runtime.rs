//! Agent runtimes, their versions and their endpoints: what the control plane is asked and answers.

mod command;
mod request;
mod shown;

pub use command::{CommandChunk, RuntimeCommand};
pub use request::{EndpointChange, EndpointCreate, RuntimeCreate, RuntimeDetails, RuntimeUpdate};
pub use shown::{
    Artifact, Code, CodeConfiguration, Endpoint, EndpointChanged, EndpointDeleted, EndpointMade, Endpoints, Headers,
    Lifecycle, Network, Protocol, Runtime, RuntimeChanged, RuntimeDeleted, RuntimeMade, RuntimeSummary, Runtimes, S3,
};

pub(super) use request::{name, refused, required, role, token};

use crate::error::{Fault, clip};

/// A runtime's id, as it stands in a path: a name, an underscore or letters, a hyphen, ten letters and digits.
pub fn runtime_id(text: &str) -> Result<(), Fault> {
    let fits = text.rsplit_once('-').is_some_and(|(name, mark)| {
        mark.len() == 10 && mark.bytes().all(|byte| byte.is_ascii_alphanumeric()) && is_name(name, 100)
    });
    told(fits, "agentRuntimeId", text)
}

/// The name of a runtime or an endpoint.
pub fn endpoint_name(text: &str) -> Result<(), Fault> {
    told(is_name(text, 48), "endpointName", text)
}

/// The id of a session: what a client draws for it, long enough that nobody guesses another's.
pub fn runtime_session_id(text: &str) -> Result<(), Fault> {
    let fits = (33..=256).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    told(fits, "runtimeSessionId", text)
}

/// The number of a version.
pub fn version_number(text: &str) -> Result<u32, Fault> {
    let is_number = (1..=5).contains(&text.len()) && !text.starts_with('0');
    let number = text.parse().ok().filter(|_| is_number && text.bytes().all(|byte| byte.is_ascii_digit()));
    number.ok_or_else(|| misshapen("agentRuntimeVersion", text))
}

pub(super) fn is_name(text: &str, most: usize) -> bool {
    text.len() <= most
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

pub(super) fn told(fits: bool, what: &str, text: &str) -> Result<(), Fault> {
    if fits { Ok(()) } else { Err(misshapen(what, text)) }
}

fn misshapen(path: &str, text: &str) -> Fault {
    Fault::at(path, format!("Invalid '{path}': '{}' does not have the form that is asked for.", clip(text)))
}

#[cfg(test)]
mod tests;
