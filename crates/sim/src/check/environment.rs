//! Sessions with an environment: a turn begins only while that lets it, and then at once; nothing is asked for a turn that
//! has not begun, and no turn is given up before its time, by a clock that nobody sets. Resets are told in their order.

use super::Folded;
use crate::plan::{Line, Plan};
use std::time::Duration;
use types::{
    Ending, EnvironmentChanged, EnvironmentStatus, ItemBody, Record, RecordBody, Seq, Timestamp, TurnEnded, TurnHeld,
    TurnId,
};

/// What two clocks may differ by without anybody's having been told.
const DRIFT: Duration = Duration::from_secs(2);

pub fn check(plan: &Plan, folded: &Folded<'_>) -> Vec<String> {
    let Some(line) = plan.line.filter(|_| folded.state.settings.environment.id().is_some()) else {
        return Vec::new();
    };
    let mut seen = Seen {
        line,
        has_jumps: plan.jumps > 0,
        status: EnvironmentStatus::Pending,
        resets: 0,
        turn: Waits::No,
        is_due: false,
        wrong: Vec::new(),
    };
    for (seq, record) in &folded.records {
        seen.look(*seq, record);
    }
    seen.wrong
}

/// What the log has said so far.
struct Seen {
    line: Line,
    /// Somebody set the clock.
    has_jumps: bool,
    status: EnvironmentStatus,
    resets: u64,
    turn: Waits,
    /// What the turn waited for is there, or will never be: the very next record says what becomes of it.
    is_due: bool,
    wrong: Vec<String>,
}

/// Whether the turn has yet to begin.
enum Waits {
    No,
    Until(Option<Timestamp>),
}

impl Seen {
    fn look(&mut self, seq: Seq, Record { at, body }: &Record) {
        let goes_on = matches!(body, RecordBody::TurnStarted { .. } | RecordBody::TurnEnded(_)) || is_closed(body);
        if std::mem::take(&mut self.is_due) && !goes_on {
            self.wrong.push(format!("at {seq} a turn still waits, the environment being {:?}", self.status));
        }
        match body {
            RecordBody::EnvironmentChanged(changed) => self.changed(seq, changed),
            RecordBody::TurnCreated { .. } => self.turn = Waits::Until(None),
            RecordBody::TurnHeld(held) => self.held(seq, held),
            RecordBody::TurnStarted { turn } => self.started(seq, turn),
            RecordBody::TurnEnded(ended) => self.ended(seq, *at, ended),
            RecordBody::Intended(_) | RecordBody::Committed(_) if matches!(self.turn, Waits::Until(_)) => {
                self.wrong.push(format!("at {seq} the turn has not begun"));
            }
            _ => {}
        }
    }

    fn changed(&mut self, seq: Seq, changed: &EnvironmentChanged) {
        self.status = changed.status;
        if let Some(reset) = changed.reset {
            if reset <= self.resets {
                self.wrong.push(format!("reset {reset} at {seq} comes after {}", self.resets));
            }
            self.resets = reset;
        }
        let is_decided = self.line.lets_begin(self.status) || self.status == EnvironmentStatus::Failed;
        self.is_due = is_decided && matches!(self.turn, Waits::Until(Some(_)));
    }

    fn held(&mut self, seq: Seq, held: &TurnHeld) {
        if matches!(self.turn, Waits::No) || self.line.lets_begin(self.status) {
            self.wrong.push(format!("turn {} is held at {seq}, the environment being {:?}", held.turn, self.status));
        }
        if self.status == EnvironmentStatus::Failed {
            self.wrong.push(format!("turn {} waits at {seq} for what has failed", held.turn));
        }
        self.turn = Waits::Until(Some(held.until));
    }

    fn started(&mut self, seq: Seq, turn: &TurnId) {
        if matches!(self.turn, Waits::No) || !self.line.lets_begin(self.status) {
            self.wrong.push(format!("turn {turn} begins at {seq}, the environment being {:?}", self.status));
        }
        self.turn = Waits::No;
    }

    fn ended(&mut self, seq: Seq, at: Timestamp, ended: &TurnEnded) {
        let Waits::Until(until) = std::mem::replace(&mut self.turn, Waits::No) else { return };
        let Ending::Failed { message, .. } = &ended.ending else { return };
        let timed_out = message.contains("environment_connection_timeout");
        if timed_out && !self.has_jumps && until.is_none_or(|until| at.after(DRIFT) < until) {
            self.wrong.push(format!("turn {} was given up at {seq}, before its time", ended.turn));
        }
    }
}

/// Said of what a turn leaves open before it ends.
fn is_closed(body: &RecordBody) -> bool {
    matches!(body, RecordBody::Item(item) if matches!(item.body, ItemBody::ClosedCall { .. }))
}
