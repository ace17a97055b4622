//! The place where a session's commands run, as a session shows it, and its state as events tell of it.

use super::words::EnvironmentStatus;
use serde::Serialize;

#[derive(Serialize, Clone, Debug)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Environment<'a> {
    None,
    SelfHosted {
        id: &'a str,
        workspace_directory: &'a str,
        capability_directories: &'a [String],
        /// Where its executor registers.
        remote_url: &'a str,
    },
}

#[derive(Serialize, Clone, Debug)]
pub struct EnvironmentState<'a> {
    pub id: &'a str,
    pub r#type: &'a str,
    pub status: EnvironmentStatus,
    pub error: Option<EnvironmentError<'a>>,
}

#[derive(Serialize, Clone, Copy, Debug)]
pub struct EnvironmentError<'a> {
    pub r#type: &'a str,
    pub code: &'a str,
    pub message: &'a str,
}
