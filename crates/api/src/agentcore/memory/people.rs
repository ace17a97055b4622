//! Who is in a memory: actors and their sessions.

use super::{Named, Refused, memory_id, shown};
use crate::{Door, body};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use runtime::Identity;
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::agentcore::memory::{Actors, PageAsked, Session, Sessions, SessionsList, actor_id};

pub async fn sessions(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Named((named, actor)): Named<(String, String)>,
    request: Request,
) -> Result<Response, Refused> {
    let (object, _held) = body::object(&door, request).await?;
    let memory = memory_id(&door, named)?;
    actor_id(&actor)?;
    let SessionsList { page, with_events } = SessionsList::read(object)?;
    let whose = (memory.as_str(), actor.as_str());
    let listed = door.recall.sessions(&identity.project, whose, with_events, page.limit, page.token.as_deref()).await?;
    let session_summaries = listed.data.iter().map(|session| Session {
        session_id: &session.id,
        actor_id: &session.actor,
        created_at: shown::seconds(session.created_at),
    });
    let shown = Sessions { session_summaries: session_summaries.collect(), next_token: listed.next.as_deref() };
    Ok(Json(shown).into_response())
}

pub async fn actors(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Named(named): Named<String>,
    request: Request,
) -> Result<Response, Refused> {
    let (object, _held) = body::object(&door, request).await?;
    let memory = memory_id(&door, named)?;
    let page = PageAsked::read(object)?;
    let listed = door.recall.actors(&identity.project, &memory, page.limit, page.token.as_deref()).await?;
    let actor_summaries = listed.data.iter().map(|actor| BTreeMap::from([("actorId", actor.as_str())]));
    let shown = Actors { actor_summaries: actor_summaries.collect(), next_token: listed.next.as_deref() };
    Ok(Json(shown).into_response())
}
