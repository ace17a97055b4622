//! A message whose body is left as it came. The other end may say anything, and a tree of JSON has many times the size
//! of its text: who does not trust that end looks at the envelope, and reads the body into the shape that it waits for.

use super::{Id, MESSAGE_LIMIT, Unreadable};
use serde::Deserialize;
use serde_json::value::RawValue;

/// One of the four kinds of message; bodies are JSON, and nothing more is known of them.
#[derive(Debug)]
pub enum Envelope<'a> {
    Request { id: Id, method: String, params: Option<&'a RawValue> },
    Notification { method: String, params: Option<&'a RawValue> },
    Response { id: Id, result: &'a RawValue },
    Failed { id: Id, error: Refusal<'a> },
}

/// A [`super::Failure`] with its data unread.
#[derive(Debug, Deserialize)]
pub struct Refusal<'a> {
    pub code: i64,
    pub message: String,
    #[serde(borrow, default)]
    pub data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Incoming<'a> {
    id: Option<Id>,
    method: Option<String>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    // A result of null is a result, so that its presence counts, not its value.
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<Refusal<'a>>,
}

fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl<'a> Envelope<'a> {
    /// # Errors
    /// The bytes are longer than [`MESSAGE_LIMIT`], no JSON, or no message.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        if bytes.len() > MESSAGE_LIMIT {
            return Err(Unreadable(format!("a message has at most {MESSAGE_LIMIT} bytes")));
        }
        let Incoming { id, method, params, result, error } =
            serde_json::from_slice(bytes).map_err(|error| Unreadable(error.to_string()))?;
        match (id, method, result, error) {
            (Some(id), Some(method), None, None) => Ok(Self::Request { id, method, params }),
            (None, Some(method), None, None) => Ok(Self::Notification { method, params }),
            (Some(id), None, Some(result), None) => Ok(Self::Response { id, result }),
            (Some(id), None, None, Some(error)) => Ok(Self::Failed { id, error }),
            _ => Err(Unreadable("neither a request, a notification nor an answer".to_owned())),
        }
    }
}
