//! Whether a value fits a schema, by the words of the standard. It shares nothing with the grammar.

use fancy_regex::Regex;
use serde_json::{Map, Value};

pub(super) fn fits(value: &Value, schema: &Value) -> Result<(), String> {
    Validator { root: schema }.check(value, schema)
}

struct Validator<'a> {
    root: &'a Value,
}

impl Validator<'_> {
    fn check(&self, value: &Value, schema: &Value) -> Result<(), String> {
        let schema = match schema {
            Value::Bool(true) => return Ok(()),
            Value::Bool(false) => return Err(format!("{value}: nothing fits false")),
            Value::Object(schema) => schema,
            other => return Err(format!("{other} is no schema")),
        };
        schema.iter().try_for_each(|(keyword, asked)| {
            self.keyword(value, keyword, asked, schema).map_err(|why| format!("{keyword} {asked}: {why}"))
        })
    }

    fn is_ok(&self, value: &Value, schema: &Value) -> bool {
        self.check(value, schema).is_ok()
    }

    fn keyword(&self, value: &Value, keyword: &str, asked: &Value, schema: &Map<String, Value>) -> Result<(), String> {
        let expect = |holds: bool| if holds { Ok(()) } else { Err(format!("not so for {value}")) };
        let all = || asked.as_array().unwrap();
        match (keyword, value) {
            ("type", _) => expect(match asked {
                Value::Array(names) => names.iter().any(|name| is_of(value, name.as_str().unwrap())),
                name => is_of(value, name.as_str().unwrap()),
            }),
            ("enum", _) => expect(all().iter().any(|other| same(value, other))),
            ("const", _) => expect(same(value, asked)),
            ("allOf", _) => all().iter().try_for_each(|schema| self.check(value, schema)),
            ("anyOf", _) => expect(all().iter().any(|schema| self.is_ok(value, schema))),
            ("oneOf", _) => expect(all().iter().filter(|schema| self.is_ok(value, schema)).count() == 1),
            ("$ref", _) => {
                let pointer = asked.as_str().unwrap().strip_prefix('#').unwrap();
                self.check(value, self.root.pointer(&pointer.replace("%20", " ")).unwrap())
            }
            ("minimum", Value::Number(n)) => expect(n.as_f64() >= asked.as_f64()),
            ("maximum", Value::Number(n)) => expect(n.as_f64() <= asked.as_f64()),
            ("exclusiveMinimum", Value::Number(n)) => expect(n.as_f64() > asked.as_f64()),
            ("exclusiveMaximum", Value::Number(n)) => expect(n.as_f64() < asked.as_f64()),
            ("multipleOf", Value::Number(n)) => {
                let ratio = n.as_f64().unwrap() / asked.as_f64().unwrap();
                expect((ratio - ratio.round()).abs() <= 1e-9 * ratio.abs().max(1.0))
            }
            ("minLength", Value::String(text)) => expect(text.chars().count() >= whole(asked)),
            ("maxLength", Value::String(text)) => expect(text.chars().count() <= whole(asked)),
            ("pattern", Value::String(text)) => expect(matches(asked.as_str().unwrap(), text)),
            ("format", Value::String(text)) => expect(is_formatted(asked.as_str().unwrap(), text)),
            ("minItems", Value::Array(items)) => expect(items.len() >= whole(asked)),
            ("maxItems", Value::Array(items)) => expect(items.len() <= whole(asked)),
            ("prefixItems", Value::Array(items)) => {
                items.iter().zip(all()).try_for_each(|(item, schema)| self.check(item, schema))
            }
            ("items", Value::Array(items)) => {
                let before = schema.get("prefixItems").and_then(Value::as_array).map_or(0, Vec::len);
                items.iter().skip(before).try_for_each(|item| self.check(item, asked))
            }
            ("minProperties", Value::Object(object)) => expect(object.len() >= whole(asked)),
            ("maxProperties", Value::Object(object)) => expect(object.len() <= whole(asked)),
            ("required", Value::Object(object)) => {
                expect(all().iter().all(|name| object.contains_key(name.as_str().unwrap())))
            }
            ("properties" | "patternProperties" | "additionalProperties", Value::Object(object)) => {
                object.iter().try_for_each(|(name, value)| {
                    self.property(name, value, keyword, asked, schema).map_err(|why| format!("{name:?}: {why}"))
                })
            }
            _ => Ok(()),
        }
    }

    fn property(
        &self,
        name: &str,
        value: &Value,
        keyword: &str,
        asked: &Value,
        schema: &Map<String, Value>,
    ) -> Result<(), String> {
        match keyword {
            "properties" => asked.get(name).map_or(Ok(()), |schema| self.check(value, schema)),
            "patternProperties" => {
                let mut matching = asked.as_object().unwrap().iter().filter(|(pattern, _)| matches(pattern, name));
                matching.try_for_each(|(_, schema)| self.check(value, schema))
            }
            _ => {
                let is_named = schema.get("properties").is_some_and(|named| named.get(name).is_some());
                let patterns = schema.get("patternProperties").and_then(Value::as_object);
                let is_matched = patterns.is_some_and(|all| all.keys().any(|pattern| matches(pattern, name)));
                if is_named || is_matched { Ok(()) } else { self.check(value, asked) }
            }
        }
    }
}

