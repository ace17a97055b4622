//! What `cargo metadata` says of the crates, as far as the checks need it; and the checks on where crates come from and
//! on crates that come in several versions. The lists of what is allowed stand in deny.toml, which cargo-deny reads too.

use crate::steps;
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// One package of the resolved graph.
#[derive(Debug, Clone, Default)]
pub struct Package {
    pub name: String,
    pub version: String,
    /// An SPDX expression.
    pub licence: Option<String>,
    /// None for a path.
    pub source: Option<String>,
    pub member: bool,
    /// Direct dependencies that name another registry than cargo's own.
    pub foreign: Vec<String>,
    /// Direct dependencies on members of the workspace, and whether they are for tests only.
    pub edges: Vec<(String, bool)>,
}

#[derive(Debug, Default)]
pub struct Metadata {
    pub packages: Vec<Package>,
}

impl Metadata {
    /// Asks cargo, for the platforms that deny.toml names.
    pub fn read(root: &Path, deny: &toml::Table) -> Result<Self> {
        let mut cargo = Command::new("cargo");
        cargo.args(["metadata", "--format-version", "1", "--locked"]).current_dir(root);
        for target in strings(deny, "graph", "targets") {
            cargo.args(["--filter-platform", &target]);
        }
        Self::parse(&steps::output(&mut cargo)?)
    }

    fn parse(json: &str) -> Result<Self> {
        let all: Value = serde_json::from_str(json).context("cargo metadata")?;
        let members: BTreeSet<&str> = array(&all["workspace_members"]).filter_map(Value::as_str).collect();
        // `packages` also lists what only other platforms need; the graph does not.
        let used: BTreeSet<&str> = array(&all["resolve"]["nodes"]).filter_map(|node| node["id"].as_str()).collect();
        let own: BTreeSet<&str> = array(&all["packages"])
            .filter(|package| package["id"].as_str().is_some_and(|id| members.contains(id)))
            .filter_map(|package| package["name"].as_str())
            .collect();
        let packages = array(&all["packages"])
            .filter(|package| package["id"].as_str().is_some_and(|id| used.contains(id)))
            .map(|package| read_package(package, &members, &own))
            .collect();
        Ok(Self { packages })
    }

    pub fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.member)
    }
}

