//! Records histories: logs of this version that every later one replays. What was recorded once is never written over.

use crate::steps;
use crate::{root, suite};
use anyhow::{Result, ensure};
use std::process::Command;

/// Writes tests/histories/NAME: sessions of the release binary, and what this version's engine makes of them.
pub fn record(name: &str) -> Result<bool> {
    ensure!(!name.is_empty() && !name.contains(['/', '\\']), "{name:?} is no name of a folder");
    let root = root()?;
    let cargo = |words: &[&str]| {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(&root).args(words);
        cargo
    };
    let reader = ["build", "--release", "--locked", "--package", "store", "--example", "history"];
    if !(suite::binaries::release(&root)? && steps::run(&mut cargo(&reader))?) {
        return Ok(false);
    }
    let mut python = Command::new(root.join(".venv/bin/python"));
    python.current_dir(&root).arg("tests/python/histories.py").arg(root.join("tests/histories").join(name));
    let replay = ["test", "--release", "--locked", "--package", "runtime", "--test", "histories"];
    Ok(steps::run(&mut python)? && steps::run(cargo(&replay).env("OUTCROP_RECORD", "1"))?)
}
