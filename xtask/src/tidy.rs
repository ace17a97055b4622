//! The code's own form, held by a program instead of by goodwill. Each check is a pure function from texts to
//! complaints; this module reads the texts. Nothing here changes a file, rustfmt's check included.

mod crates;
mod edges;
mod faults;
mod form;
mod licence;
mod phrases;
mod ratchet;

use crate::{root, steps};
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

/// A file that git tracks or would track, and its text.
#[derive(Debug)]
pub struct File {
    /// From the root, with `/`.
    pub path: String,
    pub text: String,
}

/// Checks everything and prints what is wrong; true if nothing is.
pub fn run() -> Result<bool> {
    let complaints = complaints(&root()?)?;
    for complaint in &complaints {
        println!("tidy: {complaint}");
    }
    match complaints.len() {
        0 => println!("tidy: nothing to complain of"),
        count => println!("tidy: {count} complaints"),
    }
    Ok(complaints.is_empty())
}

/// All complaints about the checkout at `root`.
fn complaints(root: &Path) -> Result<Vec<String>> {
    let files = files(root)?;
    let rust: Vec<&File> = files.iter().filter(|f| f.path.ends_with(".rs")).collect();
    let deny: toml::Table = read(root, "deny.toml")?.parse().context("deny.toml")?;
    let metadata = crates::Metadata::read(root, &deny)?;

    let mut found = Vec::new();
    found.extend(form::check(&rust));
    found.extend(ratchet::check(&rust, &read(root, ratchet::PATH)?));
    found.extend(phrases::check(&files));
    found.extend(faults::check(&files));
    found.extend(crates::check_sources(&metadata));
    found.extend(crates::check_duplicates(&metadata, &deny));
    found.extend(licence::check(&metadata, &deny));
    // Without the map there is no table either, and the check says so.
    found.extend(edges::check(&metadata, &read(root, "ARCHITECTURE.md").unwrap_or_default()));
    if !steps::run(Command::new("cargo").args(["fmt", "--all", "--check"]).current_dir(root))? {
        found.push("rustfmt would write it otherwise: cargo fmt --all".to_owned());
    }
    Ok(found)
}

fn read(root: &Path, path: &str) -> Result<String> {
    std::fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"))
}

/// Every text file of the tree, those not yet committed included.
fn files(root: &Path) -> Result<Vec<File>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root);
    let mut files = Vec::new();
    for path in steps::output(&mut git)?.split('\0').filter(|path| !path.is_empty()) {
        // Deleted and not yet committed, or no text: no business of ours.
        if let Ok(text) = std::fs::read_to_string(root.join(path)) {
            files.push(File { path: path.to_owned(), text });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    Ok(files)
}

#[cfg(test)]
mod tests {
    //! The tree itself.

    #[test]
    fn the_tree_is_tidy() {
        let complaints = super::complaints(&crate::root().unwrap()).unwrap();
        assert!(complaints.is_empty(), "{complaints:#?}");
    }
}