fn read_package(package: &Value, members: &BTreeSet<&str>, own: &BTreeSet<&str>) -> Package {
    let text = |key: &str| package[key].as_str().map(str::to_owned);
    let mut edges = Vec::new();
    let mut foreign = Vec::new();
    for dependency in array(&package["dependencies"]) {
        let name = dependency["name"].as_str().unwrap_or_default();
        if own.contains(name) && dependency["path"].is_string() {
            edges.push((name.to_owned(), dependency["kind"] == "dev"));
        }
        if dependency["registry"].is_string() {
            foreign.push(name.to_owned());
        }
    }
    Package {
        name: text("name").unwrap_or_default(),
        version: text("version").unwrap_or_default(),
        licence: text("license"),
        source: text("source"),
        member: package["id"].as_str().is_some_and(|id| members.contains(id)),
        foreign,
        edges,
    }
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The strings of `[section] key = [...]`; an entry may be a table with the string under `crate`.
pub fn strings(deny: &toml::Table, section: &str, key: &str) -> Vec<String> {
    let list = deny.get(section).and_then(|section| section.get(key)).and_then(toml::Value::as_array);
    let text = |entry: &toml::Value| entry.as_str().or_else(|| entry.get("crate")?.as_str()).map(str::to_owned);
    list.into_iter().flatten().filter_map(text).collect()
}

/// Members come from the tree, everything else from cargo's own registry.
pub fn check_sources(metadata: &Metadata) -> Vec<String> {
    let mut complaints = Vec::new();
    for package in &metadata.packages {
        let good = match &package.source {
            None => package.member,
            Some(source) => source.starts_with("registry+"),
        };
        if !good {
            complaints
                .push(format!("{} {}: comes from neither the tree nor the registry", package.name, package.version));
        }
        for name in &package.foreign {
            complaints.push(format!("{}: takes {name} from another registry", package.name));
        }
    }
    complaints
}

/// A crate that comes in several versions is built several times. Those of today stand in deny.toml, each older version
/// with its reason, and go when they can.
pub fn check_duplicates(metadata: &Metadata, deny: &toml::Table) -> Vec<String> {
    let mut versions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for package in &metadata.packages {
        versions.entry(&package.name).or_default().insert(format!("{}@{}", package.name, package.version));
    }
    let mut skipped: BTreeSet<String> = strings(deny, "bans", "skip").into_iter().collect();
    let mut complaints = Vec::new();
    for (name, found) in &versions {
        let more: BTreeSet<&String> = found.iter().filter(|version| !skipped.contains(*version)).collect();
        if more.len() > 1 {
            complaints
                .push(format!("{name} comes in several versions: {more:?}; give deny.toml's [bans] skip a reason"));
        }
        if found.len() > 1 {
            skipped.retain(|version| !found.contains(version));
        }
    }
    complaints
        .extend(skipped.iter().map(|version| format!("deny.toml: {version} is no duplicate any more; take it out")));
    let reasons = deny.get("bans").and_then(|bans| bans.get("skip")).and_then(toml::Value::as_array);
    let bare = reasons.into_iter().flatten().filter(|entry| entry.get("reason").is_none());
    complaints.extend(bare.map(|entry| format!("deny.toml: {entry} has no reason")));
    complaints
}

#[cfg(test)]
mod tests {
    //! Small graphs.
    use super::*;

    fn package(name: &str, version: &str) -> Package {
        Package { name: name.into(), version: version.into(), source: Some("registry+x".into()), ..Package::default() }
    }

    fn duplicates(packages: &[(&str, &str)], deny: &str) -> Vec<String> {
        let packages = packages.iter().map(|(name, version)| package(name, version)).collect();
        check_duplicates(&Metadata { packages }, &deny.parse().unwrap())
    }

    #[test]
    fn duplicates_need_a_reason() {
        let listed = "[bans]\nskip = [{ crate = \"a@1.0.0\", reason = \"old b\" }]";
        assert_eq!(duplicates(&[("a", "1.0.0"), ("b", "1.0.0")], ""), [""; 0]);
        assert_eq!(duplicates(&[("a", "1.0.0"), ("a", "2.0.0")], "").len(), 1);
        assert_eq!(duplicates(&[("a", "1.0.0"), ("a", "2.0.0")], listed), [""; 0]);
        assert_eq!(duplicates(&[("a", "1.0.0"), ("a", "2.0.0"), ("a", "3.0.0")], listed).len(), 1);
        assert_eq!(duplicates(&[("a", "1.0.0")], listed).len(), 1);
        assert_eq!(duplicates(&[("a", "1.0.0"), ("a", "2.0.0")], "[bans]\nskip = [\"a@1.0.0\"]").len(), 1);
    }

    #[test]
    fn sources_are_the_tree_and_the_registry() {
        let check = |package: Package| check_sources(&Metadata { packages: vec![package] }).len();
        assert_eq!(check(package("a", "1.0.0")), 0);
        assert_eq!(check(Package { source: Some("git+https://x".into()), ..package("a", "1.0.0") }), 1);
        assert_eq!(check(Package { source: None, ..package("a", "1.0.0") }), 1);
        assert_eq!(check(Package { source: None, member: true, ..package("a", "1.0.0") }), 0);
        assert_eq!(check(Package { foreign: vec!["b".into()], ..package("a", "1.0.0") }), 1);
    }

    #[test]
    fn metadata_is_read() {
        let json = r#"{"workspace_members": ["a 1"], "resolve": {"nodes": [{"id": "a 1"}, {"id": "b 1"}]}, "packages": [
            {"id": "a 1", "name": "a", "version": "1.0.0", "license": null, "source": null, "dependencies": [
                {"name": "b", "kind": null, "registry": null}, {"name": "a", "kind": "dev", "path": "p"}]},
            {"id": "b 1", "name": "b", "version": "1.0.0", "license": "MIT", "source": "registry+x", "dependencies": []},
            {"id": "c 1", "name": "c", "version": "1.0.0", "dependencies": []}]}"#;
        let metadata = Metadata::parse(json).unwrap();
        assert_eq!(metadata.packages.len(), 2);
        let member = metadata.members().next().unwrap();
        assert_eq!((member.name.as_str(), member.edges.as_slice()), ("a", [("a".to_owned(), true)].as_slice()));
    }
}
