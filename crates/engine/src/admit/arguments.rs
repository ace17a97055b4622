//! What a model wrote as the arguments of a call: looked at, never rewritten.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeSet;
use std::fmt;

/// The text of a JSON object. Refused are other values, trailing text, numbers that no double holds, lone surrogates,
/// depths over 128, and keys that come twice: of these the caller's parser would choose one in silence.
pub(super) fn object(text: &str) -> Result<String, serde_json::Error> {
    let text = text.trim();
    // A function without parameters is often called with nothing at all.
    let text = if text.is_empty() { "{}" } else { text };
    let mut parser = serde_json::Deserializer::from_str(text);
    (&mut parser).deserialize_map(Strict)?;
    parser.end()?;
    Ok(text.to_owned())
}

/// Looks through a value and keeps nothing.
#[derive(Clone, Copy)]
struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Self)?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut keys = BTreeSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            entries.next_value_seed(Self)?;
            if let Some(twice) = keys.replace(key) {
                return Err(A::Error::custom(format!("the key {twice:?} comes twice")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::object;

    #[test]
    fn objects_come_through_to_the_letter() {
        for text in [r#"{"z":1,"a":123456789012345678901234567890,"m":1.10}"#, "{}", r#"{"a":[{"b":null},true]}"#] {
            assert_eq!(object(text).expect("an object"), text);
        }
        assert_eq!(object("  ").expect("nothing is none"), "{}");
        assert_eq!(object(" {} \n").expect("space around"), "{}");
    }

    #[test]
    fn everything_else_is_refused() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(200), "]".repeat(200));
        let wrong = ["[1]", "1", "null", "{", "{} {}", r#"{"a":1e999}"#, r#"{"a":NaN}"#, r#"{"a":"\ud800"}"#, &deep];
        for text in wrong {
            assert!(object(text).is_err(), "{text}");
        }
        let twice = object(r#"{"a":{"b":1,"b":2}}"#).expect_err("twice");
        assert!(twice.to_string().contains("\"b\" comes twice"), "{twice}");
    }
}
