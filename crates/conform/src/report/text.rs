//! The report as people read it: a line for each area, then each failure with what it takes to see it again.

use super::{Checked, Report, UNREACHED};
use crate::findings::Outcome;
use std::collections::BTreeMap;
use std::fmt;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.scripted { "scripted" } else { "not scripted" };
        writeln!(f, "{} with the model {} ({kind})\n", self.base, self.model)?;
        for (area, counts) in &self.areas {
            write!(f, "{area:13} {:4} passed", counts.passed)?;
            if counts.failed > 0 {
                write!(f, ", {} FAILED", counts.failed)?;
            }
            if counts.skipped > 0 {
                write!(f, ", {} skipped", counts.skipped)?;
            }
            writeln!(f)?;
        }
        for part in &self.absent {
            writeln!(f, "{:13} not served", part.name())?;
        }
        for check in &self.checks {
            failure(f, check)?;
        }
        unreached(f, &self.checks)?;
        skipped(f, &self.checks)?;
        for (part, rows) in &self.coverage {
            let mut states: BTreeMap<&str, usize> = BTreeMap::new();
            for row in rows {
                *states.entry(&row.state).or_default() += 1;
            }
            let states: Vec<String> = states.iter().map(|(state, count)| format!("{count} {state}")).collect();
            writeln!(f, "{part:12} {}", states.join(", "))?;
        }
        if !self.left_behind.is_empty() {
            writeln!(f, "\nnot deleted: {}", self.left_behind.join(" "))?;
        }
        let counts = self.counts;
        write!(f, "\n{} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.skipped)
    }
}

fn failure(f: &mut fmt::Formatter<'_>, check: &Checked) -> fmt::Result {
    let Outcome::Failed { expected, came, evidence } = &check.outcome else { return Ok(()) };
    if expected == UNREACHED {
        return Ok(());
    }
    writeln!(f, "\nFAILED {}  [{}]\n  {}", check.id, check.source, check.says)?;
    writeln!(f, "  expected  {}\n  came      {}", indented(expected), indented(came))?;
    if evidence.is_empty() { Ok(()) } else { writeln!(f, "  {}", indented(evidence)) }
}

fn indented(text: &str) -> String {
    text.replace('\n', "\n  ")
}

/// Checks that were not reached, by what stood in the way.
fn unreached(f: &mut fmt::Formatter<'_>, checks: &[Checked]) -> fmt::Result {
    let mut ways: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for check in checks {
        if let Outcome::Failed { expected, came, .. } = &check.outcome
            && expected == UNREACHED
        {
            ways.entry(came).or_default().push(&check.id);
        }
    }
    for (came, ids) in ways {
        writeln!(f, "\nFAILED, because not reached: {}\n  {}", indented(came), ids.join(" "))?;
    }
    Ok(())
}

/// By reason, since one reason often holds for many.
fn skipped(f: &mut fmt::Formatter<'_>, checks: &[Checked]) -> fmt::Result {
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for check in checks {
        if let Outcome::Skipped { reason } = &check.outcome {
            reasons.entry(reason).or_default().push(&check.id);
        }
    }
    writeln!(f)?;
    for (reason, ids) in reasons {
        writeln!(f, "skipped: {reason}\n  {}", ids.join(" "))?;
    }
    if checks.iter().any(|check| matches!(check.outcome, Outcome::Skipped { .. })) { writeln!(f) } else { Ok(()) }
}
