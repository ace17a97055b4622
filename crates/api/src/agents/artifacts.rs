//! What completed turns left in the outputs of their environment. A session without a hosted one has none.

use crate::Door;
use crate::failure::Failure;
use crate::files::content;
use crate::query::{Ids, Limit, Pairs};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use hosting::Hosting;
use hosting::record::Artifact;
use runtime::{File, Identity};
use std::sync::Arc;
use types::{ProjectId, Refusal, RefusalKind, SessionId};
use wire::agents as outer;
use wire::agents::{Deleted, List};

pub async fn list(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    pairs: Pairs,
) -> Result<Response, Failure> {
    let page = pairs.page(Limit::Checked)?;
    let environment = pairs.one("environment_id")?;
    let (session, project) = (SessionId::new(id), &identity.project);
    door.handle.session(project, &session).await?;
    let is_first = page.after.is_none();
    let listed = match &door.hosting {
        Some(hosting) => hosting.artifacts(project, &session, environment, page).await,
        None if is_first => return Ok(Json(List::<outer::Artifact>::empty()).into_response()),
        None => Err(Refusal::not_found("artifact", page.after.as_deref().unwrap_or_default())),
    };
    let listed = listed.map_err(|refusal| match refusal.kind {
        RefusalKind::NotFound if !is_first => Failure::invalid("after is not a valid artifact ID"),
        _ => refusal.into(),
    })?;
    let data = listed.data.iter().map(|artifact| shown(&session, artifact)).collect();
    let ids = listed.data.iter().map(|artifact| artifact.id.as_str());
    Ok(Json(List::new(data, listed.has_more, ids)).into_response())
}

pub async fn retrieve(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids((session, id)): Ids<(String, String)>,
) -> Result<Response, Failure> {
    let (session, project) = (SessionId::new(session), &identity.project);
    let (artifact, _) = found(&door, project, &session, &id).await?;
    Ok(Json(shown(&session, &artifact)).into_response())
}

/// All of it, whatever range is asked for.
pub async fn content(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids((session, id)): Ids<(String, String)>,
) -> Result<Response, Failure> {
    let (session, project) = (SessionId::new(session), &identity.project);
    let (artifact, file) = found(&door, project, &session, &id).await?;
    let name = artifact.path.rsplit('/').next().unwrap_or_default();
    content::whole(&door, project, file, name).await
}

pub async fn delete(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids((session, id)): Ids<(String, String)>,
) -> Result<Response, Failure> {
    let (session, project) = (SessionId::new(session), &identity.project);
    let keeper = keeper(&door, project, &session).await?;
    keeper.delete_artifact(project, &session, &id).await.map_err(refused)?;
    Ok(Json(Deleted::artifact(&id)).into_response())
}

/// Who keeps what sessions published. The 404 of the session goes first.
async fn keeper<'a>(door: &'a Door, project: &ProjectId, session: &SessionId) -> Result<&'a Hosting, Failure> {
    door.handle.session(project, session).await?;
    door.hosting.as_ref().ok_or_else(missing)
}

async fn found(door: &Door, project: &ProjectId, session: &SessionId, id: &str) -> Result<(Artifact, File), Failure> {
    keeper(door, project, session).await?.artifact(project, session, id).await.map_err(refused)
}

fn missing() -> Failure {
    Failure::not_found("Artifact not found.")
}

fn refused(refusal: Refusal) -> Failure {
    if refusal.kind == RefusalKind::NotFound { missing() } else { refusal.into() }
}

fn shown<'a>(session: &'a SessionId, artifact: &'a Artifact) -> outer::Artifact<'a> {
    outer::Artifact {
        id: &artifact.id,
        session_id: session.as_str(),
        environment_id: artifact.environment.as_str(),
        turn_id: artifact.turn.as_str(),
        path: &artifact.path,
        size_bytes: artifact.bytes,
        created_at: artifact.created_at.seconds(),
    }
}
