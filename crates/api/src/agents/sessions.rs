//! Sessions: created, listed, read, changed, deleted.

use super::managed::{self, Asked, Managed};
use super::{claims, incoming, recipe, shown};
use crate::failure::Failure;
use crate::query::{Ids, Limit, Pairs};
use crate::sse::{self, End};
use crate::traffic::Slot;
use crate::words::Translate;
use crate::{Door, body, executors, vaults};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use hosting::Claim;
use runtime::{Direction, Identity, Page, SessionFilter, Start};
use std::sync::Arc;
use std::time::Duration;
use types::{
    AgentId, AgentSettings, AwsSession, EnvironmentId, EnvironmentSettings, Metadata, MicroUsd, NewSession, ProjectId,
    RefusalKind, SavedAgent, SessionId,
};
use wire::Word;
use wire::agents::request::{EnvironmentParam, SelfHosted, SessionCreate, SessionUpdate};
use wire::agents::{Deleted, EnvironmentKind, List};

/// When a client that found no place for a stream may ask again.
const STREAM_PAUSE: Duration = Duration::from_secs(5);

/// A place for one more stream, or a 429.
pub fn stream_slot(door: &Door) -> Result<Slot, Failure> {
    let slot = door.traffic.open(door.limits.streams);
    slot.ok_or_else(|| Failure::busy("Too many event streams are open.", STREAM_PAUSE))
}

/// 201 with the session, or with its events from the first to the end of its first turn.
pub async fn create(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    managed: Option<Extension<Managed>>,
    request: Request,
) -> Result<Response, Failure> {
    let (object, held) = body::object(&door, request).await?;
    let Asked { wanted, aws } = managed::read(managed, object)?;
    let slot = if wanted.stream { Some(stream_slot(&door)?) } else { None };
    let padded = wanted.include_obfuscation;
    let (new, claim) = resolve(&door, &identity.project, wanted, aws).await?;
    let view = match claim {
        None => door.handle.create(&identity.project, new).await?,
        Some(claim) => claims::create(&door, &identity.project, held, new, claim).await?,
    };
    let Some(slot) = slot else {
        let shown = managed::said(managed, shown::session(&view, door.remote_url()));
        return Ok((StatusCode::CREATED, Json(shown)).into_response());
    };
    let session = view.head.session.clone();
    let subscription = door.handle.subscribe(&identity.project, &session, Start::Beginning).await?;
    let end = End::Settled { turn_ended: false };
    Ok(sse::response(StatusCode::CREATED, &door, session, subscription, end, padded, slot))
}

/// Puts the request's agent over the saved one, and refuses what this server does not serve yet. A hosted environment
/// is only described: it is claimed when all else is known to be well.
async fn resolve(
    door: &Door,
    project: &ProjectId,
    wanted: SessionCreate,
    aws: Option<Box<AwsSession>>,
) -> Result<(NewSession, Option<Claim>), Failure> {
    let (environment, mut claim) = environment(door, wanted.environment)?;
    if let Some(asked) = aws.as_ref().and_then(|aws| aws.environment.as_ref()) {
        claim = managed::claim(door, project, asked, claim).await?;
    }
    vaults::known(door, project, &wanted.vault_ids).await?;
    let saved = match &wanted.agent_id {
        Some(id) => Some(saved_agent(door, project, id).await?),
        None => None,
    };
    let mut metadata = wanted.metadata;
    let (agent_id, agent_name, mut agent) = match saved {
        Some(agent) => {
            take_consents(agent.metadata, &mut metadata);
            (Some(agent.id), agent.name, agent.settings)
        }
        // The request was read: without a saved agent, its own names the model.
        None => (None, None, AgentSettings::new(String::new())),
    };
    incoming::patch(&mut agent, wanted.agent);
    let new = NewSession {
        id: None,
        agent_id,
        agent_name,
        agent,
        environment,
        vault_ids: wanted.vault_ids,
        prompt_cache: wanted.prompt_cache.map(Translate::translate),
        review: wanted.review.translate(),
        spend_limit: wanted.spend_limit.map(MicroUsd::from_cents),
        metadata,
        aws,
        input: incoming::messages(wanted.input),
    };
    Ok((new, claim))
}

/// What a saved agent says of consent counts for its sessions, where these do not say it themselves. They show it.
fn take_consents(of_agent: Metadata, of_session: &mut Metadata) {
    const KEY: &str = "approvals";
    for (key, value) in of_agent {
        if key.strip_prefix(KEY).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) {
            of_session.entry(key).or_insert(value);
        }
    }
}

