//! JSON to values, by path: every reading says what it expects, and what it finds instead becomes a [`Fault`] in the
//! original's words with the path as `param`. Values are moved out, never cloned: a request may hold megabytes.
//!
//! An [`Object`] is read field by field and then closed by [`Object::finish`], which refuses what nobody asked for.

use crate::error::{Fault, clip};
use crate::words::Word;
use serde_json::{Map, Number, Value};

/// The first whole number that 64 bits with a sign do not hold.
const BEYOND: f64 = 9_223_372_036_854_775_808.0;

/// An object of which fields are taken.
#[derive(Clone, PartialEq, Debug)]
pub struct Object {
    path: String,
    map: Map<String, Value>,
    /// The fields that were. They stay in the map, as null: what is left over is told in the order of the client, and
    /// taking a field out of an ordered map would cost as much as the map is long.
    taken: Vec<String>,
}

/// A value and where it stood.
#[derive(Debug)]
pub struct Node {
    path: String,
    value: Value,
}

impl Object {
    /// The body of a request.
    pub fn root(map: Map<String, Value>) -> Self {
        Self { path: String::new(), map, taken: Vec::new() }
    }

    /// One without any fields, where a client left it out.
    pub fn below(path: &str) -> Self {
        Self { path: path.to_owned(), map: Map::new(), taken: Vec::new() }
    }

    /// The path of one of its fields.
    pub fn path(&self, key: &str) -> String {
        member(&self.path, key)
    }

    /// A field that may be missing; null is a value.
    pub fn optional(&mut self, key: &str) -> Option<Node> {
        if self.is_taken(key) {
            return None;
        }
        let value = self.map.get_mut(key)?.take();
        self.taken.push(key.to_owned());
        Some(Node { path: self.path(key), value })
    }

    fn is_taken(&self, key: &str) -> bool {
        self.taken.iter().any(|taken| taken == key)
    }

    /// A field that must be there; null is a value.
    pub fn required(&mut self, key: &str) -> Result<Node, Fault> {
        self.optional(key).ok_or_else(|| self.missing(key))
    }

    /// None where the field is missing, `Some(None)` where it is null.
    pub fn nullable(&mut self, key: &str) -> Option<Option<Node>> {
        self.optional(key).map(|node| if node.value.is_null() { None } else { Some(node) })
    }

    /// None where the field is missing or null.
    pub fn present(&mut self, key: &str) -> Option<Node> {
        self.nullable(key).flatten()
    }

    pub fn missing(&self, key: &str) -> Fault {
        let path = self.path(key);
        Fault::at(&path, format!("Missing required parameter: '{path}'."))
    }

    /// Nothing may be left over.
    pub fn finish(self) -> Result<(), Fault> {
        match self.map.keys().find(|key| !self.is_taken(key)) {
            None => Ok(()),
            Some(key) => {
                let path = self.path(key);
                Err(Fault::at(&path, format!("Unknown parameter: '{path}'.")))
            }
        }
    }
}

impl Node {
    pub fn path(&self) -> &str {
        &self.path
    }

    pub fn value(&self) -> &Value {
        &self.value
    }

    pub fn is_string(&self) -> bool {
        self.value.is_string()
    }

    pub fn object(self) -> Result<Object, Fault> {
        match self.value {
            Value::Object(map) => Ok(Object { path: self.path, map, taken: Vec::new() }),
            _ => Err(self.mistyped("an object")),
        }
    }

    /// An object with keys of the client's own.
    pub fn map(self) -> Result<Map<String, Value>, Fault> {
        self.object().map(|object| object.map)
    }

    /// The same, field by field.
    pub fn entries(self) -> Result<impl ExactSizeIterator<Item = (String, Node)>, Fault> {
        let Object { path, map, .. } = self.object()?;
        Ok(map.into_iter().map(move |(key, value)| {
            let path = member(&path, &key);
            (key, Node { path, value })
        }))
    }

    /// `of` is what the elements are, for the message: `an array of objects`.
    pub fn array(self, of: &str) -> Result<Vec<Node>, Fault> {
        let Value::Array(values) = self.value else {
            return Err(self.mistyped(of));
        };
        let nodes = values.into_iter().enumerate();
        Ok(nodes.map(|(index, value)| Node { path: format!("{}[{index}]", self.path), value }).collect())
    }

