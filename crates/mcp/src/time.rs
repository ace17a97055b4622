//! Waiting that ends.

use std::time::Duration;
use types::Clock;

/// What the future comes to, or `None` where it takes longer.
pub(crate) async fn within<T>(clock: &dyn Clock, time: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = future => Some(done),
        () = clock.sleep(time) => None,
    }
}
