//! What a model has said so far in one attempt: the fold of its events. The draft that readers are shown and the
//! outcome that is recorded are this same value, so they number their items alike.

use crate::id::CallId;
use crate::model::{ModelEvent, TokenLogprob};
use serde_json::Value;

/// Output items in the order of their beginnings; an item's place is its index in the attempt.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Answer {
    pub items: Vec<Said>,
}

#[derive(Clone, PartialEq, Debug)]
pub enum Said {
    Message { text: String, logprobs: Vec<TokenLogprob> },
    Reasoning { parts: Vec<String>, opaque: Option<Value> },
    Call { call_id: CallId, name: String, arguments: String },
}

/// Summary parts of one reasoning item: more are merged into the last.
const MAX_PARTS: usize = 256;

impl Answer {
    /// Takes the next event. `Alive` says nothing and changes nothing.
    pub fn push(&mut self, event: ModelEvent) {
        match event {
            ModelEvent::Alive => {}
            ModelEvent::MessageStarted => {
                self.items.push(Said::Message { text: String::new(), logprobs: Vec::new() });
            }
            ModelEvent::Text { delta, logprobs: more } => match self.items.last_mut() {
                Some(Said::Message { text, logprobs }) => {
                    text.push_str(&delta);
                    logprobs.extend(more);
                }
                _ => self.items.push(Said::Message { text: delta, logprobs: more }),
            },
            ModelEvent::ReasoningStarted => self.items.push(Said::Reasoning { parts: Vec::new(), opaque: None }),
            ModelEvent::ReasoningSummary { part, delta } => {
                if !matches!(self.items.last(), Some(Said::Reasoning { .. })) {
                    self.items.push(Said::Reasoning { parts: Vec::new(), opaque: None });
                }
                if let Some(Said::Reasoning { parts, .. }) = self.items.last_mut() {
                    // Parts only ever grow at the end: a delta for an earlier one would change what was shown.
                    let wanted = (part as usize + 1).min(MAX_PARTS);
                    if parts.len() < wanted {
                        parts.push(String::new());
                    }
                    if let Some(last) = parts.last_mut() {
                        last.push_str(&delta);
                    }
                }
            }
            ModelEvent::ReasoningOpaque { value } => {
                let last = self.items.iter_mut().rev().find_map(|said| match said {
                    Said::Reasoning { opaque, .. } => Some(opaque),
                    _ => None,
                });
                match last {
                    Some(opaque) if opaque.is_none() => *opaque = Some(value),
                    _ => self.items.push(Said::Reasoning { parts: Vec::new(), opaque: Some(value) }),
                }
            }
            ModelEvent::Call { call_id, name, arguments } => {
                self.items.push(Said::Call { call_id, name, arguments });
            }
        }
    }

    /// Whether anything was said that a reader could have seen.
    pub fn has_spoken(&self) -> bool {
        self.items.iter().any(|said| match said {
            Said::Message { text, .. } => !text.is_empty(),
            Said::Reasoning { parts, .. } => !parts.is_empty(),
            Said::Call { .. } => false,
        })
    }
}
