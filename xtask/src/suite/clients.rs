//! The tests from outside: unmodified SDKs against the release binary. Each language's packages are pinned in its own
//! folder under `tests/` and installed into the checkout.

use super::Extent;
use crate::steps::{self, Steps};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The unmodified executor, where [`install_node`] puts it.
pub const CODEX: &str = "tests/node/node_modules/.bin/codex";

/// `node`: its packages are there.
pub fn run(steps: &mut Steps, root: &Path, extent: Extent, node: bool) {
    let binary = root.join("target/release/outcrop");
    if steps.step("python packages", || install_python(root)) {
        let mut pytest = Command::new(python(root));
        pytest.args(["-m", "pytest", "-q", "tests/python"]).current_dir(root).env("OUTCROP_BINARY", &binary);
        if extent == Extent::Quick {
            pytest.arg("--quick");
        }
        steps.tests("python", &mut pytest);
    }
    if node {
        let mut node = Command::new("node");
        node.args(["--test", "--test-reporter=spec", "."]).current_dir(root.join("tests/node"));
        steps.tests("node", node.env("OUTCROP_BINARY", &binary));
    }
}

fn python(root: &Path) -> PathBuf {
    root.join(".venv/bin/python")
}

/// Installs tests/python/requirements.txt into `.venv`, if it changed since the last time.
fn install_python(root: &Path) -> Result<bool> {
    let wanted = root.join("tests/python/requirements.txt");
    let installed = root.join(".venv/requirements.txt");
    let list = std::fs::read(&wanted).context("cannot read tests/python/requirements.txt")?;
    if std::fs::read(&installed).is_ok_and(|old| old == list) {
        return Ok(true);
    }
    let venv = root.join(".venv");
    if !steps::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))? {
        return Ok(false);
    }
    let mut pip = Command::new(python(root));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    if !steps::run(pip.arg(&wanted))? {
        return Ok(false);
    }
    std::fs::write(&installed, list).context("cannot write into .venv")?;
    Ok(true)
}

/// Installs tests/node/package.json's exact versions. There is no lock file: it would name the registry's host.
pub fn install_node(root: &Path) -> Result<bool> {
    let folder = root.join("tests/node");
    let wanted = std::fs::read(folder.join("package.json")).context("cannot read tests/node/package.json")?;
    let installed = folder.join("node_modules/.installed.json");
    if std::fs::read(&installed).is_ok_and(|old| old == wanted) {
        return Ok(true);
    }
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&folder);
    if !steps::run(&mut npm)? {
        return Ok(false);
    }
    std::fs::write(&installed, wanted).context("cannot write into node_modules")?;
    Ok(true)
}
