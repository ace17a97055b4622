//! Hosted environments as they are read, listed and saved: what of them everybody may see. What is confidential
//! (variables, commands, contents) has no field here.

use super::environment::{Capability, HostedFile, Network, Packages};
use super::words::{EnvironmentKind, EnvironmentStatus};
use serde::Serialize;

/// An environment by itself.
#[derive(Serialize, Clone, Debug)]
#[serde(tag = "object", rename = "agent.environment")]
pub struct EnvironmentInfo<'a> {
    pub id: &'a str,
    pub r#type: EnvironmentKind,
    pub status: EnvironmentStatus,
    pub files: Vec<HostedFile<'a>>,
    pub plugins: Vec<Capability<'a>>,
    pub skills: Vec<Capability<'a>>,
}

/// A saved recipe.
#[derive(Serialize, Clone, Debug)]
#[serde(tag = "object", rename = "agent.environment.template")]
pub struct Template<'a> {
    pub id: &'a str,
    pub name: Option<&'a str>,
    pub capability_directories: &'a [String],
    /// There are none.
    pub desktop: Option<()>,
    pub files: Vec<TemplateFile<'a>>,
    pub network: Network<'a>,
    pub packages: Packages<'a>,
    pub plugins: Vec<Capability<'a>>,
    pub skills: Vec<Capability<'a>>,
    pub created_at: u64,
    pub updated_at: u64,
}

/// A file of a template: each environment gets one with an id of its own.
#[derive(Serialize, Clone, Copy, Debug)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TemplateFile<'a> {
    Inline { path: &'a str, size_bytes: u64 },
    FileId { file_id: &'a str, path: &'a str },
}

/// A file as it is in an environment now.
#[derive(Serialize, Clone, Copy, Debug)]
#[serde(tag = "object", rename = "agent.environment.file")]
pub struct EnvironmentFile<'a> {
    pub environment_id: &'a str,
    pub path: &'a str,
    pub size_bytes: u64,
}

/// One page of a list whose pages have names instead of entries that have ids.
#[derive(Serialize, Clone, Debug)]
#[serde(tag = "object", rename = "page")]
pub struct TokenPage<T> {
    pub data: Vec<T>,
    pub has_more: bool,
    /// Of the next page.
    pub next: Option<String>,
}

impl<T> TokenPage<T> {
    pub fn new(data: Vec<T>, next: Option<String>) -> Self {
        Self { data, has_more: next.is_some(), next }
    }
}

/// A file that a completed turn published.
#[derive(Serialize, Clone, Copy, Debug)]
#[serde(tag = "object", rename = "agent.session.artifact")]
pub struct Artifact<'a> {
    pub id: &'a str,
    pub session_id: &'a str,
    pub environment_id: &'a str,
    pub turn_id: &'a str,
    pub path: &'a str,
    pub size_bytes: u64,
    pub created_at: u64,
}
