//! Whether a value fits a schema: for the values of `enum` and `const`, which other keywords may rule out. The schema has
//! been examined.

use super::fuel::{Fuel, TooLarge};
use super::number::Decimal;
use super::resolve::{Root, Said};
use super::{format, pattern};
use serde_json::{Map, Value};
use std::cmp::Ordering;
use std::collections::BTreeMap;

pub(super) struct Judge<'a> {
    root: Root<'a>,
    patterns: BTreeMap<String, super::dfa::Dfa>,
    fuel: Fuel,
}

impl<'a> Judge<'a> {
    pub fn new(root: Root<'a>, fuel: Fuel) -> Self {
        Self { root, patterns: BTreeMap::new(), fuel }
    }

    pub fn fits(&mut self, value: &Value, keywords: &'a Map<String, Value>) -> Result<bool, TooLarge> {
        self.fuel.spend(1 + keywords.len())?;
        for (keyword, asked) in keywords {
            if !self.holds(value, keyword, asked, keywords)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn says(&mut self, value: &Value, said: Said<'a>) -> Result<bool, TooLarge> {
        match said {
            Said::Everything => Ok(true),
            Said::Nothing => Ok(false),
            Said::Keywords(keywords) => self.fits(value, keywords),
        }
    }

    fn count(&mut self, value: &Value, schemas: &'a Value) -> Result<usize, TooLarge> {
        let mut count = 0;
        for schema in schemas.as_array().into_iter().flatten() {
            count += usize::from(self.says(value, Said::of(schema))?);
        }
        Ok(count)
    }

    fn holds(
        &mut self,
        value: &Value,
        keyword: &str,
        asked: &'a Value,
        siblings: &'a Map<String, Value>,
    ) -> Result<bool, TooLarge> {
        Ok(match keyword {
            "$ref" => match asked.as_str().and_then(|reference| self.root.find(reference)) {
                Some(said) => self.says(value, said)?,
                None => false,
            },
            "allOf" => self.count(value, asked)? == asked.as_array().map_or(0, Vec::len),
            "anyOf" => self.count(value, asked)? > 0,
            "oneOf" => self.count(value, asked)? == 1,
            "enum" => {
                let values = asked.as_array().map_or(&[][..], Vec::as_slice);
                self.fuel.spend(values.len() / 8)?;
                values.iter().any(|other| equal(value, other))
            }
            "const" => equal(value, asked),
            "type" => match asked {
                Value::Array(names) => names.iter().any(|name| is_of(value, name)),
                name => is_of(value, name),
            },
            _ => match value {
                Value::Number(number) => compared(number, keyword, asked),
                Value::String(text) => self.text(text, keyword, asked),
                Value::Array(items) => self.items(items, keyword, asked, siblings)?,
                Value::Object(object) => self.object(object, keyword, asked, siblings)?,
                Value::Null | Value::Bool(_) => true,
            },
        })
    }

    fn text(&mut self, text: &str, keyword: &str, asked: &Value) -> bool {
        let count = || text.chars().count() as f64;
        match (keyword, asked) {
            ("minLength", asked) => asked.as_f64().is_some_and(|least| count() >= least),
            ("maxLength", asked) => asked.as_f64().is_some_and(|most| count() <= most),
            ("pattern", Value::String(asked)) => self.matches(asked, text),
            ("format", Value::String(name)) => format::pattern(name).is_some_and(|asked| self.matches(asked, text)),
            _ => true,
        }
    }

    fn matches(&mut self, asked: &str, text: &str) -> bool {
        if !self.patterns.contains_key(asked) {
            self.patterns.insert(asked.to_owned(), pattern::search(asked, &self.fuel).unwrap_or_default());
        }
        self.patterns.get(asked).is_some_and(|dfa| dfa.accepts(text))
    }

    fn items(
        &mut self,
        items: &[Value],
        keyword: &str,
        asked: &'a Value,
        siblings: &'a Map<String, Value>,
    ) -> Result<bool, TooLarge> {
        let count = items.len() as f64;
        let schemas: Vec<(&Value, &'a Value)> = match keyword {
            "minItems" => return Ok(asked.as_f64().is_some_and(|least| count >= least)),
            "maxItems" => return Ok(asked.as_f64().is_some_and(|most| count <= most)),
            "prefixItems" => items.iter().zip(asked.as_array().into_iter().flatten()).collect(),
            "items" => {
                let before = siblings.get("prefixItems").and_then(Value::as_array).map_or(0, Vec::len);
                items.iter().skip(before).map(|item| (item, asked)).collect()
            }
            _ => return Ok(true),
        };
        for (item, schema) in schemas {
            if !self.says(item, Said::of(schema))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn object(
        &mut self,
        object: &Map<String, Value>,
        keyword: &str,
        asked: &'a Value,
        siblings: &'a Map<String, Value>,
    ) -> Result<bool, TooLarge> {
        let count = object.len() as f64;
        match keyword {
            "minProperties" => return Ok(asked.as_f64().is_some_and(|least| count >= least)),
            "maxProperties" => return Ok(asked.as_f64().is_some_and(|most| count <= most)),
            "required" => {
                let mut names = asked.as_array().into_iter().flatten().filter_map(Value::as_str);
                return Ok(names.all(|name| object.contains_key(name)));
            }
            _ => {}
        }
        let named = siblings.get("properties").and_then(Value::as_object);
        let patterns = siblings.get("patternProperties").and_then(Value::as_object);
        for (name, value) in object {
            let matching: Vec<&'a Value> = match keyword {
                "properties" => asked.get(name).into_iter().collect(),
                "patternProperties" => {
                    let schemas = asked.as_object().into_iter().flatten();
                    schemas.filter(|(asked, _)| self.matches(asked, name)).map(|(_, schema)| schema).collect()
                }
                "additionalProperties" => {
                    let is_named = named.is_some_and(|named| named.contains_key(name));
                    let mut asked_names = patterns.into_iter().flatten().map(|(asked, _)| asked);
                    match is_named || asked_names.any(|asked| self.matches(asked, name)) {
                        true => Vec::new(),
                        false => vec![asked],
                    }
                }
                _ => return Ok(true),
            };
            for schema in matching {
                if !self.says(value, Said::of(schema))? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

fn is_of(value: &Value, name: &Value) -> bool {
    match name.as_str() {
        Some("null") => value.is_null(),
        Some("boolean") => value.is_boolean(),
        Some("number") => value.is_number(),
        Some("integer") => value.as_number().is_some_and(is_integer),
        Some("string") => value.is_string(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => false,
    }
}

fn is_integer(number: &serde_json::Number) -> bool {
    number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|number| number.fract() == 0.0)
}

fn compared(number: &serde_json::Number, keyword: &str, asked: &Value) -> bool {
    if !matches!(keyword, "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf") {
        return true;
    }
    let (Some(number), Some(asked)) = (Decimal::of(number), asked.as_number().and_then(Decimal::of)) else {
        // Too many digits to say: left out rather than wrong.
        return false;
    };
    match keyword {
        "minimum" => number.compare(asked) != Ordering::Less,
        "maximum" => number.compare(asked) != Ordering::Greater,
        "exclusiveMinimum" => number.compare(asked) == Ordering::Greater,
        "exclusiveMaximum" => number.compare(asked) == Ordering::Less,
        _ => number.is_multiple_of(asked),
    }
}

/// 1 and 1.0 are the same number.
pub(super) fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (Decimal::of(a), Decimal::of(b)) {
            (Some(a), Some(b)) => a.compare(b) == Ordering::Equal,
            _ => a == b,
        },
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| equal(a, b)))
        }
        _ => a == b,
    }
}
