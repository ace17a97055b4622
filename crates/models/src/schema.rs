//! JSON Schemas as OpenAI's wire takes them: whether one fits its strict mode, and the empty one written out.

use serde_json::{Map, Value, json};
use types::TextFormat;

/// Levels of nesting that strict mode takes.
const MAX_DEPTH: usize = 5;

/// The name of an answer's schema to which its client gave none.
const ANSWER: &str = "answer";

/// A form of the answer, as the wires name its parts; None for text.
pub(crate) fn format(format: &TextFormat) -> Option<Map<String, Value>> {
    let mut parts = Map::new();
    if let TextFormat::JsonSchema { schema, name, description, strict } = format {
        parts.insert("name".into(), json!(if name.is_empty() { ANSWER } else { name }));
        if let Some(description) = description {
            parts.insert("description".into(), json!(description));
        }
        parts.insert("schema".into(), json!(schema));
        parts.insert("strict".into(), json!(strict.unwrap_or_else(|| fits_strict(schema))));
    }
    (*format != TextFormat::Text).then_some(parts)
}

/// A function's parameters; a function without any takes an empty object.
pub(crate) fn parameters(schema: &Map<String, Value>) -> Value {
    if schema.is_empty() { json!({"type": "object", "properties": {}}) } else { Value::Object(schema.clone()) }
}

/// Whether strict mode surely takes this schema: closed objects, every property required, common keywords only. A
/// schema that it would take but that we do not know of is sent as not strict, which always works.
pub(crate) fn fits_strict(schema: &Map<String, Value>) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("object") && fits(schema, MAX_DEPTH)
}

fn fits(schema: &Map<String, Value>, depth: usize) -> bool {
    depth > 0
        && schema.iter().all(|(keyword, value)| match keyword.as_str() {
            "description" | "title" | "const" | "enum" | "required" | "additionalProperties" => true,
            "type" => value.as_str() != Some("object") || is_closed(schema),
            "properties" => value.as_object().is_some_and(|properties| {
                properties.values().all(|value| value.as_object().is_some_and(|schema| fits(schema, depth - 1)))
            }),
            "items" => value.as_object().is_some_and(|schema| fits(schema, depth - 1)),
            "anyOf" => value.as_array().is_some_and(|choices| {
                choices.iter().all(|value| value.as_object().is_some_and(|schema| fits(schema, depth - 1)))
            }),
            _ => false,
        })
        && ["type", "anyOf", "enum", "const"].iter().any(|keyword| schema.contains_key(*keyword))
}

fn is_closed(schema: &Map<String, Value>) -> bool {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return false };
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    schema.get("additionalProperties") == Some(&Value::Bool(false))
        && properties.keys().all(|name| required.contains(&name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_only_where_it_surely_works() {
        let closed = |properties: Value, required: Value| json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
        let cases = [
            (closed(json!({"a": {"type": "string"}}), json!(["a"])), true),
            (closed(json!({"a": {"type": ["string", "null"]}}), json!(["a"])), true),
            (closed(json!({"a": {"type": "array", "items": {"enum": [1, 2]}}}), json!(["a"])), true),
            (closed(json!({"a": {"anyOf": [{"type": "null"}, {"type": "number"}]}}), json!(["a"])), true),
            (closed(json!({"a": {"type": "string"}}), json!([])), false),
            (closed(json!({"a": {"type": "string", "pattern": "x"}}), json!(["a"])), false),
            (closed(json!({"a": {}}), json!(["a"])), false),
            (closed(json!({"a": true}), json!(["a"])), false),
            (closed(json!({"a": {"type": "object"}}), json!(["a"])), false),
            (json!({"type": "object", "properties": {}}), false),
            (json!({}), false),
            (json!({"type": "string"}), false),
        ];
        for (schema, expected) in cases {
            assert_eq!(fits_strict(schema.as_object().unwrap()), expected, "{schema}");
        }
        let mut deep = json!({"type": "string"});
        for _ in 0..6 {
            deep = closed(json!({"a": deep}), json!(["a"]));
        }
        assert!(!fits_strict(deep.as_object().unwrap()), "deeper than strict mode takes");
    }
}
