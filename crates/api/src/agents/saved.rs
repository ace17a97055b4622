//! Saved agents: the five routes of `/v1/agents`.

use super::{incoming, shown};
use crate::failure::Failure;
use crate::query::{Ids, Limit, Pairs};
use crate::{Door, body};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use runtime::Identity;
use std::sync::Arc;
use types::{AgentId, AgentSettings};
use wire::agents::request::{AgentCreate, AgentUpdate};
use wire::agents::{Deleted, List};

pub async fn create(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    request: Request,
) -> Result<Response, Failure> {
    let wanted = AgentCreate::read(body::object(&door, request).await?)?;
    let settings = incoming::patched(AgentSettings::new(wanted.model), wanted.settings);
    let agent = door.catalog.create_agent(&identity.project, wanted.name, wanted.metadata, settings).await?;
    Ok((StatusCode::CREATED, Json(shown::agent(&agent))).into_response())
}

pub async fn list(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    pairs: Pairs,
) -> Result<Response, Failure> {
    let listed = door.catalog.agents(&identity.project, pairs.page(Limit::Clamped)?).await?;
    let data = listed.data.iter().map(shown::agent).collect();
    let ids = listed.data.iter().map(|agent| agent.id.as_str());
    Ok(Json(List::new(data, listed.has_more, ids)).into_response())
}

pub async fn retrieve(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
) -> Result<Response, Failure> {
    let agent = door.catalog.agent(&identity.project, &AgentId::new(id)).await?;
    Ok(Json(shown::agent(&agent)).into_response())
}

/// Changes what new sessions get; those that run keep their copy.
pub async fn update(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    request: Request,
) -> Result<Response, Failure> {
    let wanted = AgentUpdate::read(body::object(&door, request).await?)?;
    let mut agent = door.catalog.agent(&identity.project, &AgentId::new(id)).await?;
    agent.settings = incoming::patched(agent.settings, wanted.settings);
    if let Some(name) = wanted.name {
        agent.name = name;
    }
    if let Some(metadata) = wanted.metadata {
        agent.metadata = metadata;
    }
    let agent = door.catalog.update_agent(&identity.project, agent).await?;
    Ok(Json(shown::agent(&agent)).into_response())
}

pub async fn delete(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
) -> Result<Response, Failure> {
    let id = AgentId::new(id);
    door.catalog.delete_agent(&identity.project, &id).await?;
    Ok(Json(Deleted::agent(id.as_str())).into_response())
}
