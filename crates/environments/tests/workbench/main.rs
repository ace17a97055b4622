//! The agent's tools on a machine that is this one: real processes of `/bin/sh`, and the files of a folder that goes with
//! the test. Faults of the line are played by a machine in between.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says so when something is not there"
)]
#![expect(clippy::disallowed_methods, reason = "the edge: real clock, threads and processes")]
#![expect(clippy::print_stderr, reason = "a test that is left out says so")]

mod codex;
mod commands;
#[path = "../codex/door.rs"]
#[expect(dead_code, reason = "the tests of the real executor use more of it")]
mod door;
mod faults;
mod files;
mod local;
mod notes;
mod patches;
mod stage;
#[path = "../codex/world.rs"]
mod world;
