//! What one seed stands for: a large run, or a small one that dies at each of its boundaries in turn.

use crate::plan::{Crashes, Line, Plan};
use crate::run::{Report, run};
use crate::summary::Summary;

/// Of so many seeds, one also stands for a run whose sessions have environments.
const ENVIRONMENTS: u64 = 4;
/// Every so many seeds, one dies everywhere.
const EVERYWHERE: u64 = 4;
/// Boundaries after the first death at which a second one is tried.
const SECOND: u64 = 12;

/// What a seed came to.
pub struct Case {
    pub summary: Summary,
    /// The first run that went wrong, and how to run it again.
    pub failed: Option<(Replay, Report)>,
}

/// One run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Replay {
    pub seed: u64,
    /// The boundary at which it dies, where it is not the seed's choice.
    pub crash: Option<u64>,
    /// The run whose sessions have environments.
    pub line: bool,
}

impl Replay {
    pub fn run(self) -> Report {
        match self.crash {
            _ if self.line => run(lined(self.seed)),
            Some(at) => run(dying(self.seed, at)),
            None if dies_everywhere(self.seed) => run(Plan::small(self.seed, Crashes::Never)),
            None => run(Plan::large(self.seed)),
        }
    }

    /// The command that runs it again.
    pub fn command(self) -> String {
        match self.crash {
            _ if self.line => format!("cargo xtask sim --seed {} --line", self.seed),
            Some(at) => format!("cargo xtask sim --seed {} --crash {at}", self.seed),
            None => format!("cargo xtask sim --seed {}", self.seed),
        }
    }
}

fn lined(seed: u64) -> Plan {
    let line = [Line::Late, Line::Hosted, Line::Restless, Line::Hosted][(seed / ENVIRONMENTS % 4) as usize];
    Plan { line: Some(line), askers: 0, restores: 0, ..Plan::large(seed) }
}

fn dies_everywhere(seed: u64) -> bool {
    seed.is_multiple_of(EVERYWHERE)
}

fn dying(seed: u64, at: u64) -> Plan {
    // Some die again soon after: in their recovery.
    let again = at.is_multiple_of(3).then_some(1 + at / 3 % SECOND);
    Plan::small(seed, Crashes::At(at, again))
}

/// Runs all that a seed stands for; stops at the first run that goes wrong.
pub fn case(seed: u64) -> Case {
    let mut summary = Summary::default();
    let calm = Replay { seed, crash: None, line: false };
    let report = calm.run();
    summary.add(&report);
    if !report.problems.is_empty() {
        return Case { summary, failed: Some((calm, report)) };
    }
    if seed % ENVIRONMENTS == 1 {
        let replay = Replay { seed, crash: None, line: true };
        let report = replay.run();
        summary.add(&report);
        if !report.problems.is_empty() {
            return Case { summary, failed: Some((replay, report)) };
        }
    }
    let last = if dies_everywhere(seed) { report.boundaries } else { 0 };
    for at in 1..=last {
        let replay = Replay { seed, crash: Some(at), line: false };
        let report = replay.run();
        summary.add(&report);
        if !report.problems.is_empty() {
            return Case { summary, failed: Some((replay, report)) };
        }
    }
    Case { summary, failed: None }
}
