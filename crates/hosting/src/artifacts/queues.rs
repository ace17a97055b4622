//! Sessions whose artifacts are being changed: of one, changes are made one after the other; of several, beside each other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OwnedMutexGuard;
use types::{ProjectId, SessionId};

type Queue = Arc<tokio::sync::Mutex<()>>;

#[derive(Default)]
pub(crate) struct Queues {
    /// Only those in which somebody is or waits.
    queues: Mutex<BTreeMap<(ProjectId, SessionId), Queue>>,
}

impl Queues {
    /// Until it is this one's turn, which lasts until what is returned is dropped.
    pub(super) async fn wait(&self, project: &ProjectId, session: &SessionId) -> OwnedMutexGuard<()> {
        let queue = {
            let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
            queues.retain(|_, queue| Arc::strong_count(queue) > 1);
            queues.entry((project.clone(), session.clone())).or_default().clone()
        };
        queue.lock_owned().await
    }
}
