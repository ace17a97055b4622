//! Whether a tool's schema can be shown to a model: an object, not too large, not too deep. Nothing that it refers to is
//! ever fetched.

use serde_json::{Map, Value};

/// The schema, or why it is none of use.
pub(crate) fn checked(schema: Option<Value>, bytes: usize, depth: usize) -> Result<Map<String, Value>, String> {
    let Some(Value::Object(schema)) = schema else { return Err("its input schema is no object".to_owned()) };
    if schema.get("type").is_some_and(|kind| kind != "object") {
        return Err("its input schema does not describe an object".to_owned());
    }
    if schema.get("properties").is_some_and(|properties| !properties.is_object()) {
        return Err("the properties of its input schema are no object".to_owned());
    }
    for value in schema.values() {
        measure(value, depth).ok_or_else(|| format!("its input schema is deeper than {depth}"))?;
    }
    let size = serde_json::to_string(&schema).map_or(usize::MAX, |text| text.len());
    if size > bytes {
        return Err(format!("its input schema is larger than {bytes} bytes"));
    }
    Ok(schema)
}

fn measure(value: &Value, left: usize) -> Option<()> {
    let left = left.checked_sub(1)?;
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| measure(item, left)),
        Value::Object(fields) => fields.values().try_for_each(|field| measure(field, left)),
        _ => Some(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn schemas_are_checked() {
        let check = |schema: Value| checked(Some(schema), 1000, 5);
        assert!(check(json!({})).is_ok() && check(json!({"type": "object", "properties": {}})).is_ok());
        assert!(check(json!({"type": "object", "properties": {"a": {"$ref": "http://169.254.169.254/x"}}})).is_ok());
        for bad in
            [json!([]), json!("x"), json!({"type": "array"}), json!({"type": ["object"]}), json!({"properties": 1})]
        {
            assert!(check(bad.clone()).is_err(), "{bad}");
        }
        assert!(check(json!({"a": [[[[[[1]]]]]]})).is_err());
        assert!(check(json!({"a": "x".repeat(1000)})).is_err());
        assert!(checked(None, 10, 10).is_err());
    }
}
