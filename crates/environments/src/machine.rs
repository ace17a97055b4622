//! A machine, as the agent's tools see it: it runs processes, keeps their output and has files. A connected executor is one.

use std::collections::BTreeMap;
use std::time::Duration;
use types::BoxFuture;

/// One environment's machine. Paths are absolute and native to it. A connection that is lost and taken up again is not
/// seen here; what is answered with [`Fault::Lost`] may or may not have happened.
pub trait Machine: Send + Sync + 'static {
    fn info(&self) -> BoxFuture<'_, Result<Info, Fault>>;

    /// Names what its processes belong to: under another name those of the one before are gone.
    fn session(&self) -> Option<String> {
        None
    }

    /// Starts a process under an id of the caller's. [`Fault::Exists`] where the id is taken: it was started before.
    fn start(&self, command: Command) -> BoxFuture<'_, Result<(), Fault>>;
    /// Output after a sequence number; waits for news as long as `wait`. [`Fault::Missing`]: no such process.
    fn read(&self, process: &str, after: u64, wait: Duration) -> BoxFuture<'_, Result<Output, Fault>>;
    fn write(&self, process: &str, bytes: Vec<u8>) -> BoxFuture<'_, Result<Written, Fault>>;
    /// As the terminal's interrupt key.
    fn interrupt(&self, process: &str) -> BoxFuture<'_, Result<(), Fault>>;
    /// Whether it still ran.
    fn terminate(&self, process: &str) -> BoxFuture<'_, Result<bool, Fault>>;

    /// A whole file, at most `limit` bytes; [`Fault::TooLarge`] beyond.
    fn read_file(&self, path: &str, limit: u64) -> BoxFuture<'_, Result<Vec<u8>, Fault>>;
    fn write_file(&self, path: &str, bytes: Vec<u8>) -> BoxFuture<'_, Result<(), Fault>>;
    fn metadata(&self, path: &str) -> BoxFuture<'_, Result<Metadata, Fault>>;
    /// The path without links.
    fn canonicalize(&self, path: &str) -> BoxFuture<'_, Result<String, Fault>>;
    fn list(&self, path: &str) -> BoxFuture<'_, Result<Vec<Entry>, Fault>>;
    /// With those above it; nothing where it is there.
    fn create_directory(&self, path: &str) -> BoxFuture<'_, Result<(), Fault>>;
    fn remove(&self, path: &str, recursive: bool) -> BoxFuture<'_, Result<(), Fault>>;

    /// Makes an HTTP request from where the machine is. No redirect is followed, and it is never made twice.
    fn http(&self, _call: HttpCall) -> BoxFuture<'_, Result<HttpReply, Fault>> {
        Box::pin(async { Err(Fault::Refused("the environment makes no HTTP requests".to_owned())) })
    }
}

/// A request that a machine makes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpCall {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What it was answered, whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpReply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What a machine says of itself.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Info {
    /// The path of its shell.
    pub shell: Option<String>,
    pub working_directory: Option<String>,
    pub home: Option<String>,
    /// Where files may be put that need not last.
    pub temporary: Option<String>,
    /// `linux`, `macos`, `windows`.
    pub platform: Option<String>,
    pub executor_version: Option<String>,
}

#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Command {
    /// The caller's: unique on this machine for as long as its session lives.
    pub process: String,
    pub argv: Vec<String>,
    pub working_directory: String,
    /// Of the executor's own variables these alone, by name, secrets among them. Empty: as many as it hands on.
    pub inherited: Vec<String>,
    /// Added to the executor's own variables.
    pub variables: BTreeMap<String, String>,
    /// A terminal; otherwise pipes.
    pub terminal: bool,
    /// Input may be written later.
    pub input: bool,
}

/// What a process has said since a place.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Output {
    pub chunks: Vec<Chunk>,
    /// What to give as `after` next: a number that a reader has seen, of a chunk or of the exit.
    pub next: u64,
    /// How many bytes came before `chunks`, as far as they were counted.
    pub place: u64,
    /// Chunks before `chunks` that are not kept any more.
    pub lost: bool,
    pub exit_code: Option<i32>,
    /// All its output is there.
    pub closed: bool,
    /// It could not be run, or was stopped by its sandbox.
    pub failure: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chunk {
    pub seq: u64,
    pub error_stream: bool,
    pub bytes: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Written {
    Accepted,
    /// It takes no input, or no more.
    Closed,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKind {
    File,
    Directory,
    Link,
    Other,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Metadata {
    pub kind: FileKind,
    pub bytes: u64,
    /// Milliseconds since 1970.
    pub modified: Option<u64>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    pub name: String,
    pub kind: FileKind,
}

/// Why a machine did not do what it was asked for.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// Nothing was done.
    #[error("the environment is not connected")]
    Disconnected,
    /// The connection went while it was being done, and did not come back.
    #[error("the connection to the environment was lost")]
    Lost,
    #[error("not found: {0}")]
    Missing(String),
    #[error("already there: {0}")]
    Exists(String),
    #[error("{0} is larger than allowed")]
    TooLarge(String),
    /// In the machine's own words.
    #[error("{0}")]
    Refused(String),
}
