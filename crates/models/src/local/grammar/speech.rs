//! An answer as it is heard: text at once, calls when they are whole.
//!
//! What may become the marker is held back, and so is space before it: a call is never heard as text.

use super::MARKER;
use serde::Deserialize;
use serde_json::value::RawValue;
use types::{CallId, ContextItem, ModelRequest};

/// A function that the model calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::local) struct Call {
    pub name: String,
    /// A JSON object, as the model wrote it.
    pub arguments: String,
}

#[derive(Deserialize)]
struct Written {
    name: String,
    arguments: Box<RawValue>,
}

/// The id of an answer's call: the same for the same question, so that a replay finds it again, and another for every
/// other call of a session.
pub(in crate::local) fn call_id(request: &ModelRequest, index: usize, call: &Call) -> CallId {
    let mut sum = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
    let mut take = |bytes: &[u8]| {
        // FNV-1a; the length before each text keeps neighbours apart.
        for byte in bytes.len().to_le_bytes().iter().chain(bytes) {
            sum = (sum ^ u128::from(*byte)).wrapping_mul(0x0100_0000_0000_0000_0000_013b);
        }
    };
    take(request.cache_key.as_bytes());
    take(&request.context.len().to_le_bytes());
    for item in request.context.iter() {
        if let ContextItem::Call { call_id, .. } = item {
            take(call_id.as_str().as_bytes());
        }
    }
    take(&index.to_le_bytes());
    take(call.name.as_bytes());
    take(call.arguments.as_bytes());
    CallId::new(format!("call_{sum:032x}"))
}

#[derive(Default)]
pub(in crate::local) struct Speech {
    /// What is held back; after the marker, all that follows.
    held: String,
    calls: bool,
}

impl Speech {
    /// What can be heard now that `text` is said.
    pub fn hear(&mut self, text: &str) -> String {
        self.held.push_str(text);
        if self.calls {
            return String::new();
        }
        if let Some(at) = self.held.find(MARKER) {
            self.calls = true;
            let rest = self.held.split_off(at + MARKER.len());
            let before = std::mem::replace(&mut self.held, rest);
            return before[..at].trim_end().to_owned();
        }
        let marker = (0..MARKER.len()).rev().find(|length| self.held.ends_with(&MARKER[..*length])).unwrap_or(0);
        let before = self.held[..self.held.len() - marker].trim_end().len();
        // Space alone is no text yet.
        let held = self.held.split_off(before);
        std::mem::replace(&mut self.held, held)
    }

    /// The rest of the text, and the calls. Calls that broke off are not called.
    pub fn end(self) -> (String, Vec<Call>) {
        if !self.calls {
            return (self.held, Vec::new());
        }
        let calls: Vec<Written> = serde_json::from_str(&self.held).unwrap_or_default();
        let calls = calls.into_iter().map(|call| Call { name: call.name, arguments: call.arguments.get().to_owned() });
        (String::new(), calls.collect())
    }
}
