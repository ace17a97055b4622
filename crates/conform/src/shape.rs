//! The shapes of answers: reads `shapes.txt` and says where a JSON value differs from a shape. It knows no endpoint and
//! judges no values beyond what the shape says.

mod reader;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What a value may be.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    Str,
    Int,
    Num,
    Bool,
    Null,
    Any,
    Word(String),
    Named(String),
    List(Box<Shape>),
    Map(Box<Shape>),
    Object(Vec<Field>),
    OneOf(Vec<Shape>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub name: String,
    pub presence: Presence,
    pub shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    Always,
    /// There, though it may be null; the SDKs do not notice where it is left out.
    EvenNull,
    MayLack,
}

/// One difference: where, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// `.agent.tools[0].name`; empty for the value itself.
    pub path: String,
    pub what: String,
    /// Only a nullable key is left out.
    pub mild: bool,
}

/// All shapes by name.
#[derive(Debug)]
pub struct Shapes(BTreeMap<String, Shape>);

/// A value with more differences than this is of another kind altogether.
const MAX_FAULTS: usize = 20;

impl Shapes {
    /// Those of the API; the error names a line that cannot be read.
    pub fn load() -> Result<Self, String> {
        Self::read(include_str!("shapes.txt"))
    }

    fn read(text: &str) -> Result<Self, String> {
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        lines.map(reader::line).collect::<Result<_, _>>().map(Self)
    }

    /// Where `value` differs from the shape of this name.
    pub fn faults(&self, name: &str, value: &Value) -> Vec<Fault> {
        let mut found = Vec::new();
        self.check(&Shape::Named(name.to_owned()), value, "", &mut found);
        found.truncate(MAX_FAULTS);
        found
    }

    /// The `type`s of a union's objects, in order.
    pub fn tags(&self, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        self.tags_of(&Shape::Named(name.to_owned()), &mut found);
        found.sort();
        found
    }

    fn tags_of(&self, shape: &Shape, found: &mut Vec<String>) {
        match shape {
            Shape::Named(name) => self.0.get(name).into_iter().for_each(|shape| self.tags_of(shape, found)),
            Shape::OneOf(shapes) => shapes.iter().for_each(|shape| self.tags_of(shape, found)),
            Shape::Object(fields) => found.extend(fields.iter().filter_map(|field| match &field.shape {
                Shape::Word(word) if field.name == "type" => Some(word.clone()),
                _ => None,
            })),
            _ => {}
        }
    }

    fn check(&self, shape: &Shape, value: &Value, path: &str, found: &mut Vec<Fault>) {
        match (shape, value) {
            (Shape::Named(name), _) => match self.0.get(name) {
                Some(shape) => self.check(shape, value, path, found),
                None => found.push(hard(path, format!("there is no shape {name}"))),
            },
            (Shape::Any, _)
            | (Shape::Str, Value::String(_))
            | (Shape::Bool, Value::Bool(_))
            | (Shape::Null, Value::Null)
            | (Shape::Num, Value::Number(_)) => {}
            (Shape::Int, Value::Number(number)) if number.is_i64() || number.is_u64() => {}
            (Shape::Word(word), Value::String(text)) if word == text => {}
            (Shape::List(of), Value::Array(list)) => {
                for (at, entry) in list.iter().enumerate() {
                    self.check(of, entry, &format!("{path}[{at}]"), found);
                }
            }
            (Shape::Map(of), Value::Object(map)) => {
                for (key, entry) in map {
                    self.check(of, entry, &format!("{path}.{key}"), found);
                }
            }
            (Shape::Object(fields), Value::Object(map)) => self.fields(fields, map, path, found),
            (Shape::OneOf(shapes), _) => self.one_of(shapes, value, path, found),
            _ => found.push(hard(path, format!("is {}, not {}", shown(value), self.name(shape)))),
        }
    }

    fn fields(&self, fields: &[Field], map: &Map<String, Value>, path: &str, found: &mut Vec<Fault>) {
        for field in fields {
            let path = format!("{path}.{}", field.name);
            match (map.get(&field.name), field.presence) {
                (Some(value), _) => self.check(&field.shape, value, &path, found),
                (None, Presence::Always) => found.push(hard(&path, "is missing".to_owned())),
                (None, Presence::EvenNull) => {
                    found.push(Fault { path, what: "is left out; null is expected".to_owned(), mild: true });
                }
                (None, Presence::MayLack) => {}
            }
        }
    }

    /// The branch that fits best; for an object, one of its own `type`.
    fn one_of(&self, shapes: &[Shape], value: &Value, path: &str, found: &mut Vec<Fault>) {
        let fitting: Vec<&Shape> = shapes.iter().filter(|shape| self.is_of_kind(shape, value)).collect();
        let best = fitting.iter().map(|shape| {
            let mut faults = Vec::new();
            self.check(shape, value, path, &mut faults);
            faults
        });
        match best.min_by_key(|faults| faults.iter().map(|fault| if fault.mild { 1 } else { 100 }).sum::<usize>()) {
            Some(faults) => found.extend(faults),
            None => {
                let names: Vec<String> = shapes.iter().map(|shape| self.name(shape)).collect();
                found.push(hard(path, format!("is {}, not {}", shown(value), names.join(" | "))));
            }
        }
    }

    /// Whether it is worth looking closer: the same kind of JSON, and the same `type` where both have one.
    fn is_of_kind(&self, shape: &Shape, value: &Value) -> bool {
        match (shape, value) {
            (Shape::Named(name), _) => self.0.get(name).is_some_and(|shape| self.is_of_kind(shape, value)),
            (Shape::OneOf(shapes), _) => shapes.iter().any(|shape| self.is_of_kind(shape, value)),
            (Shape::Any, _) | (Shape::List(_), Value::Array(_)) | (Shape::Map(_), Value::Object(_)) => true,
            (Shape::Object(fields), Value::Object(map)) => {
                let tag = fields.iter().find(|field| field.name == "type");
                match (tag.map(|field| &field.shape), map.get("type")) {
                    (Some(Shape::Word(word)), Some(given)) => given == word,
                    _ => true,
                }
            }
            (Shape::List(_) | Shape::Map(_) | Shape::Object(_), _) => false,
            (leaf, value) => {
                let mut faults = Vec::new();
                self.check(leaf, value, "", &mut faults);
                faults.is_empty()
            }
        }
    }

    fn name(&self, shape: &Shape) -> String {
        match shape {
            Shape::Str => "text".to_owned(),
            Shape::Int => "a whole number".to_owned(),
            Shape::Num => "a number".to_owned(),
            Shape::Bool => "true or false".to_owned(),
            Shape::Null => "null".to_owned(),
            Shape::Any => "anything".to_owned(),
            Shape::Word(word) => format!("\"{word}\""),
            Shape::Named(name) => name.clone(),
            Shape::List(of) => format!("a list of {}", self.name(of)),
            Shape::Map(_) | Shape::Object(_) => "an object".to_owned(),
            Shape::OneOf(shapes) => shapes.iter().map(|shape| self.name(shape)).collect::<Vec<_>>().join(" | "),
        }
    }
}

fn hard(path: &str, what: String) -> Fault {
    Fault { path: path.to_owned(), what, mild: false }
}

/// A value in a few words.
fn shown(value: &Value) -> String {
    match value {
        Value::Object(map) => match map.get("type") {
            Some(tag) => format!("an object of type {tag}"),
            None => "an object".to_owned(),
        },
        Value::Array(_) => "a list".to_owned(),
        other => other.to_string().chars().take(60).collect(),
    }
}
