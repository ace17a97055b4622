//! Sessions begun, shown, listed and stopped.

use super::super::runtimes::{Refused, bad_token, hosting, iso};
use super::{named, refused, shown};
use crate::query::{Ids, Pairs};
use crate::{Door, body};
use ::hosting::{CodeSessionPage, NewCodeSession};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use runtime::Identity;
use std::sync::Arc;
use wire::agentcore::interpreter::{
    SessionBegun, SessionStart, SessionStatus, SessionStopped, Sessions, SessionsAsked, session_id,
};

pub async fn start(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    request: Request,
) -> Result<Response, Refused> {
    let (object, _held) = body::object(&door, request).await?;
    let interpreter = named(&door, id)?;
    let SessionStart { name, timeout, token } = SessionStart::read(object)?;
    let new = NewCodeSession { interpreter: interpreter.clone(), name, timeout, token };
    let begun = hosting(&door)?.begin_code_session(&identity.project, new).await;
    let (session, row) = begun.map_err(refused)?;
    let begun = SessionBegun {
        code_interpreter_identifier: &interpreter,
        session_id: &session,
        created_at: iso(row.created_at),
    };
    Ok(Json(begun).into_response())
}

pub async fn retrieve(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let (interpreter, session) = (named(&door, id)?, asked_session(&pairs)?);
    let row = hosting(&door)?.code_session(&identity.project, &interpreter, &session).await.map_err(refused)?;
    Ok(Json(shown::session(&door, &row, &interpreter)).into_response())
}

pub async fn list(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    request: Request,
) -> Result<Response, Refused> {
    let (object, _held) = body::object(&door, request).await?;
    let interpreter = named(&door, id)?;
    let SessionsAsked { limit, after, status } = SessionsAsked::read(object)?;
    if after.as_ref().is_some_and(|after| session_id(after).is_err()) {
        return Err(bad_token());
    }
    let ended = status.map(|status| status == SessionStatus::Terminated);
    let has_cursor = after.is_some();
    let page = CodeSessionPage { after, limit, ended };
    let hosting = hosting(&door)?;
    let listed = hosting.code_sessions(&identity.project, &interpreter, page).await.map_err(|refusal| {
        // The interpreter's is the other thing that may be missing, and says no place.
        let is_cursor = has_cursor && refusal.param.is_some();
        if is_cursor { bad_token() } else { refused(refusal) }
    })?;
    let items = listed.data.iter().map(|row| shown::session_summary(&door, row, &interpreter)).collect();
    let next_token = listed.data.last().filter(|_| listed.has_more).map(|row| row.code_session_id().to_owned());
    Ok(Json(Sessions { items, next_token }).into_response())
}

pub async fn stop(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let (interpreter, session) = (named(&door, id)?, asked_session(&pairs)?);
    let row = hosting(&door)?.stop_code_session(&identity.project, &interpreter, &session).await.map_err(refused)?;
    let now = door.clock.now();
    let stopped = SessionStopped {
        code_interpreter_identifier: &interpreter,
        session_id: &session,
        last_updated_at: iso(row.code_session_end(now).unwrap_or(now)),
    };
    Ok(Json(stopped).into_response())
}

fn asked_session(pairs: &Pairs) -> Result<String, Refused> {
    let missing = || Refused::wrong("Missing required parameter: 'sessionId'.", Some("sessionId"));
    let session = pairs.one("sessionId")?.ok_or_else(missing)?;
    session_id(session)?;
    Ok(session.to_owned())
}
