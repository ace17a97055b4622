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
}

impl EnvironmentSettings {
    /// The `type` that clients write and read.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::SelfHosted { .. } => "self_hosted",
        }
    }

    pub fn id(&self) -> Option<&EnvironmentId> {
        match self {
            Self::None => None,
            Self::SelfHosted { id, .. } => Some(id),
        }
    }

    /// The same settings for an environment of this session's own: no two sessions share one.
    #[must_use]
    pub fn owned_by(self, session: &SessionId) -> Self {
        match self {
            Self::None => Self::None,
            Self::SelfHosted { workspace_directory, capability_directories, .. } => {
                Self::SelfHosted { id: EnvironmentId::of(session), workspace_directory, capability_directories }
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvironmentStatus {
    /// It has never been connected.
    Pending,
    Connected,
    /// It was connected and may come back.
    Disconnected,
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
}

impl EnvironmentState {
    /// Before anybody has heard of it.
    pub fn of(settings: &EnvironmentSettings) -> Option<Self> {
        Some(Self { id: settings.id()?.clone(), status: EnvironmentStatus::Pending, error: None })
    }
}

/// What became of an environment's connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EnvironmentChange {
    pub status: EnvironmentStatus,
    /// Why, where that is no good news.
    pub error: Option<EnvironmentError>,
}

impl From<EnvironmentStatus> for EnvironmentChange {
    fn from(status: EnvironmentStatus) -> Self {
        Self { status, error: None }
    }
}
