//! Sessions with an environment: a turn begins only while it is there, nothing is asked for a turn that has not begun, and
//! no turn is given up before its time, by a clock that nobody sets.

use super::Folded;
use crate::plan::Plan;
use std::time::Duration;
use types::{Ending, EnvironmentStatus, RecordBody, Timestamp};

/// What two clocks may differ by without anybody's having been told.
const DRIFT: Duration = Duration::from_secs(2);

pub fn check(plan: &Plan, folded: &Folded<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    if folded.state.settings.environment.id().is_none() {
        return wrong;
    }
    let mut status = EnvironmentStatus::Pending;
    let mut begun = false;
    let mut until: Option<Timestamp> = None;
    for (seq, record) in &folded.records {
        match &record.body {
            RecordBody::EnvironmentChanged(changed) => status = changed.status,
            RecordBody::TurnCreated { .. } => (begun, until) = (false, None),
            RecordBody::TurnHeld(held) if begun => wrong.push(format!("turn {} is held at {seq}, begun", held.turn)),
            RecordBody::TurnHeld(held) => until = Some(held.until),
            RecordBody::TurnStarted { turn } => {
                if begun || status != EnvironmentStatus::Connected {
                    wrong.push(format!("turn {turn} begins at {seq}, the environment being {status:?}"));
                }
                begun = true;
            }
            RecordBody::Intended(_) | RecordBody::Committed(_) if !begun => {
                wrong.push(format!("at {seq} the turn has not begun"));
            }
            RecordBody::TurnEnded(ended) if !begun => {
                let Ending::Failed { message, .. } = &ended.ending else { continue };
                let timed_out = message.contains("environment_connection_timeout");
                if timed_out && plan.jumps == 0 && until.is_none_or(|until| record.at.after(DRIFT) < until) {
                    wrong.push(format!("turn {} was given up at {seq}, before its time", ended.turn));
                }
            }
            _ => {}
        }
    }
    wrong
}
