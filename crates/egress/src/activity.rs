//! What one connection has done: when it last did something, how many bytes it carried, and when it must end.

use crate::limits::Limits;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use types::Clock;

/// Shared by the two directions of a connection; each says what it read.
pub(crate) struct Activity {
    clock: Arc<dyn Clock>,
    limits: Limits,
    begun: Duration,
    last: AtomicU64,
    pub up: AtomicU64,
    pub down: AtomicU64,
}

/// Which way bytes went.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    Up,
    Down,
}

/// Why a connection was ended from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overdue {
    Idle,
    Life,
}

impl Activity {
    pub fn begin(clock: Arc<dyn Clock>, limits: Limits) -> Arc<Self> {
        let begun = clock.monotonic();
        let last = AtomicU64::new(millis(begun));
        Arc::new(Self { clock, limits, begun, last, up: AtomicU64::new(0), down: AtomicU64::new(0) })
    }

    /// Counts what was read; an error says that the connection has had its share.
    pub fn count(&self, way: Way, bytes: usize) -> std::io::Result<()> {
        let counter = match way {
            Way::Up => &self.up,
            Way::Down => &self.down,
        };
        counter.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Relaxed);
        self.last.store(millis(self.clock.monotonic()), Relaxed);
        if self.up.load(Relaxed).saturating_add(self.down.load(Relaxed)) > self.limits.bytes {
            return Err(std::io::Error::other("more bytes than one connection may carry"));
        }
        Ok(())
    }

    /// Ends when the connection was silent for too long, or is too old.
    pub async fn overdue(&self) -> Overdue {
        loop {
            let now = self.clock.monotonic();
            let life = self.begun.saturating_add(self.limits.life_time).saturating_sub(now);
            let last = Duration::from_millis(self.last.load(Relaxed));
            let idle = last.saturating_add(self.limits.idle_time).saturating_sub(now);
            if life.is_zero() {
                return Overdue::Life;
            }
            if idle.is_zero() {
                return Overdue::Idle;
            }
            self.clock.sleep(idle.min(life)).await;
        }
    }

    /// The future's value, unless the time is over first.
    pub async fn within<T>(&self, time: Duration, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            value = future => Some(value),
            () = self.clock.sleep(time) => None,
        }
    }

    pub fn age(&self) -> Duration {
        self.clock.monotonic().saturating_sub(self.begun)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
