//! What takes several steps, in a task of its own: a client that goes away in the middle leaves nothing half done.

use crate::hosting::Hosting;
use std::future::Future;
use tokio::sync::oneshot;
use types::{Refusal, RefusalKind};

impl Hosting {
    /// Does it to its end, whether or not somebody still waits for what comes of it.
    pub async fn to_its_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Refusal> {
        let (told, heard) = oneshot::channel();
        let task = async move {
            let _ = told.send(work.await);
        };
        self.inner.around.spawn.spawn("environment", Box::pin(task));
        heard.await.map_err(|_| Refusal::new(RefusalKind::Unavailable, "The server ends."))
    }
}
