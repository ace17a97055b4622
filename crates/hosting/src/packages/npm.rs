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
/// The first version, major and minor, that can be told to ask nobody but a registry.
const FIRST: (u32, u32) = (11, 14);

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
    // In the workshop, where it is weighed, and gone with it.
    let cache = workshop.join("cache");
    let cache = cache.to_string_lossy();
    let version = ["--cache", &*cache, "--logs-max=0", "--version"];
    let version = tool::run(clock, tools, workshop, "npm", &version, log).await;
    let version = version.map_err(|trouble: Trouble| trouble.failed(KIND, "npm"))?;
    if !takes_orders(&version) {
        let (major, minor) = FIRST;
        let message = format!(
            "npm packages are fetched by npm of the server's machine, which must be {major}.{minor}.0 or newer."
        );
        return Err(SetupFailed::new(message));
    }
    let mut arguments = vec!["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"];
    arguments.extend([
        "--no-progress",
        "--loglevel=error",
        "--logs-max=0",
        "--cache",
        &*cache,
        "--global=false",
        "--bin-links",
        "--prefix",
        &*shown,
    ]);
    // An older one would ask any host that a package names, from this machine's own network, and take what it says. What
    // comes from elsewhere all the same is found out below; a git that is none stops it before anything is cloned.
    arguments.extend(["--git=/bin/false", "--allow-git=none", "--allow-remote=none", "--allow-file=none"]);
    arguments.extend(["--allow-directory=none", "--install-links=false", "--"]);
    arguments.extend(names.iter().map(String::as_str));
    let fetched = tool::run(clock, tools, workshop, "npm", &arguments, log).await;
    fetched.map_err(|trouble| trouble.failed(KIND, "npm"))?;
    let installed = read(&target).map_err(|error| unplaced(&error))?;
    if let Some(path) = stranger(&installed) {
        let name = path.rsplit("node_modules/").next().unwrap_or_default();
        let message = format!("The npm packages could not be fetched: {name} does not come from the registry.");
        return Err(SetupFailed::new(message));
    }
    std::os::unix::fs::symlink("node_modules/.bin", target.join("bin")).map_err(|error| unplaced(&error))?;
    Ok(target)
}

/// Whether this version, as npm says it, knows the options below.
fn takes_orders(version: &[u8]) -> bool {
    let version = String::from_utf8_lossy(version);
    let mut parts = version.trim().split('.').map(str::parse);
    matches!((parts.next(), parts.next()), (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= FIRST)
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
