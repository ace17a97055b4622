//! The first reading of a schema: every keyword is known, well-formed and one that is held, or the schema is refused
//! with the place of the first that is not. What comes after may rely on it.

use super::keyword::{Fate, fate};
use super::number::Decimal;
use super::refusal::Place;
use super::resolve::{Root, Said};
use super::{format, pattern};
use crate::SchemaRefusal;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Subschemas of one schema.
const MOST_SCHEMAS: usize = 5_000;
const MOST_DEPTH: usize = 60;
/// Schemas that apply to one value, each because of the one before: references, `allOf` and their like.
const MOST_CHAIN: usize = 20;
/// Values of all `enum`s of one schema, and the bytes of all its constants.
const MOST_VALUES: usize = 5_000;
const MOST_VALUE_BYTES: usize = 100_000;
const MOST_VALUE_DEPTH: usize = 20;
/// Properties that one object names.
const MOST_PROPERTIES: usize = 250;
/// Branches of one `anyOf` or `oneOf`.
const MOST_BRANCHES: usize = 100;
/// Different patterns of one schema: each is turned into an automaton.
const MOST_PATTERNS: usize = 50;

const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];

/// Where each part of an examined schema stands. A part is known by its address.
pub(super) struct Places(BTreeMap<usize, Place>);

impl Places {
    pub fn of(&self, keywords: &Map<String, Value>) -> Option<&Place> {
        self.0.get(&address(keywords))
    }
}

fn address(keywords: &Map<String, Value>) -> usize {
    std::ptr::from_ref(keywords).addr()
}

pub(super) fn examine(schema: &Map<String, Value>, place: &Place) -> Result<Places, SchemaRefusal> {
    let mut examiner = Examiner::default();
    examiner.schema(schema, place, 0)?;
    let Examiner { parts, .. } = examiner;
    let places = Places(parts.iter().map(|(part, place)| (address(part), place.clone())).collect());
    let mut chains = Chains { root: Root(schema), places: &places, lengths: BTreeMap::new() };
    for (part, _) in parts {
        chains.length(part, 0)?;
    }
    Ok(places)
}

/// How many schemas apply to a value because one does; there is an end to it, and no reference leads out.
struct Chains<'a> {
    root: Root<'a>,
    places: &'a Places,
    lengths: BTreeMap<usize, usize>,
}

impl<'a> Chains<'a> {
    fn length(&mut self, part: &'a Map<String, Value>, before: usize) -> Result<usize, SchemaRefusal> {
        let here = address(part);
        let place = self.places.of(part).cloned().unwrap_or_else(|| Place::new("schema"));
        if before + self.lengths.get(&here).unwrap_or(&0) > MOST_CHAIN {
            return Err(place.refuse(format!(
                "this refers to itself without end, or through more than {MOST_CHAIN} schemas for one value"
            )));
        }
        if let Some(length) = self.lengths.get(&here) {
            return Ok(*length);
        }
        let mut longest = 0;
        if let Some(Value::String(reference)) = part.get("$ref") {
            let known = match self.root.find(reference) {
                Some(Said::Keywords(target)) => self.places.of(target).map(|_| Some(target)),
                Some(_) => Some(None),
                None => None,
            };
            let Some(target) = known else {
                let why = "nothing in this schema is there; a reference is `#` or `#/` and the way to a schema";
                return Err(place.name("$ref").refuse(why));
            };
            if let Some(target) = target {
                longest = 1 + self.length(target, before + 1)?;
            }
        }
        for keyword in ["allOf", "anyOf", "oneOf"] {
            for branch in part.get(keyword).and_then(Value::as_array).into_iter().flatten() {
                if let Said::Keywords(branch) = Said::of(branch) {
                    longest = longest.max(1 + self.length(branch, before + 1)?);
                }
            }
        }
        self.lengths.insert(here, longest);
        Ok(longest)
    }
}

#[derive(Default)]
struct Examiner<'a> {
    parts: Vec<(&'a Map<String, Value>, Place)>,
    values: usize,
    value_bytes: usize,
    patterns: usize,
}

impl<'a> Examiner<'a> {
    fn schema(&mut self, schema: &'a Map<String, Value>, place: &Place, depth: usize) -> Result<(), SchemaRefusal> {
        self.parts.push((schema, place.clone()));
        if self.parts.len() > MOST_SCHEMAS {
            return Err(place.refuse(format!("the schema has more than {MOST_SCHEMAS} parts")));
        }
        if depth > MOST_DEPTH {
            return Err(place.refuse(format!("the schema is more than {MOST_DEPTH} levels deep")));
        }
        for (keyword, value) in schema {
            let at = place.name(keyword);
            match fate(keyword) {
                None => return Err(at.refuse("this is no keyword of JSON Schema 2020-12")),
                Some(Fate::Annotation) if keyword == "$id" && depth > 0 => {
                    return Err(at.refuse("a schema within a schema is not given a name of its own here"));
                }
                Some(Fate::Annotation) => {}
                // What forbids nothing is nothing to enforce.
                Some(Fate::Refused(_)) if keyword == "uniqueItems" && *value == Value::Bool(false) => {}
                Some(Fate::Refused(why)) => return Err(at.refuse(format!("`{keyword}` is not enforced: {why}"))),
                Some(Fate::Enforced) => self.keyword(keyword, value, &at, depth)?,
            }
        }
        Ok(())
    }

