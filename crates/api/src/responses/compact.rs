//! `POST /v1/responses/compact`: a conversation made short. The model says what it came to, in a turn like any other; the
//! answer is what the user said last, and that, in a form that a later request brings back.

use super::ask::{self, Begun};
use super::opaque;
use super::pipe::outcome;
use super::shown;
use crate::failure::Failure;
use crate::{Door, body};
use axum::Json;
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Response};
use runtime::{Identity, Start};
use serde_json::{Map, Value};
use std::sync::Arc;
use types::{Item, ItemBody, Role};
use wire::responses::request::{Compact, InputItem, Part, ResponseCreate};
use wire::responses::{Compaction, ItemStatus};

/// What the model is asked, after everything.
const QUESTION: &str = "Sum up this conversation so that it can go on from your summary alone. Keep what was wanted, \
    what was done and decided, what is still open, and every name, number and fact that will be needed. Answer with \
    the summary and nothing else.";
/// Bytes of the user's messages that stay as they are; the newest are kept.
const KEPT: usize = 80_000;

pub async fn compact(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    request: Request,
) -> Result<Response, Failure> {
    let (object, _held) = body::object(&door, request).await?;
    let wanted = Compact::read(object)?;
    let project = &identity.project;
    // The question is not kept, and neither is what it was asked about here: its session goes with `begun`.
    let begun = ask::begin(&door, project, question(wanted)?, None).await?;
    let Begun { handle, place, facts, .. } = &begun;
    let subscription = handle.subscribe(project, &place.session, Start::At(place.seq)).await?;
    let Some(outcome) = outcome(subscription, &place.turn).await else {
        return Err(Failure::unavailable("The server is shutting down."));
    };
    if let Some(error) = &outcome.view.error {
        return Err(Failure::of_turn(error));
    }
    let summary: String = outcome.items.iter().filter_map(|item| said(item)).collect();
    let items = ask::history(handle, project, &place.session, None).await?;
    let mut output: Vec<_> =
        kept(&items).filter_map(|item| shown::item(item, ItemStatus::Completed, facts.encrypted)).collect();
    let id = format!("cmp_{}", place.session.digits());
    output.push(wire::responses::Item::Compaction { id: &id, encrypted_content: opaque::compaction(&summary) });
    let usage = shown::usage(&outcome.view.usage.unwrap_or_default());
    let created_at = outcome.view.created_at.seconds();
    Ok(Json(Compaction { id: &facts.id, created_at, output, usage }).into_response())
}

/// The conversation, with the question at its end.
fn question(wanted: Compact) -> Result<ResponseCreate, Failure> {
    let Compact { model, mut input, instructions, previous_response_id } = wanted;
    input.push(InputItem::Message {
        id: None,
        role: wire::responses::Role::Developer,
        content: vec![Part::Text(QUESTION.to_owned())],
    });
    let mut plain = Map::new();
    plain.insert("model".to_owned(), model.into());
    plain.insert("input".to_owned(), Value::Array(Vec::new()));
    plain.insert("store".to_owned(), false.into());
    let plain = ResponseCreate::read(plain)?;
    Ok(ResponseCreate { input, instructions, previous_response_id, ..plain })
}

fn said(item: &Item) -> Option<&str> {
    match &item.body {
        ItemBody::AssistantMessage { text, .. } => Some(text),
        _ => None,
    }
}

/// The user's newest messages, in order.
fn kept(items: &[Arc<Item>]) -> impl Iterator<Item = &Item> {
    let users: Vec<&Item> = items
        .iter()
        .map(|item| &**item)
        .filter(|item| matches!(item.body, ItemBody::UserMessage { role: Role::User, .. }))
        .collect();
    let mut left = KEPT;
    let fits = users.iter().rev().take_while(|item| {
        let bytes = item.body.bytes();
        let fits = bytes <= left;
        left = left.saturating_sub(bytes);
        fits
    });
    let count = fits.count();
    users.into_iter().rev().take(count).collect::<Vec<_>>().into_iter().rev()
}
