//! What is said of functions, case by case.

use super::*;
use serde_json::json;

fn shown(name: &str, description: &str, parameters: Value) -> String {
    let text = description_of(name, description, parameters);
    text.strip_prefix(INTRODUCTION).expect("the introduction").trim_end().to_owned()
}

fn description_of(name: &str, description: &str, parameters: Value) -> String {
    super::description(&[Described { name: name.into(), description: description.into(), parameters }])
}

#[test]
fn a_signature_has_required_parameters_first_and_types() {
    let schema = json!({
        "type": "object",
        "properties": {
            "verbose": {"type": "boolean"},
            "user-id": {"type": "integer"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "mode": {"enum": ["a", "b", null]},
            "class": {"type": ["string", "null"]},
            "where": {"type": "object", "properties": {"city": {"type": "string"}, "zip": {"type": "number"}}},
            "more": {"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "integer"}]},
            "odd": {"$ref": "#/x"}
        },
        "required": ["user-id", "class"]
    });
    assert_eq!(
        shown("crm__get-user", "Finds a user.\nBy id.\n\nMore.", schema.clone()),
        "crm__get_user(user_id: int, class_: str | None, verbose: bool = ..., tags: list[str] = ..., \
         mode: Literal[\"a\", \"b\", None] = ..., where: {\"city\": str, \"zip\": float} = ..., \
         more: int | str = ..., odd: Any = ...)  # Finds a user. By id."
    );
    let described = Described { name: "crm__get-user".into(), description: String::new(), parameters: schema };
    let function = described.function();
    assert_eq!(function.name, "crm__get-user");
    assert_eq!(function.parameters[..3], ["user-id", "class", "verbose"]);
}

#[test]
fn what_is_no_schema_is_a_function_without_parameters() {
    for schema in [json!(null), json!([]), json!({"properties": 3}), json!({"type": "object"})] {
        assert_eq!(shown("f", "", schema), "f()");
    }
}

#[test]
fn long_and_deep_things_are_cut() {
    let deep = (0..20).fold(json!({"type": "string"}), |inner, _| json!({"type": "array", "items": inner}));
    let long = "word ".repeat(100);
    let many: Vec<u32> = (0..100).collect();
    let text = shown("f", &long, json!({"properties": {"deep": deep, "many": {"enum": many}}}));
    assert!(text.contains("deep: list[list[list[list[Any]]]]"), "{text}");
    assert!(text.contains("Literal[0, 1, 2, 3, 4, 5, 6, 7, ...]"), "{text}");
    assert!(text.ends_with("word…") && text.len() < 400, "{text}");
}
