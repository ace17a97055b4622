//! The body gate: bytes to one JSON object, its keys in the order of the client. Content type, syntax, keys that stand
//! twice, too many values, too many levels and a root that is no object have fixed messages; the range of numbers is
//! serde_json's limit and counts as bad syntax.

use crate::error::Fault;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::Cell;
use std::fmt;

const CONTENT_TYPE: &str = "Unsupported content type. This API method only accepts 'application/json' requests.";
const SYNTAX: &str = "We could not parse the JSON body of your request.";
const DUPLICATE: &str = "The JSON body of your request contains a duplicate key.";
const ROOT: &str = "The JSON body of your request must be an object.";
const CROWDED: &str = "The JSON body of your request holds too many values. Expected at most 1000000.";
/// A value in memory is many times as large as the two bytes that write it, so their number has a bound of its own.
const MAX_VALUES: usize = 1_000_000;
const DEEP: &str = "The JSON body of your request is nested too deeply. Expected at most 100 levels.";
/// What is taken here is stored within other JSON and read back by a reader that stops at 128 levels.
const MAX_DEPTH: usize = 100;

/// Reads a body. An empty array counts as an empty object, as at the original.
pub fn parse(content_type: Option<&str>, body: &[u8]) -> Result<Map<String, Value>, Fault> {
    let media = content_type.and_then(|value| value.split(';').next()).map(str::trim);
    if !media.is_some_and(|media| media.eq_ignore_ascii_case("application/json")) {
        return Err(Fault::new(CONTENT_TYPE));
    }
    match strict(body)? {
        Value::Object(map) => Ok(map),
        Value::Array(array) if array.is_empty() => Ok(Map::new()),
        _ => Err(Fault::new(ROOT)),
    }
}

/// JSON in which no object names a key twice.
fn strict(body: &[u8]) -> Result<Value, Fault> {
    let course = Course { left: Cell::new(MAX_VALUES), stop: Cell::new(SYNTAX) };
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = Strict { course: &course, depth: MAX_DEPTH }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value));
    value.map_err(|_| Fault::new(course.stop.get()))
}

/// How far the reading of one body has come.
struct Course {
    /// Values that may still come.
    left: Cell<usize>,
    /// What an end before the end means.
    stop: Cell<&'static str>,
}

/// Builds a [`Value`].
#[derive(Clone, Copy)]
struct Strict<'a> {
    course: &'a Course,
    /// Levels that may still come.
    depth: usize,
}

impl Strict<'_> {
    fn stop<E: de::Error>(self, why: &'static str) -> E {
        self.course.stop.set(why);
        E::custom(why)
    }

    /// The reader of what lies within an array or an object.
    fn within<E: de::Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth, ..self }),
            None => Err(self.stop(DEEP)),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.course.left.get().checked_sub(1) {
            Some(left) => self.course.left.set(left),
            None => return Err(self.stop(CROWDED)),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let within = self.within()?;
        let mut array = Vec::new();
        while let Some(value) = seq.next_element_seed(within)? {
            array.push(value);
        }
        Ok(Value::Array(array))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let within = self.within()?;
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(self.stop(DUPLICATE));
            }
            let value = access.next_value_seed(within)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &[u8]) -> Result<Value, String> {
        parse(Some("application/json; charset=utf-8"), body).map(Value::Object).map_err(|fault| fault.message)
    }

    #[test]
    fn objects_pass_and_an_empty_array_is_one() {
        let text = br#"{"a":[1,-2,1.5,true,null,"\u0000"],"b":{"c":{}}}"#;
        assert_eq!(read(text), Ok(serde_json::from_slice(text).unwrap()));
        assert_eq!(read(b" [] "), Ok(Value::Object(Map::new())));
    }

    #[test]
    fn a_hundred_levels_pass() {
        let nested =
            |levels: usize| format!("{}{{}}{}", "{\"a\":".repeat(levels - 1), "}".repeat(levels - 1)).into_bytes();
        assert!(read(&nested(100)).is_ok());
        assert_eq!(read(&nested(101)), Err(DEEP.to_owned()));
    }

    #[test]
    fn what_is_wrong_has_a_fixed_message() {
        let deep = format!("{}{}", "{\"a\":".repeat(200), "1").into_bytes();
        let cases: &[(&[u8], &str)] = &[
            (b"", SYNTAX),
            (b"{", SYNTAX),
            (b"{} {}", SYNTAX),
            (b"{\"a\":1e999}", SYNTAX),
            (b"{\"a\":\"\xff\"}", SYNTAX),
            (b"{\"a\":\"\\ud800\"}", SYNTAX),
            (b"{\"a\":NaN}", SYNTAX),
            (&deep, DEEP),
            (b"{\"a\":1,\"a\":1}", DUPLICATE),
            (b"{\"a\":[{\"b\":1,\"c\":2,\"b\":3}]}", DUPLICATE),
            (b"[1]", ROOT),
            (b"null", ROOT),
            (b"\"x\"", ROOT),
        ];
        for (body, message) in cases {
            assert_eq!(read(body), Err((*message).to_owned()), "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn the_number_of_values_has_a_bound() {
        // The root and the array are values too.
        let body = |zeros: usize| format!("{{\"a\":[0{}]}}", ",0".repeat(zeros - 1)).into_bytes();
        assert!(read(&body(MAX_VALUES - 2)).is_ok());
        assert_eq!(read(&body(MAX_VALUES - 1)), Err(CROWDED.to_owned()));
        let objects = format!("{{\"a\":[{{}}{}]}}", ",{\"a\":[]}".repeat(MAX_VALUES / 2)).into_bytes();
        assert_eq!(read(&objects), Err(CROWDED.to_owned()));
        assert!(CROWDED.contains(&MAX_VALUES.to_string()));
    }

    #[test]
    fn keys_keep_the_order_of_the_client() {
        let text = r#"{"z":{"y":1,"b":{"q":[{"w":1,"a":2}],"c":3}},"a":0,"m":null}"#;
        assert_eq!(read(text.as_bytes()).unwrap().to_string(), text);
    }

    #[test]
    fn only_json_is_taken() {
        for wrong in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("")] {
            assert_eq!(parse(wrong, b"{}"), Err(Fault::new(CONTENT_TYPE)), "{wrong:?}");
        }
        assert!(parse(Some("Application/JSON"), b"{}").is_ok());
    }
}
