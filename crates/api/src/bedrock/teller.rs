//! What a session's events mean for a stream of frames: pure. Text is told as it comes, calls whole. This wire has no way to
//! take text back: where an attempt comes to nothing after some of it was told, the stream ends with an exception.

use super::ask::stopping;
use super::heard::PARTS;
use crate::aws::AwsFailure;
use crate::chat::heard::{called, ending};
use crate::failure::Failure;
use serde_json::json;
use std::time::Duration;
use types::{Event, EventBody, Item, ItemId, ItemKind, TurnView};
use wire::chat::{FinishReason, ToolCall};
use wire::eventstream::{self, Unwritable, pieces};

/// How one kind of client is told. Each call writes whole frames, or fails and writes nothing that counts.
pub trait Voice: Send + 'static {
    /// The next of the text or of the thoughts of an item.
    fn said(&mut self, out: &mut Vec<u8>, item: &ItemId, kind: ItemKind, text: &str) -> Result<(), Unwritable>;

    fn called(&mut self, out: &mut Vec<u8>, call: ToolCall) -> Result<(), Unwritable>;

    fn end(&mut self, out: &mut Vec<u8>, end: &End<'_>) -> Result<(), Unwritable>;

    /// Whether the stream knows this exception.
    fn knows(&self, exception: &str) -> bool;
}

/// How a turn ended well.
pub struct End<'a> {
    pub reason: FinishReason,
    pub view: &'a TurnView,
    /// From the request to the end, and to the first word.
    pub took: Duration,
    pub waited: Duration,
}

pub struct Teller<V> {
    voice: V,
    /// When the request came (monotonic), and when the first word was told.
    since: Duration,
    first: Option<Duration>,
    has_calls: bool,
    /// The item and part that were told of last.
    newest: Option<(ItemId, u32)>,
    over: bool,
    /// Whether it ended with an error: then the turn may still run.
    pub has_failed: bool,
    /// Why there is no stream at all.
    pub failure: Option<AwsFailure>,
}

impl<V: Voice> Teller<V> {
    pub fn new(voice: V, since: Duration) -> Self {
        Self {
            voice,
            since,
            first: None,
            has_calls: false,
            newest: None,
            over: false,
            has_failed: false,
            failure: None,
        }
    }

    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Takes the next event of the turn, or its end before the turn's; `now` is monotonic.
    pub fn hear(&mut self, event: Option<&Event>, now: Duration, out: &mut Vec<u8>) {
        let heard = match event.map(|event| &event.body) {
            None => return self.fail(stopping(), out),
            Some(EventBody::Delta { item, kind, part, text, .. }) => self.text(item, *kind, (*part, text), now, out),
            Some(EventBody::DraftDropped { .. }) if self.first.is_some() => {
                return self.fail(Failure::torn("The model's answer broke off."), out);
            }
            Some(EventBody::ItemDone(item)) if item.output_index.is_some() => self.item(item, now, out),
            Some(EventBody::TurnCompleted(view) | EventBody::TurnFailed(view) | EventBody::TurnCancelled(view)) => {
                match ending(view, self.has_calls, false) {
                    Ok(reason) => self.end(reason, view, now, out),
                    Err(failure) => return self.fail(failure, out),
                }
            }
            Some(_) => Ok(()),
        };
        if let Err(error) = heard {
            tracing::error!(?error, "a frame could not be written");
            self.fail(Failure::unavailable("A part of the answer is too large for this stream."), out);
        }
    }

    fn text(
        &mut self,
        item: &ItemId,
        kind: ItemKind,
        (part, text): (u32, &str),
        now: Duration,
        out: &mut Vec<u8>,
    ) -> Result<(), Unwritable> {
        if text.is_empty() {
            return Ok(());
        }
        self.first.get_or_insert(now);
        let is_next_part = self.newest.as_ref().is_some_and(|(newest, before)| newest == item && *before != part);
        self.newest = Some((item.clone(), part));
        if is_next_part {
            self.voice.said(out, item, kind, PARTS)?;
        }
        pieces(text).try_for_each(|piece| self.voice.said(out, item, kind, piece))
    }

    fn item(&mut self, item: &Item, now: Duration, out: &mut Vec<u8>) -> Result<(), Unwritable> {
        let Some(call) = called(&item.body) else { return Ok(()) };
        self.first.get_or_insert(now);
        self.has_calls = true;
        self.voice.called(out, call)
    }

    fn end(
        &mut self,
        reason: FinishReason,
        view: &TurnView,
        now: Duration,
        out: &mut Vec<u8>,
    ) -> Result<(), Unwritable> {
        let since = |time: Duration| time.saturating_sub(self.since);
        let end = End { reason, view, took: since(now), waited: since(self.first.unwrap_or(now)) };
        self.voice.end(out, &end)?;
        self.over = true;
        Ok(())
    }

    fn fail(&mut self, failure: Failure, out: &mut Vec<u8>) {
        (self.over, self.has_failed) = (true, true);
        let failure = AwsFailure::of_model(failure);
        if self.first.is_none() {
            self.failure = Some(failure);
            return;
        }
        let name = exception(failure.code, |name| self.voice.knows(name));
        let message: String = failure.message.chars().take(2000).collect();
        if let Err(error) = eventstream::exception(out, name, &json!({ "message": message })) {
            tracing::error!(?error, "an exception could not be written");
        }
    }
}

/// The member of a stream that says the exception `code`: the nearest of those that it knows.
fn exception(code: &str, knows: impl Fn(&str) -> bool) -> &'static str {
    match code {
        "ValidationException" | "AccessDeniedException" | "ResourceNotFoundException" => "validationException",
        "ThrottlingException" | "ServiceQuotaExceededException" => "throttlingException",
        "ServiceUnavailableException" => "serviceUnavailableException",
        "ModelTimeoutException" if knows("modelTimeoutException") => "modelTimeoutException",
        "ModelTimeoutException" | "ModelErrorException" => "modelStreamErrorException",
        _ => "internalServerException",
    }
}

#[cfg(test)]
mod tests;
