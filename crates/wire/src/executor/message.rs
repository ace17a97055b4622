//! The envelope: a request, its answer, or a notification. Which of them a JSON object is, its members say: a method
//! and an id, an id and a result or an error, or a method alone.

use super::{Envelope, Refusal};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::fmt;

/// What names a request, chosen by who sends it, and echoed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum Id {
    Number(i64),
    Text(String),
}

impl Id {
    /// The id in the answer to a message that could not be read, and so has none.
    pub const NONE: Self = Self::Number(-1);
}

/// By its first sight: an untagged enum would gather a whole list before it says that a list is no id.
impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl serde::de::Visitor<'_> for Visitor {
            type Value = Id;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id, which is an integer or a string")
            }

            fn visit_i64<E>(self, number: i64) -> Result<Id, E> {
                Ok(Id::Number(number))
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Id, E> {
                i64::try_from(number)
                    .map(Id::Number)
                    .map_err(|_| E::invalid_value(serde::de::Unexpected::Unsigned(number), &self))
            }

            fn visit_str<E>(self, text: &str) -> Result<Id, E> {
                Ok(Id::Text(text.to_owned()))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    Request(Request),
    Notification(Notification),
    Response { id: Id, result: Value },
    Failed { id: Id, error: Failure },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    pub id: Id,
    pub method: String,
    pub params: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    pub method: String,
    pub params: Value,
}

/// The error of an answer; [`super::code`] has the codes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    pub code: i64,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

impl Failure {
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for Failure {}

/// Why bytes are no message, in words that may be shown to who sent them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(pub String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

#[derive(Serialize)]
struct Outgoing<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Failure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Value>,
}

impl Message {
    /// # Errors
    /// The bytes are longer than [`super::MESSAGE_LIMIT`], no JSON, or no message.
    pub fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        Ok(match Envelope::read(bytes)? {
            Envelope::Request { id, method, params } => Self::Request(Request { id, method, params: tree(params)? }),
            Envelope::Notification { method, params } => {
                Self::Notification(Notification { method, params: tree(params)? })
            }
            Envelope::Response { id, result } => Self::Response { id, result: tree(Some(result))? },
            Envelope::Failed { id, error: Refusal { code, message, data } } => {
                let data = data.map(|data| tree(Some(data))).transpose()?;
                Self::Failed { id, error: Failure { code, message, data } }
            }
        })
    }

    /// The message as one line of JSON, without a line break.
    #[must_use]
    pub fn text(&self) -> String {
        let nothing = Outgoing { error: None, id: None, method: None, params: None, result: None };
        let outgoing = match self {
            Self::Request(Request { id, method, params }) => {
                Outgoing { id: Some(id), method: Some(method), params: Some(params), ..nothing }
            }
            Self::Notification(Notification { method, params }) => {
                Outgoing { method: Some(method), params: Some(params), ..nothing }
            }
            Self::Response { id, result } => Outgoing { id: Some(id), result: Some(result), ..nothing },
            Self::Failed { id, error } => Outgoing { id: Some(id), error: Some(error), ..nothing },
        };
        // Strings, numbers and values of JSON: there is nothing that could fail.
        serde_json::to_string(&outgoing).unwrap_or_default()
    }

    pub fn request(id: Id, method: &str, params: &impl Serialize) -> Self {
        Self::Request(Request { id, method: method.to_owned(), params: value(params) })
    }

    pub fn notification(method: &str, params: &impl Serialize) -> Self {
        Self::Notification(Notification { method: method.to_owned(), params: value(params) })
    }

    pub fn response(id: Id, result: &impl Serialize) -> Self {
        Self::Response { id, result: value(result) }
    }

    pub fn failed(id: Id, error: Failure) -> Self {
        Self::Failed { id, error }
    }
}

fn tree(body: Option<&RawValue>) -> Result<Value, Unreadable> {
    let Some(body) = body else { return Ok(Value::Null) };
    serde_json::from_str(body.get()).map_err(|error| Unreadable(error.to_string()))
}

/// The types of this dialect have string keys only, so that they can always be written.
fn value(body: &impl Serialize) -> Value {
    serde_json::to_value(body).unwrap_or(Value::Null)
}
