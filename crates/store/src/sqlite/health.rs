//! Whether the store can still write, and how often it did. Set by the writer and by the blob folder, read by everybody.

use crate::Error;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Default)]
pub(super) struct Health {
    /// Why it stopped; never taken back.
    stopped: OnceLock<String>,
    commits: AtomicU64,
}

impl Health {
    /// The first reason is the one that counts.
    pub(super) fn stop(&self, why: String) {
        tracing::error!(why, "the store stops");
        let _ = self.stopped.set(why);
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        match self.stopped.get() {
            None => Ok(()),
            Some(why) => Err(Error::Stopped(why.clone())),
        }
    }

    pub(super) fn committed(&self) {
        self.commits.fetch_add(1, Ordering::Relaxed);
    }

    /// Transactions since the store was opened.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}
