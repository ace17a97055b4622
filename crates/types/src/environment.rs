//! The place where a session's commands run: how it was asked for, and what is known of its connection. Only words: who
//! dials whom, and what is said on the line, is not here.

use crate::id::{EnvironmentId, SessionId};
use serde::{Deserialize, Serialize};

/// What a client asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EnvironmentSettings {
    None,
    /// A machine of the client's own, which dials in.
    SelfHosted {
        id: EnvironmentId,
        /// Absolute, native to that machine.
        workspace_directory: String,
        capability_directories: Vec<String>,
    },
    /// A sandbox that this server starts by itself. The word is the wire's.
    OpenaiHosted(Box<HostedSettings>),
}

/// What everybody may see of a hosted environment. What is confidential (variables, commands, contents) is not in the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HostedSettings {
    pub id: EnvironmentId,
    pub container_size: ContainerSize,
    pub network: NetworkSettings,
    #[serde(default)]
    pub capability_directories: Vec<String>,
    #[serde(default)]
    pub files: Vec<HostedFile>,
    #[serde(default)]
    pub packages: Packages,
    #[serde(default)]
    pub plugins: Vec<Capability>,
    #[serde(default)]
    pub skills: Vec<Capability>,
}

/// How much a hosted environment may use.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerSize {
    /// 1 core, 1 GiB.
    Small,
    /// 2 cores, 4 GiB.
    #[default]
    Medium,
    /// 4 cores, 16 GiB.
    Large,
}

/// What a hosted environment reaches once it is set up. At most one of the lists has entries, and only where the access
/// is restricted.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NetworkSettings {
    pub access: NetworkAccess,
    #[serde(default)]
    pub allowed_domains: Vec<String>,
    #[serde(default)]
    pub blocked_domains: Vec<String>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkAccess {
    #[default]
    Disabled,
    Enabled,
    Restricted,
}

/// A file that was there from the beginning.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HostedFile {
    /// `envfile_` and 24 hex digits.
    pub id: String,
    /// Absolute, in the environment.
    pub path: String,
    pub bytes: u64,
    /// The uploaded file that it is a copy of; None where the request brought its content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_id: Option<String>,
}

/// Packages by who installs them, as their names stand in requests.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Packages {
    #[serde(default)]
    pub npm: Vec<String>,
    #[serde(default)]
    pub python: Vec<String>,
    #[serde(default)]
    pub system: Vec<String>,
}

/// A skill or a plugin that was brought as an archive.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Capability {
    pub name: String,
    pub description: String,
}

impl EnvironmentSettings {
    /// The `type` that clients write and read.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::SelfHosted { .. } => "self_hosted",
            Self::OpenaiHosted(_) => "openai_hosted",
        }
    }

    /// What is known of one that this server starts by itself; None for any other.
    pub fn hosted(&self) -> Option<&HostedSettings> {
        match self {
            Self::OpenaiHosted(hosted) => Some(hosted),
            Self::None | Self::SelfHosted { .. } => None,
        }
    }

    pub fn id(&self) -> Option<&EnvironmentId> {
        match self {
            Self::None => None,
            Self::SelfHosted { id, .. } => Some(id),
            Self::OpenaiHosted(hosted) => Some(&hosted.id),
        }
    }

    /// The same settings for an environment of this session's own: no two sessions share one. A hosted one has its id
    /// already: it may be older than its session.
    #[must_use]
    pub fn owned_by(self, session: &SessionId) -> Self {
        match self {
            Self::None => Self::None,
            Self::SelfHosted { workspace_directory, capability_directories, .. } => {
                Self::SelfHosted { id: EnvironmentId::of(session), workspace_directory, capability_directories }
            }
            Self::OpenaiHosted(hosted) => Self::OpenaiHosted(hosted),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvironmentStatus {
    /// It has never been connected; a hosted one is being set up.
    Pending,
    /// Hosted: set up, and started when it is needed.
    Ready,
    Connected,
    /// It was connected and may come back.
    Disconnected,
    /// Hosted: its processes were ended after a while without work; its disk is kept.
    Suspended,
    /// Hosted: its disk is gone too. It is set up anew when it is needed.
    Expired,
    /// For good.
    Failed,
}

/// `code` is one of the contract's codes of environments.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EnvironmentError {
    pub code: String,
    pub message: String,
}

/// What the log knows of a session's environment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EnvironmentState {
    pub id: EnvironmentId,
    pub status: EnvironmentStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<EnvironmentError>,
    /// How often its disk was replaced by a fresh one, as far as the session was told.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub resets: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl EnvironmentState {
    /// Before anybody has heard of it.
    pub fn of(settings: &EnvironmentSettings) -> Option<Self> {
        Some(Self { id: settings.id()?.clone(), status: EnvironmentStatus::Pending, error: None, resets: 0 })
    }
}

/// What became of an environment's connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EnvironmentChange {
    pub status: EnvironmentStatus,
    /// Why, where that is no good news.
    pub error: Option<EnvironmentError>,
    /// The number of the reset that brought this about: its disk was replaced by a fresh one, and what was on the old one
    /// is gone. Numbers only grow; one that was told already is no news.
    pub reset: Option<u64>,
}

impl From<EnvironmentStatus> for EnvironmentChange {
    fn from(status: EnvironmentStatus) -> Self {
        Self { status, error: None, reset: None }
    }
}
