//! The binaries that are tested from outside: the one that users build, and beside it one that can be made to die at
//! any failpoint. Both come out of one target folder and share whatever they do not compile differently.

use super::cargo;
use crate::steps;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// Where the first one lies, from the root.
pub const RELEASE: &str = "target/release/outcrop";
/// Where the second one lies.
const FAILPOINTS: &str = "target/failpoints/outcrop";

/// Builds the one that users build. With the features that tests of other crates add it would be another.
pub fn release(root: &Path) -> Result<bool> {
    steps::run(cargo(root).args(["build", "--release", "--locked", "--package", "outcrop"]))
}

/// Builds the one with failpoints, without local models: they take long to compile and hold no mark. Cargo puts it
/// where the other one belongs, so that one must be built after it.
pub fn failpoints(root: &Path) -> Result<bool> {
    let features = ["--no-default-features", "--features", "failpoints"];
    let mut build = cargo(root);
    if !steps::run(build.args(["build", "--release", "--locked", "--package", "outcrop"]).args(features))? {
        return Ok(false);
    }
    let target = root.join(FAILPOINTS);
    fs::create_dir_all(target.parent().unwrap_or(root)).context("cannot make target/failpoints")?;
    // Under another name first: a server that runs holds the old file.
    let fresh = target.with_extension("new");
    fs::copy(root.join("target/release/outcrop"), &fresh).context("cannot copy the binary with failpoints")?;
    fs::rename(&fresh, &target).context("cannot place the binary with failpoints")?;
    Ok(true)
}
