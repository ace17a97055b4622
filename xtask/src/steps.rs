//! Runs one command after the other, says how long each took, and reads the counts off test runners' closing lines.
//! It knows no step by name; `suite` does.

use anyhow::{Context, Result};
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

/// What test runners counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub passed: u64,
    pub failed: u64,
    pub skipped: u64,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// A run of several steps. A step that fails without a runner's count of its own counts as one failure.
#[derive(Debug, Default)]
pub struct Steps {
    counts: Counts,
    failed: Vec<String>,
}

impl Steps {
    /// Runs `work` under `name`; false if it failed. An error is printed, counted and survived, so that one broken step
    /// does not hide the others.
    pub fn step(&mut self, name: &str, work: impl FnOnce() -> Result<bool>) -> bool {
        println!("\n== {name}");
        let start = Instant::now();
        let outcome = work();
        let ok = matches!(outcome, Ok(true));
        if let Err(error) = outcome {
            println!("error: {error:#}");
        }
        println!("== {name}: {} in {:.1} s", if ok { "ok" } else { "FAILED" }, start.elapsed().as_secs_f64());
        if !ok {
            self.counts.failed += 1;
            self.failed.push(name.to_owned());
        }
        ok
    }

    /// Runs a test runner under `name` and adds what it counted. A runner that fails, or that ran nothing, has failed.
    pub fn tests(&mut self, name: &str, command: &mut Command) -> bool {
        println!("\n== {name}");
        let start = Instant::now();
        let (ok, counts) = match run_counting(command) {
            Ok(outcome) => outcome,
            Err(error) => {
                println!("error: {error:#}");
                (false, Counts::default())
            }
        };
        self.counts.add(counts);
        let ok = ok && counts.failed == 0 && !counts.is_empty();
        if !ok {
            self.failed.push(name.to_owned());
            if counts.failed == 0 {
                self.counts.failed += 1;
            }
        }
        println!(
            "== {name}: {}, {} passed, {} failed, {} skipped in {:.1} s",
            if ok { "ok" } else { "FAILED" },
            counts.passed,
            counts.failed,
            counts.skipped,
            start.elapsed().as_secs_f64()
        );
        ok
    }

    /// Says the sum, in a line alone; true if nothing failed.
    pub fn close(self) -> bool {
        println!();
        for name in &self.failed {
            println!("failed: {name}");
        }
        println!("{} passed, {} failed, {} skipped", self.counts.passed, self.counts.failed, self.counts.skipped);
        self.counts.failed == 0 && self.failed.is_empty()
    }
}

/// Runs a command whose output goes straight to the terminal.
pub fn run(command: &mut Command) -> Result<bool> {
    let status = command.status().with_context(|| format!("cannot start {}", program(command)))?;
    Ok(status.success())
}

/// Runs a command and hands back what it printed; its errors go to the terminal.
pub fn output(command: &mut Command) -> Result<String> {
    let name = program(command);
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start {name}"))?;
    anyhow::ensure!(output.status.success(), "{name} failed: {}", output.status);
    String::from_utf8(output.stdout).with_context(|| format!("{name} printed no UTF-8"))
}

fn program(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

fn run_counting(command: &mut Command) -> Result<(bool, Counts)> {
    let name = program(command);
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {name}"))?;
    let pipe = child.stdout.take().with_context(|| format!("{name} has no output"))?;
    let mut counts = Counts::default();
    let mut terminal = std::io::stdout();
    for line in BufReader::new(pipe).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        writeln!(terminal, "{line}")?;
        if let Some(found) = closing_line(&line) {
            counts.add(found);
        }
    }
    Ok((child.wait()?.success(), counts))
}

/// The counts in a runner's closing line: cargo's `test result: …`, pytest's `3 passed, 1 skipped in 2.1s`, node's
/// `# pass 3`.
fn closing_line(line: &str) -> Option<Counts> {
    let line = line.trim();
    if let Some(rest) = line.strip_prefix("test result: ") {
        return numbered(rest.split_once(". ")?.1, ';');
    }
    let node = line.strip_prefix("# ").or_else(|| line.strip_prefix("ℹ "));
    if let Some((word, number)) = node.and_then(|rest| rest.split_once(' ')) {
        return named(number.parse().ok()?, word);
    }
    let pytest = line.trim_matches('=').trim();
    let (list, time) = pytest.rsplit_once(" in ")?;
    let timed = time.split_whitespace().next()?.strip_suffix('s')?.parse::<f64>().is_ok();
    if timed { numbered(list, ',') } else { None }
}

/// `3 passed, 1 failed`, with what it counts beside them left out.
fn numbered(list: &str, separator: char) -> Option<Counts> {
    let mut counts = Counts::default();
    let mut any = false;
    for part in list.split(separator) {
        let Some((number, word)) = part.trim().split_once(' ') else { continue };
        let Ok(number) = number.parse() else { continue };
        if let Some(found) = named(number, word) {
            counts.add(found);
            any = true;
        }
    }
    any.then_some(counts)
}

fn named(number: u64, word: &str) -> Option<Counts> {
    let mut counts = Counts::default();
    match word {
        "passed" | "pass" => counts.passed = number,
        "failed" | "fail" | "error" | "errors" | "cancelled" => counts.failed = number,
        "skipped" | "ignored" | "todo" => counts.skipped = number,
        _ => return None,
    }
    Some(counts)
}

#[cfg(test)]
mod tests {
    //! The closing lines of the runners that are used.
    use super::*;

    fn counts(passed: u64, failed: u64, skipped: u64) -> Option<Counts> {
        Some(Counts { passed, failed, skipped })
    }

    #[test]
    fn closing_lines_are_read() {
        for (line, expected) in [
            (
                "test result: ok. 5 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.0s",
                counts(5, 0, 2),
            ),
            ("test result: FAILED. 1 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out", counts(1, 3, 0)),
            ("===== 2 failed, 41 passed, 1 skipped, 3 warnings in 12.31s =====", counts(41, 2, 1)),
            ("7 passed in 0.12s", counts(7, 0, 0)),
            ("7 passed, 1 error in 192.12s (0:03:12)", counts(7, 1, 0)),
            ("# pass 4", counts(4, 0, 0)),
            ("ℹ fail 2", counts(0, 2, 0)),
            ("ℹ skipped 1", counts(0, 0, 1)),
            ("# tests 4", None),
            ("# Subtest: 3 passed", None),
            ("no tests ran in 0.01s", None),
            ("3 passed", None),
            ("test a ... ok", None),
        ] {
            assert_eq!(closing_line(line), expected, "{line}");
        }
    }
}