    /// An array of `min` to `max` elements.
    pub fn sized_array(self, of: &str, min: usize, max: usize) -> Result<Vec<Node>, Fault> {
        let path = self.path.clone();
        let nodes = self.array(of)?;
        if nodes.len() < min {
            let got = if nodes.is_empty() { "an empty array".to_owned() } else { array_of(nodes.len()) };
            let what = if nodes.is_empty() { "empty array" } else { "array too short" };
            let text = format!(
                "Invalid '{path}': {what}. Expected an array with minimum length {min}, but got {got} instead."
            );
            return Err(Fault::at(&path, text));
        }
        if nodes.len() > max {
            let got = array_of(nodes.len());
            let text = format!(
                "Invalid '{path}': array too long. Expected an array with maximum length {max}, but got {got} instead."
            );
            return Err(Fault::at(&path, text));
        }
        Ok(nodes)
    }

    pub fn strings(self) -> Result<Vec<String>, Fault> {
        self.array("an array of strings")?.into_iter().map(Node::string).collect()
    }

    pub fn string(self) -> Result<String, Fault> {
        match self.value {
            Value::String(text) => Ok(text),
            _ => Err(self.mistyped("a string")),
        }
    }

    /// A string of at least one character.
    pub fn text(self) -> Result<String, Fault> {
        self.short_text(usize::MAX)
    }

    /// A string of 1 to `max` characters.
    pub fn short_text(self, max: usize) -> Result<String, Fault> {
        let path = self.path.clone();
        let text = self.short_string(max)?;
        if text.is_empty() {
            let text = format!(
                "Invalid '{path}': empty string. Expected a string with minimum length 1, but got an empty string instead."
            );
            return Err(Fault::at(&path, text));
        }
        Ok(text)
    }

    /// A string of at most `max` characters.
    pub fn short_string(self, max: usize) -> Result<String, Fault> {
        let path = self.path.clone();
        let text = self.string()?;
        let length = if text.len() <= max { 0 } else { text.chars().count() };
        if length > max {
            let text = format!(
                "Invalid '{path}': string too long. Expected a string with maximum length {max}, but got a string with length {length} instead."
            );
            return Err(Fault::at(&path, text));
        }
        Ok(text)
    }

    pub fn boolean(self) -> Result<bool, Fault> {
        self.value.as_bool().ok_or_else(|| self.mistyped("a boolean"))
    }

    pub fn integer(self, min: u64, max: u64) -> Result<u64, Fault> {
        let Value::Number(number) = &self.value else {
            return Err(self.mistyped("an integer"));
        };
        let path = &self.path;
        let (is_above, got) = match (number.as_u64(), vast(number)) {
            (Some(value), _) if (min..=max).contains(&value) => return Ok(value),
            (Some(value), _) => (value > max, value.to_string()),
            (None, Some(value)) => (value > 0.0, clip(&value.to_string())),
            (None, None) if number.is_f64() => return Err(self.mistyped("an integer")),
            // No u64, but a whole number of 64 bits: it has a minus.
            (None, None) => (false, number.to_string()),
        };
        let text = if is_above {
            format!("Invalid '{path}': integer above maximum value. Expected a value <= {max}, but got {got} instead.")
        } else {
            format!("Invalid '{path}': integer below minimum value. Expected a value >= {min}, but got {got} instead.")
        };
        Err(Fault::at(path, text))
    }

    /// Any whole number of 64 bits.
    pub fn signed(self) -> Result<i64, Fault> {
        match self.value.as_i64() {
            Some(value) => Ok(value),
            None if self.value.as_f64().is_some_and(|value| value <= -BEYOND) => {
                let (path, min, got) = (&self.path, i64::MIN, clip(&self.value.to_string()));
                let text = format!(
                    "Invalid '{path}': integer below minimum value. Expected a value >= {min}, but got {got} instead."
                );
                Err(Fault::at(path, text))
            }
            None if self.value.as_f64().is_some_and(|value| value >= BEYOND) => {
                self.integer(0, i64::MAX.unsigned_abs()).map(u64::cast_signed)
            }
            None => Err(self.mistyped("an integer")),
        }
    }

    /// A number, with a point or without.
    pub fn decimal(self, min: f64, max: f64) -> Result<f64, Fault> {
        let Value::Number(number) = &self.value else {
            return Err(self.mistyped("a decimal"));
        };
        let path = &self.path;
        let (value, got) = (number.as_f64().unwrap_or(f64::NAN), clip(&number.to_string()));
        let text = if value > max {
            format!("Invalid '{path}': decimal above maximum value. Expected a value <= {max}, but got {got} instead.")
        } else if value >= min {
            return Ok(value);
        } else {
            format!("Invalid '{path}': decimal below minimum value. Expected a value >= {min}, but got {got} instead.")
        };
        Err(Fault::at(path, text))
    }

