//! What changed offers write into the log of one turn. Each change is a record with all that is offered, so a server that says
//! something else before each model call would fill the log; beyond a bound its session keeps what it has until the turn
//! ends.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use types::{Offer, SessionId};

/// Bytes of changed offers in one turn, about. The first change is let through, however large it is.
const MOST: usize = 4 << 20;

/// Bytes so far, by session.
#[derive(Default)]
pub struct Changes(Mutex<BTreeMap<SessionId, usize>>);

impl Changes {
    /// Whether this offer may be written; if so, it counts as written.
    pub fn allow(&self, session: &SessionId, offer: &Offer) -> bool {
        let bytes = size(offer);
        let mut written = self.lock();
        let before = written.get(session).copied();
        let is_allowed = before.is_none_or(|before| before.saturating_add(bytes) <= MOST);
        if is_allowed {
            written.insert(session.clone(), before.unwrap_or_default().saturating_add(bytes));
        }
        is_allowed
    }

    /// Its turn has ended.
    pub fn forget(&self, session: &SessionId) {
        self.lock().remove(session);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SessionId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn size(offer: &Offer) -> usize {
    let tools = offer.tools.iter().map(crate::offer::size).sum::<usize>();
    tools + offer.instructions.as_ref().map_or(0, String::len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::OfferedTool;

    #[test]
    fn the_first_change_goes_through_and_then_so_many_bytes_a_turn() {
        let offer = |bytes: usize| Offer {
            tools: vec![OfferedTool { description: "x".repeat(bytes), ..OfferedTool::default() }],
            instructions: None,
        };
        let (changes, one, other) = (Changes::default(), SessionId::new("sess_1"), SessionId::new("sess_2"));
        assert!(changes.allow(&one, &offer(2 * MOST)));
        assert!(!changes.allow(&one, &offer(1)));
        for _ in 0..3 {
            assert!(changes.allow(&other, &offer(MOST / 4)));
        }
        assert!(!changes.allow(&other, &offer(MOST / 4)) && changes.allow(&other, &offer(MOST / 8)));
        changes.forget(&one);
        assert!(changes.allow(&one, &offer(1)), "the next turn");
    }
}
