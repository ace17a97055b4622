//! Custom tools for models that know functions only: a custom tool is shown as a function of one string, `input`, and
//! what the model writes there is the free text. A grammar for that text cannot be held so, and is refused.

use crate::SchemaRefusal;
use serde_json::{Map, Value, json};
use types::{CustomFormat, FunctionKind, FunctionTool};

const INPUT: &str = "input";

pub(crate) fn is_custom(tool: &FunctionTool) -> bool {
    matches!(tool.kind, FunctionKind::Custom { .. })
}

/// Whether `name` is one of these and a custom one.
pub(crate) fn is_named(tools: &[FunctionTool], name: &str) -> bool {
    tools.iter().any(|tool| tool.name == name && is_custom(tool))
}

/// What such a function takes.
pub(crate) fn parameters() -> Map<String, Value> {
    let schema = json!({
        "type": "object",
        "properties": { INPUT: { "type": "string" } },
        "required": [INPUT],
        "additionalProperties": false,
    });
    match schema {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Free text as the arguments of such a function.
pub(crate) fn written(text: &str) -> String {
    json!({ INPUT: text }).to_string()
}

/// The free text of such a function's arguments. What a model wrote in another form is its text as it stands.
pub(crate) fn read(arguments: String) -> String {
    match serde_json::from_str::<Map<String, Value>>(&arguments) {
        Ok(mut object) if object.len() == 1 => match object.remove(INPUT) {
            Some(Value::String(text)) => text,
            _ => arguments,
        },
        _ => arguments,
    }
}

/// Refuses what cannot be shown so.
pub(crate) fn check(tools: &[FunctionTool]) -> Result<(), SchemaRefusal> {
    let has_grammar =
        |tool: &FunctionTool| matches!(&tool.kind, FunctionKind::Custom { format } if *format != CustomFormat::Text);
    match tools.iter().position(has_grammar) {
        None => Ok(()),
        Some(at) => {
            let message = "this model cannot hold the text of a custom tool to a grammar".to_owned();
            Err(SchemaRefusal { path: format!("tools[{at}].format"), message })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_text_goes_there_and_back() {
        for text in ["", "plain", "two\nlines \"quoted\"", "{\"input\": \"x\"}"] {
            assert_eq!(read(written(text)), text);
        }
        for other in ["{}", "free", "{\"input\": 1}", "{\"input\": \"a\", \"b\": 1}", "[1]"] {
            assert_eq!(read(other.to_owned()), other);
        }
    }
}
