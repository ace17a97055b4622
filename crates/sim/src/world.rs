//! The simulated clock, random source and spawner, as the traits through which everything else gets them.

use crate::executor::{Core, Group, Timer};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use types::{BoxFuture, Clock, Entropy, Spawn, Task, Timestamp};

/// When every simulation begins: the first moment of 2026.
const BEGINNING: Timestamp = Timestamp(1_767_225_600_000);

pub(crate) struct SimClock(pub(crate) Arc<Core>);

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp(BEGINNING.after(self.0.now()).0.saturating_add_signed(self.0.skew()))
    }

    fn monotonic(&self) -> Duration {
        self.0.now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let until = self.0.now().saturating_add(duration);
        Box::pin(Sleep { core: self.0.clone(), until, timer: None })
    }
}

struct Sleep {
    core: Arc<Core>,
    until: Duration,
    timer: Option<Timer>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // Whoever polls last is woken.
        if let Some(timer) = self.timer.take() {
            self.core.stop_timer(timer);
        }
        if self.core.now() >= self.until {
            return Poll::Ready(());
        }
        self.timer = Some(self.core.set_timer(self.until, context.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.take() {
            self.core.stop_timer(timer);
        }
    }
}

pub(crate) struct SimEntropy(pub(crate) Arc<Core>);

impl Entropy for SimEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }
}

pub(crate) struct SimSpawn(pub(crate) Arc<Core>, pub(crate) Group);

impl Spawn for SimSpawn {
    fn spawn(&self, name: &'static str, task: Task) {
        self.0.spawn(self.1, name, task);
    }
}
