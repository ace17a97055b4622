//! One call of a tool: what is asked, and what came of it.

use crate::content::parts;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::time::Duration;
use types::{BoxFuture, Content};

/// How far a call is, as its server says.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    pub progress: f64,
    pub total: Option<f64>,
    pub message: Option<String>,
}

/// A call's arguments: sent as they were written, to the last digit of a number.
#[derive(Clone, Debug)]
pub struct Arguments {
    pub(crate) written: Box<RawValue>,
    pub(crate) fields: Map<String, Value>,
}

impl Arguments {
    /// # Errors
    /// Where the text is no JSON object.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        let fields = serde_json::from_str(text)?;
        // A line break in JSON is never a part of a value, and a program is spoken to in lines.
        let written = RawValue::from_string(text.trim().replace(['\n', '\r'], " "))?;
        Ok(Self { written, fields })
    }
}

impl From<Map<String, Value>> for Arguments {
    fn from(fields: Map<String, Value>) -> Self {
        // Values with text for keys are always written.
        let written = serde_json::value::to_raw_value(&fields).unwrap_or_else(|_| RawValue::NULL.to_owned());
        Self { written, fields }
    }
}

/// A call as it is asked.
pub struct Call<'a> {
    pub name: &'a str,
    pub arguments: Arguments,
    /// Beside the connection's own metadata, which it goes before.
    pub meta: Map<String, Value>,
    /// From the first byte to the last, whatever progress is told.
    pub time: Duration,
    /// Told of progress while it runs. Must not block.
    pub progress: Option<&'a (dyn Fn(Progress) + Send + Sync)>,
    /// When it resolves the call is given up, and the server is told so.
    pub cancel: BoxFuture<'a, ()>,
}

impl<'a> Call<'a> {
    /// A call that nobody cancels.
    #[must_use]
    pub fn new(name: &'a str, arguments: impl Into<Arguments>, time: Duration) -> Self {
        let cancel = Box::pin(std::future::pending());
        Self { name, arguments: arguments.into(), meta: Map::new(), time, progress: None, cancel }
    }
}

/// What a tool returned.
#[derive(Clone, Debug, PartialEq)]
pub struct Called {
    pub content: Vec<Content>,
    /// As the server sent it; its schema was not checked.
    pub structured: Option<Value>,
    /// The tool's own word that it went wrong.
    pub is_error: bool,
}

impl Called {
    pub(crate) fn read(result: &Value) -> Option<Self> {
        let result = result.as_object()?;
        let structured = result.get("structuredContent").filter(|value| !value.is_null()).cloned();
        if structured.is_none() && !result.get("content").is_some_and(Value::is_array) {
            return None;
        }
        let is_error = result.get("isError").and_then(Value::as_bool).unwrap_or(false);
        Some(Self { content: parts(result.get("content")), structured, is_error })
    }
}
