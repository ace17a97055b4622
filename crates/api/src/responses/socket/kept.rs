//! The responses that a connection knows: those that it can go on from though no store on disk has them, and on which
//! lane each was made. What is not kept anywhere else is freed when it is forgotten here.

use runtime::Lease;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Responses that are known; the oldest one is forgotten for the next.
const MOST: usize = 64;

#[derive(Default)]
pub struct Kept {
    known: BTreeMap<String, Entry>,
    /// Least lately used first.
    order: VecDeque<String>,
}

struct Entry {
    lane: Option<String>,
    /// On the session, where it is in memory only.
    lease: Option<Arc<Lease>>,
}

impl Kept {
    pub fn put(&mut self, id: String, lane: Option<String>, lease: Option<Arc<Lease>>) {
        self.forget(&id);
        if self.order.len() >= MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.order.push_back(id.clone());
        self.known.insert(id, Entry { lane, lease });
    }

    pub fn knows(&self, id: &str) -> bool {
        self.known.contains_key(id)
    }

    /// The hold on the session of a response that is in memory only.
    pub fn lease(&mut self, id: &str) -> Option<Arc<Lease>> {
        let lease = self.known.get(id)?.lease.clone()?;
        self.order.retain(|known| known != id);
        self.order.push_back(id.to_owned());
        Some(lease)
    }

    /// A request on `lane` that went on from this response was refused: on its own lane it is forgotten.
    pub fn refused(&mut self, id: &str, lane: Option<&str>) {
        if self.known.get(id).is_some_and(|entry| entry.lane.as_deref() == lane) {
            self.forget(id);
        }
    }

    fn forget(&mut self, id: &str) {
        if self.known.remove(id).is_some() {
            self.order.retain(|known| known != id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_for_the_next() {
        let mut kept = Kept::default();
        for number in 0..=MOST {
            kept.put(format!("resp_{number}"), None, None);
        }
        assert!(!kept.knows("resp_0") && kept.knows("resp_1"));
        assert_eq!((kept.known.len(), kept.order.len()), (MOST, MOST));
    }

    #[test]
    fn only_its_own_lane_forgets_a_response() {
        let mut kept = Kept::default();
        kept.put("resp_a".to_owned(), Some("one".to_owned()), None);
        kept.refused("resp_a", Some("two"));
        kept.refused("resp_a", None);
        assert!(kept.knows("resp_a"));
        kept.refused("resp_a", Some("one"));
        assert!(!kept.knows("resp_a"));
    }
}
