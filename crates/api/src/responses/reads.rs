//! A response that is there: read, told again, cancelled, deleted; and what it was asked with.

use super::names::{self, Place};
use super::shown::{self, Facts, Progress};
use super::stream::Stream;
use crate::Door;
use crate::agents::stream_slot;
use crate::failure::Failure;
use crate::query::{Ids, Limit, Pairs};
use crate::sse::{event_stream, told};
use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response as Answer};
use runtime::{Direction, Identity, Response, Start};
use std::sync::Arc;
use types::{ProjectId, Refusal, RefusalKind};
use wire::Word;
use wire::responses::{Deleted, Include};

/// The response, or with `stream=true` its events, those after `starting_after` if that is said.
pub async fn retrieve(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    pairs: Pairs,
) -> Result<Answer, Failure> {
    let streams = pairs.one("stream")?.is_some() && pairs.is_on("stream")?;
    let after = pairs.one("starting_after")?.map(number).transpose()?;
    if after.is_some() && !streams {
        let message = "The 'starting_after' parameter is only allowed when 'stream' is true.";
        return Err(Failure::invalid(message).at("starting_after"));
    }
    let asks = includes(&pairs)?;
    let response = find(&door, &identity.project, &id).await?;
    let facts = facts(&response).including(&asks);
    if !streams {
        let progress = Progress::of(&response.view, &response.output);
        return Ok(Json(shown::response(&facts, &progress)).into_response());
    }
    let padded = pairs.is_on("include_obfuscation")?;
    let slot = stream_slot(&door)?;
    let place = response.place;
    let subscription = door.handle.subscribe(&identity.project, &place.session, Start::At(place.seq)).await?;
    let stream = Stream::new(Arc::new(facts), place.session, place.turn, after, padded);
    Ok(event_stream(StatusCode::OK, told(Arc::clone(&door.clock), subscription, stream, slot)))
}

fn number(text: &str) -> Result<u64, Failure> {
    let invalid = |_| Failure::invalid("Invalid 'starting_after': expected a sequence number.").at("starting_after");
    text.parse().map_err(invalid)
}

/// What is asked for beside what the request asked for.
pub fn includes(pairs: &Pairs) -> Result<Vec<Include>, Failure> {
    let words = pairs.all("include").chain(pairs.all("include[]"));
    words.map(|word| Include::parse(word).ok_or_else(|| not_included(word))).collect()
}

fn not_included(word: &str) -> Failure {
    let shown: String = word.chars().take(100).collect();
    Failure::invalid(format!("Invalid value: '{shown}' cannot be included.")).at("include")
}

/// From here on it is unknown; what was built on it stays. One that is being made is cancelled.
pub async fn delete(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
) -> Result<Answer, Failure> {
    let response = find(&door, &identity.project, &id).await?;
    let removed = door.handle.remove_turn(&identity.project, &response.place).await;
    removed.map_err(|refusal| unknown(refusal, &id))?;
    Ok(Json(Deleted { id: &id, deleted: true }).into_response())
}

/// The same answer however often. One that has ended stays as it is.
pub async fn cancel(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
) -> Result<Answer, Failure> {
    let response = find(&door, &identity.project, &id).await?;
    if !response.request.background {
        return Err(Failure::invalid("Cannot cancel a synchronous response."));
    }
    if !response.has_ended() {
        let cancelled = door.handle.cancel_turn(&identity.project, &response.place).await;
        cancelled.map_err(|refusal| unknown(refusal, &id))?;
    }
    let response = find(&door, &identity.project, &id).await?;
    let facts = facts(&response);
    Ok(Json(shown::response(&facts, &Progress::of(&response.view, &response.output))).into_response())
}

/// What the request brought itself, not what it went on from.
pub async fn input_items(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    pairs: Pairs,
) -> Result<Answer, Failure> {
    let page = pairs.page(Limit::Checked)?;
    let asks = includes(&pairs)?;
    let response = find(&door, &identity.project, &id).await?;
    let facts = facts(&response).including(&asks);
    let mut items: Vec<_> = response.input.iter().collect();
    if page.direction == Direction::Descending {
        items.reverse();
    }
    let start = match &page.after {
        None => 0,
        Some(after) => {
            let place = items.iter().position(|item| item.id.as_str() == after);
            let place = place.ok_or_else(|| Failure::invalid("No such item in 'after'.").at("after"))?;
            place + 1
        }
    };
    let rest = items.get(start..).unwrap_or_default();
    let page = rest.get(..page.limit).unwrap_or(rest);
    Ok(Json(shown::list(page.iter().copied(), rest.len() > page.len(), facts.encrypted)).into_response())
}

/// The response of this id; what is not of this project is not there.
pub async fn find(door: &Door, project: &ProjectId, id: &str) -> Result<Response, Failure> {
    let place = Place::parse(id).ok_or_else(|| names::unknown(id))?;
    door.handle.response(project, &place.session, place.seq).await.map_err(|refusal| unknown(refusal, id))
}

fn unknown(refusal: Refusal, id: &str) -> Failure {
    if refusal.kind == RefusalKind::NotFound { names::unknown(id) } else { refusal.into() }
}

/// What a kept response is.
pub fn facts(response: &Response) -> Facts {
    let Response { place, settings, request, .. } = response;
    let is_conversation = settings.door == types::Door::Conversations;
    Facts {
        id: Place { session: place.session.clone(), seq: place.seq }.id(),
        agent: settings.agent.clone(),
        request: Arc::clone(request),
        conversation: is_conversation.then(|| names::conversation_id(&place.session)),
        store: true,
        encrypted: shown::asks_for_reasoning(request),
    }
}
