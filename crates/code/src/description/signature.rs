//! One function as Python writes it. Types come from JSON schemas; what a type cannot say is `Any`.

use crate::names::identifiers;
use serde_json::{Map, Value};

/// Types within types that are written out.
const NESTED: usize = 3;
/// Values that are written out.
const CHOICES: usize = 8;
/// Bytes of one such value.
const CHOICE: usize = 40;

pub struct Parameter {
    pub name: String,
    required: bool,
    kind: String,
}

/// Those that are required first, as Python wants it; otherwise as in the schema.
pub fn parameters(schema: &Value) -> Vec<Parameter> {
    let none = Map::new();
    let fields = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let mut parameters: Vec<Parameter> = fields
        .iter()
        .map(|(name, field)| Parameter {
            name: name.clone(),
            required: required.contains(&name.as_str()),
            kind: kind(field, 0),
        })
        .collect();
    parameters.sort_by_key(|parameter| !parameter.required);
    parameters
}

pub fn signature(name: &str, schema: &Value) -> String {
    let parameters = parameters(schema);
    let names = identifiers(parameters.iter().map(|parameter| parameter.name.as_str()), true);
    let written: Vec<String> = parameters
        .iter()
        .zip(names)
        .map(|(parameter, name)| {
            let default = if parameter.required { "" } else { " = ..." };
            format!("{name}: {}{default}", parameter.kind)
        })
        .collect();
    format!("{name}({})", written.join(", "))
}

fn kind(schema: &Value, depth: usize) -> String {
    if depth > NESTED {
        return "Any".to_owned();
    }
    if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
        return literal(choices);
    }
    if let Some(only) = schema.get("const") {
        return literal(std::slice::from_ref(only));
    }
    for several in ["anyOf", "oneOf"] {
        if let Some(schemas) = schema.get(several).and_then(Value::as_array) {
            return union(schemas.iter().map(|schema| kind(schema, depth + 1)));
        }
    }
    match schema.get("type") {
        Some(Value::Array(names)) => {
            union(names.iter().filter_map(Value::as_str).map(|name| named(name, schema, depth)))
        }
        Some(Value::String(name)) => named(name, schema, depth),
        _ => "Any".to_owned(),
    }
}

fn named(name: &str, schema: &Value, depth: usize) -> String {
    let inner =
        |field: &str| schema.get(field).filter(|schema| schema.is_object()).map(|schema| kind(schema, depth + 1));
    match name {
        "string" => "str".to_owned(),
        "integer" => "int".to_owned(),
        "number" => "float".to_owned(),
        "boolean" => "bool".to_owned(),
        "null" => "None".to_owned(),
        "array" => inner("items").map_or_else(|| "list".to_owned(), |items| format!("list[{items}]")),
        "object" => object(schema, depth),
        _ => "Any".to_owned(),
    }
}

/// With its fields, where it has some: a model would otherwise have to guess them.
fn object(schema: &Value, depth: usize) -> String {
    match schema.get("properties").and_then(Value::as_object) {
        Some(fields) if !fields.is_empty() && depth < NESTED => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, field)| format!("{}: {}", Value::from(name.as_str()), kind(field, depth + 1)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        _ => "dict".to_owned(),
    }
}

fn union(kinds: impl Iterator<Item = String>) -> String {
    let mut all: Vec<String> = Vec::new();
    for kind in kinds {
        if !all.contains(&kind) {
            all.push(kind);
        }
    }
    if all.is_empty() || all.iter().any(|kind| kind == "Any") { "Any".to_owned() } else { all.join(" | ") }
}

fn literal(choices: &[Value]) -> String {
    let mut written: Vec<String> = choices.iter().take(CHOICES).map(python).collect();
    if written.iter().any(|choice| choice.len() > CHOICE) {
        return "Any".to_owned();
    }
    if choices.len() > CHOICES {
        written.push("...".to_owned());
    }
    format!("Literal[{}]", written.join(", "))
}

fn python(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        other => other.to_string(),
    }
}
