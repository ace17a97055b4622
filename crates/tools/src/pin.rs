//! What a server says of a tool, as a digest: the same as long as nothing of it changed that a model or a person could
//! have relied on.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use types::hex;

/// Digits that say whose it is.
const OWNER: usize = 16;
const DIGITS: usize = 64;

/// 64 hex digits. `address` is the server itself: another one under the same label is another tool.
pub fn pin(address: &str, label: &str, tool: &str, hints: &str, parameters: &Map<String, Value>) -> String {
    let mut said = String::new();
    for text in [address, label, tool, hints] {
        let _ = write!(said, "{}:{text}", text.len());
    }
    write_object(parameters, &mut said);
    let rest = hex(&Sha256::digest(said.as_bytes()));
    format!("{}{}", owner(address, label), &rest[..DIGITS - OWNER])
}

/// Whether a pin is of a tool of this server.
pub fn is_of(pin: &str, address: &str, label: &str) -> bool {
    pin.len() == DIGITS && pin.starts_with(&owner(address, label))
}

fn owner(address: &str, label: &str) -> String {
    hex(&Sha256::digest(format!("{}:{label}{address}", label.len()).as_bytes())[..OWNER / 2])
}

/// With sorted keys: a server may write them in another order each time. A schema's depth is bounded before it comes here.
fn write_value(value: &Value, out: &mut String) {
    match value {
        Value::Object(object) => write_object(object, out),
        Value::Array(values) => {
            out.push('[');
            for value in values {
                write_value(value, out);
                out.push(',');
            }
            out.push(']');
        }
        plain => {
            let _ = write!(out, "{plain}");
        }
    }
}

fn write_object(object: &Map<String, Value>, out: &mut String) {
    let mut keys: Vec<_> = object.keys().collect();
    keys.sort();
    out.push('{');
    for key in keys {
        let _ = write!(out, "{}:{key}", key.len());
        if let Some(value) = object.get(key) {
            write_value(value, out);
        }
        out.push(',');
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_changes_the_meaning_changes_the_pin() {
        let schema = |value: Value| value.as_object().cloned().unwrap();
        let one = schema(json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {}}}));
        let same = schema(json!({"properties": {"b": {}, "a": {"type": "string"}}, "type": "object"}));
        let other = schema(json!({"type": "object", "properties": {"a": {"type": "integer"}, "b": {}}}));
        let first = pin("u", "l", "t", "d", &one);
        assert_eq!(first.len(), 64);
        assert_eq!(pin("u", "l", "t", "d", &same), first);
        for changed in [
            pin("u", "l", "t", "d", &other),
            pin("v", "l", "t", "d", &one),
            pin("u", "l", "t", "e", &one),
            pin("u", "lt", "", "d", &one),
        ] {
            assert_ne!(changed, first);
        }
        assert!(
            is_of(&first, "u", "l") && !is_of(&first, "v", "l") && !is_of(&first, "ul", "") && !is_of("", "u", "l")
        );
    }
}
