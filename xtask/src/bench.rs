//! Measurements, side by side with a baseline in the same run: machines are noisy, ratios count.

use crate::suite::{binaries, fixture};
use crate::{root, steps};
use anyhow::{Result, bail};
use std::path::Path;
use std::process::Command;

/// Runs a bench by its name, with further words for it; true if it ran to its end.
pub fn run(name: &str, words: &[&str]) -> Result<bool> {
    match (name, words) {
        ("local", []) => local(),
        ("tools", []) => example("tools", "search_bench"),
        ("turns" | "load" | "gateway" | "environments", words) => outside(name, words),
        _ => bail!(
            "there is no bench {name:?} {words:?}; there are: local, tools, turns [OPTIONS], load [OPTIONS], gateway [OPTIONS], \
             environments [OPTIONS]"
        ),
    }
}

/// What is measured from outside: the binary that users build, by the crate `bench`.
fn outside(name: &str, words: &[&str]) -> Result<bool> {
    let root = root()?;
    Ok(binaries::release(&root)? && steps::run(bench(&root, name).args(words))?)
}

/// `bench load` on the binary that is built already.
pub fn load(root: &Path) -> Command {
    bench(root, "load")
}

fn bench(root: &Path, name: &str) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).args(["run", "--release", "--locked", "--package", "bench", "--", name, "--binary"]);
    cargo.arg(root.join(binaries::RELEASE));
    cargo
}

/// An example that measures and needs nothing.
fn example(package: &str, name: &str) -> Result<bool> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root()?).args(["run", "--release", "--locked", "--package", package, "--example", name]);
    steps::run(&mut cargo)
}

/// The model in the process: prefill, decode, eight side by side, first token; every kernel of this processor in turn,
/// the scalar one as the baseline.
fn local() -> Result<bool> {
    let root = root()?;
    if !fixture::fetch(&root)? {
        return Ok(false);
    }
    let mut cargo = Command::new("cargo");
    cargo.current_dir(&root).args(["run", "--release", "--locked", "--package", "models", "--example", "local_bench"]);
    steps::run(cargo.arg("--").arg(root.join(fixture::MODEL)))
}
