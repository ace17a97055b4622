//! What many runs came to, in numbers.

use crate::run::Report;
use std::collections::BTreeMap;
use std::fmt;

/// Sums over runs.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Summary {
    pub runs: u64,
    pub counts: BTreeMap<String, u64>,
}

impl Summary {
    pub fn add(&mut self, report: &Report) {
        self.runs += 1;
        for (what, count) in &report.counts {
            *self.counts.entry(what.clone()).or_default() += count;
        }
    }

    pub fn merge(&mut self, other: &Self) {
        self.runs += other.runs;
        for (what, count) in &other.counts {
            *self.counts.entry(what.clone()).or_default() += count;
        }
    }

    pub fn of(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or_default()
    }

    /// Deaths of processes, wherever they struck.
    pub fn crashes(&self) -> u64 {
        self.counts.iter().filter(|(what, _)| what.starts_with("crash: ")).map(|(_, count)| count).sum()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} runs, {} deaths", self.runs, self.crashes())?;
        for (what, count) in &self.counts {
            writeln!(f, "{count:>10}  {what}")?;
        }
        Ok(())
    }
}
