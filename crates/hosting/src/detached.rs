//! What takes several steps, in a task of its own: a client that goes away in the middle leaves nothing half done.

use crate::hosting::Hosting;
use std::future::Future;
use tokio::sync::oneshot;
use types::{Refusal, RefusalKind};

impl Hosting {
    /// Does it to its end, whether or not somebody still waits for what comes of it. `held`: what it has of the server,
    /// the memory of its request for one; given back when it is done.
    pub async fn to_its_end<T: Send + 'static>(
        &self,
        held: impl Send + 'static,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Refusal> {
        let (told, heard) = oneshot::channel();
        let task = async move {
            let done = work.await;
            drop(held);
            let _ = told.send(done);
        };
        self.inner.around.spawn.spawn("environment", Box::pin(task));
        heard.await.map_err(|_| Refusal::new(RefusalKind::Unavailable, "The server ends."))
    }
}

#[cfg(test)]
mod tests {
    use crate::stage::Stage;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn what_is_held_is_held_to_the_end() {
        let hosting = Stage::new().hosting().await;
        let (held, is_held) = oneshot::channel::<()>();
        let ((begin, begun), (go, goes)) = (oneshot::channel(), oneshot::channel());
        let work = async move {
            begin.send(()).unwrap();
            goes.await.unwrap();
        };
        {
            let mut waits = Box::pin(hosting.to_its_end(is_held, work));
            tokio::select! {
                _ = &mut waits => panic!("it is not over"),
                began = begun => began.unwrap(),
            }
        }
        // Whoever waited has gone away.
        assert!(!held.is_closed());
        go.send(()).unwrap();
        let mut held = held;
        held.closed().await;
    }
}
