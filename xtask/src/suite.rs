//! Everything that must be green, in one order, on a fresh machine too. The steps need cargo, a C compiler, git, python3
//! with venv and pip, and (unless quick) node with npm; whatever else they need they install into the checkout.

pub mod binaries;
mod clients;
pub mod fixture;

use crate::steps::{self, Steps};
use crate::{bench, root, sim, tidy};
use anyhow::Result;
use std::path::Path;
use std::process::Command;

/// What a change is worth of load; `cargo xtask soak` has more.
const LOAD: [&str; 4] = ["--seconds", "48", "--sleepers", "10000"];

/// The smallest round.
const TURNS: [&str; 8] = ["--sessions", "2", "--rounds", "1", "--seconds", "0.2", "--sleepers", "2"];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extent {
    Full,
    /// Below three minutes when warm: without node, and without what kills or breaks servers on purpose.
    Quick,
}

/// Runs everything; true if nothing failed. The last line printed is `N passed, N failed, N skipped`.
pub fn run(extent: Extent) -> Result<bool> {
    let root = root()?;
    let mut steps = Steps::default();

    steps.step("tidy", tidy::run);
    // With --release, because then the C libraries that build scripts compile are those of the build below.
    steps.step("clippy", || {
        let lints = ["clippy", "--release", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
        steps::run(cargo(&root).args(lints))
    });
    steps.step("model file", || fixture::fetch(&root));
    let mut tests = cargo(&root);
    tests.args(["test", "--release", "--workspace", "--locked", "--no-fail-fast"]);
    tests.env("OUTCROP_TEST_GGUF", root.join(fixture::MODEL));
    // Before the tests in Rust, because one of them drives an executor that is a package of node.
    let node = extent == Extent::Full && steps.step("node packages", || clients::install_node(&root));
    if node {
        tests.env("OUTCROP_TEST_CODEX", root.join(clients::CODEX));
    }
    steps.tests("cargo test", &mut tests);

    steps.step("simulator", || sim::run(&[]));
    if extent == Extent::Full {
        steps.step("mutants", || sim::run(&["--mutants"]));
        steps.step("failpoint binary", || binaries::failpoints(&root));
    }
    if steps.step("release binary", || binaries::release(&root)) {
        clients::run(&mut steps, &root, extent, node);
        // Its numbers say nothing here; that it still comes to an end does.
        steps.step("bench turns", || bench::run("turns", &TURNS));
        if extent == Extent::Full {
            steps.tests("load", bench::load(&root).args(LOAD));
        }
    }
    Ok(steps.close())
}

fn cargo(root: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root);
    command
}
