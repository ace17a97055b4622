//! Packages of npm, by this machine's npm, from its registry alone: nothing by URL, from git, from a folder or a file of
//! this machine. No script of theirs runs.

use super::tool::{self, Surroundings, Trouble};
use crate::setup::{Log, SetupFailed};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use types::Clock;

const KIND: &str = "npm";
/// What npm writes of what it has put down. Bytes of the longest.
const INSTALLED: &str = "node_modules/.package-lock.json";
const LONGEST: u64 = 64 << 20;

#[derive(Deserialize)]
struct Installed {
    #[serde(default)]
    packages: BTreeMap<String, Source>,
}

#[derive(Deserialize)]
struct Source {
    resolved: Option<String>,
    #[serde(default)]
    link: bool,
}

/// The folder that the packages were put into.
pub(super) async fn fetch(
    clock: &dyn Clock,
    tools: &Surroundings,
    log: &Log,
    workshop: &Path,
    names: &[String],
) -> Result<PathBuf, SetupFailed> {
    let target = workshop.join("npm");
    std::fs::create_dir(&target).map_err(|error| unplaced(&error))?;
    let shown = target.to_string_lossy();
    let mut arguments = vec!["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"];
    arguments.extend([
        "--no-progress",
        "--loglevel=error",
        "--logs-max=0",
        "--global=false",
        "--bin-links",
        "--prefix",
        &*shown,
    ]);
    // Newer ones refuse by these options what older ones are found out with below; a git that is none stops all of them
    // before anything is cloned.
    arguments.extend(["--git=/bin/false", "--allow-git=none", "--allow-remote=none", "--allow-file=none"]);
    arguments.extend(["--allow-directory=none", "--install-links=false", "--"]);
    arguments.extend(names.iter().map(String::as_str));
    let fetched = tool::run(clock, tools, workshop, "npm", &arguments, log).await;
    fetched.map_err(|trouble: Trouble| trouble.failed(KIND, "npm"))?;
    let installed = read(&target).map_err(|error| unplaced(&error))?;
    if let Some(path) = stranger(&installed) {
        let name = path.rsplit("node_modules/").next().unwrap_or_default();
        let message = format!("The npm packages could not be fetched: {name} does not come from the registry.");
        return Err(SetupFailed::new(message));
    }
    std::os::unix::fs::symlink("node_modules/.bin", target.join("bin")).map_err(|error| unplaced(&error))?;
    Ok(target)
}

fn read(target: &Path) -> io::Result<Installed> {
    let path = target.join(INSTALLED);
    if std::fs::metadata(&path)?.len() > LONGEST {
        return Err(io::Error::other("its list of packages is too long"));
    }
    serde_json::from_slice(&std::fs::read(path)?).map_err(io::Error::other)
}

/// A package that comes from elsewhere than a registry, which is asked by HTTP.
fn stranger(installed: &Installed) -> Option<&str> {
    let from_registry = |source: &Source| {
        let is_http = |from: &str| from.starts_with("https://") || from.starts_with("http://");
        // Bundled ones come in another's archive and say nothing.
        !source.link && source.resolved.as_deref().is_none_or(is_http)
    };
    installed.packages.iter().find(|(_, source)| !from_registry(source)).map(|(path, _)| &**path)
}

fn unplaced(error: &io::Error) -> SetupFailed {
    tracing::warn!(%error, "npm packages cannot be put in place");
    SetupFailed::internal("The npm packages could not be put in place.")
}

#[cfg(test)]
mod tests;
