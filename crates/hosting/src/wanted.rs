//! What a request asks for: each field as it was said, or not said; and what that comes to over a template and the
//! defaults. It looks at all of it before anything is written, and writes nothing itself.

mod check;
mod network;
mod recipe;
mod settle;
#[cfg(test)]
mod tests;

pub(crate) use recipe::Recipe;
pub(crate) use settle::verified;

use crate::record::{Archive, SeedFile, SetupCommand};
use std::collections::BTreeMap;
use types::{ContainerSize, NetworkSettings, Packages};

/// A hosted environment as a request describes it. None: the template's, or the default.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    pub template: Option<String>,
    pub container_size: Option<ContainerSize>,
    pub network: Option<NetworkSettings>,
    pub capability_directories: Option<Vec<String>>,
    pub packages: Option<Packages>,
    pub files: Option<Vec<SeedFile>>,
    pub skills: Option<Vec<Archive>>,
    pub plugins: Option<Vec<Archive>>,
    pub env: Option<BTreeMap<String, String>>,
    pub commands: Option<Vec<SetupCommand>>,
    /// Of an environment that is made for nobody: vaults whose variables it has.
    pub vaults: Vec<String>,
    /// A folder of this machine that is seen inside, read-only: the code of a runtime.
    pub code: Option<std::path::PathBuf>,
}

/// A change of a template. None: as it is.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TemplateChange {
    pub name: Option<Option<String>>,
    pub wanted: Wanted,
}

/// Whose environment a new session takes.
#[derive(Clone, PartialEq, Eq)]
pub enum Claim {
    /// One of its own, made now.
    New(Box<Wanted>),
    /// One that is there already and nobody's.
    Existing(String),
}
