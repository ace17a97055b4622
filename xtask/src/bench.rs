//! Measurements, side by side with a baseline in the same run: machines are noisy, ratios count.

use crate::suite::fixture;
use crate::{root, steps};
use anyhow::{Result, bail};
use std::process::Command;

/// Runs the bench of that name; true if it ran to its end.
pub fn run(name: &str) -> Result<bool> {
    match name {
        "local" => local(),
        _ => bail!("there is no bench {name:?}; there is: local"),
    }
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
