//! What tests stand on: a clock that is moved by hand, and chance that is none.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use types::{BoxFuture, Clock, Entropy, Timestamp};

/// Time stands still until `rushes`: then every sleep ends at once, and the time is as if it had been slept.
#[derive(Default)]
pub struct HandClock {
    pub rushes: AtomicBool,
    passed: Arc<AtomicU64>,
}

impl HandClock {
    pub fn rushing() -> Self {
        Self { rushes: AtomicBool::new(true), passed: Arc::default() }
    }

    pub fn advance(&self, duration: Duration) {
        pass(&self.passed, duration);
    }
}

fn pass(passed: &AtomicU64, duration: Duration) {
    passed.fetch_add(u64::try_from(duration.as_millis()).unwrap(), Ordering::Relaxed);
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
            let passed = Arc::clone(&self.passed);
            Box::pin(async move { pass(&passed, duration) })
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
