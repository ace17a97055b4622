//! What a session's events mean for a streamed completion: pure. Text is told as it comes; calls are told whole, at the
//! end of their choice. This wire has no way to take text back: where an attempt comes to nothing after some of its text
//! was told, the stream ends with an error.

use super::heard::{called, ending, likely, usage};
use crate::failure::Failure;
use types::{Event, EventBody, Item, ItemBody, ItemKind, TurnView, Usage};
use wire::chat::{Chunk, ChunkChoice, Delta, FinishReason, Logprobs, Tier, ToolCall};

/// What is the same in every chunk.
#[derive(Clone, Debug)]
pub struct Head {
    pub id: String,
    /// Unix seconds.
    pub created: u64,
    pub model: String,
    pub tier: Option<Tier>,
    pub include_usage: bool,
    pub is_legacy: bool,
    /// Then a message is told whole, for what is known of its tokens comes with its end.
    pub with_logprobs: bool,
}

pub struct Teller {
    head: Head,
    voices: Vec<Voice>,
    has_spoken: bool,
    over: bool,
    failed: bool,
    /// Why it ended before a word was said.
    failure: Option<Failure>,
}

/// One choice.
#[derive(Default)]
struct Voice {
    has_begun: bool,
    /// Whether any of its text was told.
    has_told: bool,
    calls: Vec<ToolCall>,
    end: Option<Option<Usage>>,
}

impl Teller {
    pub fn new(head: Head, choices: usize) -> Self {
        let voices = (0..choices).map(|_| Voice::default()).collect();
        Self { head, voices, has_spoken: false, over: false, failed: false, failure: None }
    }

    /// Whether the stream has ended.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Whether it ended with an error: then turns may still run.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// Whether nothing more is to be heard of a choice.
    pub fn has_ended(&self, index: usize) -> bool {
        self.over || self.voices.get(index).is_none_or(|voice| voice.end.is_some())
    }

    /// Why there is no stream at all.
    pub fn take_failure(&mut self) -> Option<Failure> {
        self.failure.take()
    }

    /// Takes the next event of a choice, or its end before its turn's, and writes the chunks that it makes.
    pub fn hear(&mut self, index: usize, event: Option<&Event>, out: &mut Vec<u8>) {
        match event.map(|event| &event.body) {
            None => self.fail(Failure::unavailable("The server is shutting down."), out),
            Some(EventBody::Delta { kind: ItemKind::Message, text, .. }) if !self.head.with_logprobs => {
                self.tell(index, text, None, out);
            }
            Some(EventBody::DraftDropped { kind: ItemKind::Message, .. }) if self.has_told(index) => {
                self.fail(Failure::torn("The model's answer broke off."), out);
            }
            Some(EventBody::ItemDone(item)) if item.output_index.is_some() => self.item(index, item, out),
            Some(EventBody::TurnCompleted(view) | EventBody::TurnFailed(view) | EventBody::TurnCancelled(view)) => {
                self.turn_ended(index, view, out);
            }
            Some(_) => {}
        }
    }

    fn has_told(&self, index: usize) -> bool {
        self.voices.get(index).is_some_and(|voice| voice.has_told)
    }

    fn item(&mut self, index: usize, item: &Item, out: &mut Vec<u8>) {
        match &item.body {
            ItemBody::AssistantMessage { text, logprobs, .. } if self.head.with_logprobs => {
                let logprobs = (!logprobs.is_empty()).then(|| Logprobs::new(logprobs.iter().map(likely).collect()));
                self.tell(index, text, logprobs, out);
            }
            body => {
                if let (Some(call), Some(voice)) = (called(body), self.voices.get_mut(index)) {
                    voice.calls.push(call);
                }
            }
        }
    }

    fn tell(&mut self, index: usize, text: &str, logprobs: Option<Logprobs<'_>>, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        self.begin(index, out);
        if let Some(voice) = self.voices.get_mut(index) {
            voice.has_told = true;
        }
        self.choice(index, Delta::Text(text), logprobs, None, out);
    }

    fn begin(&mut self, index: usize, out: &mut Vec<u8>) {
        let Some(voice) = self.voices.get_mut(index).filter(|voice| !voice.has_begun) else { return };
        voice.has_begun = true;
        self.choice(index, Delta::Begin, None, None, out);
    }

    fn turn_ended(&mut self, index: usize, view: &TurnView, out: &mut Vec<u8>) {
        let Some(voice) = self.voices.get_mut(index) else { return };
        let calls = std::mem::take(&mut voice.calls);
        let reason = match ending(view, !calls.is_empty(), self.head.is_legacy) {
            Ok(reason) => reason,
            Err(failure) => return self.fail(failure, out),
        };
        voice.end = Some(view.usage);
        self.begin(index, out);
        if !calls.is_empty() {
            self.choice(index, Delta::calls(&calls, self.head.is_legacy), None, None, out);
        }
        self.choice(index, Delta::End, None, Some(reason), out);
        if self.voices.iter().all(|voice| voice.end.is_some()) {
            if self.head.include_usage {
                let mut chunk = self.chunk();
                chunk.usage = Some(usage(self.voices.iter().map(|voice| voice.end.flatten())));
                write(&chunk, out);
            }
            out.extend_from_slice(b"data: [DONE]\n\n");
            self.over = true;
        }
    }

    fn fail(&mut self, failure: Failure, out: &mut Vec<u8>) {
        (self.over, self.failed) = (true, true);
        if self.has_spoken {
            write(&failure.envelope(), out);
        } else {
            self.failure = Some(failure);
        }
    }

    fn chunk(&self) -> Chunk<'_> {
        let mut chunk = Chunk::new(&self.head.id, self.head.created, &self.head.model);
        chunk.service_tier = self.head.tier;
        chunk.usage = self.head.include_usage.then_some(None);
        chunk
    }

    fn choice(
        &mut self,
        index: usize,
        delta: Delta<'_>,
        logprobs: Option<Logprobs<'_>>,
        finish_reason: Option<FinishReason>,
        out: &mut Vec<u8>,
    ) {
        self.has_spoken = true;
        let mut chunk = self.chunk();
        chunk.choices.push(ChunkChoice { index, delta, logprobs, finish_reason });
        write(&chunk, out);
    }
}

/// One server-sent event, whole.
fn write(value: &impl serde::Serialize, out: &mut Vec<u8>) {
    let before = out.len();
    out.extend_from_slice(b"data: ");
    if let Err(error) = serde_json::to_writer(&mut *out, value) {
        tracing::error!(%error, "a chunk could not be written");
        out.truncate(before);
        return;
    }
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests;
