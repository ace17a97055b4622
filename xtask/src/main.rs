//! The project's own tool: `cargo xtask VERB`. There is one way to do each thing, and it is here. Nothing of the product
//! depends on it, and it reads nothing outside the checkout.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a tool for developers: it prints, starts processes and looks at the clock"
)]

mod bench;
mod history;
mod sim;
mod soak;
mod source;
mod steps;
mod suite;
mod tidy;

use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask VERB

  test [--quick]   everything that must be green, on a fresh machine too; --quick leaves out node, kills and faults
  failpoints       builds the binary that can be made to die at any failpoint, for tests/python/test_kills.py
  record-history NAME   writes tests/histories/NAME: logs of this version, for every later one to replay
  bench NAME       measures, beside a baseline in the same run: local, tools, turns, load, gateway
  sim [--seeds N] [--seed S] [--mutants]
                   the simulator: 200 seeds, or N; one seed again; the proof that broken code is caught
  soak [--minutes N] [PART...]
                   for hours: seeds, kills, load and fuzz, 10 minutes each or N; or only some of: sim kills load fuzz
  tidy             the code's own form: sizes, names, edges between crates, licences, sources, duplicates
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["test"] => suite::run(suite::Extent::Full),
        ["test", "--quick"] => suite::run(suite::Extent::Quick),
        ["bench", name, words @ ..] => bench::run(name, words),
        ["soak", words @ ..] => soak::run(words),
        ["sim", words @ ..] => sim::run(words),
        ["failpoints"] => {
            root().and_then(|root| Ok(suite::binaries::failpoints(&root)? && suite::binaries::release(&root)?))
        }
        ["record-history", name] => history::record(name),
        ["tidy"] => tidy::run(),
        ["--help" | "-h" | "help"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The checkout's root.
fn root() -> Result<PathBuf> {
    let manifest = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(manifest.parent().context("xtask stands in no workspace")?.to_owned())
}
