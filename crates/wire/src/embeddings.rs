//! The JSON of `/v1/embeddings`: texts or tokens in, vectors as numbers or as bytes out.

use crate::error::Fault;
use crate::reader::{Node, Object};
use crate::words::words;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// Inputs of one request.
const MOST_INPUTS: usize = 2048;
/// Characters of one input: far more than any model reads of it.
const MOST_CHARACTERS: usize = 1 << 20;
/// Tokens of one input.
const MOST_TOKENS: usize = 300_000;
const MOST_DIMENSIONS: u64 = 1 << 16;
const MOST_USER: usize = 4096;
const INPUT: &str = "a string, an array of strings, an array of integers, or an array of arrays of integers";

words! {
    /// How vectors are written.
    Format { Float => "float", Base64 => "base64" }
}

/// What a client asks.
#[derive(Clone, PartialEq, Debug)]
pub struct EmbeddingCreate {
    pub model: String,
    pub input: Input,
    pub format: Format,
    pub dimensions: Option<usize>,
    pub user: Option<String>,
}

/// At least one input, and none of them empty.
#[derive(Clone, PartialEq, Debug)]
pub enum Input {
    Texts(Vec<String>),
    Tokens(Vec<Vec<u32>>),
}

impl EmbeddingCreate {
    pub fn read(body: Map<String, Value>) -> Result<Self, Fault> {
        let mut body = Object::root(body);
        let wanted = Self {
            model: body.required("model")?.short_text(256)?,
            input: input(body.required("input")?)?,
            format: body.present("encoding_format").map(Node::word).transpose()?.unwrap_or(Format::Float),
            dimensions: body
                .present("dimensions")
                .map(|node| node.integer(1, MOST_DIMENSIONS))
                .transpose()?
                .and_then(|wanted| usize::try_from(wanted).ok()),
            user: body.present("user").map(|node| node.short_string(MOST_USER)).transpose()?,
        };
        body.finish()?;
        Ok(wanted)
    }
}

fn input(node: Node) -> Result<Input, Fault> {
    match node.value() {
        Value::String(_) => Ok(Input::Texts(vec![text(node)?])),
        Value::Array(inputs) => match inputs.first() {
            None | Some(Value::String(_)) => {
                let nodes = node.sized_array(INPUT, 1, MOST_INPUTS)?;
                Ok(Input::Texts(nodes.into_iter().map(text).collect::<Result<_, _>>()?))
            }
            Some(Value::Number(_)) => Ok(Input::Tokens(vec![tokens(node)?])),
            Some(Value::Array(_)) => {
                let nodes = node.sized_array(INPUT, 1, MOST_INPUTS)?;
                Ok(Input::Tokens(nodes.into_iter().map(tokens).collect::<Result<_, _>>()?))
            }
            Some(_) => Err(node.mistyped(INPUT)),
        },
        _ => Err(node.mistyped(INPUT)),
    }
}

fn text(node: Node) -> Result<String, Fault> {
    let path = node.path().to_owned();
    let text = node.short_string(MOST_CHARACTERS)?;
    match text.is_empty() {
        true => Err(Fault::at(&path, format!("Invalid '{path}': input cannot be an empty string."))),
        false => Ok(text),
    }
}

fn tokens(node: Node) -> Result<Vec<u32>, Fault> {
    let number = |value: &Value| value.as_u64().and_then(|token| u32::try_from(token).ok());
    if let Value::Array(values) = node.value()
        && (1..=MOST_TOKENS).contains(&values.len())
        && let Some(tokens) = values.iter().map(number).collect()
    {
        return Ok(tokens);
    }
    // Something is wrong with it: now it is worth saying where.
    let nodes = node.sized_array("an array of integers", 1, MOST_TOKENS)?;
    let token = |node: Node| Ok(u32::try_from(node.integer(0, u64::from(u32::MAX))?).unwrap_or_default());
    nodes.into_iter().map(token).collect()
}

/// What a client gets.
#[derive(Serialize, Debug)]
#[serde(tag = "object", rename = "list")]
pub struct EmbeddingList<'a> {
    pub data: Vec<Embedding<'a>>,
    pub model: &'a str,
    pub usage: Usage,
}

#[derive(Serialize, Debug)]
#[serde(tag = "object", rename = "embedding")]
pub struct Embedding<'a> {
    pub index: usize,
    pub embedding: Vector<'a>,
}

#[derive(Serialize, Clone, Copy, Debug)]
pub struct Usage {
    pub prompt_tokens: u64,
    pub total_tokens: u64,
}

