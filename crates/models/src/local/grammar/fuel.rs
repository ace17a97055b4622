//! How much work a grammar may be: one measure for all of its parts, so that many small ones are no way around it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Steps that all schemas of a request may take together; some 100 ns each.
const TANK: u64 = 5_000_000;

/// The grammar is more work than it may be, or an automaton of it has too many states.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TooLarge;

/// What is left of the work; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Fuel(Arc<AtomicU64>);

impl Default for Fuel {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(TANK)))
    }
}

impl Fuel {
    pub fn spend(&self, steps: usize) -> Result<(), TooLarge> {
        let steps = u64::try_from(steps).map_err(|_| TooLarge)?;
        let left = self.0.load(Ordering::Relaxed).checked_sub(steps);
        // One thread makes a grammar: nothing comes between the two.
        self.0.store(left.unwrap_or(0), Ordering::Relaxed);
        left.map(drop).ok_or(TooLarge)
    }
}
