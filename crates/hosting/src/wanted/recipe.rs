//! A request laid over its template, and that over the defaults. Pure.

use super::Wanted;
use crate::record::{Archive, SeedContent, SeedFile, Setup, SetupCommand, Template};
use std::collections::BTreeMap;
use types::{Capability, ContainerSize, EnvironmentId, HostedFile, HostedSettings, NetworkSettings, Packages, Stamp};

/// A hosted environment with nothing left open.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Recipe {
    pub container_size: ContainerSize,
    pub network: NetworkSettings,
    pub capability_directories: Vec<String>,
    pub packages: Packages,
    pub files: Vec<SeedFile>,
    pub skills: Vec<Archive>,
    pub plugins: Vec<Archive>,
    pub env: BTreeMap<String, String>,
    pub commands: Vec<SetupCommand>,
}

impl Recipe {
    pub(crate) fn of(template: Template, setup: Setup) -> Self {
        let HostedSettings { container_size, network, capability_directories, packages, .. } = template.settings;
        let Setup { files, skills, plugins, env, commands } = setup;
        Self { container_size, network, capability_directories, packages, files, skills, plugins, env, commands }
    }

    /// Each thing that is wanted takes the place of the whole that was there.
    #[must_use]
    pub(crate) fn with(self, wanted: Wanted) -> Self {
        Self {
            container_size: wanted.container_size.unwrap_or(self.container_size),
            network: wanted.network.unwrap_or(self.network),
            capability_directories: wanted.capability_directories.unwrap_or(self.capability_directories),
            packages: wanted.packages.unwrap_or(self.packages),
            files: wanted.files.unwrap_or(self.files),
            skills: wanted.skills.unwrap_or(self.skills),
            plugins: wanted.plugins.unwrap_or(self.plugins),
            env: wanted.env.unwrap_or(self.env),
            commands: wanted.commands.unwrap_or(self.commands),
        }
    }

    /// What may be shown, and what may not. `sizes`: bytes of each file. Without a stamp the files get no ids.
    pub(crate) fn split(
        self,
        id: EnvironmentId,
        sizes: &[u64],
        mut stamp: Option<Stamp<'_>>,
    ) -> (HostedSettings, Setup) {
        let shown = |archives: &[Archive]| {
            let about =
                |archive: &Archive| Capability { name: archive.name.clone(), description: archive.description.clone() };
            archives.iter().map(about).collect()
        };
        let file = |(file, bytes): (&SeedFile, &u64)| HostedFile {
            id: stamp.as_mut().map(|stamp| stamp.id("envfile")).unwrap_or_default(),
            path: file.path.clone(),
            bytes: *bytes,
            file_id: match &file.content {
                SeedContent::Inline(_) => None,
                SeedContent::File(id) => Some(id.clone()),
            },
        };
        let settings = HostedSettings {
            id,
            container_size: self.container_size,
            network: self.network,
            capability_directories: self.capability_directories,
            files: self.files.iter().zip(sizes).map(file).collect(),
            packages: self.packages,
            plugins: shown(&self.plugins),
            skills: shown(&self.skills),
        };
        let (files, skills, plugins) = (self.files, self.skills, self.plugins);
        (settings, Setup { files, skills, plugins, env: self.env, commands: self.commands })
    }
}
