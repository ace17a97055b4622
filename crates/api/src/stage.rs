//! What tests stand on: a clock that is moved by hand, and chance that is none.

use std::future::{pending, ready};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use types::{BoxFuture, Clock, Entropy, Timestamp};

/// Time stands still until `rushes`: then every sleep ends at once, and the time is as if it had been slept.
#[derive(Default)]
pub struct HandClock {
    pub rushes: AtomicBool,
    passed: AtomicU64,
}

impl HandClock {
    pub fn rushing() -> Self {
        Self { rushes: AtomicBool::new(true), passed: AtomicU64::new(0) }
    }

    pub fn advance(&self, duration: Duration) {
        self.passed.fetch_add(u64::try_from(duration.as_millis()).unwrap(), Ordering::Relaxed);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.passed.load(Ordering::Relaxed))
    }
    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.passed.load(Ordering::Relaxed))
    }
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        if self.rushes.load(Ordering::Relaxed) || duration.is_zero() {
            self.advance(duration);
            Box::pin(ready(()))
        } else {
            Box::pin(pending())
        }
    }
}

/// Draws nothing but sevens.
pub struct Sevens;

impl Entropy for Sevens {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}