/// Numbers, as they are or as bytes: 32 bits each, little endian, in base64.
#[derive(Debug)]
pub struct Vector<'a> {
    pub numbers: &'a [f32],
    pub format: Format,
}

impl Serialize for Vector<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.format {
            Format::Float => self.numbers.serialize(serializer),
            Format::Base64 => {
                let bytes: Vec<u8> = self.numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
                serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(input: Value) -> Result<Input, Fault> {
        let Value::Object(body) = json!({ "model": "m", "input": input }) else { unreachable!() };
        EmbeddingCreate::read(body).map(|wanted| wanted.input)
    }

    fn fault(body: Value) -> (String, String) {
        let Value::Object(body) = body else { unreachable!() };
        let fault = EmbeddingCreate::read(body).unwrap_err();
        (fault.param.unwrap(), fault.message)
    }

    #[test]
    fn inputs_come_in_four_forms() {
        let texts = |texts: &[&str]| Ok(Input::Texts(texts.iter().map(|text| (*text).to_owned()).collect()));
        assert_eq!(read(json!("a")), texts(&["a"]));
        assert_eq!(read(json!(["a", " "])), texts(&["a", " "]));
        assert_eq!(read(json!([1, 2])), Ok(Input::Tokens(vec![vec![1, 2]])));
        assert_eq!(read(json!([[1], [4_294_967_295_u32]])), Ok(Input::Tokens(vec![vec![1], vec![u32::MAX]])));
    }

    #[test]
    fn whatever_is_wrong_is_said_with_its_place() {
        let long = vec!["a"; 2049];
        let cases = [
            (json!(""), "input", "Invalid 'input': input cannot be an empty string."),
            (json!(["a", ""]), "input[1]", "Invalid 'input[1]': input cannot be an empty string."),
            (json!([]), "input", "Invalid 'input': empty array. Expected an array with minimum length 1"),
            (json!(long), "input", "Invalid 'input': array too long. Expected an array with maximum length 2048"),
            (json!([[]]), "input[0]", "Invalid 'input[0]': empty array."),
            (json!(["a", 1]), "input[1]", "Invalid type for 'input[1]': expected a string, but got an integer"),
            (json!([1, "a"]), "input[1]", "Invalid type for 'input[1]': expected an integer, but got a string"),
            (json!([[1], "a"]), "input[1]", "Invalid type for 'input[1]': expected an array of integers"),
            (json!([[1, -1]]), "input[0][1]", "Invalid 'input[0][1]': integer below minimum value."),
            (json!([1.5]), "input[0]", "Invalid type for 'input[0]': expected an integer, but got a decimal"),
            (json!([null]), "input", "Invalid type for 'input': expected a string, an array of strings"),
            (json!(null), "input", "Invalid type for 'input': expected a string, an array of strings"),
            (json!("x".repeat(MOST_CHARACTERS + 1)), "input", "Invalid 'input': string too long."),
        ];
        for (input, param, message) in cases {
            let (place, said) = fault(json!({ "model": "m", "input": input }));
            assert!(place == param && said.starts_with(message), "{place}: {said}");
        }
        for (body, param) in [
            (json!({ "input": "a" }), "model"),
            (json!({ "model": "m" }), "input"),
            (json!({ "model": "m", "input": "a", "encoding_format": "int8" }), "encoding_format"),
            (json!({ "model": "m", "input": "a", "dimensions": 0 }), "dimensions"),
            (json!({ "model": "m", "input": "a", "dimensions": "1" }), "dimensions"),
            (json!({ "model": "m", "input": "a", "user": 1 }), "user"),
            (json!({ "model": "m", "input": "a", "more": 1 }), "more"),
        ] {
            assert_eq!(fault(body).0, param);
        }
    }

    #[test]
    fn vectors_are_written_in_both_forms() {
        let list = |format| {
            let vector = Vector { numbers: &[1.0, -2.0], format };
            let data = vec![Embedding { index: 0, embedding: vector }];
            let usage = Usage { prompt_tokens: 3, total_tokens: 3 };
            serde_json::to_value(EmbeddingList { data, model: "m", usage }).unwrap()
        };
        let whole = |vector: Value| {
            json!({
                "object": "list", "model": "m", "usage": { "prompt_tokens": 3, "total_tokens": 3 },
                "data": [{ "object": "embedding", "index": 0, "embedding": vector }],
            })
        };
        assert_eq!(list(Format::Float), whole(json!([1.0, -2.0])));
        assert_eq!(list(Format::Base64), whole(json!("AACAPwAAAMA=")));
    }
}
