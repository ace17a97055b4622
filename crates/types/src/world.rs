//! The traits through which the world is passed in. The release binary gives them a real clock, the kernel's random
//! source and tokio; `sim` gives them a seed. Nothing below the binary reads the ambient ones (clippy.toml).

use crate::stamp::Timestamp;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// What an asynchronous trait method returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A unit of work handed to [`Spawn`].
pub type Task = BoxFuture<'static, ()>;

/// Wall time for what is recorded, monotonic waiting for what is timed.
pub trait Clock: Send + Sync + 'static {
    /// Wall time, as records and the wire show it. It may jump; nothing is ordered by it.
    fn now(&self) -> Timestamp;
    /// Time since some fixed moment of this process; never jumps.
    fn monotonic(&self) -> Duration;
    /// Resolves when `duration` has passed on the monotonic clock.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;
}

/// Random bytes.
pub trait Entropy: Send + Sync + 'static {
    fn fill(&self, bytes: &mut [u8]);
}

/// Starts tasks. A task ends by itself; what must stop early is told so through a channel.
pub trait Spawn: Send + Sync + 'static {
    fn spawn(&self, name: &'static str, task: Task);
}

/// A place where a session's commands run and its files live. One implementation a kind; the runtime refuses to
/// create a session whose kind it was given no environment for. Kind `none` needs none.
///
/// Commands are effects of class `attachable`: the environment keeps the process and its output under the effect's
/// number, so that a new attempt attaches to what is already running.
pub trait Environment: Send + Sync + 'static {
    /// The `type` that a client writes: `openai_hosted`, `self_hosted`, …
    fn kind(&self) -> &'static str;
}
