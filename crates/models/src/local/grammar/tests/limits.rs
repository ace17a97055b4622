//! Schemas that nobody should write: a clear refusal, soon.

use super::super::check;
use super::sampler::graph;
use crate::SchemaRefusal;
use serde_json::{Map, Value, json};
use std::time::Duration;
use types::{FunctionTool, TextFormat};

fn tool(parameters: &Value) -> FunctionTool {
    FunctionTool {
        name: "f".to_owned(),
        description: String::new(),
        parameters: parameters.as_object().unwrap().clone(),
        kind: types::FunctionKind::default(),
    }
}

/// Within a time that a request may take.
fn within_time<T>(work: impl FnOnce() -> T) -> T {
    #[expect(clippy::disallowed_methods, reason = "it measures")]
    let start = std::time::Instant::now();
    let done = work();
    let took = start.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
    done
}

fn quickly(schema: &Value) -> Result<(), SchemaRefusal> {
    within_time(|| check(&[tool(schema)], &TextFormat::Text))
}

fn refused(schema: &Value) -> SchemaRefusal {
    quickly(schema).unwrap_err()
}

#[test]
fn refusals_name_the_tool_or_the_format() {
    let bad = json!({"properties": {"x": {"pattern": "(?=a)"}}});
    let good = tool(&json!({"type": "object", "properties": {"x": {"type": "string"}}}));
    let refusal = check(&[good.clone(), tool(&bad)], &TextFormat::Text).unwrap_err();
    assert_eq!(refusal.path, "tools[1].parameters.properties.x.pattern");
    assert!(refusal.message.contains("looks ahead"), "{}", refusal.message);
    let format = TextFormat::schema(bad.as_object().unwrap().clone());
    assert_eq!(check(&[good], &format).unwrap_err().path, "text.format.schema.properties.x.pattern");
    assert!(check(&[tool(&json!({}))], &TextFormat::Text).is_ok());
}

#[test]
fn size_is_limited() {
    let megabyte = json!({"type": "object", "description": "x".repeat(1 << 20)});
    assert!(refused(&megabyte).message.contains("256 KiB"));
    let values: Vec<Value> = (0..6_000).map(|i| json!(i)).collect();
    let refusal = refused(&json!({"properties": {"x": {"enum": values}}}));
    assert!(refusal.path.starts_with("tools[0].parameters.properties.x.enum["), "{}", refusal.path);
    // As large as is taken.
    let values: Vec<Value> = (0..5_000).map(|i| json!(format!("value {i}"))).collect();
    quickly(&json!({"properties": {"x": {"enum": values}}})).unwrap();
    let many: Map<String, Value> = (0..251).map(|i| (format!("p{i}"), json!({}))).collect();
    assert!(refused(&json!({"properties": many})).message.contains("250"));
    let parts: Map<String, Value> = (0..240)
        .map(|i| (format!("p{i}"), json!({"anyOf": (0..24).map(|_| json!({"type": "null"})).collect::<Vec<_>>()})))
        .collect();
    assert!(refused(&json!({"properties": parts})).message.contains("5000 parts"));
    let tools: Vec<FunctionTool> = (0..129).map(|_| tool(&json!({}))).collect();
    assert_eq!(check(&tools, &TextFormat::Text).unwrap_err().path, "tools");
}

#[test]
fn depth_is_limited() {
    let mut deep = json!({"type": "null"});
    for _ in 0..61 {
        deep = json!({"items": deep});
    }
    assert!(refused(&json!({"properties": {"x": deep}})).message.contains("levels deep"));
    let mut deep = json!(1);
    for _ in 0..30 {
        deep = json!([deep]);
    }
    assert!(refused(&json!({"properties": {"x": {"const": deep}}})).message.contains("levels deep"));
}

