//! The real world behind the traits of `types::world`: tokio's clock and tasks, the kernel's randomness. Nothing else
//! in the tree reads these.

use futures_util::FutureExt;
use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant, SystemTime};
use types::{BoxFuture, Clock, Entropy, Spawn, Task, Timestamp};

/// Wall time, and time since this value was made.
pub struct TokioClock {
    start: Instant,
}

impl TokioClock {
    #[expect(clippy::disallowed_methods, reason = "the edge: this is where monotonic time comes from")]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for TokioClock {
    #[expect(clippy::disallowed_methods, reason = "the edge: this is where wall time comes from")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "the edge: this is where waiting comes from")]
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Bytes that the kernel is asked for at a time: most ids need a dozen, and asking costs more than
/// they do.
const DRAWN: usize = 512;

/// Random bytes that were drawn and not given out yet.
struct Drawn {
    bytes: [u8; DRAWN],
    left: usize,
}

thread_local! {
    static DRAWN_BYTES: RefCell<Drawn> = const { RefCell::new(Drawn { bytes: [0; DRAWN], left: 0 }) };
}

/// The kernel's random source.
pub struct KernelEntropy;

impl Entropy for KernelEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        if bytes.len() > DRAWN {
            return draw(bytes);
        }
        DRAWN_BYTES.with_borrow_mut(|drawn| {
            if drawn.left < bytes.len() {
                draw(&mut drawn.bytes);
                drawn.left = DRAWN;
            }
            let from = drawn.left - bytes.len();
            let given = &mut drawn.bytes[from..drawn.left];
            bytes.copy_from_slice(given);
            // Nothing that was given out stays here.
            given.fill(0);
            drawn.left = from;
        });
    }
}

#[expect(clippy::disallowed_methods, reason = "the edge: this is where randomness comes from")]
fn draw(bytes: &mut [u8]) {
    if let Err(error) = getrandom::fill(bytes) {
        // Ids and keys that can be guessed are worse than no server.
        tracing::error!(%error, "the kernel gives no randomness");
        std::process::abort();
    }
}

/// Tokio's tasks. A task that panics is a defect; it is logged by its name and takes nobody with it.
pub struct TokioSpawn;

impl Spawn for TokioSpawn {
    #[expect(clippy::disallowed_methods, reason = "the edge: this is where tasks come from")]
    fn spawn(&self, name: &'static str, task: Task) {
        tokio::spawn(async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                tracing::error!(task = name, "a task panicked; this is a defect");
            }
        });
    }
}