/// What this server has of environments. One that it has not is refused by its name alone.
fn environment(door: &Door, wanted: EnvironmentParam) -> Result<(EnvironmentSettings, Option<Claim>), Failure> {
    let kind = wanted.kind;
    match kind {
        EnvironmentKind::None => Ok((EnvironmentSettings::None, None)),
        EnvironmentKind::SelfHosted if door.remote_url.is_some() => {
            let SelfHosted { workspace_directory, capability_directories } = wanted.self_hosted()?;
            let id = EnvironmentId::new("");
            Ok((EnvironmentSettings::SelfHosted { id, workspace_directory, capability_directories }, None))
        }
        EnvironmentKind::OpenaiHosted if door.hosting.is_some() => {
            Ok((EnvironmentSettings::None, Some(recipe::claim(wanted.hosted()?)?)))
        }
        EnvironmentKind::SelfHosted | EnvironmentKind::OpenaiHosted => {
            let message = format!("Environments of type '{}' are not available on this server.", kind.as_str());
            Err(Failure::invalid(message).at("environment.type"))
        }
    }
}

/// The agent that a session names; an id that only ever belonged to a session has an error of its own.
async fn saved_agent(door: &Door, project: &ProjectId, id: &str) -> Result<SavedAgent, Failure> {
    let refusal = match door.catalog.agent(project, &AgentId::new(id)).await {
        Ok(agent) => return Ok(agent),
        Err(refusal) => refusal,
    };
    if refusal.kind == RefusalKind::NotFound && is_local(door, project, id).await? {
        let message = format!("Agent '{id}' belongs to a session and was not saved, so it cannot be used again.");
        return Err(Failure::invalid_as("agent_not_persisted", message).at("agent_id"));
    }
    Err(Failure::from(refusal).at("agent_id"))
}

/// Whether a session has this agent without its ever having been saved.
async fn is_local(door: &Door, project: &ProjectId, id: &str) -> Result<bool, Failure> {
    let page =
        |after: Option<&str>| Page { after: after.map(str::to_owned), limit: 1, direction: Direction::Descending };
    // A deleted agent is gone, but it still works as a cursor.
    match door.catalog.agents(project, page(Some(id))).await {
        Ok(_) => return Ok(false),
        Err(refusal) if refusal.kind == RefusalKind::NotFound => {}
        Err(refusal) => return Err(refusal.into()),
    }
    let filter = SessionFilter { agent_id: Some(id.to_owned()), ..SessionFilter::default() };
    Ok(!door.handle.sessions(project, filter, page(None)).await?.data.is_empty())
}

pub async fn list(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    managed: Option<Extension<Managed>>,
    pairs: Pairs,
) -> Result<Response, Failure> {
    let page = pairs.page(Limit::Clamped)?;
    let agent_id = pairs.one("agent_id")?.map(str::to_owned);
    let filter = SessionFilter { door: types::Door::Agents, agent_id, metadata: pairs.metadata()? };
    let listed = door.handle.sessions(&identity.project, filter, page).await?;
    let shown = listed.data.iter().map(|view| shown::session(view, door.remote_url()));
    let data = shown.map(|session| managed::said(managed, session)).collect();
    let ids = listed.data.iter().map(|view| view.head.session.as_str());
    Ok(Json(List::new(data, listed.has_more, ids)).into_response())
}

pub async fn retrieve(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    managed: Option<Extension<Managed>>,
    Ids(id): Ids<String>,
) -> Result<Response, Failure> {
    let view = door.handle.session(&identity.project, &SessionId::new(id)).await?;
    Ok(Json(managed::said(managed, shown::session(&view, door.remote_url()))).into_response())
}

pub async fn update(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    request: Request,
) -> Result<Response, Failure> {
    let (object, _held) = body::object(&door, request).await?;
    let wanted = SessionUpdate::read(object)?;
    let change = incoming::change(wanted);
    let view = door.handle.update(&identity.project, &SessionId::new(id), change).await?;
    Ok(Json(shown::session(&view, door.remote_url())).into_response())
}

/// The same answer however often.
pub async fn delete(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
) -> Result<Response, Failure> {
    let id = SessionId::new(id);
    match &door.hosting {
        None => door.handle.delete(&identity.project, &id).await?,
        Some(hosting) => claims::delete(&door, hosting, &identity.project, &id).await?,
    }
    executors::forget(&door, &identity.project, &id).await;
    Ok(Json(Deleted::session(id.as_str())).into_response())
}
