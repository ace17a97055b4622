//! `POST /v1/responses`: a response, its events while it is made, or, in the background, that it has been begun.

use super::ask::{Begun, begin};
use super::pipe::{Outcome, outcome};
use super::shown::{self, Progress};
use super::stream::Stream;
use crate::Door;
use crate::agents::stream_slot;
use crate::failure::Failure;
use crate::repeat::keyed;
use crate::sse::{event_stream, told};
use axum::Json;
use axum::extract::{Extension, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use runtime::{Identity, Start};
use std::sync::Arc;
use types::ProjectId;
use wire::responses::request::ResponseCreate;

const ROUTE: &str = "responses";

pub async fn create(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    request: Request,
) -> Result<Response, Failure> {
    let (wanted, key, _held) = keyed(&door, ROUTE, request, ResponseCreate::read).await?;
    let slot = if wanted.stream { Some(stream_slot(&door)?) } else { None };
    let (background, padded) = (wanted.background, wanted.include_obfuscation);
    let project = &identity.project;
    let mut begun = begin(&door, project, wanted, key).await?;
    let lease = begun.lease.take();
    let Begun { handle, place, facts, .. } = &begun;
    types::failpoint!(BeforeAnswer);
    if background && slot.is_none() {
        return now(&door, project, &begun).await;
    }
    let subscription = handle.subscribe(project, &place.session, Start::At(place.seq)).await?;
    if let Some(slot) = slot {
        let stream = Stream::new(Arc::clone(facts), place.session.clone(), place.turn.clone(), None, padded);
        let pieces = told(Arc::clone(&door.clock), subscription, stream, (slot, lease));
        return Ok(event_stream(StatusCode::OK, pieces));
    }
    let Some(Outcome { view, items }) = outcome(subscription, &place.turn).await else {
        return Err(Failure::unavailable("The server is shutting down."));
    };
    let progress = Progress::of(&view, &items);
    match progress.error {
        Some(error) => Err(Failure::of_turn(error)),
        None => Ok(Json(shown::response(facts, &progress)).into_response()),
    }
}

/// The response as it stands.
async fn now(door: &Door, project: &ProjectId, begun: &Begun) -> Result<Response, Failure> {
    let response = door.handle.response(project, &begun.place.session, begun.place.seq).await?;
    Ok(Json(shown::response(&begun.facts, &Progress::of(&response.view, &response.output))).into_response())
}
