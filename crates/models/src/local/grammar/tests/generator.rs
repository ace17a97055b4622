//! Schemas by chance, of what is enforced.

use super::sampler::Dice;
use serde_json::{Map, Value, json};

/// A schema of at most `depth` levels below it.
pub(super) fn schema(dice: &mut Dice, depth: usize) -> Value {
    let kinds = if depth == 0 { 6 } else { 11 };
    match dice.below(kinds) {
        0 => json!({"type": "boolean"}),
        1 => integer(dice),
        2 => number(dice),
        3 | 4 => string(dice),
        5 => json!({"enum": ["red", "green", "blue", 3, null]}),
        6..=8 => object(dice, depth - 1),
        9 => array(dice, depth - 1),
        _ => {
            let keyword = ["anyOf", "allOf"][dice.below(2)];
            match keyword {
                "anyOf" => json!({"anyOf": [schema(dice, depth - 1), schema(dice, depth - 1)]}),
                _ => json!({"allOf": [object(dice, depth - 1), {"type": "object", "maxProperties": 9}]}),
            }
        }
    }
}

fn integer(dice: &mut Dice) -> Value {
    let low = dice.below(2000) as i64 - 1000;
    let mut schema = json!({"type": "integer", "minimum": low});
    if dice.below(2) == 0 {
        schema["maximum"] = json!(low + 100 + dice.below(5000) as i64);
    }
    if dice.below(3) == 0 {
        schema["multipleOf"] = json!(1 + dice.below(12));
    }
    schema
}

fn number(dice: &mut Dice) -> Value {
    let low = dice.below(2000) as f64 / 8.0 - 100.0;
    let mut schema = json!({"type": "number"});
    let (lower, upper) =
        if dice.below(2) == 0 { ("minimum", "maximum") } else { ("exclusiveMinimum", "exclusiveMaximum") };
    if dice.below(3) > 0 {
        schema[lower] = json!(low);
    }
    if dice.below(3) > 0 {
        schema[upper] = json!(low + 0.5 + dice.below(50) as f64);
    }
    schema
}

fn string(dice: &mut Dice) -> Value {
    let mut schema = json!({"type": "string"});
    match dice.below(6) {
        0 => schema["maxLength"] = json!(dice.below(20)),
        1 => schema["minLength"] = json!(dice.below(12)),
        2 => {
            schema["pattern"] =
                json!(["^[a-z]+$", "^\\d{3}-\\d{4}$", "^(on|off)$", "[xyz]{2}", "^#[0-9a-f]{6}$"][dice.below(5)])
        }
        3 => schema["format"] = json!(["date", "date-time", "email", "ipv4", "uuid", "time"][dice.below(6)]),
        4 => {
            schema["minLength"] = json!(2);
            schema["maxLength"] = json!(2 + dice.below(6));
            schema["pattern"] = json!("^[A-Za-z ]*$");
        }
        _ => {}
    }
    schema
}

fn array(dice: &mut Dice, depth: usize) -> Value {
    let mut array = json!({"type": "array", "items": schema(dice, depth)});
    let min = dice.below(3);
    if dice.below(2) == 0 {
        array["minItems"] = json!(min);
    }
    if dice.below(2) == 0 {
        array["maxItems"] = json!(min + dice.below(4));
    }
    if dice.below(4) == 0 {
        array["prefixItems"] = json!([schema(dice, depth)]);
    }
    array
}

fn object(dice: &mut Dice, depth: usize) -> Value {
    let names = ["id", "name", "name of it", "é", "tags", "\"quoted\"", "n", "na"];
    let mut properties = Map::new();
    let mut required = Vec::new();
    for _ in 0..dice.below(5) {
        let name = names[dice.below(names.len())];
        properties.insert(name.to_owned(), schema(dice, depth));
        if dice.below(2) == 0 {
            required.push(json!(name));
        }
    }
    let mut object = json!({"type": "object", "properties": properties, "required": required});
    match dice.below(4) {
        0 => object["additionalProperties"] = json!(false),
        1 => object["additionalProperties"] = json!({"type": "integer"}),
        _ => {}
    }
    object
}
