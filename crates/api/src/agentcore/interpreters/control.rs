//! Interpreters made, shown, listed and deleted. The one that everybody has is shown, and never changes.

use super::super::runtimes::{Refused, asked, bad_token, hosting, iso};
use super::{missing, named, refused, shown};
use crate::query::{Ids, Pairs};
use crate::{Door, body};
use ::hosting::{Mode, NewInterpreter, OWN};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use runtime::{Direction, Identity, Page};
use std::sync::Arc;
use types::RefusalKind;
use wire::agentcore::interpreter::{InterpreterCreate, InterpreterDeleted, InterpreterMode, Interpreters};

pub async fn create(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    request: Request,
) -> Result<Response, Refused> {
    let (object, _held) = body::object(&door, request).await?;
    let InterpreterCreate { name, description, role, mode, token } = InterpreterCreate::read(object)?;
    let mode = if mode == InterpreterMode::Public { Mode::Public } else { Mode::Sandbox };
    let new = NewInterpreter { name, description, role, mode, token };
    let made = hosting(&door)?.create_interpreter(&identity.project, new).await?;
    Ok((StatusCode::ACCEPTED, Json(shown::made(&door, &made))).into_response())
}

/// Everybody's comes first; a page begins with it or behind it.
pub async fn list(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let (limit, after) = asked(&pairs)?;
    let (own, custom) = match pairs.one("type")? {
        None => (true, true),
        Some("SYSTEM") => (true, false),
        Some("CUSTOM") => (false, true),
        Some(_) => return Err(Refused::wrong("Invalid 'type': SYSTEM or CUSTOM is asked for.", Some("type"))),
    };
    let mut summaries = Vec::new();
    if own && after.is_none() {
        summaries.push(shown::own_summary(&door));
    }
    let after = after.filter(|id| id != OWN);
    let mut has_more = false;
    if custom && summaries.len() < limit {
        let page = Page { after, limit: limit - summaries.len(), direction: Direction::Descending };
        let listed = hosting(&door)?.interpreters(&identity.project, page).await;
        let listed = listed.map_err(|refusal| match refusal.kind {
            RefusalKind::NotFound => bad_token(),
            _ => refusal.into(),
        })?;
        summaries.extend(listed.data.iter().map(|interpreter| shown::summary(&door, interpreter)));
        has_more = listed.has_more;
    } else if custom {
        let page = Page { after: None, limit: 1, direction: Direction::Descending };
        has_more = !hosting(&door)?.interpreters(&identity.project, page).await?.data.is_empty();
    }
    let next_token = summaries.last().filter(|_| has_more).map(|last| last.made.code_interpreter_id.clone());
    Ok(Json(Interpreters { code_interpreter_summaries: summaries, next_token }).into_response())
}

pub async fn retrieve(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
) -> Result<Response, Refused> {
    let id = named(&door, id)?;
    if id == OWN {
        return Ok(Json(shown::own(&door)).into_response());
    }
    let interpreter = hosting(&door)?.interpreter(&identity.project, &id).await.map_err(refused)?;
    Ok(Json(shown::interpreter(&door, interpreter)).into_response())
}

pub async fn delete(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
) -> Result<Response, Refused> {
    let id = named(&door, id)?;
    if id == OWN {
        return Err(missing());
    }
    let deleted = hosting(&door)?.delete_interpreter(&identity.project, &id).await.map_err(refused)?;
    let last_updated_at = iso(door.clock.now());
    let deleted = InterpreterDeleted { code_interpreter_id: &deleted.id, status: "DELETING", last_updated_at };
    Ok((StatusCode::ACCEPTED, Json(deleted)).into_response())
}
