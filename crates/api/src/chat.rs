//! The door of Chat Completions. A completion is a turn in a session of its own: all messages are brought into it, and
//! what the model calls is handed over. Several choices are as many sessions.
//!
//! Nobody can fetch a completion later, so a turn whose client goes away is cancelled; unless the request had an
//! `Idempotency-Key`, under which it can be asked for again.

pub mod heard;
pub mod incoming;
mod stream;
mod teller;

use crate::attachment::Named;
use crate::failure::Failure;
use crate::repeat::keyed;
use crate::{Door, identity};
use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Json, Router};
use heard::Heard;
use runtime::{Identity, Lease, Place, RepeatKey, Respond, Start, Subscription};
use std::sync::Arc;
use std::time::Duration;
use teller::{Head, Teller};
use types::{EventBody, ProjectId, Refusal};
use wire::chat::request::ChatCreate;
use wire::chat::{Choice, Completion, Logprobs, Message, Tier};

const ROUTE: &str = "/v1/chat/completions";
/// When a client that found no place for a stream may ask again.
const STREAM_PAUSE: Duration = Duration::from_secs(5);

pub fn routes(door: &Arc<Door>) -> Router<Arc<Door>> {
    paths("/v1").route_layer(from_fn_with_state(Arc::clone(door), identity::responses_gate))
}

/// The same below `base`, without a gate.
pub fn paths(base: &str) -> Router<Arc<Door>> {
    Router::new().route(&format!("{base}/chat/completions"), post(create))
}

async fn create(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    request: Request,
) -> Result<Response, Failure> {
    let (wanted, key, _held) = keyed(&door, ROUTE, request, ChatCreate::read).await?;
    let slot = match wanted.stream {
        true => Some(door.traffic.open(door.limits.streams).ok_or_else(too_many)?),
        false => None,
    };
    let mut head = head(&wanted, wanted.model.clone());
    let choices = begin(&door, &identity.project, wanted, key, &mut head).await?;
    match slot {
        Some(slot) => {
            let teller = Teller::new(head, choices.len());
            stream::response(&door, choices, teller, slot).await
        }
        None => whole(choices, &head).await,
    }
}

/// A whole completion, for a door that takes the same words: `model` is what its client calls it.
pub async fn complete(
    door: &Door,
    project: &ProjectId,
    wanted: ChatCreate,
    model: String,
) -> Result<Response, Failure> {
    let mut head = head(&wanted, model);
    let choices = begin(door, project, wanted, None, &mut head).await?;
    whole(choices, &head).await
}

fn head(wanted: &ChatCreate, model: String) -> Head {
    Head {
        id: String::new(),
        created: 0,
        model,
        tier: wanted.tier.map(Tier::of),
        include_usage: wanted.include_usage,
        is_legacy: wanted.is_legacy,
        with_logprobs: wanted.top_logprobs.is_some(),
    }
}

fn too_many() -> Failure {
    Failure::busy("Too many event streams are open.", STREAM_PAUSE)
}

/// Starts a turn for each choice, and reads up to its beginning. Where one cannot begin, none goes on.
async fn begin(
    door: &Door,
    project: &ProjectId,
    mut wanted: ChatCreate,
    key: Option<RepeatKey>,
    head: &mut Head,
) -> Result<Vec<(Subscription, Lease)>, Failure> {
    let passing = !wanted.store.unwrap_or(door.journal);
    let handle = if passing { &door.passing } else { &door.handle };
    // Nothing is left of what is only passing by, so there is nothing to find under a key.
    let key = key.filter(|_| !passing);
    let mut named = Named::new(door);
    let items = incoming::items(&mut named, project, std::mem::take(&mut wanted.messages)).await?;
    let agent = incoming::agent(&mut wanted);
    let request = incoming::turn(&mut wanted);
    let mut choices = Vec::new();
    for index in 0..wanted.choices {
        let turn = Respond {
            door: types::Door::Chat,
            place: Place::New,
            agent: agent.clone(),
            request: request.clone(),
            items: items.clone(),
            key: key.as_ref().map(|key| of_choice(key, index)),
        };
        // What has a key can be asked for again.
        let held = handle.respond_held(project, turn, (key.is_none(), passing)).await;
        let (begun, lease) = held.map_err(refused)?;
        let mut subscription = handle.subscribe(project, &begun.session, Start::At(begun.seq)).await?;
        let created = created(&mut subscription).await.ok_or_else(stopping)?;
        if choices.is_empty() {
            head.id = format!("chatcmpl-{}", begun.session.digits());
            head.created = created;
        }
        choices.push((subscription, lease));
    }
    Ok(choices)
}

