//! Hosted environments as requests describe them: for a session, made ahead, or as a template. Every list has a bound,
//! every path and name is looked at; nothing is unpacked or merged here.

mod capability;
mod file;
mod network;
mod package;
mod path;
mod setup;
#[cfg(test)]
mod tests;

pub use capability::{ArchiveParam, SkillParam};
pub use file::{FileParam, FileSource};
pub use network::NetworkParam;
pub use package::PackagesParam;
pub use setup::CommandParam;

pub(super) use path::{directories, directory};

use super::MAX_ID;
use crate::agents::words::ContainerSize;
use crate::error::Fault;
use crate::reader::{Node, Object};
use std::collections::BTreeMap;

/// What a hosted environment is made of. None: it was not said, so a template's or the default counts.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Recipe {
    pub container_size: Option<ContainerSize>,
    pub network: Option<NetworkParam>,
    pub capability_directories: Option<Vec<String>>,
    pub packages: Option<PackagesParam>,
    pub files: Option<Vec<FileParam>>,
    pub skills: Option<Vec<SkillParam>>,
    pub plugins: Option<Vec<ArchiveParam>>,
    pub env: Option<BTreeMap<String, String>>,
    pub setup_commands: Option<Vec<CommandParam>>,
}

/// The environment that a session is to have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HostedParam {
    /// One that is there already.
    Existing(String),
    New {
        template: Option<String>,
        recipe: Box<Recipe>,
    },
}

/// What null says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Null {
    /// The same as nothing.
    Silence,
    /// Back to the default.
    Default,
}

impl HostedParam {
    /// The rest of an environment whose kind was read.
    pub(super) fn read(mut object: Object) -> Result<Self, Fault> {
        let existing = object.optional("environment_id").map(|node| node.short_text(MAX_ID)).transpose()?;
        let at = object.path("environment_id");
        let template = template(&mut object)?;
        let container_size = object.optional("container_size").map(Node::word).transpose()?;
        let recipe = Box::new(Recipe { container_size, ..Recipe::read(&mut object, Null::Silence)? });
        object.finish()?;
        match existing {
            None => Ok(Self::New { template, recipe }),
            Some(id) if template.is_none() && *recipe == Recipe::default() => Ok(Self::Existing(id)),
            Some(_) => {
                let text = "environment_id cannot be combined with a template or with settings of its own";
                Err(Fault::at(&at, text))
            }
        }
    }
}

/// The template that a new environment is made from.
pub(super) fn template(object: &mut Object) -> Result<Option<String>, Fault> {
    object.optional("environment_template_id").map(|node| node.short_text(MAX_ID)).transpose()
}

impl Recipe {
    /// All but the size, which only sessions may say.
    pub(super) fn read(object: &mut Object, null: Null) -> Result<Self, Fault> {
        desktop(object)?;
        Ok(Self {
            container_size: None,
            network: field(object, "network", null, NetworkParam::read)?,
            capability_directories: field(object, "capability_directories", null, directories)?,
            packages: field(object, "packages", null, PackagesParam::read)?,
            files: field(object, "files", null, file::files)?,
            skills: field(object, "skills", null, capability::skills)?,
            plugins: field(object, "plugins", null, capability::plugins)?,
            env: field(object, "env", null, setup::env)?,
            setup_commands: field(object, "setup_commands", null, setup::commands)?,
        })
    }
}

fn field<T: Default>(
    object: &mut Object,
    key: &str,
    null: Null,
    read: fn(Node) -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    match object.nullable(key) {
        None => Ok(None),
        Some(None) => Ok((null == Null::Default).then(T::default)),
        Some(Some(node)) => read(node).map(Some),
    }
}

/// There are none: only that it is not wanted can be said.
fn desktop(object: &mut Object) -> Result<(), Fault> {
    let Some(node) = object.present("desktop") else { return Ok(()) };
    let mut desktop = node.object()?;
    let node = desktop.required("enabled")?;
    let at = node.path().to_owned();
    let is_wanted = node.boolean()?;
    desktop.finish()?;
    if is_wanted { Err(Fault::at(&at, "Desktops are not available on this server.")) } else { Ok(()) }
}
