//! What a request demands of a model, in the words of the runtime: the same for Chat Completions and for Responses.

use crate::words::Translate;
use serde_json::Value;
use std::collections::BTreeMap;
use types::{CustomFormat, Text, TextFormat, Tool, ToolChoice, Verbosity};
use wire::Word;
use wire::agents::Verbosity as WireVerbosity;
use wire::demand::{CustomFormat as WireFormat, Format, ToolChoice as WireChoice, ToolParam};

/// How the answer is written.
pub fn text(format: Format, verbosity: Option<WireVerbosity>) -> Text {
    let format = match format {
        Format::Text => TextFormat::Text,
        Format::JsonObject => TextFormat::JsonObject,
        Format::JsonSchema { name, description, schema, strict } => {
            TextFormat::JsonSchema { schema, name, description, strict }
        }
    };
    Text { format, verbosity: verbosity.map_or(Verbosity::Medium, Translate::translate) }
}

pub fn tool(tool: ToolParam) -> Tool {
    match tool {
        ToolParam::Function { name, description, parameters, strict } => {
            Tool::Function { name, description, parameters, defer_loading: false, is_async: None, strict }
        }
        ToolParam::Custom { name, description, format } => {
            let format = match format {
                WireFormat::Text => CustomFormat::Text,
                WireFormat::Grammar { syntax, definition } => {
                    CustomFormat::Grammar { syntax: syntax.as_str().to_owned(), definition }
                }
            };
            Tool::Custom { name, description, format }
        }
    }
}

/// The choice, and the only tools that may be called where not all may.
pub fn tool_choice(choice: WireChoice) -> (ToolChoice, Option<Vec<String>>) {
    match choice {
        WireChoice::Auto => (ToolChoice::Auto, None),
        WireChoice::None => (ToolChoice::None, None),
        WireChoice::Required => (ToolChoice::Required, None),
        WireChoice::Function(name) | WireChoice::Custom(name) => (ToolChoice::Function(name), None),
        WireChoice::Allowed { required: true, names } => (ToolChoice::Required, Some(names)),
        WireChoice::Allowed { required: false, names } => (ToolChoice::Auto, Some(names)),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a temperature has no need of 53 bits")]
pub fn narrow(value: f64) -> f32 {
    value as f32
}

/// Metadata as a turn says it back.
pub fn metadata(pairs: BTreeMap<String, String>) -> Value {
    Value::Object(pairs.into_iter().map(|(key, value)| (key, Value::String(value))).collect())
}