/// Choices of one request are requests of their own.
fn of_choice(key: &RepeatKey, index: u64) -> RepeatKey {
    match index {
        0 => key.clone(),
        _ => RepeatKey { key: format!("{}\n{index}", key.key), ..key.clone() },
    }
}

/// When the session's turn began, Unix seconds. None where the server ends first.
async fn created(subscription: &mut Subscription) -> Option<u64> {
    loop {
        if let EventBody::TurnCreated(view) = subscription.next().await?.body {
            return Some(view.created_at.seconds());
        }
    }
}

fn stopping() -> Failure {
    Failure::unavailable("The server is shutting down.")
}

/// A refusal in the words of this wire's parameters.
fn refused(refusal: Refusal) -> Failure {
    let param = refusal.param.as_deref().map(param);
    Failure { param, ..Failure::from(refusal) }
}

/// `tools[0].parameters.x` is `tools[0].function.parameters.x` here.
fn param(path: &str) -> String {
    let path = path.strip_prefix("agent.").unwrap_or(path);
    let within = |inner: &str| path.starts_with("tools[").then(|| path.split_once(inner)).flatten();
    if let Some((tool, rest)) = within("].parameters") {
        return format!("{tool}].function.parameters{rest}");
    }
    if let Some((tool, rest)) = within("].format") {
        return format!("{tool}].custom.format{rest}");
    }
    match path.strip_prefix("text.format.schema") {
        Some(rest) => format!("response_format.json_schema.schema{rest}"),
        None if path == "input" => "messages".to_owned(),
        None if path == "top_logprobs" => "logprobs".to_owned(),
        None => path.to_owned(),
    }
}

/// The completion, when all its choices are made.
async fn whole(choices: Vec<(Subscription, Lease)>, head: &Head) -> Result<Response, Failure> {
    let mut heard = Vec::with_capacity(choices.len());
    for (mut subscription, mut lease) in choices {
        let mut choice = Heard::default();
        let view = loop {
            let event = subscription.next().await.ok_or_else(stopping)?;
            if let Some(view) = choice.hear(event.body) {
                break view;
            }
        };
        lease.spare();
        let reason = heard::ending(&view, !choice.calls.is_empty(), head.is_legacy)?;
        heard.push((choice, reason, view.usage));
    }
    let usage = heard::usage(heard.iter().map(|(.., usage)| *usage));
    let choices = heard.iter().enumerate().map(|(index, (choice, reason, _))| {
        let silent = if choice.calls.is_empty() { Some("") } else { None };
        let logprobs = choice.logprobs.iter().map(heard::likely);
        Choice {
            index,
            message: Message::new(choice.text.as_deref().or(silent), &choice.calls, head.is_legacy),
            logprobs: (head.with_logprobs && !choice.logprobs.is_empty()).then(|| Logprobs::new(logprobs.collect())),
            finish_reason: *reason,
        }
    });
    let mut completion = Completion::new(&head.id, head.created, &head.model, choices.collect());
    (completion.usage, completion.service_tier) = (usage, head.tier);
    Ok(Json(completion).into_response())
}

#[cfg(test)]
mod tests;
