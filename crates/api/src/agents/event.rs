//! Neutral events as frames of a stream: `event:`, `data:`, `id:`.
//!
//! An item that has only begun looks the same whether its draft or its record says so: no content, no phase. Usage is
//! null in the events of turns, as at the original; reads have the numbers.

use super::environment;
use super::shown::{self, Stage};
use crate::sse::letters;
use std::sync::Arc;
use types::{Entropy, Event, EventBody, Item, ItemBody, ItemKind, SessionId, TurnView};
use wire::agents as outer;
use wire::agents::{Content, EventBody as Shown, ItemStatus};

/// Delta events are padded to a multiple of this, in bytes, so that their size says little of their text.
const BLOCK: usize = 16;

/// Where the padding of deltas comes from.
pub enum Padding {
    Off,
    From(Arc<dyn Entropy>),
}

impl Padding {
    /// What makes `text` fill its last block; never empty.
    fn of(&self, text: &str) -> Option<String> {
        match self {
            Self::Off => None,
            Self::From(entropy) => Some(letters(&**entropy, BLOCK - text.len() % BLOCK)),
        }
    }
}

/// Writes one event, whole; nothing for what clients never see.
pub fn write_frame(piece: &mut Vec<u8>, session: &SessionId, event: &Event, padding: &Padding, remote_url: &str) {
    let Some(body) = body(session, &event.body, remote_url) else { return };
    let id = event.id.text(session);
    let obfuscation = match &event.body {
        EventBody::Delta { text, .. } | EventBody::CommandOutput { text, .. } => padding.of(text),
        _ => None,
    };
    let name = body.name();
    let begin = piece.len();
    for part in ["event: ", name, "\ndata: "] {
        piece.extend_from_slice(part.as_bytes());
    }
    let shown = outer::Event { event_id: &id, body, obfuscation: obfuscation.as_deref() };
    if let Err(error) = serde_json::to_writer(&mut *piece, &shown) {
        tracing::error!(%error, id, "an event could not be written");
        return piece.truncate(begin);
    }
    for part in ["\nid: ", &id, "\n\n"] {
        piece.extend_from_slice(part.as_bytes());
    }
}

fn body<'a>(session: &'a SessionId, event: &'a EventBody, remote_url: &'a str) -> Option<Shown<'a>> {
    let session_id = session.as_str();
    Some(match event {
        EventBody::SessionCreated(view) => {
            Shown::SessionCreated { session: Box::new(shown::session(view, remote_url)) }
        }
        EventBody::SessionInProgress(view) => {
            Shown::SessionInProgress { session: Box::new(shown::session(view, remote_url)) }
        }
        EventBody::SessionIdle(view) => Shown::SessionIdle { session: Box::new(shown::session(view, remote_url)) },
        EventBody::SessionRequiresAction(view) => {
            Shown::SessionRequiresAction { session: Box::new(shown::session(view, remote_url)) }
        }
        EventBody::SessionBudgetReached(view) => {
            Shown::SessionBudgetReached { session: Box::new(shown::session(view, remote_url)) }
        }
        EventBody::SessionFailed(view) => Shown::SessionFailed { session: Box::new(shown::session(view, remote_url)) },
        EventBody::Environment(view) => return environment::event(session_id, view),
        EventBody::EnvironmentReset { environment, count } => Shown::EnvironmentReset {
            session_id,
            turn_id: None,
            environment_id: environment.as_str(),
            reset_count: *count,
        },
        EventBody::TurnCreated(view) => {
            Shown::TurnCreated { session_id, turn_id: view.id.as_str(), turn: turn(session, view) }
        }
        EventBody::TurnInProgress(view) => {
            Shown::TurnInProgress { session_id, turn_id: view.id.as_str(), turn: turn(session, view) }
        }
        EventBody::TurnCompleted(view) => {
            Shown::TurnCompleted { session_id, turn_id: view.id.as_str(), turn: turn(session, view), usage: None }
        }
        EventBody::TurnFailed(view) => {
            Shown::TurnFailed { session_id, turn_id: view.id.as_str(), turn: turn(session, view), usage: None }
        }
        EventBody::TurnCancelled(view) => {
            Shown::TurnCancelled { session_id, turn_id: view.id.as_str(), turn: turn(session, view), usage: None }
        }
        EventBody::Error(error) => Shown::Error {
            session_id,
            error: outer::SessionError {
                r#type: error_type(&error.code),
                code: Some(&error.code),
                message: &error.message,
                param: None,
            },
        },
        EventBody::AttemptDropped { .. } => return None,
        item => return item_event(session_id, item),
    })
}

fn turn<'a>(session: &'a SessionId, view: &'a TurnView) -> Box<outer::Turn<'a>> {
    Box::new(outer::Turn { usage: None, ..shown::turn(session, view) })
}

/// The `type` that the Responses API gives an error of this code.
pub(super) fn error_type(code: &str) -> &'static str {
    match code {
        "context_length_exceeded" | "max_output_tokens" | "invalid_request" | "resource_not_found" => {
            "invalid_request_error"
        }
        "authentication_error" => "authentication_error",
        "rate_limit_exceeded" | "flex_unavailable" => "rate_limit_error",
        _ => "server_error",
    }
}

