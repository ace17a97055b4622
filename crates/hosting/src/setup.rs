//! Setting an environment up, once for each fresh disk: files, skills, plugins, packages, then the client's own commands.
//! Files come from outside; only commands (and questions about the sandbox's own programs) run in it.
//!
//! It tells nobody what becomes of it but its caller. What commands say may repeat what is confidential: it goes into a
//! log beside the disk, for the operator alone, and never into an error.

mod command;
mod contents;
mod log;
#[cfg(test)]
mod tests;

pub(crate) use command::{Ran, Runner};
pub(crate) use log::Log;

use crate::archive::Kind;
use crate::disk::Disk;
use crate::packages;
use crate::record::{Setup, SetupCommand};
use environments::machine::Machine;
use runtime::Files;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use types::{Clock, Entropy, EnvironmentError, HostedSettings, ProjectId};

/// The longest that one command may take.
const COMMAND: Duration = Duration::from_secs(600);
const WORKSPACE: &str = "/workspace";
const INTERNAL: &str = "internal_error";

/// Where a setup takes place.
pub(crate) struct Context<'a> {
    pub clock: &'a dyn Clock,
    pub entropy: &'a dyn Entropy,
    pub files: &'a Files,
    pub project: &'a ProjectId,
    /// `DATA/environments/<id>`: the log is kept there, and what is fetched on its way to the disk.
    pub folder: &'a Path,
    /// Every variable of the environment, the client's own among them.
    pub variables: &'a BTreeMap<String, String>,
}

/// Why a setup failed. Nothing confidential is in it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct SetupFailed {
    pub code: &'static str,
    pub message: String,
}

impl SetupFailed {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { code: "sandbox_error", message: message.into() }
    }

    pub(crate) fn gone() -> Self {
        Self::new("The sandbox ended while it was being set up.")
    }

    /// Whether another try may come to something else: the sandbox was gone, or the server could not do its part.
    pub(crate) fn is_the_machines(&self) -> bool {
        *self == Self::gone() || self.code == INTERNAL
    }

    /// The server's own fault.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self { code: INTERNAL, message: message.into() }
    }
}

impl From<SetupFailed> for EnvironmentError {
    fn from(failed: SetupFailed) -> Self {
        Self { code: failed.code.to_owned(), message: failed.message }
    }
}

/// Sets a fresh disk up. Dropped in the middle, what runs on this machine for it is ended; the disk is then to be made anew.
pub(crate) async fn run(
    context: &Context<'_>,
    machine: &dyn Machine,
    disk: &Disk,
    setup: &Setup,
    settings: &HostedSettings,
) -> Result<(), SetupFailed> {
    let log = Log::begin(context.folder);
    contents::files(context, disk, &setup.files).await?;
    contents::archives(disk, Kind::Skill, &setup.skills).await?;
    contents::archives(disk, Kind::Plugin, &setup.plugins).await?;
    let mut runner = Runner::new(context, machine);
    packages::install(context, &mut runner, disk, &log, &settings.packages).await?;
    for (index, command) in setup.commands.iter().enumerate() {
        step(&mut runner, &log, index + 1, command).await?;
    }
    Ok(())
}

/// Where skills are looked for: what the client named, and what it brought.
pub(crate) fn capability_directories(settings: &HostedSettings) -> Vec<String> {
    let mut directories = settings.capability_directories.clone();
    if !settings.skills.is_empty() {
        directories.push(Kind::Skill.home().to_owned());
    }
    // A plugin says itself in which of its folders its skills are.
    directories.extend(settings.plugins.iter().map(|plugin| format!("{}/{}", Kind::Plugin.home(), plugin.name)));
    directories
}

async fn step(runner: &mut Runner<'_>, log: &Log, number: usize, command: &SetupCommand) -> Result<(), SetupFailed> {
    let shell = runner.shell().await?;
    let argv = vec![shell, "-c".to_owned(), command.command.clone()];
    let cwd = command.cwd.as_deref().unwrap_or(WORKSPACE);
    if !runner.has_folder(cwd).await? {
        return Err(SetupFailed::new(format!("Setup command {number} could not be run: its cwd is no directory.")));
    }
    let ran = runner.run(argv, cwd, COMMAND).await;
    let (what, said) = match &ran {
        Ok(Ran { exit_code: Some(0), said }) => {
            log.add(&format!("setup command {number}: exit code 0"), said);
            return Ok(());
        }
        Ok(Ran { exit_code: Some(code), said }) => (format!("failed with exit code {code}"), &**said),
        Ok(Ran { exit_code: None, said }) => {
            (format!("did not end within {} minutes", COMMAND.as_secs() / 60), &**said)
        }
        Err(failed) if *failed == SetupFailed::gone() => return Err(failed.clone()),
        // A machine's own words may repeat what it was asked for.
        Err(_) => ("could not be run".to_owned(), &[][..]),
    };
    log.add(&format!("setup command {number}: {what}"), said);
    Err(SetupFailed::new(format!("Setup command {number} {what}.")))
}
