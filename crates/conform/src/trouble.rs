//! Why a check could not be made: the server, not the check. It also keeps time: nothing here waits without a limit.

use std::future::Future;
use std::time::{Duration, Instant};

#[derive(Clone, Debug, thiserror::Error)]
pub enum Trouble {
    #[error("no answer within {} s to {asked}", limit.as_secs_f32())]
    Silent { asked: String, limit: Duration },
    #[error("{asked} came to nothing: {why}")]
    Broken { asked: String, why: String },
    #[error("more than {limit} bytes in answer to {asked}")]
    TooLarge { asked: String, limit: usize },
    /// The answer came but does not have what the next step needs.
    #[error("{0}")]
    Useless(String),
}

impl Trouble {
    /// Whether to give up on everything that would ask again.
    pub fn is_silence(&self) -> bool {
        matches!(self, Self::Silent { .. })
    }
}

/// Awaits `work` for at most `limit`.
#[expect(clippy::disallowed_methods, reason = "a black-box client is an edge: its only clock is the real one")]
pub async fn within<T>(limit: Duration, asked: &str, work: impl Future<Output = T>) -> Result<T, Trouble> {
    let silent = |_| Trouble::Silent { asked: asked.to_owned(), limit };
    tokio::time::timeout(limit, work).await.map_err(silent)
}

/// Waits between two looks at something that sends no event.
#[expect(clippy::disallowed_methods, reason = "a black-box client is an edge: its only clock is the real one")]
pub async fn pause(time: Duration) {
    tokio::time::sleep(time).await;
}

/// A point in time after which nothing is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    #[expect(clippy::disallowed_methods, reason = "a black-box client is an edge: its only clock is the real one")]
    pub fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    #[expect(clippy::disallowed_methods, reason = "a black-box client is an edge: its only clock is the real one")]
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    pub fn is_over(self) -> bool {
        self.left().is_zero()
    }
}
