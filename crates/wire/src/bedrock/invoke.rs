//! `InvokeModel` in the words of Nova (`messages-v1`): the conversation is as in Converse, how tokens are chosen has other
//! names. Other families of models have words of their own; those of OpenAI are Chat Completions'.

use super::converse::{Converse, Latency, Names, Tier, read_tier, standard};
use super::document::decoded;
use super::turns::required;
use crate::body;
use crate::error::Fault;
use crate::reader::{Node, Object};
use crate::words::words;
use serde_json::{Map, Value};

words! { Schema { MessagesV1 => "messages-v1" } }

const NOVA: Names = Names {
    max_tokens: &["maxTokens", "max_new_tokens"],
    top_p: &["topP", "top_p"],
    top_k: &["topK", "top_k"],
    hottest: 1.0,
};
/// What a request without it has at Nova.
const SCHEMA: &str = "schemaVersion";

/// Whether a body says of itself that it is written in Nova's words.
pub fn is_nova(body: &Map<String, Value>) -> bool {
    body.contains_key(SCHEMA)
}

/// Whether a body says of itself that it is written in Anthropic's words.
pub fn is_anthropic(body: &Map<String, Value>) -> bool {
    body.contains_key("anthropic_version")
}

/// A body of Nova's.
pub fn nova(body: Map<String, Value>) -> Result<Converse, Fault> {
    let mut object = Object::root(body);
    object.present(SCHEMA).map(Node::word::<Schema>).transpose()?;
    let mut request = Converse::conversation(&mut object)?;
    if let Some(node) = object.present("inferenceConfig") {
        let mut config = node.object()?;
        request.inference.read(&mut config, &NOVA)?;
        config.finish()?;
    }
    object.finish()?;
    Ok(request)
}

/// What the headers of InvokeModel say; None where they are not there.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Manner {
    pub latency: Option<Latency>,
    pub tier: Option<Tier>,
}

impl Manner {
    /// From the values of the headers.
    pub fn read(latency: Option<&str>, tier: Option<&str>) -> Result<Self, Fault> {
        let header = |name: &str, value: &str| {
            let map = Map::from_iter([(name.to_owned(), Value::from(value))]);
            required(&mut Object::root(map), name)
        };
        Ok(Self {
            latency: latency.map(|value| header("performanceConfigLatency", value).and_then(standard)).transpose()?,
            tier: tier.map(|value| header("serviceTier", value).and_then(read_tier)).transpose()?,
        })
    }
}

/// What is to be counted.
#[derive(Debug)]
pub enum Counted {
    Converse(Box<Converse>),
    /// The body of an InvokeModel.
    Invoke(Map<String, Value>),
}

impl Counted {
    pub fn read(body: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(body);
        let mut input = required(&mut object, "input")?.object()?;
        object.finish()?;
        let counted = if let Some(node) = input.present("converse") {
            Self::Converse(Box::new(Converse::counted(node.object()?)?))
        } else {
            let mut invoke = required(&mut input, "invokeModel")?.object()?;
            let node = required(&mut invoke, "body")?;
            let path = node.path().to_owned();
            let bytes = decoded(&node.text()?)
                .ok_or_else(|| Fault::at(&path, format!("Invalid '{path}'. Expected base64.")))?;
            invoke.finish()?;
            Self::Invoke(body::parse(Some("application/json"), &bytes)?)
        };
        input.finish()?;
        Ok(counted)
    }
}
