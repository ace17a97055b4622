//! Packages: fetched by this machine's own tools, which know its mirrors, and put onto an environment's disk. Nothing that
//! is in a package runs here: of Python only what is built already is taken, of npm no script is run, and neither tool is
//! let take anything that is in no registry.
//!
//! | kind | where it comes to be | how it is found |
//! |---|---|---|
//! | python | `/workspace/.managed-agents/python`, programs in `bin` | `PYTHONPATH`, `PATH` |
//! | npm | `/workspace/.managed-agents/npm/node_modules`, programs in `npm/bin` | `NODE_PATH`, `PATH` |
//! | system | in the base already | |

pub(crate) mod name;
mod npm;
mod python;
mod system;
#[cfg(test)]
mod tests;
mod tool;

use crate::disk::{Disk, Error, Place, remove_folder};
use crate::setup::{Context, Log, Runner, SetupFailed};
use std::path::PathBuf;
use tool::Surroundings;
use types::Packages;

/// Beside the disk: what is fetched, on its way; in it a folder for each run.
const WORKSHOP: &str = "packages";
/// On the disk.
const HOME: &str = "/workspace/.managed-agents";

pub(crate) async fn install(
    context: &Context<'_>,
    runner: &mut Runner<'_>,
    disk: &Disk,
    log: &Log,
    packages: &Packages,
) -> Result<(), SetupFailed> {
    let Packages { npm, python, system } = packages;
    check("npm", npm, name::is_npm)?;
    check("python", python, name::is_python)?;
    check("system", system, name::is_system)?;
    if !system.is_empty() {
        system::require(runner, system).await?;
    }
    if npm.is_empty() && python.is_empty() {
        return Ok(());
    }
    let tools = Surroundings::of_this_machine();
    let done = fetch(context, &tools, runner, disk, log, packages).await;
    if remove_folder(context.folder.join(WORKSHOP)).await.is_err() {
        tracing::warn!("what was fetched for an environment is left over");
    }
    done
}

async fn fetch(
    context: &Context<'_>,
    tools: &Surroundings,
    runner: &mut Runner<'_>,
    disk: &Disk,
    log: &Log,
    packages: &Packages,
) -> Result<(), SetupFailed> {
    let (clock, workshop) = (context.clock, &*workshop(context).await?);
    if !packages.python.is_empty() {
        let target = python::fetch(clock, tools, runner, log, workshop, &packages.python).await?;
        keep(disk, target, "python").await?;
    }
    if !packages.npm.is_empty() {
        let target = npm::fetch(clock, tools, log, workshop, &packages.npm).await?;
        keep(disk, target, "npm").await?;
    }
    Ok(())
}

/// The door has looked at them too; a tool gets nothing that was not looked at here.
fn check(kind: &str, names: &[String], is_name: fn(&str) -> bool) -> Result<(), SetupFailed> {
    match names.iter().position(|name| !is_name(name)) {
        None => Ok(()),
        Some(index) => Err(SetupFailed::new(format!("packages.{kind}[{index}] is no name of a package."))),
    }
}

/// A folder that no run had before: a tool that an earlier server began may be at work in its own for a moment yet. What is
/// left of earlier ones goes.
async fn workshop(context: &Context<'_>) -> Result<PathBuf, SetupFailed> {
    let all = context.folder.join(WORKSHOP);
    if let Err(error) = remove_folder(all.clone()).await {
        tracing::warn!(%error, "what was fetched for an environment earlier is left over");
    }
    let mut number = [0; 8];
    context.entropy.fill(&mut number);
    let folder = all.join(format!("{:016x}", u64::from_be_bytes(number)));
    std::fs::create_dir_all(&folder).map_err(|error| unkept(&Error::Io(error)))?;
    Ok(folder)
}

async fn keep(disk: &Disk, folder: PathBuf, name: &str) -> Result<(), SetupFailed> {
    let place = Place::clean(&format!("{HOME}/{name}")).ok_or_else(|| SetupFailed::internal("There is no place."))?;
    disk.adopt(folder, place).await.map_err(|error| unkept(&error))
}

fn unkept(error: &Error) -> SetupFailed {
    tracing::warn!(%error, "packages cannot be put onto a disk");
    SetupFailed::internal("The packages could not be put onto the disk.")
}
