//! What completed turns left in `/workspace/outputs`: each file as it was then, kept beside the session's log until the
//! session goes, whatever becomes of the environment.
//!
//! A turn's outputs are published beside, as soon as it has ended, and at the latest when somebody looks: which turn was
//! published last is kept with the artifacts, so that a crash loses none. To publish never fails a turn that has ended; while the
//! store cannot take its outputs, the next turn has no environment, so that what is published is what the turn left.

mod publish;
mod queues;
mod shelf;

pub(crate) use queues::Queues;
pub(crate) use shelf::Published;

use crate::disk::Disk;
use crate::hosting::Hosting;
use crate::noted::AGAIN;
use crate::record::Artifact;
use runtime::{File, Listed, Page};
use shelf::Shelf;
use types::{EnvironmentSettings, ProjectId, Refusal, RefusalKind, SessionId, TurnId};

/// How often a tool's call waits for a store that did not take the last turn's outputs.
const TRIES: usize = 5;

impl Hosting {
    /// A turn of the session ended. Returns at once; publishes its outputs beside.
    pub fn turn_ended(&self, project: &ProjectId, session: &SessionId, _turn: &TurnId) {
        self.publish_soon(project, session);
    }

    /// Notes that a turn's outputs may not be published yet, and does it beside: again until the store takes them.
    pub(crate) fn publish_soon(&self, project: &ProjectId, session: &SessionId) {
        if !self.inner.owe(session) {
            // Somebody is at it, and goes on until nothing is owed.
            return;
        }
        let (hosting, project, session) = (self.clone(), project.clone(), session.clone());
        let publishing = async move {
            while hosting.inner.owes(&session) && !hosting.inner.is_closed() {
                if hosting.publish(&project, &session).await.is_err() {
                    hosting.inner.around.clock.sleep(AGAIN).await;
                }
            }
        };
        self.inner.around.spawn.spawn("artifacts", Box::pin(publishing));
    }

    /// Whether somebody may change what is on the disk: what the last turn left is published. Waits a while for that.
    pub(crate) async fn is_published(&self, project: &ProjectId, session: &SessionId) -> bool {
        for _ in 0..TRIES {
            if !self.inner.owes(session) {
                return true;
            }
            if self.publish(project, session).await.is_err() {
                self.inner.around.clock.sleep(AGAIN).await;
            }
        }
        !self.inner.owes(session)
    }

    /// Of a session that is gone: `NotFound`. Unknown `after`: `Invalid`.
    pub async fn artifacts(
        &self,
        project: &ProjectId,
        session: &SessionId,
        environment: Option<&str>,
        page: Page,
    ) -> Result<Listed<Artifact>, Refusal> {
        self.inner.handle()?.session(project, session).await?;
        // What cannot be published now is listed later.
        let _ = self.publish(project, session).await;
        self.shelf(project, session)?.list(environment, page).await
    }

    /// Unknown: `NotFound`. Its content is read as that of a file.
    pub async fn artifact(
        &self,
        project: &ProjectId,
        session: &SessionId,
        id: &str,
    ) -> Result<(Artifact, File), Refusal> {
        self.inner.handle()?.session(project, session).await?;
        self.shelf(project, session)?.artifact(id).await
    }

    /// Unknown, or deleted before: `NotFound`. A later turn publishes the file again, if it is still there.
    pub async fn delete_artifact(&self, project: &ProjectId, session: &SessionId, id: &str) -> Result<(), Refusal> {
        self.inner.handle()?.session(project, session).await?;
        let _one_at_a_time = self.inner.queues.wait(project, session).await;
        self.shelf(project, session)?.delete(id).await
    }

    /// Publishes what the last completed turn left, if that was not done yet, or waits until it is done: before the next
    /// turn's tools, before the disk goes. `Unavailable` where the store cannot take it now: it is still owed, and the disk
    /// is to stay as it is. What can never be read is logged, and stands in nobody's way.
    pub(crate) async fn publish(&self, project: &ProjectId, session: &SessionId) -> Result<(), Refusal> {
        let _one_at_a_time = self.inner.queues.wait(project, session).await;
        let owed = self.inner.owed_now(session);
        match self.publish_now(project, session).await {
            Err(refusal) if refusal.kind == RefusalKind::Unavailable => {
                tracing::warn!(%session, %refusal, "a turn's outputs cannot be published now");
                return Err(refusal);
            }
            Err(refusal) if refusal.kind != RefusalKind::NotFound => {
                tracing::warn!(%session, %refusal, "a turn's outputs cannot be published");
            }
            // Or the session is gone, and wants none.
            _ => {}
        }
        self.inner.owe_no_more(session, owed);
        Ok(())
    }

    /// What a fork of the session begins with: a file that its disk has in the outputs, and that is an artifact of this
    /// session's, is none of its own until it changes. Asked before the disk is copied.
    pub(crate) async fn heritage(&self, project: &ProjectId, parent: &SessionId) -> Result<Published, Refusal> {
        // What cannot be published now is the fork's too.
        let _ = self.publish(project, parent).await;
        Ok(self.shelf(project, parent)?.read().await?.for_fork())
    }

    pub(crate) async fn inherit(
        &self,
        project: &ProjectId,
        fork: &SessionId,
        heritage: &Published,
    ) -> Result<(), Refusal> {
        if heritage.inherited.is_empty() {
            return Ok(());
        }
        let _one_at_a_time = self.inner.queues.wait(project, fork).await;
        self.shelf(project, fork)?.write(heritage, Vec::new(), Vec::new()).await
    }

    /// The session is gone: so are its artifacts. Before the row of its environment goes, so that a crash leaves none.
    pub(crate) async fn forget_artifacts(&self, project: &ProjectId, session: &SessionId) -> Result<(), Refusal> {
        let _one_at_a_time = self.inner.queues.wait(project, session).await;
        self.shelf(project, session)?.forget().await
    }

    async fn publish_now(&self, project: &ProjectId, session: &SessionId) -> Result<(), Refusal> {
        let handle = self.inner.handle()?;
        // Asked behind all others: a session that is gone by now gets nothing any more.
        if handle.head(project, session).await?.environment.is_none() {
            return Ok(());
        }
        let view = handle.session(project, session).await?;
        let EnvironmentSettings::OpenaiHosted(settings) = &view.settings.environment else { return Ok(()) };
        let Some(turn) = handle.last_completed_turn(project, session).await? else { return Ok(()) };
        let disk = Disk::new(&self.inner.folder(settings.id.as_str()));
        self.shelf(project, session)?.publish(&settings.id, turn, &disk).await
    }

    fn shelf<'a>(&'a self, project: &'a ProjectId, session: &'a SessionId) -> Result<Shelf<'a>, Refusal> {
        let around = &self.inner.around;
        let (clock, entropy) = (&*around.clock, &*around.entropy);
        Ok(Shelf { rows: &self.inner.rows, files: self.inner.files()?, clock, entropy, project, session })
    }
}

#[cfg(test)]
mod tests;