#[test]
fn references_end_somewhere() {
    for (schema, path) in [
        (json!({"$ref": "#"}), "tools[0].parameters"),
        (
            json!({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}}),
            "tools[0].parameters",
        ),
        (json!({"properties": {"x": {"$ref": "#/$defs/none"}}}), "tools[0].parameters.properties.x.$ref"),
        (json!({"properties": {"x": {"$ref": "https://example.com/"}}}), "tools[0].parameters.properties.x.$ref"),
        (
            json!({"properties": {"x": {"$ref": "#/default"}}, "default": {"not": {}}}),
            "tools[0].parameters.properties.x.$ref",
        ),
    ] {
        let refusal = refused(&schema);
        assert!(refusal.path.starts_with(path), "{schema}: {refusal:?}");
    }
    // A long row of references is no cycle, and no stack is deep enough for every one.
    let row: Map<String, Value> =
        (0..3_000).map(|i| (format!("a{i}"), json!({"$ref": format!("#/$defs/a{}", i + 1)}))).collect();
    let mut row = json!({"properties": {"x": {"$ref": "#/$defs/a0"}}, "$defs": row});
    row["$defs"]["a3000"] = json!({"type": "null"});
    assert!(refused(&row).message.contains("more than 20"));
    // A list of a thousand objects, each in the one before.
    let mut nest: Map<String, Value> = (0..1_000)
        .map(|i| (format!("a{i}"), json!({"type": "object", "properties": {"n": {"$ref": format!("#/$defs/a{}", i + 1)}}, "required": ["n"]})))
        .collect();
    nest.insert("a1000".to_owned(), json!({"type": "null"}));
    quickly(&json!({"properties": {"x": {"$ref": "#/$defs/a0"}}, "$defs": nest})).unwrap();
}

#[test]
fn combinations_are_limited() {
    let either = json!({"anyOf": [{"minimum": 1}, {"minimum": 2}, {"minimum": 3}]});
    let all: Vec<Value> = (0..20).map(|_| either.clone()).collect();
    assert!(refused(&json!({"properties": {"x": {"allOf": all}}})).message.contains("200 cases"));
    // References that fan out again and again, to the same few.
    let mut fan: Map<String, Value> = (0..15)
        .map(|i| (format!("a{i}"), json!({"allOf": vec![json!({"$ref": format!("#/$defs/a{}", i + 1)}); 90]})))
        .collect();
    fan.insert("a15".to_owned(), json!({"type": "integer"}));
    // Each step is two schemas for one value: 15 of them are too many, 9 are not.
    assert!(quickly(&json!({"properties": {"x": {"$ref": "#/$defs/a0"}}, "$defs": fan})).is_err());
    let mut fan: Map<String, Value> = (0..9)
        .map(|i| (format!("a{i}"), json!({"allOf": vec![json!({"$ref": format!("#/$defs/a{}", i + 1)}); 90]})))
        .collect();
    fan.insert("a9".to_owned(), json!({"type": "integer"}));
    let fanned = quickly(&json!({"properties": {"x": {"$ref": "#/$defs/a0"}}, "$defs": fan}));
    assert!(fanned.is_ok() || fanned.is_err_and(|refusal| refusal.message.contains("schemas apply")));
}

#[test]
fn many_small_ones_are_as_much_as_a_large_one() {
    let patterns: Map<String, Value> = (0..50)
        .map(|i| (format!("p{i}"), json!({"type": "string", "pattern": format!("{i}(a|b)*a(a|b){{9}}[cd]{{40}}")})))
        .collect();
    let tools: Vec<FunctionTool> = (0..40).map(|_| tool(&json!({"properties": patterns}))).collect();
    let refusal = within_time(|| check(&tools, &TextFormat::Text)).unwrap_err();
    assert!(refusal.message.contains("too large"), "{refusal:?}");
    // References that the graph meets in the worst order.
    let count = 1_200;
    let mut row: Map<String, Value> = (0..count)
        .map(|i| (format!("a{i}"), json!({"type": "object", "properties": {"n": {"$ref": format!("#/$defs/a{}", i + 1)}}, "required": ["n"]})))
        .collect();
    row.insert(format!("a{count}"), json!({"type": "null"}));
    let all: Vec<Value> =
        (0..count).rev().step_by(2).take(90).map(|i| json!({"$ref": format!("#/$defs/a{i}")})).collect();
    let _ = quickly(&json!({"properties": {"x": {"type": "array", "prefixItems": all}}, "$defs": row}));
}

