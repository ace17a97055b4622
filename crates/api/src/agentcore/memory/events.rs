//! Events: written, listed, read, deleted.

use super::{Named, Refused, memory_id, shown};
use crate::{Door, body};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use recall::{Branch, NewEvent, Place, Wanted};
use runtime::Identity;
use std::sync::Arc;
use types::Timestamp;
use wire::agentcore::memory::{
    self as wired, Condition, EventCreate, EventDeleted, EventEnvelope, Events, EventsList, actor_id, event_id,
    session_id,
};

pub async fn create(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Named(named): Named<String>,
    request: Request,
) -> Result<Response, Refused> {
    let (object, _held) = body::object(&door, request).await?;
    let memory = memory_id(&door, named)?;
    let EventCreate { actor, session, at, payload, branch, metadata, unextracted, token } = EventCreate::read(object)?;
    let new = NewEvent {
        memory: memory.clone(),
        actor,
        session,
        at: Timestamp(at),
        payload,
        branch: branch.map(|wired::Branch { name, root }| Branch { name, root }),
        metadata,
        unextracted,
        token,
    };
    let event = door.recall.record(&identity.project, new).await?;
    let shown = EventEnvelope { event: shown::event(&memory, &event) };
    Ok((StatusCode::CREATED, Json(shown)).into_response())
}

pub async fn list(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Named(named): Named<(String, String, String)>,
    request: Request,
) -> Result<Response, Refused> {
    let (object, _held) = body::object(&door, request).await?;
    let place = place(&door, named)?;
    let EventsList { page, payloads, branch, conditions } = EventsList::read(object)?;
    let wanted = Wanted {
        branch: branch.map(|wired::BranchFilter { name, parents }| recall::BranchFilter { name, parents }),
        conditions: conditions.into_iter().map(condition).collect(),
        payloads,
        limit: page.limit,
        token: page.token,
    };
    let listed = door.recall.events(&identity.project, &place, &wanted).await?;
    let events = listed.data.iter().map(|event| shown::event(&place.memory, event)).collect();
    Ok(Json(Events { events, next_token: listed.next.as_deref() }).into_response())
}

pub async fn retrieve(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Named((memory, actor, session, id)): Named<(String, String, String, String)>,
) -> Result<Response, Refused> {
    let place = place(&door, (memory, actor, session))?;
    event_id(&id)?;
    let event = door.recall.event(&identity.project, &place, &id).await?;
    Ok(Json(EventEnvelope { event: shown::event(&place.memory, &event) }).into_response())
}

pub async fn delete(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Named((memory, actor, session, id)): Named<(String, String, String, String)>,
) -> Result<Response, Refused> {
    let place = place(&door, (memory, actor, session))?;
    event_id(&id)?;
    door.recall.remove(&identity.project, &place, &id).await?;
    Ok(Json(EventDeleted { event_id: &id }).into_response())
}

fn place(door: &Door, (memory, actor, session): (String, String, String)) -> Result<Place, Refused> {
    let memory = memory_id(door, memory)?;
    actor_id(&actor)?;
    session_id(&session)?;
    Ok(Place { memory, actor, session })
}

fn condition(wanted: Condition) -> recall::Condition {
    match wanted {
        Condition::Equals(key, value) => recall::Condition::Equals(key, value),
        Condition::Exists(key) => recall::Condition::Exists(key),
        Condition::Lacks(key) => recall::Condition::Lacks(key),
    }
}
