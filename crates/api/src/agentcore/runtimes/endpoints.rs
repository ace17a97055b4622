//! Endpoints of a runtime made, shown, moved and deleted.

use super::shown::{self, DELETING, READY};
use super::{Refused, asked, bad_token, hosting, named};
use crate::query::{Ids, Pairs};
use crate::{Door, body};
use ::hosting::Change;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use runtime::Identity;
use std::sync::Arc;
use wire::agentcore::runtime::{
    EndpointChange, EndpointChanged, EndpointCreate, EndpointDeleted, EndpointMade, Endpoints, endpoint_name,
};

pub async fn create(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    request: Request,
) -> Result<Response, Refused> {
    let (object, _held) = body::object(&door, request).await?;
    let id = named(&door, id)?;
    let EndpointCreate { name, change } = EndpointCreate::read(object)?;
    let made = hosting(&door)?.create_endpoint(&identity.project, &id, &name, wanted(change)).await?;
    let shown = shown::endpoint(&door, &made.0, &made.1);
    let made = EndpointMade {
        target_version: &shown.target_version,
        agent_runtime_endpoint_arn: &shown.agent_runtime_endpoint_arn,
        agent_runtime_arn: &shown.agent_runtime_arn,
        agent_runtime_id: &id,
        endpoint_name: &name,
        status: READY,
        created_at: &shown.created_at,
    };
    Ok((StatusCode::ACCEPTED, Json(made)).into_response())
}

pub async fn list(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let unknown = |refused: Refused| refused.or_wrong("agentRuntimeId");
    let id = named(&door, id).map_err(unknown)?;
    let (limit, after) = asked(&pairs)?;
    let found = hosting(&door)?.runtime(&identity.project, &id, None).await;
    let (runtime, _) = found.map_err(|refusal| unknown(refusal.into()))?;
    let from = match after {
        None => 0,
        Some(name) => {
            let place = runtime.endpoints.iter().position(|endpoint| endpoint.name == name);
            place.map(|place| place + 1).ok_or_else(bad_token)?
        }
    };
    let listed = runtime.endpoints.iter().skip(from).take(limit);
    let runtime_endpoints: Vec<_> = listed.map(|endpoint| shown::endpoint(&door, &runtime, endpoint)).collect();
    let has_more = runtime.endpoints.len() > from + runtime_endpoints.len();
    let next_token = runtime_endpoints.last().filter(|_| has_more).map(|endpoint| endpoint.name.clone());
    Ok(Json(Endpoints { runtime_endpoints, next_token }).into_response())
}

pub async fn retrieve(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids((id, name)): Ids<(String, String)>,
) -> Result<Response, Refused> {
    let id = named(&door, id)?;
    endpoint_name(&name)?;
    let (runtime, endpoint) = hosting(&door)?.endpoint(&identity.project, &id, &name).await?;
    Ok(Json(shown::endpoint(&door, &runtime, &endpoint)).into_response())
}

pub async fn update(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids((id, name)): Ids<(String, String)>,
    request: Request,
) -> Result<Response, Refused> {
    let (object, _held) = body::object(&door, request).await?;
    let id = named(&door, id)?;
    endpoint_name(&name)?;
    let change = wanted(EndpointChange::read(object)?);
    let changed = hosting(&door)?.update_endpoint(&identity.project, &id, &name, change).await?;
    let shown = shown::endpoint(&door, &changed.0, &changed.1);
    let changed = EndpointChanged {
        live_version: &shown.live_version,
        target_version: &shown.target_version,
        agent_runtime_endpoint_arn: &shown.agent_runtime_endpoint_arn,
        agent_runtime_arn: &shown.agent_runtime_arn,
        status: READY,
        created_at: &shown.created_at,
        last_updated_at: &shown.last_updated_at,
    };
    Ok((StatusCode::ACCEPTED, Json(changed)).into_response())
}

pub async fn delete(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids((id, name)): Ids<(String, String)>,
) -> Result<Response, Refused> {
    let id = named(&door, id)?;
    endpoint_name(&name)?;
    hosting(&door)?.delete_endpoint(&identity.project, &id, &name).await?;
    let deleted = EndpointDeleted { status: DELETING, agent_runtime_id: &id, endpoint_name: &name };
    Ok((StatusCode::ACCEPTED, Json(deleted)).into_response())
}

fn wanted(change: EndpointChange) -> Change {
    let EndpointChange { version, description, token } = change;
    Change { version, description, token }
}
