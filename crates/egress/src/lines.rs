//! How many lines the log gets: what connects is the sandbox's choice, and the log is the server's.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Lines of one proxy in a second.
const MOST: u32 = 20;
const SECOND: Duration = Duration::from_secs(1);

/// The lines of one proxy.
#[derive(Default)]
pub(crate) struct Lines(Mutex<Count>);

#[derive(Default)]
struct Count {
    begun: Duration,
    written: u32,
    left_out: u64,
}

impl Lines {
    /// Whether there is room for a line at this (monotonic) time. The first one after some that had none is preceded by
    /// a line that says how many.
    pub fn have_room(&self, now: Duration) -> bool {
        let mut count = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_sub(count.begun) >= SECOND {
            say(count.left_out);
            *count = Count { begun: now, ..Count::default() };
        }
        let room = count.written < MOST;
        if room {
            count.written += 1;
        } else {
            count.left_out = count.left_out.saturating_add(1);
        }
        room
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        say(self.0.get_mut().unwrap_or_else(PoisonError::into_inner).left_out);
    }
}

fn say(left_out: u64) {
    if left_out > 0 {
        tracing::info!(left_out, "egress: more connections than lines");
    }
}
