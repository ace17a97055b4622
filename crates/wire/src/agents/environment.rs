//! The place where a session's commands run, as a session shows it, and its state as events tell of it.

use super::words::{ContainerSize, EnvironmentStatus, NetworkAccess};
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
    OpenaiHosted(Hosted<'a>),
    /// A hosted one that was asked for in AWS's words, and is shown in them.
    AwsBedrockAgentcore {
        id: &'a str,
        runtime_arn: &'a str,
        runtime_qualifier: &'a str,
        workspace_directory: &'a str,
        capability_directories: &'a [String],
    },
}

/// What everybody may see of a hosted environment.
#[derive(Serialize, Clone, Debug)]
pub struct Hosted<'a> {
    pub id: &'a str,
    pub capability_directories: &'a [String],
    pub container_size: ContainerSize,
    /// There are none.
    pub desktop: Option<()>,
    pub files: Vec<HostedFile<'a>>,
    pub network: Network<'a>,
    pub packages: Packages<'a>,
    pub plugins: Vec<Capability<'a>>,
    pub skills: Vec<Capability<'a>>,
}

/// A file that was there from the beginning.
#[derive(Serialize, Clone, Copy, Debug)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum HostedFile<'a> {
    Inline { id: &'a str, path: &'a str, size_bytes: u64 },
    FileId { id: &'a str, file_id: &'a str, path: &'a str, size_bytes: u64 },
}

#[derive(Serialize, Clone, Copy, Debug)]
pub struct Network<'a> {
    pub access: NetworkAccess,
    pub allowed_domains: &'a [String],
    /// No field of the original's answers: only where there are any.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub blocked_domains: &'a [String],
}

#[derive(Serialize, Clone, Copy, Debug)]
pub struct Packages<'a> {
    pub npm: &'a [String],
    pub python: &'a [String],
    pub system: &'a [String],
}

/// A skill or a plugin, without its archive.
#[derive(Serialize, Clone, Copy, Debug)]
#[serde(tag = "type", rename = "inline")]
pub struct Capability<'a> {
    pub name: &'a str,
    pub description: &'a str,
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
