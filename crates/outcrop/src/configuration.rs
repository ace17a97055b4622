//! Configuration in two named steps: `raw` (the file as it stands) and this, the resolved form that the rest of the
//! binary sees. Precedence: flags, then environment variables, then the file, then defaults. Every complaint names
//! its place and the nearest right word; nothing unknown is ever ignored.
//!
//! The environment is read here and nowhere else.

mod agentcore;
mod approvals;
mod aws;
mod complaint;
mod defaults;
mod environments;
pub mod mcp;
mod model;
mod nearest;
mod raw;
mod resolve;
pub mod source;
mod units;
mod variables;
pub mod vaults;
mod web_search;

#[cfg(test)]
mod tests;

pub use complaint::Complaint;
pub use nearest::hint;
pub use source::Source;
pub use variables::Variables;

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use types::{AwsAccount, Limits, ModelRules};

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
    /// The entry that reviews calls where a session lets a model do that; None: the session's own.
    pub reviewer: Option<String>,
    /// Which calls of MCP servers' tools need consent, whatever their agent says.
    pub consent: tools::Policy,
    pub environments: Environments,
    pub vaults: Vaults,
    pub mcp: Mcp,
    pub aws: Aws,
    pub agentcore: AgentCore,
    /// None: agents that search the web are refused.
    pub web_search: Option<WebSearch>,
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
    pub background_after: Duration,
    pub expire_after: Duration,
}

/// `[aws]`: the doors of AWS's services.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Aws {
    /// Whose names ARNs are.
    pub account: AwsAccount,
    /// Whether managed agents have no more than the original.
    pub strict: bool,
    /// Whether a signature may leave the body out.
    pub unsigned_payload: bool,
}

/// `[agentcore]`: agents that their authors wrote as programs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AgentCore {
    /// A folder of this machine whose folders are buckets of code. None: code comes from uploaded files alone.
    pub code: Option<PathBuf>,
    /// Where a runtime says nothing of it: how long a session may be idle, and run.
    pub idle_after: Duration,
    pub lifetime: Duration,
}

/// `[mcp]`: where servers of MCP and token endpoints may be, beside the public internet.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Mcp {
    pub allow_private: bool,
    /// In lower case: `host`, or `host:port` where that port alone is meant.
    pub allowed_hosts: BTreeSet<String>,
}

/// `[web_search]`: who searches the web for agents.
#[derive(Debug)]
pub struct WebSearch {
    pub provider: SearchProvider,
    /// Nothing of these is shown to any agent.
    pub blocked_domains: Vec<String>,
    /// Whose pages are read although they are not of the public internet.
    pub allowed_hosts: BTreeSet<String>,
}

#[derive(Debug)]
pub enum SearchProvider {
    Searxng {
        url: url::Url,
    },
    /// Without a URL at its usual place.
    Brave {
        url: Option<url::Url>,
        key: Secret,
    },
    /// A tool of an MCP server, which takes the query as `argument`.
    Mcp {
        url: url::Url,
        key: Option<Secret>,
        tool: String,
        argument: String,
    },
}

/// `[vaults]`: where root keys are.
#[derive(Default)]
pub struct Vaults {
    /// None: in the data folder.
    pub root_key_file: Option<PathBuf>,
    /// Those of a variable, which vaults have instead of the file's. The first is the one that is used.
    pub root_keys: Option<zeroize::Zeroizing<Vec<[u8; 32]>>>,
    pub kms: Option<Kms>,
}

/// `[vaults.kms]`: root keys that AWS KMS keeps.
pub struct Kms {
    /// The first is the one that is used; there is one at least.
    pub keys: Vec<::vaults::KmsKey>,
    /// None: AWS's own.
    pub endpoint: Option<String>,
    pub access: ::vaults::Access,
    /// Whether it wraps. If not, it only opens what it has wrapped.
    pub wraps: bool,
}

impl fmt::Debug for Vaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vaults").field("root_key_file", &self.root_key_file).finish_non_exhaustive()
    }
}

/// One `[[model]]`.
#[derive(Debug)]
pub struct ModelEntry {
    /// What clients write; `*` answers every other name.
    pub name: String,
    /// What they may write as well.
    pub aliases: Vec<String>,
    pub provider: Provider,
    pub task: Task,
    pub upstream_model: Option<String>,
    pub rules: ModelRules,
    pub timeouts: Timeouts,
}

impl ModelEntry {
    /// What clients write.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.name).chain(&self.aliases)
    }

    /// What the upstream is asked for by a client that wrote `name`; None: that very name.
    pub fn asked_as(&self, name: &str) -> Option<String> {
        let own = (self.name != "*" && self.name != name).then(|| self.name.clone());
        self.upstream_model.clone().or(own)
    }
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
