//! What goes through the doors, counted: open streams, the memory of bodies, and answers by route and status. Written
//! by the doors, read by whoever makes metrics of it.

use crate::body::Room;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Counters of all doors together.
#[derive(Default, Debug)]
pub struct Traffic {
    streams: AtomicUsize,
    pub(crate) bodies: Room,
    /// What is on its way out of files.
    pub(crate) contents: Room,
    answers: Mutex<BTreeMap<Key, (u64, Duration)>>,
}

/// Method, route, status.
type Key = (&'static str, String, u16);

/// How often a route gave a status, and how long that took altogether (to the first byte, for streams).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answered {
    pub method: &'static str,
    /// The route as a pattern: `/v1/agents/{agent_id}`. Never a client's own text.
    pub route: String,
    pub status: u16,
    pub count: u64,
    pub total: Duration,
}

/// One open stream; counted until it is dropped.
#[derive(Debug)]
pub struct Slot(Arc<Traffic>);

impl Traffic {
    /// Streams that are open now.
    pub fn streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    /// All counts, in the order of route, method and status.
    pub fn answers(&self) -> Vec<Answered> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = answers.iter().map(|((method, route, status), (count, total))| Answered {
            method,
            route: route.clone(),
            status: *status,
            count: *count,
            total: *total,
        });
        counts.collect()
    }

    pub(crate) fn answered(&self, method: &'static str, route: String, status: u16, took: Duration) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, total) = answers.entry((method, route, status)).or_default();
        *count += 1;
        *total = total.saturating_add(took);
    }

    /// Takes one of `limit` places for a stream; None where all are taken.
    pub(crate) fn open(self: &Arc<Self>, limit: usize) -> Option<Slot> {
        let free = |open: usize| (open < limit).then_some(open + 1);
        self.streams.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free).ok()?;
        Some(Slot(Arc::clone(self)))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_free_again_when_it_is_dropped() {
        let traffic = Arc::new(Traffic::default());
        let first = traffic.open(2);
        let second = traffic.open(2);
        assert!(first.is_some() && second.is_some() && traffic.open(2).is_none());
        assert_eq!(traffic.streams(), 2);
        drop(first);
        assert!(traffic.open(2).is_some());
        assert_eq!(traffic.streams(), 1);
    }

    #[test]
    fn answers_are_counted_by_route_and_status() {
        let traffic = Traffic::default();
        for status in [200, 404, 200] {
            traffic.answered("GET", "/v1/agents".to_owned(), status, Duration::from_millis(2));
        }
        let counts: Vec<_> = traffic.answers().into_iter().map(|a| (a.status, a.count, a.total.as_millis())).collect();
        assert_eq!(counts, [(200, 2, 4), (404, 1, 2)]);
    }
}
