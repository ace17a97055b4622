//! The handshake, what an environment is, and what can be found in it.

use super::FileUri;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// `initialize`: a new session, or an earlier one whose connection was lost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Initialize {
    pub client_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume_session_id: Option<String>,
}

/// The answer to `initialize`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Initialized {
    pub session_id: String,
    /// Older executors leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_info: Option<EnvironmentInfo>,
}

/// The answer to `environment/info`. What an older executor does not say is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvironmentInfo {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<Shell>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executor_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<FileUri>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_home_dir: Option<FileUri>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform_os: Option<String>,
    pub prepend_path_dirs: Vec<FileUri>,
    pub temporary_directories: Vec<FileUri>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temp_dir: Option<FileUri>,
    pub capabilities: Capabilities,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shell {
    pub name: String,
    /// A path of the executor's machine, not a URI.
    pub path: String,
}

/// What an executor can do, by name. A name that is missing is something that it cannot do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Capabilities(pub BTreeMap<String, Value>);

impl Capabilities {
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.get(name) == Some(&Value::Bool(true))
    }
}

/// The answer to `environment/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub status: StatusWord,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StatusWord {
    Ready,
    /// A word that a later executor says.
    #[serde(other)]
    Other,
}

/// `capabilities/discoverV2`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Discover {
    pub cwd: FileUri,
}

/// The answer to `capabilities/discoverV2`. What stands in the lists is not known well enough to be typed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Discovered {
    pub plugins: Vec<Value>,
    pub skills: Vec<Value>,
    pub warnings: Vec<Value>,
}