#[test]
fn automata_are_limited() {
    for pattern in [
        "(a|b)*a(a|b){20}",
        "(.{1,100}x){1,100}",
        "^(((a{1,9}){1,9}){1,9}){1,9}$",
        "(((((((((((((a*)*)*)*)*)*)*)*)*)*)*)*)*b",
    ] {
        let checked = quickly(&json!({"properties": {"x": {"type": "string", "pattern": pattern}}}));
        if let Err(refusal) = checked {
            assert_eq!(refusal.path.split('.').next(), Some("tools[0]"));
            assert!(refusal.message.contains("pattern"), "{pattern}: {refusal:?}");
        }
    }
    let deep = format!("{}a{}", "(".repeat(5_000), ")".repeat(5_000));
    assert!(refused(&json!({"properties": {"x": {"pattern": deep}}})).message.contains("2000 characters"));
}

#[test]
fn contradictions_are_refused() {
    for schema in [
        json!({"type": "integer", "minimum": 3, "maximum": 2}),
        json!({"allOf": [{"type": "string"}, {"type": "null"}]}),
        json!({"type": "string", "minLength": 3, "maxLength": 2}),
        json!({"type": "string", "pattern": "^a", "minLength": 2, "maxLength": 1}),
        json!({"type": "string", "pattern": "^ab$", "maxLength": 1}),
        json!({"enum": [1, 2], "type": "string"}),
        json!({"type": "integer", "multipleOf": 10, "minimum": 11, "maximum": 19}),
        json!({"type": "array", "minItems": 2, "maxItems": 1}),
        json!({"type": "array", "minItems": 1, "items": false}),
        json!({"type": "object", "required": ["a"], "properties": {"a": false}}),
        json!({"type": "object", "required": ["a"], "additionalProperties": false}),
        json!({"type": "object", "properties": {"a": {}}, "minProperties": 2, "additionalProperties": false}),
        json!({"type": "object", "properties": {"a": {}}, "minProperties": 4e9, "additionalProperties": false}),
        json!({"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]}),
        json!({"type": "array", "items": {"$ref": "#"}, "minItems": 1}),
        json!({"type": "string", "minLength": 4_000_000_000_u64}),
        json!({"minimum": 1e16, "type": "integer"}),
    ] {
        let refusal = graph(&schema).map(drop).unwrap_err();
        assert!(refusal.message.contains("nothing fits"), "{schema}: {refusal:?}");
        // What is not required is left out.
        quickly(&json!({"type": "object", "properties": {"x": {"type": "null"}}})).unwrap();
    }
    assert!(graph(&json!({"type": "array", "minItems": 40_000})).is_err());
}

#[test]
fn malformed_keywords_are_refused_at_their_place() {
    for (schema, path) in [
        (json!({"type": "text"}), "schema.type"),
        (json!({"type": []}), "schema.type"),
        (json!({"enum": []}), "schema.enum"),
        (json!({"enum": "a"}), "schema.enum"),
        (json!({"minLength": -1}), "schema.minLength"),
        (json!({"maxItems": 1.5}), "schema.maxItems"),
        (json!({"minimum": "1"}), "schema.minimum"),
        (json!({"minimum": 1e300}), "schema.minimum"),
        (json!({"multipleOf": 0}), "schema.multipleOf"),
        (json!({"properties": []}), "schema.properties"),
        (json!({"properties": {"a": 1}}), "schema.properties.a"),
        (json!({"items": [{}]}), "schema.items"),
        (json!({"anyOf": []}), "schema.anyOf"),
        (json!({"required": "a"}), "schema.required"),
        (json!({"pattern": 1}), "schema.pattern"),
        (json!({"patternProperties": {"(": {}}}), "schema.patternProperties[\"(\"]"),
        (json!({"format": "idn-email"}), "schema.format"),
        (json!({"exclusiveMinimum": true}), "schema.exclusiveMinimum"),
        (json!({"oneOf": [{"type": "integer"}, {"type": "number"}]}), "schema.oneOf"),
        (json!({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}), "schema.oneOf"),
        (json!({"type": "object", "minProperties": 3}), "schema.minProperties"),
    ] {
        assert_eq!(graph(&schema).map(drop).unwrap_err().path, path, "{schema}");
    }
}
