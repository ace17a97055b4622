//! What is kept of hosted environments and templates: the rows' bodies. What clients may see and what is confidential are
//! rows of their own, so that no list ever reads a secret. Fields are only added, with defaults.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use types::{EnvironmentError, EnvironmentStatus, HostedSettings, SessionId, Timestamp, TurnId};

/// A hosted environment.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Environment {
    pub settings: HostedSettings,
    pub status: EnvironmentStatus,
    #[serde(default)]
    pub error: Option<EnvironmentError>,
    pub created_at: Timestamp,
    /// Whose it is; a prewarmed one is nobody's until a session takes it.
    #[serde(default)]
    pub session: Option<SessionId>,
    /// It was made for nobody, and stays where the session that takes it does not come to be.
    #[serde(default)]
    pub is_prewarmed: bool,
    /// The hash of the request that made it, where that came with a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// The session is there, and is told what becomes of it.
    #[serde(default)]
    pub is_told: bool,
    /// Vaults whose variables it has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vaults: Vec<String>,
    /// The same of the session that has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub session_vaults: Vec<String>,
    /// The newest moment at which something was done with it. Written now and then, not with each use.
    pub used_at: Timestamp,
    /// The executor's session, to be resumed by a server that comes after this one.
    #[serde(default)]
    pub executor_session: Option<String>,
    /// How often its disk was replaced.
    #[serde(default)]
    pub resets: u64,
    /// The session of a runtime that it is, and not an agent's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest: Option<Guest>,
    /// The session of a code interpreter that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_session: Option<CodeSession>,
    /// The code of a runtime, outside, of an environment that an agent's session has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<std::path::PathBuf>,
}

/// The session of a runtime: a program that somebody wrote, invoked under the session's id.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Guest {
    pub runtime: String,
    pub endpoint: String,
    /// The client's.
    pub session: String,
    /// Of the runtime, when its sandbox was started last.
    pub version: u32,
    /// The code of that version, outside.
    pub code: std::path::PathBuf,
    /// How often its program was started.
    pub starts: u32,
    /// When its sandbox was started last.
    pub started_at: Timestamp,
    /// Seconds that it may be idle, and that it may run.
    pub idle: u32,
    pub lifetime: u32,
}

/// The session of a code interpreter: code and commands that a client sends, until its time is over.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CodeSession {
    pub interpreter: String,
    #[serde(default)]
    pub name: Option<String>,
    /// Seconds from its creation on.
    pub timeout: u32,
    #[serde(default)]
    pub ended_at: Option<Timestamp>,
    /// How often its Python was started.
    #[serde(default)]
    pub starts: u32,
    /// Its Python was started, and its client was not told that it ended.
    #[serde(default)]
    pub has_python: bool,
    /// Commands in the background that were stopped, the newest ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stopped: Vec<String>,
}

impl Environment {
    /// It belongs to no agent's session, and never will: no client sees it as an environment.
    #[must_use]
    pub fn is_set_apart(&self) -> bool {
        self.guest.is_some() || self.code_session.is_some()
    }

    /// One of nobody's, of which nothing is known yet.
    #[must_use]
    pub fn new(settings: HostedSettings, status: EnvironmentStatus, now: Timestamp) -> Self {
        Self {
            settings,
            status,
            error: None,
            created_at: now,
            session: None,
            is_prewarmed: false,
            request: None,
            is_told: false,
            vaults: Vec::new(),
            session_vaults: Vec::new(),
            used_at: now,
            executor_session: None,
            resets: 0,
            guest: None,
            code_session: None,
            code: None,
        }
    }

    /// Those of its session come first.
    pub(crate) fn all_vaults(&self) -> Vec<String> {
        let own = self.vaults.iter().filter(|id| !self.session_vaults.contains(id));
        self.session_vaults.iter().chain(own).cloned().collect()
    }

    /// It is nobody's again.
    pub(crate) fn give_back(&mut self) {
        self.session_vaults.clear();
        (self.session, self.is_told) = (None, false);
        if crate::life::has_disk(self.status) {
            self.status = EnvironmentStatus::Ready;
        }
    }

    /// Its disk is not there. A session is told so, and its next command begins on a fresh one; what waits for a session is
    /// made anew.
    pub(crate) fn lose_disk(&mut self) {
        if let Some(session) = &mut self.code_session {
            // Its files were what it was for.
            session.ended_at.get_or_insert(self.used_at);
            self.status = EnvironmentStatus::Failed;
        } else if self.session.is_none() {
            self.status = EnvironmentStatus::Pending;
        } else {
            (self.status, self.error) = (EnvironmentStatus::Expired, Some(crate::life::without_disk()));
        }
    }
}

/// What an environment is made of and nobody may read back.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    pub files: Vec<SeedFile>,
    pub skills: Vec<Archive>,
    pub plugins: Vec<Archive>,
    pub env: BTreeMap<String, String>,
    pub commands: Vec<SetupCommand>,
}

/// A file that is there from the beginning.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SeedFile {
    /// Absolute, in the environment; checked.
    pub path: String,
    pub content: SeedContent,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeedContent {
    /// Standard base64.
    Inline(String),
    /// An uploaded file, read at each setup.
    File(String),
}

/// A skill or a plugin as a ZIP archive.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Archive {
    pub name: String,
    pub description: String,
    /// Standard base64.
    pub zip: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SetupCommand {
    pub command: String,
    /// Absolute. None: `/workspace`.
    #[serde(default)]
    pub cwd: Option<String>,
}

/// A saved recipe for environments. Its `settings` have no id of an environment and no ids of files.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Template {
    pub id: String,
    pub name: Option<String>,
    pub settings: HostedSettings,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A file that a completed turn published.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Artifact {
    /// `artifact_` and 24 hex digits.
    pub id: String,
    pub created_at: Timestamp,
    pub environment: types::EnvironmentId,
    /// Absolute, in the environment.
    pub path: String,
    pub bytes: u64,
    pub turn: TurnId,
}
