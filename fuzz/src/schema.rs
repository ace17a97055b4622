//! Schemas and what is then written under them. The first line is the schema; the bytes after it choose, one token after
//! the other, among what the grammar allows.

use models::fuzz::spell;
use serde_json::{Map, Value};

pub fn target(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (schema, choices) = data.split_at(end);
    let Ok(schema) = serde_json::from_slice::<Map<String, Value>>(schema) else { return };
    match spell(&schema, choices) {
        // What a model may write under a schema is JSON, whatever it chooses.
        Ok(text) => {
            let value = serde_json::from_slice::<Value>(&text);
            assert!(value.is_ok(), "{}: {}", Value::Object(schema), String::from_utf8_lossy(&text));
        }
        Err(refusal) => assert!(!refusal.message.is_empty() && !refusal.path.is_empty(), "a refusal without words"),
    }
}
