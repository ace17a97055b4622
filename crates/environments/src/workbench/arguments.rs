//! What a model writes into a call. A field that a tool does not have is an error: silence would let the model believe
//! that it counts.

use super::Problem;
use serde::Deserialize;
use serde::de::DeserializeOwned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Shell {
    pub command: String,
    pub workdir: Option<String>,
    pub timeout_ms: Option<u64>,
    pub background: Option<bool>,
    pub yield_time_ms: Option<u64>,
    pub terminal: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WriteStdin {
    pub process_id: u64,
    pub input: Option<String>,
    pub signal: Option<Signal>,
    pub after: Option<u64>,
    pub yield_time_ms: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Signal {
    Interrupt,
    Terminate,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApplyPatch {
    pub patch: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadFile {
    pub path: String,
    pub offset: Option<u64>,
    pub limit: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WriteFile {
    pub path: String,
    pub content: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListFiles {
    pub path: Option<String>,
    pub depth: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ViewImage {
    pub path: String,
}

/// Reads the arguments of a call. What is wrong with them the model can set right.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    serde_json::from_str(text).map_err(|error| Problem::Failed(format!("the arguments are wrong: {error}")))
}

/// A time that a model asked for, in milliseconds.
pub(super) fn within(name: &str, asked: Option<u64>, usual: u64, most: u64) -> Result<std::time::Duration, Problem> {
    let milliseconds = asked.unwrap_or(usual);
    if milliseconds > most {
        return Err(Problem::Failed(format!("{name} is at most {most}")));
    }
    Ok(std::time::Duration::from_millis(milliseconds))
}
