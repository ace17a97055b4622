//! Every keyword, as the table says: what is enforced is enforced, what is an annotation changes nothing, what is
//! refused is refused at its place.

use super::super::keyword::{Fate, KEYWORDS, fate};
use super::sampler::{graph, sample};
use super::validator;
use serde_json::{Value, json};

/// All keywords of the vocabularies of 2020-12.
const STANDARD: [&str; 57] = [
    "$schema",
    "$vocabulary",
    "$id",
    "$anchor",
    "$dynamicAnchor",
    "$ref",
    "$dynamicRef",
    "$defs",
    "$comment",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentSchemas",
    "prefixItems",
    "items",
    "contains",
    "properties",
    "patternProperties",
    "additionalProperties",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "type",
    "enum",
    "const",
    "multipleOf",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "maxContains",
    "minContains",
    "maxProperties",
    "minProperties",
    "required",
    "dependentRequired",
    "title",
    "description",
    "default",
    "deprecated",
    "readOnly",
    "writeOnly",
    "examples",
    "format",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
];

/// Schemas that turn on one keyword, and a value for each that would fit without it.
fn enforced(keyword: &str) -> Vec<(Value, Value)> {
    let list = json!({"type": "array", "minItems": 1, "maxItems": 3, "items": {"type": "integer"}});
    match keyword {
        "$ref" | "$defs" | "definitions" => {
            let defs = if keyword == "definitions" { "definitions" } else { "$defs" };
            vec![
                (json!({"$ref": format!("#/{defs}/a"), defs: {"a": {"enum": ["x", 7]}}}), json!("y")),
                (
                    json!({"type": "object", "required": ["v"], "properties": {"v": {"type": "integer"}, "next": {"$ref": "#"}}}),
                    json!({"v": 1, "next": 2}),
                ),
                (
                    json!({"$ref": format!("#/{defs}/a~1b%20c"), "maximum": 5, defs: {"a/b c": {"type": "integer", "minimum": 3}}}),
                    json!(9),
                ),
            ]
        }
        "type" => vec![
            (json!({"type": "null"}), json!(1)),
            (json!({"type": "boolean"}), json!("true")),
            (json!({"type": "integer"}), json!(1.5)),
            (json!({"type": "number"}), json!("1")),
            (json!({"type": "string"}), json!(1)),
            (json!({"type": "array"}), json!({})),
            (json!({"type": "object"}), json!([])),
            (json!({"type": ["integer", "null"]}), json!("a")),
            (json!({"allOf": [{"type": ["integer", "string"]}, {"type": "number"}]}), json!("a")),
        ],
        "enum" => vec![
            (json!({"enum": ["a", "ab", 1, 10, 1.5, null, true, {"x": [1, "é\n"]}, []]}), json!("b")),
            (json!({"type": "string", "maxLength": 2, "enum": ["abc", "ab", 5]}), json!("abc")),
            (json!({"anyOf": [{"minimum": 3}, {"maximum": 0}], "enum": [1, 2, 3, -4]}), json!(1)),
        ],
        "const" => vec![
            (json!({"const": {"a": [1, 2.5, "\u{1}\"\\"]}}), json!({"a": []})),
            (json!({"const": 123_456_789_012_345_678_u64}), json!(1)),
        ],
        "minimum" => vec![
            (json!({"type": "integer", "minimum": 17}), json!(16)),
            (json!({"type": "number", "minimum": -2.25}), json!(-2.5)),
            (json!({"minimum": 1e-7}), json!(0)),
            (json!({"type": "integer", "minimum": 0.5}), json!(0)),
        ],
        "maximum" => vec![
            (json!({"type": "integer", "maximum": 1999}), json!(2000)),
            (json!({"type": "number", "maximum": -0.001}), json!(0)),
            (json!({"type": "integer", "maximum": 7, "minimum": 7}), json!(8)),
        ],
        "exclusiveMinimum" => vec![
            (json!({"type": "integer", "exclusiveMinimum": 9, "maximum": 10}), json!(9)),
            (json!({"type": "number", "exclusiveMinimum": 0, "maximum": 0.000_001}), json!(0)),
        ],
        "exclusiveMaximum" => vec![
            (json!({"type": "integer", "exclusiveMaximum": -99}), json!(-99)),
            (json!({"type": "number", "exclusiveMaximum": 0.5, "minimum": 0.25}), json!(0.5)),
        ],
        "multipleOf" => vec![
            (json!({"type": "integer", "multipleOf": 7, "minimum": 50, "maximum": 120}), json!(50)),
            (json!({"type": "number", "multipleOf": 0.25}), json!(0.3)),
            (json!({"type": "integer", "multipleOf": 2.5}), json!(4)),
            (json!({"allOf": [{"multipleOf": 4}, {"multipleOf": 6}], "type": "integer"}), json!(8)),
        ],
        "minLength" => vec![
            (json!({"type": "string", "minLength": 5}), json!("abcd")),
            (json!({"type": "string", "minLength": 3, "pattern": "^[a-c]*$"}), json!("ab")),
        ],
        "maxLength" => vec![
            (json!({"type": "string", "maxLength": 3}), json!("🦊🦊🦊🦊")),
            (json!({"type": "string", "maxLength": 0}), json!("a")),
            (json!({"type": "string", "maxLength": 4, "pattern": "(ab|cde)+"}), json!("cdecde")),
        ],
        "pattern" => vec![
            (json!({"type": "string", "pattern": "^[A-Z]{2}-\\d+$"}), json!("A-1")),
            (json!({"type": "string", "pattern": "b\\\"c"}), json!("bc")),
            (json!({"pattern": "^(é|東)*$"}), json!("e")),
            (json!({"type": "string", "pattern": "^a|b$"}), json!("ba")),
            (json!({"allOf": [{"pattern": "a"}, {"pattern": "b"}], "type": "string"}), json!("a")),
        ],
        "format" => ["date-time", "date", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"]
            .map(|format| (json!({"type": "string", "format": format}), json!("no such")))
            .to_vec(),
        "items" => vec![
            (list, json!(["a"])),
            (json!({"type": "array", "items": false}), json!([1])),
            (json!({"items": {"type": "array", "items": {"const": 0}}}), json!([[1]])),
        ],
        "prefixItems" => vec![
            (
                json!({"type": "array", "minItems": 1, "prefixItems": [{"type": "string"}, {"type": "boolean"}], "items": {"type": "null"}}),
                json!([1]),
            ),
            (json!({"prefixItems": [{"const": 1}, false], "minItems": 1}), json!([1, 2])),
        ],
        "minItems" => vec![
            (json!({"type": "array", "minItems": 3, "items": {"type": "integer"}}), json!([1, 2])),
            (json!({"type": "array", "minItems": 3, "prefixItems": [{"type": "null"}]}), json!([null, 2])),
        ],
        "maxItems" => vec![
            (json!({"type": "array", "maxItems": 2}), json!([1, 2, 3])),
            (json!({"type": "array", "maxItems": 0}), json!([1])),
        ],
        "properties" => vec![
            (
                json!({"type": "object", "properties": {"a": {"type": "integer"}, "b\"\n": {"type": "boolean"}}}),
                json!({"a": "x"}),
            ),
            (json!({"properties": {"a": false, "b": {"type": "null"}}}), json!({"a": 1})),
        ],
        "required" => vec![
            (
                json!({"type": "object", "properties": {"a": {"type": "integer"}, "b": {}}, "required": ["b"]}),
                json!({"a": 1}),
            ),
            (
                json!({"type": "object", "required": ["not named"], "additionalProperties": {"type": "integer"}}),
                json!({}),
            ),
        ],
        "additionalProperties" => vec![
            (json!({"type": "object", "properties": {"a": {}}, "additionalProperties": false}), json!({"b": 1})),
            (
                json!({"type": "object", "properties": {"a": {"type": "string"}, "ab": {}}, "additionalProperties": {"type": "integer"}}),
                json!({"b": "x"}),
            ),
            (json!({"additionalProperties": {"type": "null"}}), json!({"b": 1})),
        ],
        "patternProperties" => vec![
            (
                json!({"type": "object", "patternProperties": {"^x": {"type": "integer"}}, "additionalProperties": false}),
                json!({"x": "a"}),
            ),
            (
                json!({"type": "object", "properties": {"xa": {"maximum": 5}}, "patternProperties": {"^x": {"type": "integer"}, "a$": {"minimum": 3}}, "additionalProperties": {"type": "boolean"}}),
                json!({"xa": 1}),
            ),
        ],
        "minProperties" => vec![
            (
                json!({"type": "object", "minProperties": 2, "additionalProperties": false, "properties": {"a": {"type": "null"}, "b": {"type": "null"}, "c": {"type": "null"}}}),
                json!({"a": null}),
            ),
            (json!({"type": "object", "minProperties": 2, "properties": {"a": {"type": "null"}}}), json!({"a": null})),
            (json!({"type": "object", "minProperties": 1}), json!({})),
            (
                json!({"type": "object", "minProperties": 3, "properties": {"a": {"type": "null"}, "b": {"type": "null"}}}),
                json!({"a": null, "c": 1}),
            ),
        ],
        "maxProperties" => vec![
            (
                json!({"type": "object", "maxProperties": 1, "properties": {"a": {"type": "null"}, "b": {"type": "null"}, "c": {}}, "required": ["b"]}),
                json!({"a": null, "b": null}),
            ),
            (
                json!({"type": "object", "maxProperties": 2, "additionalProperties": {"type": "integer"}}),
                json!({"a": 1, "b": 2, "c": 3}),
            ),
        ],
        "anyOf" => vec![
            (
                json!({"anyOf": [{"type": "integer"}, {"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"]}, {"type": "object", "properties": {"a": {"const": 2}, "b": {}}, "required": ["a", "b"]}]}),
                json!({"a": 3}),
            ),
            (
                json!({"type": "object", "properties": {"a": {"type": "null"}, "b": {"type": "null"}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}),
                json!({}),
            ),
        ],
        "allOf" => vec![
            (
                json!({"allOf": [{"type": "object", "properties": {"a": {"minimum": 3}}, "required": ["a"]}, {"properties": {"a": {"type": "integer", "maximum": 5}}}]}),
                json!({"a": 9}),
            ),
            (
                json!({"allOf": [{"anyOf": [{"type": "integer"}, {"type": "string"}]}, {"anyOf": [{"type": "integer"}, {"type": "null"}]}]}),
                json!("a"),
            ),
        ],
        "oneOf" => vec![
            (
                json!({"oneOf": [{"type": "integer"}, {"type": "string", "maxLength": 2}, {"type": "null"}]}),
                json!("abc"),
            ),
            (
                json!({"oneOf": [{"$ref": "#/$defs/cat"}, {"$ref": "#/$defs/dog"}], "$defs": {
                    "cat": {"type": "object", "properties": {"kind": {"const": "cat"}, "lives": {"type": "integer", "minimum": 1, "maximum": 9}}, "required": ["kind", "lives"]},
                    "dog": {"type": "object", "properties": {"kind": {"enum": ["dog", "wolf"]}}, "required": ["kind"]},
                }}),
                json!({"kind": "cat"}),
            ),
        ],
        other => panic!("no schemas for {other}"),
    }
}

#[test]
fn every_keyword_has_its_fate() {
    for keyword in STANDARD {
        assert!(fate(keyword).is_some(), "{keyword} is in no table");
    }
    let known: std::collections::BTreeSet<&str> = KEYWORDS.iter().map(|(keyword, _)| *keyword).collect();
    assert_eq!(known.len(), KEYWORDS.len(), "a keyword is there twice");
    assert_eq!(fate("x-anything"), Some(Fate::Annotation));
    assert_eq!(fate("maxLenght"), None);
}

#[test]
fn what_is_enforced_is() {
    for (keyword, _) in KEYWORDS.iter().filter(|(_, fate)| *fate == Fate::Enforced) {
        for (i, (schema, foul)) in enforced(keyword).iter().enumerate() {
            assert!(validator::fits(foul, schema).is_err(), "{keyword}: {foul} is no proof: it fits {schema}");
            for seed in 0..60 {
                let text = sample(schema, seed);
                let value: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{schema}: {text}: {e}"));
                if let Err(why) = validator::fits(&value, schema) {
                    panic!("{keyword} {i}, seed {seed}: {text} does not fit {schema}: {why}");
                }
            }
        }
    }
}

#[test]
fn annotations_change_nothing() {
    let plain = json!({"type": "integer", "minimum": 1, "maximum": 40});
    for (keyword, _) in KEYWORDS.iter().filter(|(_, fate)| *fate == Fate::Annotation) {
        let mut schema = plain.clone();
        schema[*keyword] = match *keyword {
            "$schema" => json!("https://json-schema.org/draft/2020-12/schema"),
            "contentSchema" => json!({"not": {}}),
            "examples" => json!([99, "x"]),
            "discriminator" => json!({"propertyName": "kind"}),
            "$vocabulary" => json!({}),
            "deprecated" | "readOnly" | "writeOnly" => json!(true),
            _ => json!("anything"),
        };
        for seed in 0..10 {
            assert_eq!(sample(&schema, seed), sample(&plain, seed), "{keyword}");
        }
    }
}

#[test]
fn what_is_refused_is_refused_at_its_place() {
    for (keyword, _) in KEYWORDS.iter().filter(|(_, fate)| matches!(fate, Fate::Refused(_))) {
        let inner = json!({"type": "array", *keyword: if *keyword == "uniqueItems" { json!(true) } else { json!({}) }});
        let schema = json!({"type": "object", "properties": {"a b": {"anyOf": [{"type": "null"}, inner]}}});
        let refusal = graph(&schema).unwrap_err();
        assert_eq!(refusal.path, format!("schema.properties[\"a b\"].anyOf[1].{keyword}"));
        assert!(refusal.message.contains(keyword), "{}", refusal.message);
    }
    // Forbidding nothing is nothing to enforce.
    sample(&json!({"type": "array", "uniqueItems": false}), 1);
}

#[test]
fn what_is_no_keyword_is_refused() {
    for (schema, path) in [
        (json!({"type": "string", "maxLenght": 3}), "schema.maxLenght"),
        (json!({"properties": {"x": {"nullable": true}}}), "schema.properties.x.nullable"),
        (json!({"$defs": {"unused": {"not": {}}}, "type": "null"}), "schema.$defs.unused.not"),
        (json!({"properties": {"x": {"$id": "https://example.com/x"}}}), "schema.properties.x.$id"),
    ] {
        assert_eq!(graph(&schema).unwrap_err().path, path);
    }
}
