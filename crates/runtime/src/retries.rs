//! A bound on how much more an upstream is asked because it fails. Each entry has a budget of retries: a call adds a
//! tenth of one, a second adds one, and a failed call that is tried again takes one. So in an outage an upstream is
//! asked at most a tenth more often than there are calls, beside a floor that leaves a quiet server all its tries.
//!
//! It decides nothing else: how often and when one call is tried again is the engine's, as long as the budget lasts.
//! Nothing of it is kept: a restart begins with the floor.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// In thousandths of a retry.
const ONE: u64 = 1000;
const A_CALL: u64 = ONE / 10;
const A_SECOND: u64 = ONE;
/// What an entry begins with.
const FLOOR: u64 = 20 * ONE;
/// No more is saved up in good times.
const MOST: u64 = 100 * ONE;

#[derive(Default)]
pub(crate) struct Retries {
    budgets: Mutex<BTreeMap<String, Budget>>,
}

struct Budget {
    left: u64,
    /// When it was looked at last, on the monotonic clock.
    at: Duration,
}

impl Retries {
    /// A call goes to the entry for the first time.
    pub(crate) fn asked(&self, entry: &str, now: Duration) {
        self.of(entry, now, |budget| budget.add(A_CALL));
    }

    /// Takes a retry out of the entry's budget; false if it has none left.
    pub(crate) fn take(&self, entry: &str, now: Duration) -> bool {
        self.of(entry, now, |budget| {
            let has_one = budget.left >= ONE;
            budget.left -= if has_one { ONE } else { 0 };
            has_one
        })
    }

    fn of<T>(&self, entry: &str, now: Duration, change: impl FnOnce(&mut Budget) -> T) -> T {
        let mut budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        let budget = budgets.entry(entry.to_owned()).or_insert(Budget { left: FLOOR, at: now });
        let passed = u64::try_from(now.saturating_sub(budget.at).as_millis()).unwrap_or(u64::MAX);
        budget.at = now;
        budget.add(passed.saturating_mul(A_SECOND / 1000));
        change(budget)
    }
}

impl Budget {
    fn add(&mut self, some: u64) {
        self.left = self.left.saturating_add(some).min(MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(5);

    fn taken(retries: &Retries, now: Duration) -> usize {
        (0..1000).take_while(|_| retries.take("a", now)).count()
    }

    #[test]
    fn f17_a_tenth_of_the_calls_beside_the_floor() {
        let retries = Retries::default();
        assert_eq!(taken(&retries, START), 20);
        (0..400).for_each(|_| retries.asked("a", START));
        assert_eq!(taken(&retries, START), 40);
        assert!(retries.take("b", START), "each entry has a budget of its own");
    }

    #[test]
    fn a_quiet_server_has_one_a_second() {
        let retries = Retries::default();
        taken(&retries, START);
        assert_eq!(taken(&retries, START + Duration::from_millis(900)), 0);
        assert_eq!(taken(&retries, START + Duration::from_millis(2100)), 2);
        // A clock that goes back gives nothing and takes nothing.
        assert_eq!(taken(&retries, START), 0);
    }

    #[test]
    fn no_more_than_a_hundred_are_saved_up() {
        let retries = Retries::default();
        (0..100_000).for_each(|_| retries.asked("a", START));
        assert_eq!(taken(&retries, START + Duration::from_secs(86_400)), 100);
    }
}
