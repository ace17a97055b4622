//! Sessions with a hosted environment: both are there or neither is, also when the client goes away in the middle.

use super::recipe;
use crate::Door;
use crate::body::Held;
use crate::failure::Failure;
use hosting::{Claim, Hosting};
use runtime::NewFork;
use types::{EnvironmentSettings, NewSession, ProjectId, Refusal, SessionId, SessionSettings, SessionView};

pub async fn create(
    door: &Door,
    project: &ProjectId,
    held: Held,
    new: NewSession,
    claim: Claim,
) -> Result<SessionView, Failure> {
    let (handle, hosting, project) = (door.handle.clone(), recipe::hosting(door)?.clone(), project.clone());
    let keeper = hosting.clone();
    let made = keeper.to_its_end(held, async move {
        let session = handle.new_session_id();
        let settings = hosting.claim(&project, &session, claim).await?;
        let environment = EnvironmentSettings::OpenaiHosted(Box::new(settings));
        let attached = hosting.attach(&project, &session, new.vault_ids.clone()).await;
        let new = NewSession { id: Some(session.clone()), environment, ..new };
        let made = match attached {
            Ok(()) => handle.create(&project, new).await,
            Err(refusal) => Err(refusal),
        };
        settle(&hosting, &project, &session, made).await
    });
    Ok(made.await??)
}

/// A fork of a session that has one, with a copy of its disk.
pub async fn fork(
    door: &Door,
    project: &ProjectId,
    held: Held,
    parent: SessionId,
    fork: NewFork,
    change: impl FnOnce(&mut SessionSettings) + Send + 'static,
) -> Result<SessionView, Failure> {
    let (handle, hosting, project) = (door.handle.clone(), recipe::hosting(door)?.clone(), project.clone());
    let keeper = hosting.clone();
    let made = keeper.to_its_end(held, async move {
        let session = handle.new_session_id();
        let settings = hosting.fork(&project, &parent, &session).await?;
        let fork = NewFork { id: Some(session.clone()), hosted: Some(settings), ..fork };
        let made = handle.fork(&project, &parent, fork, change).await;
        settle(&hosting, &project, &session, made).await
    });
    Ok(made.await??)
}

async fn settle(
    hosting: &Hosting,
    project: &ProjectId,
    session: &SessionId,
    made: Result<SessionView, Refusal>,
) -> Result<SessionView, Refusal> {
    match made {
        Ok(_) => hosting.begin_session(project, session).await,
        Err(_) => hosting.drop_claim(project, session).await,
    }
    made
}

pub async fn delete(door: &Door, hosting: &Hosting, project: &ProjectId, session: &SessionId) -> Result<(), Refusal> {
    let (handle, keeper, project, session) = (door.handle.clone(), hosting.clone(), project.clone(), session.clone());
    let gone = hosting.to_its_end((), async move {
        handle.delete(&project, &session).await?;
        keeper.forget(&project, &session).await;
        Ok(())
    });
    gone.await?
}
