//! Which item an upstream is saying. Announces each one, also where the upstream's wire does not, so that the runtime
//! never has to guess where one ends and the next begins.

use crate::Sink;
use types::{ModelEvent, TokenLogprob};

#[derive(Default)]
pub(crate) struct Speech {
    open: Option<Kind>,
    /// Whether any of the open item came as deltas.
    streamed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Message,
    Reasoning,
}

impl Speech {
    /// A new item, even if one of its kind is open.
    pub(crate) fn begin(&mut self, kind: Kind, sink: Sink<'_>) {
        self.open = Some(kind);
        self.streamed = false;
        sink(match kind {
            Kind::Message => ModelEvent::MessageStarted,
            Kind::Reasoning => ModelEvent::ReasoningStarted,
        });
    }

    pub(crate) fn text(&mut self, delta: String, logprobs: Vec<TokenLogprob>, sink: Sink<'_>) {
        self.say(Kind::Message, ModelEvent::Text { delta, logprobs }, sink);
    }

    pub(crate) fn summary(&mut self, part: u32, delta: String, sink: Sink<'_>) {
        self.say(Kind::Reasoning, ModelEvent::ReasoningSummary { part, delta }, sink);
    }

    /// Makes sure that an item of `kind` is open; false if it was said in deltas already.
    pub(crate) fn is_unsaid(&mut self, kind: Kind, sink: Sink<'_>) -> bool {
        if self.open != Some(kind) {
            self.begin(kind, sink);
        }
        !self.streamed
    }

    pub(crate) fn end(&mut self) {
        self.open = None;
        self.streamed = false;
    }

    fn say(&mut self, kind: Kind, event: ModelEvent, sink: Sink<'_>) {
        if self.open != Some(kind) {
            self.begin(kind, sink);
        }
        self.streamed = true;
        sink(event);
    }
}