    fn any(&mut self, schema: &'a Value, place: &Place, depth: usize) -> Result<(), SchemaRefusal> {
        match schema {
            Value::Bool(_) => Ok(()),
            Value::Object(schema) => self.schema(schema, place, depth + 1),
            _ => Err(place.refuse("a schema is an object, true or false")),
        }
    }

    fn keyword(&mut self, keyword: &str, value: &'a Value, place: &Place, depth: usize) -> Result<(), SchemaRefusal> {
        match keyword {
            "type" => types(value, place),
            "const" => self.constant(value, place),
            "enum" => match value.as_array() {
                Some(values) if !values.is_empty() => {
                    values.iter().enumerate().try_for_each(|(i, value)| self.constant(value, &place.index(i)))
                }
                _ => Err(place.refuse("an `enum` is a list with at least one value")),
            },
            "properties" | "patternProperties" | "$defs" | "definitions" => {
                let Some(schemas) = value.as_object() else {
                    return Err(place.refuse(format!("`{keyword}` is an object of schemas")));
                };
                let most =
                    if keyword.ends_with("efs") || keyword == "definitions" { MOST_SCHEMAS } else { MOST_PROPERTIES };
                if schemas.len() > most {
                    return Err(place.refuse(format!("there are more than {most} of them")));
                }
                schemas.iter().try_for_each(|(name, schema)| {
                    let at = place.name(name);
                    if keyword == "patternProperties" {
                        self.pattern(name, &at)?;
                    }
                    self.any(schema, &at, depth)
                })
            }
            "additionalProperties" | "items" => self.any(value, place, depth),
            "allOf" | "anyOf" | "oneOf" | "prefixItems" => match value.as_array() {
                Some(schemas) if schemas.len() > MOST_BRANCHES => {
                    Err(place.refuse(format!("there are more than {MOST_BRANCHES} of them")))
                }
                Some(schemas) if !schemas.is_empty() => {
                    schemas.iter().enumerate().try_for_each(|(i, schema)| self.any(schema, &place.index(i), depth))
                }
                _ => Err(place.refuse(format!("`{keyword}` is a list with at least one schema"))),
            },
            "required" => required(value, place),
            "pattern" => match value.as_str() {
                Some(text) => self.pattern(text, place),
                None => Err(place.refuse("a pattern is a string")),
            },
            "format" => match value.as_str() {
                Some(name) if format::pattern(name).is_some() => Ok(()),
                Some(name) => {
                    let known: Vec<&str> = format::FORMATS.iter().map(|(name, _)| *name).collect();
                    let name: String = name.chars().take(60).collect();
                    Err(place.refuse(format!("the format {name:?} is not enforced, only {}", known.join(", "))))
                }
                None => Err(place.refuse("a format is a string")),
            },
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => number(value, place).map(drop),
            "multipleOf" => match number(value, place)?.is_positive() {
                true => Ok(()),
                false => Err(place.refuse("`multipleOf` is greater than 0")),
            },
            "$ref" if value.is_string() => Ok(()),
            "$ref" => Err(place.refuse("a reference is a string")),
            // The counts.
            _ => match value.as_f64().is_some_and(|count| count >= 0.0 && count.fract() == 0.0) {
                true => Ok(()),
                false => Err(place.refuse(format!("`{keyword}` is a whole number, 0 or more"))),
            },
        }
    }

    fn constant(&mut self, value: &Value, place: &Place) -> Result<(), SchemaRefusal> {
        self.values += 1;
        self.value_bytes = self.value_bytes.saturating_add(value.to_string().len());
        if self.values > MOST_VALUES {
            return Err(place.refuse(format!("the schema has more than {MOST_VALUES} constants")));
        }
        if depth(value) > MOST_VALUE_DEPTH {
            return Err(place.refuse(format!("this constant is more than {MOST_VALUE_DEPTH} levels deep")));
        }
        if self.value_bytes > MOST_VALUE_BYTES {
            return Err(place.refuse(format!("the schema's constants are longer than {MOST_VALUE_BYTES} bytes")));
        }
        Ok(())
    }

    fn pattern(&mut self, text: &str, place: &Place) -> Result<(), SchemaRefusal> {
        self.patterns += 1;
        if self.patterns > MOST_PATTERNS {
            return Err(place.refuse(format!("the schema has more than {MOST_PATTERNS} patterns")));
        }
        pattern::parse(text).map(drop).map_err(|why| place.refuse(format!("the pattern {why}")))
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(object) => 1 + object.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn types(value: &Value, place: &Place) -> Result<(), SchemaRefusal> {
    let is_type = |value: &Value| value.as_str().is_some_and(|name| TYPES.contains(&name));
    let fits = match value {
        Value::Array(names) => !names.is_empty() && names.iter().all(is_type),
        name => is_type(name),
    };
    if fits { Ok(()) } else { Err(place.refuse(format!("a type is one of {}, or a list of them", TYPES.join(", ")))) }
}

fn required(value: &Value, place: &Place) -> Result<(), SchemaRefusal> {
    match value.as_array() {
        Some(names) if names.len() > MOST_PROPERTIES => {
            Err(place.refuse(format!("there are more than {MOST_PROPERTIES} of them")))
        }
        Some(names) if names.iter().all(Value::is_string) => Ok(()),
        _ => Err(place.refuse("`required` is a list of names")),
    }
}

fn number(value: &Value, place: &Place) -> Result<Decimal, SchemaRefusal> {
    let number = value.as_number().ok_or_else(|| place.refuse("this is a number"))?;
    Decimal::of(number).ok_or_else(|| place.refuse("this number has more digits than are compared here (18)"))
}