/// Events of items, of their parts and of their text.
fn item_event<'a>(session_id: &'a str, event: &'a EventBody) -> Option<Shown<'a>> {
    Some(match event {
        EventBody::ItemAdded(item) => Shown::ItemAdded {
            session_id,
            turn_id: item.turn.as_str(),
            output_index: item.output_index,
            item: Box::new(shown::item(item, Stage::Added)?),
        },
        EventBody::ItemDone(item) => Shown::ItemDone {
            session_id,
            turn_id: item.turn.as_str(),
            output_index: item.output_index.unwrap_or_default(),
            item: Box::new(shown::item(item, Stage::Done)?),
        },
        EventBody::CommandOutput { item, turn, output_index, text } => Shown::CommandOutputDelta {
            session_id,
            turn_id: turn.as_str(),
            item_id: item.as_str(),
            output_index: *output_index,
            delta: text,
        },
        EventBody::DraftAdded { item, kind, turn, output_index } => Shown::ItemAdded {
            session_id,
            turn_id: turn.as_str(),
            output_index: Some(*output_index),
            item: Box::new(draft(item.as_str(), turn.as_str(), *kind, ItemStatus::InProgress)),
        },
        EventBody::DraftDropped { item, kind, turn, output_index } => Shown::ItemDone {
            session_id,
            turn_id: turn.as_str(),
            output_index: *output_index,
            item: Box::new(draft(item.as_str(), turn.as_str(), *kind, ItemStatus::Incomplete)),
        },
        EventBody::PartAdded { item, kind, turn, output_index, part } => {
            let place = Place::new(session_id, turn.as_str(), item.as_str(), *output_index, *part);
            match kind {
                ItemKind::Message => place.content_added(),
                ItemKind::Reasoning => place.summary_added(),
            }
        }
        EventBody::Delta { item, kind, turn, output_index, part, text } => {
            let place = Place::new(session_id, turn.as_str(), item.as_str(), *output_index, *part);
            match kind {
                ItemKind::Message => place.content_delta(text),
                ItemKind::Reasoning => place.summary_delta(text),
            }
        }
        EventBody::TextDone { item, kind, part } => {
            let (place, text) = (Place::of(session_id, item, *part), said(item, *part));
            match kind {
                ItemKind::Message => place.content_text_done(text),
                ItemKind::Reasoning => place.summary_text_done(text),
            }
        }
        EventBody::PartDone { item, kind, part } => {
            let (place, text) = (Place::of(session_id, item, *part), said(item, *part));
            match kind {
                ItemKind::Message => place.content_done(shown::output_text(item)),
                ItemKind::Reasoning => place.summary_done(text),
            }
        }
        _ => return None,
    })
}

/// An item of which only its beginning is known.
fn draft<'a>(id: &'a str, turn_id: &'a str, kind: ItemKind, status: ItemStatus) -> outer::Item<'a> {
    match kind {
        ItemKind::Message => {
            outer::Item::Message { id, turn_id, role: "assistant", status, phase: None, content: Vec::new() }
        }
        ItemKind::Reasoning => outer::Item::Reasoning { id, turn_id, status, summary: Vec::new() },
    }
}

/// The text of a part of an item.
fn said(item: &Item, part: u32) -> &str {
    match &item.body {
        ItemBody::AssistantMessage { text, .. } => text,
        ItemBody::Reasoning { summary, .. } => {
            usize::try_from(part).ok().and_then(|part| summary.get(part)).map_or("", String::as_str)
        }
        _ => "",
    }
}

/// A part of an item, and how each of its events is shown.
struct Place<'a> {
    session_id: &'a str,
    turn_id: &'a str,
    item_id: &'a str,
    output_index: u32,
    part: u32,
}

macro_rules! part_events {
    ($($verb:ident($($text:ident: $type:ty)?) => $variant:ident { $index:ident, $field:ident: $value:expr })+) => {
        impl<'a> Place<'a> {
            $(fn $verb(self $(, $text: $type)?) -> Shown<'a> {
                let Self { session_id, turn_id, item_id, output_index, part } = self;
                Shown::$variant { session_id, turn_id, item_id, output_index, $index: part, $field: $value }
            })+
        }
    };
}

part_events! {
    content_added() => ContentPartAdded { content_index, part: Content::OutputText { text: "", annotations: Vec::new() } }
    content_delta(text: &'a str) => OutputTextDelta { content_index, delta: text }
    content_text_done(text: &'a str) => OutputTextDone { content_index, text: text }
    content_done(done: Content<'a>) => ContentPartDone { content_index, part: done }
    summary_added() => ReasoningSummaryPartAdded { summary_index, part: Content::SummaryText { text: "" } }
    summary_delta(text: &'a str) => ReasoningSummaryTextDelta { summary_index, delta: text }
    summary_text_done(text: &'a str) => ReasoningSummaryTextDone { summary_index, text: text }
    summary_done(text: &'a str) => ReasoningSummaryPartDone { summary_index, part: Content::SummaryText { text } }
}

impl<'a> Place<'a> {
    fn new(session_id: &'a str, turn_id: &'a str, item_id: &'a str, output_index: u32, part: u32) -> Self {
        Self { session_id, turn_id, item_id, output_index, part }
    }

    fn of(session_id: &'a str, item: &'a Item, part: u32) -> Self {
        let output_index = item.output_index.unwrap_or_default();
        Self::new(session_id, item.turn.as_str(), item.id.as_str(), output_index, part)
    }
}

#[cfg(test)]
pub mod tests;
