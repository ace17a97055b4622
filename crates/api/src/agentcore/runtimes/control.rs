//! Runtimes made, shown, changed and deleted, and their versions.

use super::shown::{self, DELETING, Words};
use super::{Refused, asked, bad_token, hosting, named};
use crate::aws::AwsFailure;
use crate::query::{Ids, Pairs};
use crate::{Door, body};
use ::hosting::{Details, Language, NewRuntime};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use runtime::{Direction, Identity, Page};
use std::sync::Arc;
use types::RefusalKind;
use wire::Word as _;
use wire::agentcore::runtime::{
    RuntimeCreate, RuntimeDeleted, RuntimeDetails, RuntimeUpdate, Runtimes, version_number,
};

pub async fn create(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    request: Request,
) -> Result<Response, Refused> {
    let (object, held) = body::object(&door, request).await?;
    let RuntimeCreate { name, details, token } = RuntimeCreate::read(object)?;
    let (hosting, project) = (hosting(&door)?.clone(), identity.project);
    let new = NewRuntime { name, details: details_of(details)?, token };
    let making = {
        let hosting = hosting.clone();
        async move { hosting.create_runtime(&project, new).await }
    };
    let (runtime, version) = hosting.to_its_end(held, making).await??;
    let words = Words::of(&door, &runtime, &version);
    Ok((StatusCode::ACCEPTED, Json(words.made(&runtime))).into_response())
}

pub async fn list(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let (limit, after) = asked(&pairs)?;
    let page = Page { after, limit, direction: Direction::Descending };
    let listed = hosting(&door)?.runtimes(&identity.project, page).await;
    let listed = listed.map_err(|refusal| match refusal.kind {
        RefusalKind::NotFound => bad_token(),
        _ => refusal.into(),
    })?;
    let agent_runtimes = listed.data.iter().map(|(runtime, version)| shown::summary(&door, runtime, version)).collect();
    let next_token = listed.data.last().filter(|_| listed.has_more).map(|(runtime, _)| runtime.id.clone());
    Ok(Json(Runtimes { agent_runtimes, next_token }).into_response())
}

pub async fn retrieve(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let id = named(&door, id)?;
    let number = pairs.one("version")?.map(version_number).transpose()?;
    let hosting = hosting(&door)?;
    let (runtime, version) = hosting.runtime(&identity.project, &id, number).await?;
    let words = Words::of(&door, &runtime, &version);
    Ok(Json(shown::runtime(&words, hosting, &runtime, &version.details)).into_response())
}

pub async fn update(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    request: Request,
) -> Result<Response, Refused> {
    let (object, held) = body::object(&door, request).await?;
    let id = named(&door, id)?;
    let RuntimeUpdate { details, token } = RuntimeUpdate::read(object)?;
    let (hosting, project, details) = (hosting(&door)?.clone(), identity.project, details_of(details)?);
    let making = {
        let hosting = hosting.clone();
        async move { hosting.update_runtime(&project, &id, details, token).await }
    };
    let (runtime, version) = hosting.to_its_end(held, making).await??;
    let words = Words::of(&door, &runtime, &version);
    Ok((StatusCode::ACCEPTED, Json(words.changed(&runtime))).into_response())
}

pub async fn delete(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let id = named(&door, id)?;
    if pairs.one("version")?.is_some() {
        let message = "One version is not deleted by itself: delete the agent runtime.";
        return Err(AwsFailure::conflict(message).into());
    }
    let runtime = hosting(&door)?.delete_runtime(&identity.project, &id).await?;
    let deleted = RuntimeDeleted { status: DELETING, agent_runtime_id: &runtime.id };
    Ok((StatusCode::ACCEPTED, Json(deleted)).into_response())
}

pub async fn versions(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    pairs: Pairs,
) -> Result<Response, Refused> {
    let id = named(&door, id)?;
    let (limit, before) = asked(&pairs)?;
    let before = before.map(|token| version_number(&token).map_err(|_| bad_token())).transpose()?;
    let (runtime, listed) = hosting(&door)?.versions(&identity.project, &id, before, limit).await?;
    let agent_runtimes = listed.data.iter().map(|version| shown::summary(&door, &runtime, version)).collect();
    let next_token = listed.data.last().filter(|_| listed.has_more).map(|version| version.number.to_string());
    Ok(Json(Runtimes { agent_runtimes, next_token }).into_response())
}

fn details_of(said: RuntimeDetails) -> Result<Details, Refused> {
    let language = Language::read(said.runtime.as_str())
        .ok_or_else(|| Refused::wrong("Invalid 'runtime'.", Some("agentRuntimeArtifact.codeConfiguration.runtime")))?;
    Ok(Details {
        description: said.description,
        bucket: said.bucket,
        prefix: said.prefix,
        language,
        entry_point: said.entry_point,
        role: said.role,
        protocol: said.protocol.map(|word| word.as_str().to_owned()),
        idle: said.idle,
        lifetime: said.lifetime,
        headers: said.headers,
        variables: said.variables,
    })
}
