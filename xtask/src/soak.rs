//! What takes hours and is run by hand or at night: seeds of the simulator, kills of the real server, load, and every
//! fuzz target. Each part does what the suite does with every change, only longer; `--minutes` scales them all.

mod fuzz;

use crate::steps::Steps;
use crate::suite::binaries;
use crate::{bench, root, sim};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;

/// What `--minutes` says where nobody says it.
const MINUTES: u64 = 10;
/// A minute's share of seeds and kills: what the simulator and the server do in about as long.
const SEEDS: u64 = 1000;
const KILLS: u64 = 1000;
const PARTS: [&str; 4] = ["sim", "kills", "load", "fuzz"];

/// `cargo xtask soak WORDS`; true if nothing was found.
pub fn run(words: &[&str]) -> Result<bool> {
    let (minutes, parts) = match words {
        ["--minutes", minutes, parts @ ..] => (minutes.parse().context("--minutes takes a whole number")?, parts),
        parts => (MINUTES, parts),
    };
    if let Some(unknown) = parts.iter().find(|part| !PARTS.contains(part)) {
        bail!("there is no part {unknown:?}; there are: {}", PARTS.join(", "));
    }
    if minutes == 0 {
        bail!("--minutes takes 1 or more");
    }
    let root = root()?;
    let mut steps = Steps::default();
    let wanted = |part: &str| parts.is_empty() || parts.contains(&part);
    if wanted("sim") {
        let seeds = (minutes * SEEDS).to_string();
        steps.step("sim", || sim::run(&["--seeds", &seeds]));
    }
    if wanted("kills") {
        kills(&mut steps, &root, minutes * KILLS);
    }
    if wanted("load") {
        let seconds = (minutes * 60).to_string();
        steps.step("load", || bench::run("load", &["--seconds", &seconds]));
    }
    if wanted("fuzz") {
        fuzz::run(&mut steps, &root, minutes * 60);
    }
    Ok(steps.close())
}

/// The crash test, with more kills.
fn kills(steps: &mut Steps, root: &Path, kills: u64) {
    let built = steps.step("binaries", || Ok(binaries::failpoints(root)? && binaries::release(root)?));
    if !built {
        return;
    }
    let mut pytest = Command::new(root.join(".venv/bin/python"));
    pytest.args(["-m", "pytest", "-q", "tests/python/test_kills.py"]).current_dir(root);
    pytest.env("OUTCROP_BINARY", root.join(binaries::RELEASE)).env("OUTCROP_KILLS", kills.to_string());
    steps.tests("kills", &mut pytest);
}
