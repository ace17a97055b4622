//! Reads one line of `shapes.txt`: `Name = shape`. It judges nothing but the notation.

use super::{Field, Presence, Shape};

/// A name and its shape; the error says what was expected and where.
pub fn line(line: &str) -> Result<(String, Shape), String> {
    let (name, text) = line.split_once(" = ").ok_or_else(|| format!("no ` = ` in {line}"))?;
    let mut reader = Reader { rest: text };
    let shape = reader.union()?;
    if reader.rest.is_empty() { Ok((name.to_owned(), shape)) } else { Err(format!("{name}: stops at {}", reader.rest)) }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn union(&mut self) -> Result<Shape, String> {
        let mut shapes = vec![self.one()?];
        while self.take(" | ") {
            shapes.push(self.one()?);
        }
        Ok(if shapes.len() == 1 { shapes.remove(0) } else { Shape::OneOf(shapes) })
    }

    fn one(&mut self) -> Result<Shape, String> {
        if self.take("[") {
            let of = self.union()?;
            self.need("]")?;
            return Ok(Shape::List(Box::new(of)));
        }
        if self.take("{") {
            return self.object();
        }
        if self.take("\"") {
            let word = self.until('"')?;
            return Ok(Shape::Word(word));
        }
        let name = self.name()?;
        Ok(match name.as_str() {
            "str" => Shape::Str,
            "int" => Shape::Int,
            "num" => Shape::Num,
            "bool" => Shape::Bool,
            "null" => Shape::Null,
            "any" => Shape::Any,
            _ => Shape::Named(name),
        })
    }

    /// After `{`: fields, or the one shape of a map's values.
    fn object(&mut self) -> Result<Shape, String> {
        let mut fields = Vec::new();
        loop {
            let start = self.rest;
            let name = if self.rest.starts_with(['[', '{', '"']) { String::new() } else { self.name()? };
            let presence = match () {
                () if self.take("~: ") => Presence::EvenNull,
                () if self.take("?: ") => Presence::MayLack,
                () if self.take(": ") => Presence::Always,
                () => {
                    self.rest = start;
                    let of = self.union()?;
                    self.need("}")?;
                    return Ok(Shape::Map(Box::new(of)));
                }
            };
            fields.push(Field { name, presence, shape: self.union()? });
            if !self.take(", ") {
                self.need("}")?;
                return Ok(Shape::Object(fields));
            }
        }
    }

    fn name(&mut self) -> Result<String, String> {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '.'));
        let (name, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        if name.is_empty() {
            return Err(format!("a name is expected at {rest}"));
        }
        self.rest = rest;
        Ok(name.to_owned())
    }

    fn until(&mut self, end: char) -> Result<String, String> {
        let (text, rest) = self.rest.split_once(end).ok_or_else(|| format!("no {end} in {}", self.rest))?;
        self.rest = rest;
        Ok(text.to_owned())
    }

    fn take(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn need(&mut self, text: &str) -> Result<(), String> {
        if self.take(text) { Ok(()) } else { Err(format!("{text} is expected at {}", self.rest)) }
    }
}
