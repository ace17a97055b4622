//! How often a line has failed already: the only memory of the scripted model. It is bounded, the oldest entries go
//! first, and a restart forgets all of it: then `fail` and `cut` begin anew.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

const MAX_LINES: usize = 4096;

/// One line of one script of one session.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Line {
    pub(super) session: String,
    pub(super) message: usize,
    pub(super) line: usize,
}

#[derive(Default)]
pub(super) struct Attempts {
    /// Held for one look-up at a time, never across an await.
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    counts: BTreeMap<Line, u32>,
    order: VecDeque<Line>,
}

impl Attempts {
    /// Counts one more failure of `line`; false when it has had all of them.
    pub(super) fn count(&self, line: Line, times: u32) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = seen.counts.get_mut(&line) {
            let is_due = *count < times;
            *count += u32::from(is_due);
            return is_due;
        }
        if seen.order.len() >= MAX_LINES
            && let Some(oldest) = seen.order.pop_front()
        {
            seen.counts.remove(&oldest);
        }
        seen.order.push_back(line.clone());
        seen.counts.insert(line, 1);
        times > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_each_line_and_forgets_the_oldest() {
        let attempts = Attempts::default();
        let line = |line| Line { session: "s".into(), message: 0, line };
        assert!(attempts.count(line(0), 2));
        assert!(attempts.count(line(0), 2));
        assert!(!attempts.count(line(0), 2));
        for other in 1..MAX_LINES {
            assert!(attempts.count(line(other), 1));
        }
        assert!(!attempts.count(line(0), 2), "still within the bound");
        assert!(attempts.count(line(MAX_LINES), 1));
        assert!(attempts.count(line(0), 2), "forgotten");
        assert_eq!(attempts.seen.lock().unwrap().counts.len(), MAX_LINES);
    }
}
