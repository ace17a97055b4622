//! References within one schema.

use serde_json::{Map, Value};

/// The schema as a whole, which references begin at.
#[derive(Clone, Copy)]
pub(super) struct Root<'a>(pub &'a Map<String, Value>);

/// What a schema says: everything fits, nothing does, or what its keywords say.
#[derive(Clone, Copy)]
pub(super) enum Said<'a> {
    Everything,
    Nothing,
    Keywords(&'a Map<String, Value>),
}

impl<'a> Said<'a> {
    pub fn of(schema: &'a Value) -> Self {
        match schema {
            Value::Object(keywords) => Self::Keywords(keywords),
            Value::Bool(false) => Self::Nothing,
            _ => Self::Everything,
        }
    }
}

impl<'a> Root<'a> {
    /// What `reference` points to: `#`, or a JSON pointer after it. None: nothing there, or not within this schema.
    pub fn find(self, reference: &str) -> Option<Said<'a>> {
        let pointer = percent_decoded(reference.strip_prefix('#')?)?;
        if pointer.is_empty() {
            return Some(Said::Keywords(self.0));
        }
        let (first, rest) =
            pointer.strip_prefix('/')?.split_once('/').map_or((&pointer[1..], None), |(a, b)| (a, Some(b)));
        let mut value = self.0.get(&unescaped(first))?;
        if let Some(rest) = rest {
            value = value.pointer(&format!("/{rest}"))?;
        }
        matches!(value, Value::Object(_) | Value::Bool(_)).then(|| Said::of(value))
    }
}

fn unescaped(segment: &str) -> String {
    segment.replace("~1", "/").replace("~0", "~")
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| (byte? as char).to_digit(16);
            bytes.push(u8::try_from(digit(rest.next())? * 16 + digit(rest.next())?).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}
