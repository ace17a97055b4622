//! The control plane: memories made, shown, changed and deleted. A memory is active at once, and gone at once.

use super::{Named, Refused, memory_id, shown};
use crate::failure::Failure;
use crate::query::Pairs;
use crate::{Door, body};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use recall::{IndexedKey, MemoryChange, NewMemory};
use runtime::Identity;
use std::sync::Arc;
use wire::agentcore::memory::{
    IndexedKey as WantedKey, Memories, MemoryCreate, MemoryDeleted, MemoryEnvelope, MemoryUpdate, PageAsked,
};

pub async fn create(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    request: Request,
) -> Result<Response, Refused> {
    let (object, _held) = body::object(&door, request).await?;
    let MemoryCreate { name, description, days, role, indexed_keys, tags, token } = MemoryCreate::read(object)?;
    let new = NewMemory { name, description, days, role, indexed_keys: keys(indexed_keys), tags, token };
    let memory = door.recall.create(&identity.project, new).await?;
    let shown = MemoryEnvelope { memory: shown::memory(&door, &memory) };
    Ok((StatusCode::ACCEPTED, Json(shown)).into_response())
}

pub async fn list(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    request: Request,
) -> Result<Response, Refused> {
    let (object, _held) = body::object(&door, request).await?;
    let asked = PageAsked::read(object)?;
    let listed = door.recall.memories(&identity.project, asked.limit, asked.token.as_deref()).await?;
    let memories = listed.data.iter().map(|memory| shown::summary(&door, memory)).collect();
    Ok(Json(Memories { memories, next_token: listed.next.as_deref() }).into_response())
}

pub async fn retrieve(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Named(named): Named<String>,
    pairs: Result<Pairs, Failure>,
) -> Result<Response, Refused> {
    let pairs = pairs?;
    // Both views are the same: nothing is encrypted under a client's key.
    if let Some(view) = pairs.one("view")?
        && !matches!(view, "full" | "without_decryption")
    {
        return Err(Refused::wrong("Invalid 'view': it must be full or without_decryption.", Some("view")));
    }
    let memory = door.recall.memory(&identity.project, &memory_id(&door, named)?).await?;
    Ok(Json(MemoryEnvelope { memory: shown::memory(&door, &memory) }).into_response())
}

pub async fn update(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Named(named): Named<String>,
    request: Request,
) -> Result<Response, Refused> {
    let (object, _held) = body::object(&door, request).await?;
    let id = memory_id(&door, named)?;
    let MemoryUpdate { description, days, role, more_keys } = MemoryUpdate::read(object)?;
    let change = MemoryChange { description, days, role, more_keys: keys(more_keys) };
    let memory = door.recall.update(&identity.project, &id, change).await?;
    let shown = MemoryEnvelope { memory: shown::memory(&door, &memory) };
    Ok((StatusCode::ACCEPTED, Json(shown)).into_response())
}

pub async fn delete(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Named(named): Named<String>,
) -> Result<Response, Refused> {
    let id = memory_id(&door, named)?;
    door.recall.delete(&identity.project, &id).await?;
    Ok((StatusCode::ACCEPTED, Json(MemoryDeleted { memory_id: &id, status: "DELETING" })).into_response())
}

fn keys(wanted: Vec<WantedKey>) -> Vec<IndexedKey> {
    wanted.into_iter().map(|key| IndexedKey { key: key.key, kind: key.kind.to_owned() }).collect()
}
