//! Processes: started under an id that the client chooses, read by sequence numbers, ended as a group.

use super::{Base64, FileUri};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// `process/start`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessStart {
    /// One that the session has not seen yet.
    pub process_id: String,
    /// The program and its arguments; not empty.
    pub argv: Vec<String>,
    pub cwd: FileUri,
    /// Without a policy, all that the process gets.
    pub env: BTreeMap<String, String>,
    pub tty: bool,
    /// What the process takes itself for, if not `argv[0]`.
    pub arg0: Option<String>,
    /// Keep the standard input open for `process/write`; a terminal has one always.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pipe_stdin: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env_policy: Option<EnvironmentPolicy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<Sandbox>,
    /// The process must have no network but through the harness's proxy.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub enforce_managed_network: bool,
}

/// What of the executor's own environment a process gets, before `env` is added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentPolicy {
    pub inherit: Inherit,
    /// Keep also variables whose names speak of keys, secrets and tokens.
    #[serde(default)]
    pub ignore_default_excludes: bool,
    /// Patterns of names with `*` and `?`, in any case, that are taken away.
    #[serde(default)]
    pub exclude: Vec<String>,
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// If not empty, only names that match one of these patterns stay.
    #[serde(default)]
    pub include_only: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Inherit {
    /// The few names that every program expects.
    Core,
    All,
    None,
}

/// What a process or a file access is to be held to. Only whether it restricts is read here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sandbox(pub Value);

impl Sandbox {
    /// Whether the executor is asked to enforce something: all but `disabled`, and `external`, where somebody else does.
    #[must_use]
    pub fn restricts(&self) -> bool {
        let kind = self.0.pointer("/permissions/type").and_then(Value::as_str);
        !matches!(kind, Some("disabled" | "external"))
    }
}

/// The answer to `process/start`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessStarted {
    pub process_id: String,
    /// Older executors leave it out.
    #[serde(default)]
    pub sandbox_type: SandboxKind,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SandboxKind {
    #[default]
    None,
    LinuxSeccomp,
    /// A word that a later executor says.
    #[serde(other)]
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    Stdout,
    Stderr,
    /// A terminal, where the two are one.
    Pty,
}

/// A piece of output. `seq` counts from 1 within a process, its output, its exit and its closing alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chunk {
    pub seq: u64,
    pub stream: Stream,
    pub chunk: Base64,
}

/// `process/output`, a notification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessOutput {
    pub process_id: String,
    pub seq: u64,
    pub stream: Stream,
    pub chunk: Base64,
}

/// `process/exited`, a notification: the process has ended; output may follow still.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessExited {
    pub process_id: String,
    pub seq: u64,
    /// 128 and the signal's number where a signal ended it.
    pub exit_code: i32,
    #[serde(default)]
    pub sandbox_denied: bool,
}

/// `process/closed`, a notification: all output has been sent. The last of a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessClosed {
    pub process_id: String,
    pub seq: u64,
}

/// `process/read`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessRead {
    pub process_id: String,
    /// Only what came after this number.
    pub after_seq: Option<u64>,
    /// At most this many bytes of output, but always a whole piece if there is one.
    pub max_bytes: Option<usize>,
    /// Wait so many milliseconds for something to read.
    pub wait_ms: Option<u64>,
}

/// The answer to `process/read`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessReadings {
    pub chunks: Vec<Chunk>,
    pub next_seq: u64,
    pub exited: bool,
    pub exit_code: Option<i32>,
    pub closed: bool,
    pub failure: Option<String>,
    #[serde(default)]
    pub sandbox_denied: bool,
}

/// `process/write`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessWrite {
    pub process_id: String,
    pub chunk: Base64,
    /// A write that comes again under the same id is accepted and not made again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessWritten {
    pub status: WriteStatus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WriteStatus {
    Accepted,
    UnknownProcess,
    StdinClosed,
    Starting,
}

/// `process/signal`; answered with an empty object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessSignal {
    pub process_id: String,
    pub signal: Signal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Signal {
    Interrupt,
}

/// `process/terminate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessTerminate {
    pub process_id: String,
}

/// The answer to `process/terminate`: whether there was anything to end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessTerminated {
    pub running: bool,
}
