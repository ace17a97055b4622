//! A client's hold on a session that is there for this client alone. When the client lets go before the turn is over,
//! nobody waits for the rest: the turn is cancelled. A session that is only passing is deleted then, too.

use super::{Handle, Respond, TurnPlace};
use crate::actor::unavailable;
use tokio::sync::oneshot;
use types::{Input, ProjectId, Refusal, SessionId};

/// Dropped when the client is done or gone. What it does then it does in a task of its own.
pub struct Lease {
    handle: Handle,
    project: ProjectId,
    session: SessionId,
    cancels: bool,
    deletes: bool,
}

impl Handle {
    /// Begins a turn for a client, as `respond` does, and holds its session. The client may go away before it hears of it:
    /// then the hold is let go of as soon as there is one. `cancels`: the turn does not go on without the client.
    /// `deletes`: nothing of the session is kept when the client lets go.
    pub async fn respond_held(
        &self,
        project: &ProjectId,
        asked: Respond,
        (cancels, deletes): (bool, bool),
    ) -> Result<(TurnPlace, Lease), Refusal> {
        let (tell, told) = oneshot::channel();
        let (handle, project) = (self.clone(), project.clone());
        let begin = async move {
            let begun = handle.respond(&project, asked).await.map(|place| {
                let session = place.session.clone();
                (place, Lease { handle, project, session, cancels, deletes })
            });
            // Where nobody is told any more, the lease is dropped here.
            let _ = tell.send(begun);
        };
        self.world.spawn.spawn("a turn for a client", Box::pin(begin));
        told.await.unwrap_or_else(|_| Err(unavailable()))
    }
}

impl Lease {
    /// The turn is over, or goes on without its client: it is not cancelled.
    pub fn spare(&mut self) {
        self.cancels = false;
    }

    /// Somebody else holds the session.
    pub fn let_be(mut self) {
        (self.cancels, self.deletes) = (false, false);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.cancels && !self.deletes {
            return;
        }
        let Self { handle, project, session, cancels, deletes } = self;
        let (handle, project, session) = (handle.clone(), project.clone(), session.clone());
        let (cancels, deletes) = (*cancels, *deletes);
        let spawn = handle.world.spawn.clone();
        let end = async move {
            if cancels && let Err(refusal) = handle.submit(&project, &session, vec![Input::Cancel], None).await {
                tracing::debug!(%session, %refusal, "a turn whose client has gone could not be cancelled");
            }
            if deletes && let Err(refusal) = handle.delete(&project, &session).await {
                tracing::debug!(%session, %refusal, "a session whose client has gone could not be deleted");
            }
        };
        spawn.spawn("lease", Box::pin(end));
    }
}
