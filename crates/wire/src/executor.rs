//! The dialect of `codex exec-server`, both sides of it: JSON-RPC messages without a `jsonrpc` member, the parameters
//! and results of every method, and the HTTP bodies by which an executor makes itself known to a registry.
//!
//! It knows shapes alone: no connection, no process, no file. Who reads a message decides what a missing method or a
//! bad parameter means; the texts that serde gives for those are the original's.

mod envelope;
mod environment;
mod files;
mod http;
mod message;
mod path;
mod process;
mod registry;

pub use envelope::{Envelope, Refusal};
pub use environment::{
    Capabilities, Discover, Discovered, EnvironmentInfo, Initialize, Initialized, Shell, Status, StatusWord,
};
pub use files::{
    CanonicalPath, CloseFile, Copy, CreateDirectory, DirectoryEntry, Entries, FileData, FileHandle, Metadata, OpenFile,
    OpenMode, PathOnly, ReadBlock, ReadBytes, Remove, Walk, WalkEntry, WalkError, WalkKind, WalkOptions, Walked,
    WriteBlock, WriteFile,
};
pub use http::{BodyDelta, Header, HttpRequest, HttpResponse, RedirectPolicy};
pub use message::{Failure, Id, Message, Notification, Request, Unreadable};
pub use path::{BadUri, FileUri};
pub use process::{
    Chunk, EnvironmentPolicy, Inherit, ProcessClosed, ProcessExited, ProcessOutput, ProcessRead, ProcessReadings,
    ProcessSignal, ProcessStart, ProcessStarted, ProcessTerminate, ProcessTerminated, ProcessWrite, ProcessWritten,
    Sandbox, SandboxKind, Signal, Stream, WriteStatus,
};
pub use registry::{
    DIRECT_TRANSPORT, DirectRegistered, DirectRegistration, NOISE_PROFILE, NOISE_SUITE, NoiseRegistered,
    NoiseRegistration, PublicKey, RegistryError, RegistryErrorBody, Validated, Validation,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A message is at most this long, in bytes, on every transport.
pub const MESSAGE_LIMIT: usize = 64 * 1024 * 1024;

/// The names of the methods.
pub mod method {
    pub const INITIALIZE: &str = "initialize";
    /// A notification of the client, after the answer to `initialize`.
    pub const INITIALIZED: &str = "initialized";
    pub const ENVIRONMENT_INFO: &str = "environment/info";
    pub const ENVIRONMENT_STATUS: &str = "environment/status";
    pub const PROCESS_START: &str = "process/start";
    pub const PROCESS_READ: &str = "process/read";
    pub const PROCESS_WRITE: &str = "process/write";
    pub const PROCESS_SIGNAL: &str = "process/signal";
    pub const PROCESS_TERMINATE: &str = "process/terminate";
    /// The three notifications of the executor about a process.
    pub const PROCESS_OUTPUT: &str = "process/output";
    pub const PROCESS_EXITED: &str = "process/exited";
    pub const PROCESS_CLOSED: &str = "process/closed";
    pub const FS_READ_FILE: &str = "fs/readFile";
    pub const FS_WRITE_FILE: &str = "fs/writeFile";
    pub const FS_OPEN: &str = "fs/open";
    pub const FS_READ_BLOCK: &str = "fs/readBlock";
    pub const FS_WRITE_BLOCK: &str = "fs/writeBlock";
    pub const FS_CLOSE: &str = "fs/close";
    pub const FS_CREATE_DIRECTORY: &str = "fs/createDirectory";
    pub const FS_GET_METADATA: &str = "fs/getMetadata";
    pub const FS_CANONICALIZE: &str = "fs/canonicalize";
    pub const FS_READ_DIRECTORY: &str = "fs/readDirectory";
    pub const FS_WALK: &str = "fs/walk";
    pub const FS_REMOVE: &str = "fs/remove";
    pub const FS_COPY: &str = "fs/copy";
    pub const HTTP_REQUEST: &str = "http/request";
    /// A notification of the executor: a piece of a streamed body.
    pub const HTTP_BODY_DELTA: &str = "http/request/bodyDelta";
    pub const CAPABILITIES_DISCOVER: &str = "capabilities/discoverV2";
}

/// The codes of errors.
pub mod code {
    /// The request cannot be made now: a second `initialize`, an unknown session, a process id that is taken.
    pub const INVALID_REQUEST: i64 = -32600;
    pub const METHOD_NOT_FOUND: i64 = -32601;
    pub const INVALID_PARAMS: i64 = -32602;
    /// The world refused: a program that cannot be started, a disk that is full, a server that does not answer.
    pub const INTERNAL: i64 = -32603;
    /// No such file, or no such file handle.
    pub const NOT_FOUND: i64 = -32004;
    /// The session that is to be resumed has another connection still.
    pub const ALREADY_ATTACHED: i64 = -32010;
}

/// Bytes that travel as standard base64 with padding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Base64(pub Vec<u8>);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use base64::Engine;
        serializer.serialize_str(&base64::engine::general_purpose::STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl serde::de::Visitor<'_> for Visitor {
            type Value = Base64;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string")
            }

            // The text is read where it lies: it may be the most of a message of 64 MiB.
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Base64, E> {
                use base64::Engine;
                base64::engine::general_purpose::STANDARD
                    .decode(text)
                    .map(Base64)
                    .map_err(|error| E::custom(format_args!("invalid base64: {error}")))
            }
        }

        deserializer.deserialize_str(Visitor)
    }
}

#[cfg(test)]
mod tests;
