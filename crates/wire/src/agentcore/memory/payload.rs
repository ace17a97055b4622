//! What an event holds: parts of a conversation, or anything else. A part is kept as it came.

use crate::error::Fault;
use crate::reader::Node;
use serde_json::{Map, Value};

/// Parts of an event.
const PARTS: usize = 100;
/// Characters of a text.
const TEXT: usize = 100_000;
/// Bytes of a JSON value.
const JSON: usize = 100 << 10;
const ROLES: [&str; 4] = ["ASSISTANT", "USER", "TOOL", "OTHER"];

pub(super) fn parts(node: Node) -> Result<Vec<Value>, Fault> {
    node.sized_array("an array of objects", 0, PARTS)?.into_iter().map(part).collect()
}

fn part(node: Node) -> Result<Value, Fault> {
    let path = node.path().to_owned();
    let mut map = node.map()?;
    // A blob may be null, which elsewhere is as good as nothing.
    map.retain(|key, value| key == "blob" || !value.is_null());
    let mut members = map.iter();
    let (Some((key, value)), None) = (members.next(), members.next()) else {
        let text = format!("Invalid '{path}': it must have one of conversational, blob and json, and only one.");
        return Err(Fault::at(&path, text));
    };
    let at = format!("{path}.{key}");
    match key.as_str() {
        "blob" => {}
        "conversational" => conversational(&at, value)?,
        "json" => json(&at, value)?,
        _ => return Err(unknown(&at)),
    }
    Ok(Value::Object(map))
}

fn conversational(path: &str, value: &Value) -> Result<(), Fault> {
    let map = fields(path, value, &["content", "role"])?;
    let at = format!("{path}.content");
    let content = fields(&at, member(path, map, "content")?, &["text"])?;
    let (text, at) = (member(&at, content, "text")?, format!("{at}.text"));
    let length = text.as_str().ok_or_else(|| mistyped(&at, "a string"))?.chars().count();
    if !(1..=TEXT).contains(&length) {
        return Err(Fault::at(&at, format!("Invalid '{at}': a text has 1 to {TEXT} characters, not {length}.")));
    }
    let (role, at) = (member(path, map, "role")?, format!("{path}.role"));
    match role.as_str() {
        Some(role) if ROLES.contains(&role) => Ok(()),
        _ => Err(Fault::at(&at, format!("Invalid '{at}': it must be one of {}.", ROLES.join(", ")))),
    }
}

fn json(path: &str, value: &Value) -> Result<(), Fault> {
    let map = value.as_object().ok_or_else(|| mistyped(path, "an object"))?;
    if let Some(other) = map.keys().find(|key| *key != "content") {
        return Err(unknown(&format!("{path}.{other}")));
    }
    // Any value, null too.
    let content = map.get("content").ok_or_else(|| missing(&format!("{path}.content")))?;
    let length = content.to_string().len();
    if length > JSON {
        let text = format!("Invalid '{path}.content': it has at most {JSON} bytes as JSON, not {length}.");
        return Err(Fault::at(path, text));
    }
    Ok(())
}

fn fields<'a>(path: &str, value: &'a Value, known: &[&str]) -> Result<&'a Map<String, Value>, Fault> {
    let map = value.as_object().ok_or_else(|| mistyped(path, "an object"))?;
    match map.keys().find(|key| !known.contains(&key.as_str())) {
        Some(other) => Err(unknown(&format!("{path}.{other}"))),
        None => Ok(map),
    }
}

fn member<'a>(path: &str, map: &'a Map<String, Value>, key: &str) -> Result<&'a Value, Fault> {
    map.get(key).filter(|value| !value.is_null()).ok_or_else(|| missing(&format!("{path}.{key}")))
}

fn missing(path: &str) -> Fault {
    Fault::at(path, format!("Missing required parameter: '{path}'."))
}

fn unknown(path: &str) -> Fault {
    let fault = Fault::at(path, "");
    let path = fault.param.clone().unwrap_or_default();
    Fault { message: format!("Unknown parameter: '{path}'."), ..fault }
}

fn mistyped(path: &str, expected: &str) -> Fault {
    Fault::at(path, format!("Invalid type for '{path}': expected {expected}."))
}