fn whole(value: &Value) -> usize {
    value.as_f64().unwrap() as usize
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|n| n.fract() == 0.0),
        "string" => value.is_string(),
        "array" => value.is_array(),
        _ => value.is_object(),
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

/// The dialects agree on what the tests use, but for `\d`, `\w` and the end of the text.
fn matches(pattern: &str, text: &str) -> bool {
    let pattern = pattern.replace(r"\d", "[0-9]").replace(r"\w", "[A-Za-z0-9_]");
    let pattern = if pattern.ends_with('$') && !pattern.ends_with(r"\$") {
        format!(r"{}\z", &pattern[..pattern.len() - 1])
    } else {
        pattern
    };
    Regex::new(&pattern).unwrap().is_match(text).unwrap()
}

fn is_formatted(format: &str, text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let host = |text: &str| text.len() <= 253 && text.split('.').all(label);
    match format {
        "date" => is_date(text),
        "time" => is_time(text),
        "date-time" => text.split_once('T').is_some_and(|(date, time)| is_date(date) && is_time(time)),
        "duration" => is_duration(text),
        "email" => text.split_once('@').is_some_and(|(local, domain)| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
            (1..=64).contains(&local.len())
                && local.chars().all(plain)
                && !local.starts_with('.')
                && !local.ends_with('.')
                && !local.contains("..")
                && domain.contains('.')
                && host(domain)
        }),
        "hostname" => host(text),
        "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<std::net::Ipv6Addr>().is_ok(),
        "uuid" => {
            let lengths: Vec<usize> = text.split('-').map(str::len).collect();
            lengths == [8, 4, 4, 4, 12] && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
        }
        "uri" => text.parse::<axum::http::Uri>().is_ok_and(|uri| uri.scheme().is_some() && uri.authority().is_some()),
        _ => panic!("no format {format}"),
    }
}

fn number(text: &str, digits: usize) -> Option<u32> {
    (text.len() == digits && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().unwrap())
}

fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return false };
    let (Some(year), Some(month), Some(day)) = (number(year, 4), number(month, 2), number(day, 2)) else {
        return false;
    };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => 0,
    };
    year > 0 && (1..=days).contains(&day)
}

fn is_time(text: &str) -> bool {
    let (time, zone) = match text.strip_suffix('Z') {
        Some(time) => (time, "+00:00"),
        None if text.len() > 6 && text.is_ascii() => text.split_at(text.len() - 6),
        None => return false,
    };
    let hour_and_minute = |text: &str| {
        text.split_once(':')
            .is_some_and(|(h, m)| number(h, 2).is_some_and(|h| h < 24) && number(m, 2).is_some_and(|m| m < 60))
    };
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let Some((clock, second)) = time.rsplit_once(':') else { return false };
    hour_and_minute(clock)
        && number(second, 2).is_some_and(|s| s < 60)
        && !fraction.is_empty()
        && fraction.bytes().all(|b| b.is_ascii_digit())
        && zone.starts_with(['+', '-'])
        && hour_and_minute(&zone[1..])
}

/// Units in their order and none left out between two, as RFC 3339 says.
fn is_duration(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('P') else { return false };
    let units = |text: &str, order: &str| {
        let mut places = Vec::new();
        let mut digits = 0;
        for c in text.chars() {
            if c.is_ascii_digit() {
                digits += 1;
            } else {
                let Some(place) = order.find(c) else { return false };
                if digits == 0 {
                    return false;
                }
                digits = 0;
                places.push(place);
            }
        }
        digits == 0 && !places.is_empty() && places.windows(2).all(|pair| pair[1] == pair[0] + 1)
    };
    match rest.split_once('T') {
        Some(("", time)) => units(time, "HMS"),
        Some((date, time)) => units(date, "YMD") && units(time, "HMS"),
        None => units(rest, "YMD") || units(rest, "W"),
    }
}
