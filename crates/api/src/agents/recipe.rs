//! Hosted environments of requests, as the crate that makes them takes them.

use crate::Door;
use crate::failure::Failure;
use crate::words::Translate;
use hosting::record::{Archive, SeedContent, SeedFile, SetupCommand};
use hosting::{Claim, Hosting, Wanted};
use types::{NetworkSettings, Packages};
use wire::agents::request::{
    ArchiveParam, CommandParam, FileParam, FileSource, HostedParam, NetworkParam, PackagesParam, Recipe, SkillParam,
};

/// Where the settings of a session's environment stand in its request.
pub const ENVIRONMENT: &str = "environment.";

/// Who makes them, where this machine can.
pub fn hosting(door: &Door) -> Result<&Hosting, Failure> {
    let missing =
        || format!("Environments of type 'openai_hosted' are not available on this server. {}", door.no_hosting);
    door.hosting.as_ref().ok_or_else(|| Failure::invalid(missing().trim_end()))
}

pub fn claim(param: HostedParam) -> Result<Claim, Failure> {
    Ok(match param {
        HostedParam::Existing(id) => Claim::Existing(id),
        HostedParam::New { template, recipe } => {
            Claim::New(Box::new(Wanted { template, ..wanted(*recipe, ENVIRONMENT)? }))
        }
    })
}

/// `prefix` is where the recipe stands in the request, with a dot at its end. Skills are kept nowhere, so none is found.
pub fn wanted(recipe: Recipe, prefix: &str) -> Result<Wanted, Failure> {
    let Recipe {
        container_size,
        network,
        capability_directories,
        packages,
        files,
        skills,
        plugins,
        env,
        setup_commands,
    } = recipe;
    let skill = |(index, skill)| match skill {
        SkillParam::Inline(found) => Ok(archive(found)),
        SkillParam::Reference { skill_id, .. } => {
            let path = format!("{prefix}skills[{index}].skill_id");
            Err(Failure::invalid(format!("Skill not found: {skill_id}")).at(path))
        }
    };
    let skills = skills.map(|skills| skills.into_iter().enumerate().map(skill).collect::<Result<_, Failure>>());
    Ok(Wanted {
        template: None,
        container_size: container_size.map(Translate::translate),
        network: network.map(reach),
        capability_directories,
        packages: packages.map(|PackagesParam { npm, python, system }| Packages { npm, python, system }),
        files: files.map(|files| files.into_iter().map(file).collect()),
        skills: skills.transpose()?,
        plugins: plugins.map(|plugins| plugins.into_iter().map(archive).collect()),
        env,
        commands: setup_commands.map(|commands| commands.into_iter().map(command).collect()),
        vaults: Vec::new(),
        code: None,
    })
}

fn reach(network: NetworkParam) -> NetworkSettings {
    let NetworkParam { access, allowed_domains, blocked_domains } = network;
    NetworkSettings { access: access.translate(), allowed_domains, blocked_domains }
}

fn file(file: FileParam) -> SeedFile {
    let content = match file.source {
        FileSource::Inline { data, .. } => SeedContent::Inline(data),
        FileSource::Uploaded(id) => SeedContent::File(id),
    };
    SeedFile { path: file.path, content }
}

fn archive(archive: ArchiveParam) -> Archive {
    let ArchiveParam { name, description, zip } = archive;
    Archive { name, description, zip }
}

fn command(command: CommandParam) -> SetupCommand {
    let CommandParam { command, cwd } = command;
    SetupCommand { command, cwd }
}
