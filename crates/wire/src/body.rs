//! The body gate: bytes to one JSON object. Content type, syntax, keys that stand twice and a root that is no object
//! have fixed messages; depth (128) and the range of numbers are serde_json's limits and count as bad syntax.

use crate::error::Fault;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::Cell;
use std::fmt;

const CONTENT_TYPE: &str = "Unsupported content type. This API method only accepts 'application/json' requests.";
const SYNTAX: &str = "We could not parse the JSON body of your request.";
const DUPLICATE: &str = "The JSON body of your request contains a duplicate key.";
const ROOT: &str = "The JSON body of your request must be an object.";

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
    let duplicate = Cell::new(false);
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = Strict(&duplicate).deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    value.map_err(|_| Fault::new(if duplicate.get() { DUPLICATE } else { SYNTAX }))
}

/// Builds a [`Value`]; tells through the cell whether it stopped at a key that stood there already.
#[derive(Clone, Copy)]
struct Strict<'a>(&'a Cell<bool>);

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
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
        let mut array = Vec::new();
        while let Some(value) = seq.next_element_seed(self)? {
            array.push(value);
        }
        Ok(Value::Array(array))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if map.contains_key(&key) {
                self.0.set(true);
                return Err(de::Error::custom("duplicate key"));
            }
            let value = access.next_value_seed(self)?;
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
            (&deep, SYNTAX),
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
    fn only_json_is_taken() {
        for wrong in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("")] {
            assert_eq!(parse(wrong, b"{}"), Err(Fault::new(CONTENT_TYPE)), "{wrong:?}");
        }
        assert!(parse(Some("Application/JSON"), b"{}").is_ok());
    }
}
