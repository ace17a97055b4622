//! A client's hold on a session that is there for this client alone. When the client lets go before the turn is over,
//! nobody waits for the rest: the turn is cancelled. A session that is only passing is deleted then, too.

use super::Handle;
use types::{Input, ProjectId, SessionId};

/// Dropped when the client is done or gone. What it does then it does in a task of its own.
pub struct Lease {
    handle: Handle,
    project: ProjectId,
    session: SessionId,
    cancels: bool,
    deletes: bool,
}

impl Handle {
    /// Holds a session for a client. `deletes`: nothing of it is kept when the client lets go.
    pub fn lease(&self, project: &ProjectId, session: &SessionId, deletes: bool) -> Lease {
        let (project, session) = (project.clone(), session.clone());
        Lease { handle: self.clone(), project, session, cancels: true, deletes }
    }
}

impl Lease {
    /// The turn is over, or goes on without its client: it is not cancelled.
    pub fn spare(&mut self) {
        self.cancels = false;
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