    /// One of a closed set of words.
    pub fn word<W: Word>(self) -> Result<W, Fault> {
        let Value::String(text) = &self.value else {
            return Err(self.mistyped(&format!("one of {}", listed(W::ALL, "or"))));
        };
        W::parse(text).ok_or_else(|| {
            let values = listed(W::ALL, "and");
            Fault::at(&self.path, format!("Invalid value: '{}'. Supported values are: {values}.", clip(text)))
        })
    }

    /// The fault of a value that is not what was expected.
    pub fn mistyped(&self, expected: &str) -> Fault {
        let (path, got) = (&self.path, kind(&self.value));
        Fault::at(path, format!("Invalid type for '{path}': expected {expected}, but got {got} instead."))
    }
}

/// The path of a field of the object at `path`; the root's is empty.
fn member(path: &str, key: &str) -> String {
    let key = clip(key);
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// A whole number beyond 64 bits. It is kept as a float, which has no fraction at that size, so that it can no more be
/// told from one that was written with a point.
fn vast(number: &Number) -> Option<f64> {
    number.as_f64().filter(|value| number.is_f64() && value.abs() >= BEYOND)
}

fn array_of(length: usize) -> String {
    format!("an array with length {length}")
}

/// What a value is, with its article.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() && vast(number).is_none() => "a decimal",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// `'a'`, `'a' and 'b'`, `'a', 'b', and 'c'`.
fn listed<W: Word>(words: &[W], conjunction: &str) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{}'", word.as_str())).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [one, two] => format!("{one} {conjunction} {two}"),
        [most @ .., last] => format!("{}, {conjunction} {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    crate::words::words! {
        Answer { Yes => "yes", No => "no" }
        Count { One => "one", Two => "two", Three => "three" }
    }

    fn node(value: Value) -> Node {
        let Value::Object(map) = json!({ "a": [value] }) else { unreachable!() };
        Object::root(map).required("a").unwrap().array("an array").unwrap().remove(0)
    }

    /// What a reading says of a value that stands at `a[0]`.
    fn fault<T: std::fmt::Debug>(value: Value, read: impl Fn(Node) -> Result<T, Fault>) -> String {
        let fault = read(node(value)).unwrap_err();
        assert_eq!(fault.param.as_deref(), Some("a[0]"));
        fault.message
    }

    #[test]
    fn faults_speak_the_originals_language() {
        let mistyped =
            |expected: &str, got: &str| format!("Invalid type for 'a[0]': expected {expected}, but got {got} instead.");
        assert_eq!(fault(json!("x"), Node::boolean), mistyped("a boolean", "a string"));
        assert_eq!(fault(json!(1), Node::string), mistyped("a string", "an integer"));
        assert_eq!(fault(json!(1.5), Node::object), mistyped("an object", "a decimal"));
        assert_eq!(fault(json!(null), |n| n.array("an array of objects")), mistyped("an array of objects", "null"));
        assert_eq!(fault(json!({}), |n| n.integer(1, 2)), mistyped("an integer", "an object"));
        assert_eq!(fault(json!([]), Node::word::<Count>), mistyped("one of 'one', 'two', or 'three'", "an array"));
        assert_eq!(
            fault(json!("x"), Node::word::<Answer>),
            "Invalid value: 'x'. Supported values are: 'yes' and 'no'."
        );
        assert_eq!(
            fault(json!("x"), Node::word::<Count>),
            "Invalid value: 'x'. Supported values are: 'one', 'two', and 'three'."
        );
        assert_eq!(
            fault(json!(0), |n| n.integer(1, 9)),
            "Invalid 'a[0]': integer below minimum value. Expected a value >= 1, but got 0 instead."
        );
        assert_eq!(
            fault(json!(-7), |n| n.integer(0, 9)),
            "Invalid 'a[0]': integer below minimum value. Expected a value >= 0, but got -7 instead."
        );
        assert_eq!(
            fault(json!(10), |n| n.integer(1, 9)),
            "Invalid 'a[0]': integer above maximum value. Expected a value <= 9, but got 10 instead."
        );
        assert_eq!(
            fault(json!(2.5), |n| n.decimal(0.0, 2.0)),
            "Invalid 'a[0]': decimal above maximum value. Expected a value <= 2, but got 2.5 instead."
        );
        assert_eq!(
            fault(json!(-1), |n| n.decimal(-0.5, 2.0)),
            "Invalid 'a[0]': decimal below minimum value. Expected a value >= -0.5, but got -1 instead."
        );
        assert_eq!(fault(json!("1"), |n| n.decimal(0.0, 2.0)), mistyped("a decimal", "a string"));
        assert_eq!(fault(json!(1.5), Node::signed), mistyped("an integer", "a decimal"));
        for (value, wrong) in [(1e30, "above maximum"), (-1e30, "below minimum")] {
            assert!(fault(json!(value), Node::signed).contains(wrong), "{value}");
        }
        assert_eq!(
            fault(json!(u64::MAX), Node::signed),
            format!(
                "Invalid 'a[0]': integer above maximum value. Expected a value <= {}, but got {} instead.",
                i64::MAX,
                u64::MAX
            )
        );
        assert_eq!(
            fault(json!("äöü"), |n| n.short_string(2)),
            "Invalid 'a[0]': string too long. Expected a string with maximum length 2, but got a string with length 3 instead."
        );
        assert_eq!(
            fault(json!(""), Node::text),
            "Invalid 'a[0]': empty string. Expected a string with minimum length 1, but got an empty string instead."
        );
        assert_eq!(
            fault(json!([]), |n| n.sized_array("an array", 1, 2)),
            "Invalid 'a[0]': empty array. Expected an array with minimum length 1, but got an empty array instead."
        );
        assert_eq!(
            fault(json!([1, 2, 3]), |n| n.sized_array("an array", 1, 2)),
            "Invalid 'a[0]': array too long. Expected an array with maximum length 2, but got an array with length 3 instead."
        );
    }

    #[test]
    fn integers_beyond_64_bits_are_integers() {
        let read = |text: &str| {
            let value = serde_json::from_str(text).unwrap();
            fault(value, |node| node.integer(1, 9))
        };
        let beyond = |end: &str, what: &str, bound: &str, got: &str| {
            format!("Invalid 'a[0]': integer {end} {what} value. Expected a value {bound}, but got {got} instead.")
        };
        for vast in ["18446744073709552000", "1000000000000000000000000000000"] {
            assert_eq!(read(vast), beyond("above", "maximum", "<= 9", vast));
        }
        let below = read("-1000000000000000000000000000000");
        assert_eq!(below, beyond("below", "minimum", ">= 1", "-1000000000000000000000000000000"));
        let long = read(&format!("1{}", "0".repeat(300)));
        assert_eq!(long, beyond("above", "maximum", "<= 9", &format!("1{}…", "0".repeat(99))));
        assert!(read("1.0").contains("a decimal") && read("-2.5").contains("a decimal"));
        let kind = fault(serde_json::from_str("100000000000000000000").unwrap(), Node::string);
        assert!(kind.contains("but got an integer"), "{kind}");
    }

    #[test]
    fn limits_are_in_characters() {
        assert_eq!(node(json!("äöü")).short_string(3).unwrap(), "äöü");
        assert_eq!(node(json!(" ")).text().unwrap(), " ");
    }

    #[test]
    fn missing_null_and_unknown_differ() {
        let Value::Object(map) = json!({"null": null, "extra": 1}) else { unreachable!() };
        let mut object = Object::root(map);
        assert!(object.nullable("absent").is_none());
        assert!(matches!(object.nullable("null"), Some(None)));
        assert_eq!(object.required("absent").unwrap_err().message, "Missing required parameter: 'absent'.");
        let fault = object.finish().unwrap_err();
        assert_eq!((fault.message.as_str(), fault.param.as_deref()), ("Unknown parameter: 'extra'.", Some("extra")));
    }

    #[test]
    fn errors_do_not_repeat_megabytes() {
        let long = "x".repeat(1 << 20);
        let word = fault(json!(long.clone()), Node::word::<Answer>);
        assert_eq!(word, format!("Invalid value: '{}…'. Supported values are: 'yes' and 'no'.", "x".repeat(100)));
        let fault = Object::root(Map::from_iter([(long, json!(1))])).finish().unwrap_err();
        assert_eq!(fault.message, format!("Unknown parameter: '{}…'.", "x".repeat(100)));
        assert_eq!(fault.param.unwrap().chars().count(), 101);
    }

    #[test]
    fn what_is_left_over_is_told_in_the_clients_order() {
        let mut object = Object::root(serde_json::from_str(r#"{"a":1,"z":2,"b":3,"y":4}"#).unwrap());
        assert!(object.optional("a").is_some() && object.optional("b").is_some());
        assert!(object.optional("a").is_none());
        assert_eq!(object.finish().unwrap_err().message, "Unknown parameter: 'z'.");
    }
}
