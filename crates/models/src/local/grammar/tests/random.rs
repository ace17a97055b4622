//! Breadth: schemas by chance, answers by chance, all of which fit.

use super::generator;
use super::sampler::{Dice, sample};
use super::validator;
use serde_json::{Value, json};

fn assert_fits(schema: &Value, text: &str) {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{schema}: {text}: {error}"));
    if let Err(why) = validator::fits(&value, schema) {
        panic!("{text} does not fit {schema}: {why}");
    }
}

#[test]
fn two_hundred_schemas_by_twenty_answers() {
    for number in 0..200 {
        let schema = generator::schema(&mut Dice::new(number + 1), 3);
        for seed in 0..20 {
            assert_fits(&schema, &sample(&schema, number * 100 + seed));
        }
    }
}

#[test]
fn recursion_ends() {
    let tree = json!({
        "$ref": "#/$defs/node",
        "$defs": {"node": {
            "type": "object",
            "properties": {"value": {"type": "integer"}, "children": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
            "required": ["value", "children"],
            "additionalProperties": false,
        }},
    });
    for seed in 0..100 {
        assert_fits(&tree, &sample(&tree, seed));
    }
    for seed in 0..100 {
        assert_fits(&json!({}), &sample(&json!({}), seed));
    }
}

#[test]
fn properties_come_in_the_order_of_the_schema() {
    let schema = json!({"type": "object", "properties": {"zebra": {"type": "null"}, "ape": {"type": "null"}}, "required": ["ape", "zebra"]});
    assert_eq!(sample(&schema, 3), r#"{"zebra": null, "ape": null}"#);
}

#[test]
fn no_name_is_written_twice() {
    let schema = json!({"type": "object", "additionalProperties": {"type": "null"}});
    for seed in 0..300 {
        let text = sample(&schema, seed);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value.as_object().unwrap().len(), text.matches("\": null").count(), "{text}");
    }
}
