//! The real world, as the binary passes it in.

use environments::client::World;
use std::sync::Arc;
use std::time::{Duration, Instant};
use types::{BoxFuture, Clock, Entropy, Spawn, Task, Timestamp};

struct RealClock(Instant);

impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

struct Kernel;

impl Entropy for Kernel {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("randomness");
    }
}

struct Tasks;

impl Spawn for Tasks {
    fn spawn(&self, _: &'static str, task: Task) {
        tokio::spawn(task);
    }
}

pub fn world() -> World {
    World { clock: Arc::new(RealClock(Instant::now())), entropy: Arc::new(Kernel), spawn: Arc::new(Tasks) }
}
