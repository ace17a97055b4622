//! What was found so far: an outcome for each check, and which answers and events were seen with which faults. It asks
//! nobody anything.

use crate::shape::Fault;
use crate::trouble::Trouble;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    Passed,
    Failed {
        expected: String,
        came: String,
        /// Request and answer, shortened.
        evidence: String,
    },
    Skipped {
        reason: String,
    },
}

/// Answers of one endpoint, or events of one type.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub fine: usize,
    /// The first answer that was not, and what was wrong with it.
    pub fault: Option<(String, String)>,
}

#[derive(Debug, Default)]
pub struct Findings {
    pub outcomes: BTreeMap<String, Outcome>,
    /// By the endpoint's name, the event's type, or `error`.
    pub shapes: BTreeMap<String, Seen>,
    /// Nullable keys that were left out: the endpoint or event, and the key.
    pub left_out: BTreeSet<String>,
    /// The statuses that each endpoint answered with.
    pub statuses: BTreeMap<&'static str, BTreeSet<u16>>,
    /// What an area ran into, so that the rest of its checks could not be made.
    pub trouble: Option<Trouble>,
    /// Words of the coverage page: part, name, state.
    pub states: BTreeMap<(&'static str, String), String>,
}

impl Findings {
    /// A check that failed once has failed; one that passed once is not skipped.
    pub fn record(&mut self, id: &str, outcome: Outcome) {
        let rank = |outcome: &Outcome| match outcome {
            Outcome::Skipped { .. } => 0,
            Outcome::Passed => 1,
            Outcome::Failed { .. } => 2,
        };
        match self.outcomes.get(id) {
            Some(known) if rank(known) >= rank(&outcome) => {}
            _ => {
                self.outcomes.insert(id.to_owned(), outcome);
            }
        }
    }

    /// One body or event against its shape.
    pub fn shape(&mut self, name: &str, faults: &[Fault], evidence: &str) {
        for fault in faults.iter().filter(|fault| fault.mild) {
            self.left_out.insert(format!("{name}: {}", fault.path));
        }
        let seen = self.shapes.entry(name.to_owned()).or_default();
        let hard: Vec<String> =
            faults.iter().filter(|fault| !fault.mild).map(|fault| format!("{} {}", fault.path, fault.what)).collect();
        if hard.is_empty() {
            seen.fine += 1;
        } else if seen.fault.is_none() {
            seen.fault = Some((hard.join("; ").trim().to_owned(), evidence.to_owned()));
        }
    }

    pub fn state(&mut self, part: &'static str, name: &str, state: impl Into<String>) {
        self.states.insert((part, name.to_owned()), state.into());
    }

    pub fn merge(&mut self, other: Self) {
        for (id, outcome) in other.outcomes {
            self.record(&id, outcome);
        }
        for (name, seen) in other.shapes {
            let own = self.shapes.entry(name).or_default();
            own.fine += seen.fine;
            own.fault = own.fault.take().or(seen.fault);
        }
        self.left_out.extend(other.left_out);
        for (name, statuses) in other.statuses {
            self.statuses.entry(name).or_default().extend(statuses);
        }
        self.states.extend(other.states);
        self.trouble = self.trouble.take().or(other.trouble);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_stays_a_failure() {
        let failed = |came: &str| Outcome::Failed { expected: "1".into(), came: came.into(), evidence: String::new() };
        let mut found = Findings::default();
        found.record("a", Outcome::Skipped { reason: "x".into() });
        found.record("a", Outcome::Passed);
        assert_eq!(found.outcomes["a"], Outcome::Passed);
        found.record("a", failed("2"));
        found.record("a", failed("3"));
        found.record("a", Outcome::Passed);
        let mut all = Findings::default();
        all.record("a", Outcome::Passed);
        all.merge(found);
        assert_eq!(all.outcomes["a"], failed("2"));
    }
}
