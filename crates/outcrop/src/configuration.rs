//! Configuration in two named steps: `raw` (the file as it stands) and this, the resolved form that the rest of the
//! binary sees. Precedence: flags, then environment variables, then the file, then defaults. Every complaint names
//! its place and the nearest right word; nothing unknown is ever ignored.
//!
//! The environment is read here and nowhere else.

mod complaint;
mod defaults;
mod environments;
mod model;
mod nearest;
mod raw;
mod resolve;
pub mod source;
mod units;
mod variables;

#[cfg(test)]
mod tests;

pub use complaint::Complaint;
pub use nearest::hint;
pub use source::Source;
pub use variables::Variables;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use types::{Limits, ModelRules};

/// The file that is read where none is named.
pub const DEFAULT_FILE: &str = "outcrop.toml";

/// What the command line said; None where it said nothing.
#[derive(Clone, Default, Debug)]
pub struct Flags {
    pub config: Option<PathBuf>,
    pub data: Option<PathBuf>,
    pub store: Option<String>,
    pub listen: Option<String>,
}

/// Everything that can be configured, decided.
#[derive(Debug)]
pub struct Configuration {
    /// The file that was read.
    pub file: Option<PathBuf>,
    pub listen: SocketAddr,
    /// How other machines reach this server, without a slash at its end; None: as it listens.
    pub public_url: Option<String>,
    /// Where the log, the key and fetched models live. Relative to the working folder, as it was written.
    pub data: PathBuf,
    /// A fixed key for the default project.
    pub api_key: Option<Secret>,
    pub models: Vec<ModelEntry>,
    pub limits: Limits,
    pub environments: Environments,
    /// Where the key is from which secrets are derived; None: in the data folder.
    pub root_key_file: Option<PathBuf>,
    /// The largest request body, in bytes.
    pub body: usize,
    /// Whether chats that say nothing of it are kept in the log.
    pub journal: bool,
    /// What sessions that are not may take in memory together, in bytes.
    pub unjournaled: usize,
    /// How long running work may take to end after SIGTERM.
    pub drain: Duration,
}

/// `[environments]`: those that this server starts by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Environments {
    /// Whether there are any.
    pub hosted: bool,
    /// A prepared tree instead of this machine's own programs.
    pub base: Option<PathBuf>,
    pub allow_weak_sandbox: bool,
    pub suspend_after: Duration,
    pub expire_after: Duration,
}

/// One `[[model]]`.
#[derive(Debug)]
pub struct ModelEntry {
    /// What clients write; `*` answers every other name.
    pub name: String,
    pub provider: Provider,
    pub task: Task,
    pub upstream_model: Option<String>,
    pub rules: ModelRules,
    pub timeouts: Timeouts,
}

/// What a model is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Task {
    /// Answers in conversations.
    Chat,
    /// Vectors of texts.
    Embedding,
}

#[derive(Debug)]
pub enum Provider {
    Local(Weights),
    OpenaiResponses(Upstream),
    OpenaiChat(Upstream),
    Script,
}

impl Provider {
    /// As the file names it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Local(_) => "local",
            Self::OpenaiResponses(_) => "openai-responses",
            Self::OpenaiChat(_) => "openai-chat",
            Self::Script => "script",
        }
    }
}

/// The weights of a local model.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Weights {
    pub source: Source,
    /// SHA-256, hex in lower case, that the file must have.
    pub sha256: Option<String>,
    /// What they are for, and so what kind of file they are.
    pub task: Task,
}

#[derive(Debug)]
pub struct Upstream {
    /// Without a slash at its end.
    pub base_url: String,
    pub key: Option<Secret>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timeouts {
    pub connect: Duration,
    pub first_byte: Duration,
    pub stall: Duration,
}

/// A key. It never shows in a log or in an error.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Configuration {
    /// The scripted model under this name, too.
    pub fn add_script(&mut self, name: &str) {
        self.models.push(defaults::script(name));
    }

    /// Reads the file, if there is one, and decides everything.
    pub fn load(flags: &Flags, variables: &Variables) -> Result<Self, Complaint> {
        let named = flags.config.clone().or_else(|| variables.get("OUTCROP_CONFIG").map(PathBuf::from));
        let file = named.or_else(|| Path::new(DEFAULT_FILE).is_file().then(|| PathBuf::from(DEFAULT_FILE)));
        let content = match &file {
            Some(file) => Some(read(file)?),
            None => None,
        };
        resolve::resolve(file.as_deref().zip(content.as_deref()), flags, variables)
    }
}

/// A configuration larger than this is something else by mistake.
const MAX_FILE: u64 = 4 << 20;

fn read(file: &Path) -> Result<String, Complaint> {
    let about = std::fs::metadata(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Complaint::file(file, "there is no such file; leave out --config and OUTCROP_CONFIG to run without one")
        }
        _ => Complaint::file(file, format!("cannot be read: {error}")),
    })?;
    if about.is_dir() || about.len() > MAX_FILE {
        return Err(Complaint::file(file, "is not a configuration file (a folder, or larger than 4 MiB)"));
    }
    std::fs::read_to_string(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => Complaint::file(file, "is not UTF-8 text"),
        _ => Complaint::file(file, format!("cannot be read: {error}")),
    })
}
