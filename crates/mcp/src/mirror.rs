//! Arguments that a tool wants to see in headers too (`x-mcp-header`, revision 2026-07-28). Pure.

use base64::Engine;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// An argument and the header that repeats it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mirrored {
    /// In lower case, whole: `mcp-param-…`.
    header: String,
    path: Vec<String>,
}

const KEY: &str = "x-mcp-header";
/// What JavaScript can count.
const SAFE: u64 = (1 << 53) - 1;

/// What a schema wants mirrored; an error where an annotation breaks the rules, for then the whole tool does not count.
pub(crate) fn mirrored(schema: &Map<String, Value>) -> Result<Vec<Mirrored>, String> {
    let mut found = Vec::new();
    properties(schema, &mut Vec::new(), &mut found)?;
    let mut seen = BTreeSet::new();
    for mirrored in &found {
        if !seen.insert(&mirrored.header) {
            return Err(format!("two of its arguments want the header {}", mirrored.header));
        }
    }
    // Wherever else one stands, it is not reached by properties alone.
    if count(&Value::Object(schema.clone())) != found.len() {
        return Err("it wants a header for what is no plain argument".to_owned());
    }
    Ok(found)
}

fn properties(schema: &Map<String, Value>, path: &mut Vec<String>, found: &mut Vec<Mirrored>) -> Result<(), String> {
    let Some(Value::Object(fields)) = schema.get("properties") else { return Ok(()) };
    for (name, field) in fields {
        let Value::Object(field) = field else { continue };
        path.push(name.clone());
        if let Some(wanted) = field.get(KEY) {
            found.push(Mirrored { header: header(wanted, field.get("type"))?, path: path.clone() });
        }
        properties(field, path, found)?;
        path.pop();
    }
    Ok(())
}

fn header(wanted: &Value, kind: Option<&Value>) -> Result<String, String> {
    let name = wanted.as_str().filter(|name| is_token(name)).ok_or("it wants a header whose name is none")?;
    match kind.and_then(Value::as_str) {
        Some("string" | "integer" | "boolean") => Ok(format!("mcp-param-{}", name.to_ascii_lowercase())),
        _ => Err("it wants a header for an argument that is no string, integer or boolean".to_owned()),
    }
}

fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Annotations, wherever they stand; a property that is called like one is none.
fn count(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => {
            let own = usize::from(fields.contains_key(KEY));
            let below = fields.iter().map(|(key, field)| match (key.as_str(), field) {
                ("properties", Value::Object(named)) => named.values().map(count).sum(),
                // What an argument may be is no schema.
                ("const" | "enum" | "default" | "examples", _) => 0,
                _ => count(field),
            });
            own + below.sum::<usize>()
        }
        _ => 0,
    }
}

/// The headers of one call. What is absent or null has none.
pub(crate) fn headers(wanted: &[Mirrored], arguments: &Map<String, Value>) -> Result<Vec<(String, String)>, String> {
    let mut headers = Vec::new();
    for Mirrored { header, path } in wanted {
        let Some((last, above)) = path.split_last() else { continue };
        let mut within = Some(arguments);
        for step in above {
            within = within.and_then(|fields| fields.get(step)).and_then(Value::as_object);
        }
        let value = match within.and_then(|fields| fields.get(last)) {
            None | Some(Value::Null) => continue,
            Some(Value::String(text)) => text.clone(),
            Some(Value::Bool(flag)) => flag.to_string(),
            Some(Value::Number(number)) => integer(number).ok_or_else(|| format!("`{last}` is no safe integer"))?,
            Some(_) => return Err(format!("`{last}` cannot be a header")),
        };
        headers.push((header.clone(), encoded(&value)));
    }
    Ok(headers)
}

fn integer(number: &serde_json::Number) -> Option<String> {
    if let Some(whole) = number.as_i64() {
        return (whole.unsigned_abs() <= SAFE).then(|| whole.to_string());
    }
    let float = number.as_f64()?;
    #[expect(clippy::cast_precision_loss, reason = "the bound is what a float counts without loss")]
    let safe = float.fract() == 0.0 && float.abs() <= SAFE as f64;
    safe.then(|| format!("{float:.0}"))
}

/// A value as a header may hold it.
pub(crate) fn encoded(value: &str) -> String {
    let plain =
        value.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) && !value.starts_with(' ') && !value.ends_with(' ');
    let looks_encoded = value.starts_with("=?base64?") && value.ends_with("?=");
    if plain && !looks_encoded {
        return value.to_owned();
    }
    format!("=?base64?{}?=", base64::engine::general_purpose::STANDARD.encode(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(properties: Value) -> Result<Vec<Mirrored>, String> {
        mirrored(json!({"type": "object", "properties": properties}).as_object().unwrap())
    }

    #[test]
    fn headers_repeat_arguments() {
        let wanted = of(json!({
            "region": {"type": "string", "x-mcp-header": "Region"},
            "deep": {"type": "object", "properties": {"n": {"type": "integer", "x-mcp-header": "N"}}},
            "flag": {"type": "boolean", "x-mcp-header": "Flag"},
            "gone": {"type": "string", "x-mcp-header": "Gone"},
            "x-mcp-header": {"type": "string"},
        }))
        .unwrap();
        let arguments = json!({"region": "us", "deep": {"n": 42.0}, "flag": false, "gone": null});
        let headers = headers(&wanted, arguments.as_object().unwrap()).unwrap();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(headers, [("mcp-param-region", "us"), ("mcp-param-n", "42"), ("mcp-param-flag", "false")]);
    }

    #[test]
    fn annotations_that_break_the_rules_are_refused() {
        for bad in [
            json!({"a": {"type": "string", "x-mcp-header": ""}}),
            json!({"a": {"type": "string", "x-mcp-header": "a b"}}),
            json!({"a": {"type": "string", "x-mcp-header": "a:b"}}),
            json!({"a": {"type": "string", "x-mcp-header": "é"}}),
            json!({"a": {"type": "string", "x-mcp-header": 1}}),
            json!({"a": {"type": "number", "x-mcp-header": "A"}}),
            json!({"a": {"type": "object", "x-mcp-header": "A"}}),
            json!({"a": {"x-mcp-header": "A"}}),
            json!({"a": {"type": "string", "x-mcp-header": "A"}, "b": {"type": "string", "x-mcp-header": "a"}}),
            json!({"a": {"type": "array", "items": {"type": "string", "x-mcp-header": "A"}}}),
            json!({"a": {"anyOf": [{"type": "string", "x-mcp-header": "A"}]}}),
        ] {
            assert!(of(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn values_are_encoded_where_a_header_could_not_hold_them() {
        for (value, expected) in [
            ("us-west1", "us-west1"),
            ("", ""),
            ("a b", "a b"),
            ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ] {
            assert_eq!(encoded(value), expected);
        }
    }

    #[test]
    fn what_is_no_safe_integer_is_refused() {
        let wanted = of(json!({"n": {"type": "integer", "x-mcp-header": "N"}})).unwrap();
        for bad in [json!({"n": 9_007_199_254_740_992_u64}), json!({"n": 1.5}), json!({"n": [1]})] {
            assert!(headers(&wanted, bad.as_object().unwrap()).is_err(), "{bad}");
        }
    }
}
