//! `POST /v1/chat/completions`: an object in, a value with every default filled in out, or the first fault.

mod format;
mod message;
pub(crate) mod order;
#[cfg(test)]
mod tests;
mod tool;
mod words;

pub use message::{Call, Message, Part};
pub use words::{Role, Tier};

use crate::agents::request::{MAX_MODEL, metadata};
use crate::agents::{Effort, Verbosity};
use crate::demand::{Format, ToolChoice, ToolParam};
use crate::error::Fault;
use crate::reader::{Node, Object};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use words::{Modality, PredictionKind, Retention};

/// Completions of one request.
pub const MAX_CHOICES: u64 = 128;
/// Tokens of an answer that a request may name.
const MAX_TOKENS: u64 = u32::MAX as u64;
/// Texts that end an answer.
const MAX_STOPS: usize = 4;
/// Likely tokens that may be told at each place.
const MAX_TOP: u64 = 20;
/// The longest name that a client gives to its users or caches, in characters.
const MAX_LABEL: usize = 512;

/// One request.
#[derive(Clone, PartialEq, Debug)]
pub struct ChatCreate {
    pub model: String,
    /// At least one. Calls and their results pair, and no two calls have the same id.
    pub messages: Vec<Message>,
    pub tools: Vec<ToolParam>,
    pub tool_choice: ToolChoice,
    pub parallel_tool_calls: bool,
    /// Whether tools were given as `functions`: then a call is told as `function_call`.
    pub is_legacy: bool,
    pub format: Format,
    pub verbosity: Option<Verbosity>,
    pub effort: Option<Effort>,
    pub sampling: Sampling,
    pub max_tokens: Option<u64>,
    /// Completions that are wanted: 1 to 128.
    pub choices: u64,
    /// The likeliest tokens to tell at each place beside the one that was said: 0 to 20. None: no logprobs.
    pub top_logprobs: Option<u8>,
    pub stream: bool,
    pub include_usage: bool,
    pub tier: Option<Tier>,
    pub store: Option<bool>,
    pub metadata: BTreeMap<String, String>,
    /// `user`, `safety_identifier` and `prompt_cache_key`, where given.
    pub labels: BTreeMap<&'static str, String>,
}

/// How the next token is chosen. What is not said is the model's to decide.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Sampling {
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub presence_penalty: Option<f64>,
    pub frequency_penalty: Option<f64>,
    pub seed: Option<i64>,
    pub stop: Vec<String>,
}

impl ChatCreate {
    pub fn read(body: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(body);
        let model = object.required("model")?.short_text(MAX_MODEL)?;
        let format = object.present("response_format").map_or(Ok(Format::Text), format::read)?;
        let messages = order::paired(message::read_all(object.required("messages")?)?)?;
        if format == Format::JsonObject && !messages.iter().any(Message::speaks_of_json) {
            return Err(Fault::at("messages", NO_JSON));
        }
        let tools = tool::Tools::read(&mut object)?;
        let (stream, include_usage) = streaming(&mut object)?;
        refuse(&mut object)?;
        pass_over(&mut object)?;
        let request = Self {
            model,
            messages,
            tools: tools.tools,
            tool_choice: tools.choice,
            parallel_tool_calls: tools.parallel,
            is_legacy: tools.is_legacy,
            format,
            verbosity: object.present("verbosity").map(Node::word).transpose()?,
            effort: object.present("reasoning_effort").map(Node::word).transpose()?,
            sampling: sampling(&mut object)?,
            max_tokens: max_tokens(&mut object)?,
            choices: object.present("n").map_or(Ok(1), |node| node.integer(1, MAX_CHOICES))?,
            top_logprobs: logprobs(&mut object)?,
            stream,
            include_usage,
            tier: object.present("service_tier").map(Node::word).transpose()?,
            store: object.present("store").map(Node::boolean).transpose()?,
            metadata: object.present("metadata").map_or(Ok(BTreeMap::new()), metadata)?,
            labels: labels(&mut object)?,
        };
        object.finish()?;
        Ok(request)
    }
}

const NO_JSON: &str =
    "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.";

fn sampling(object: &mut Object) -> Result<Sampling, Fault> {
    let mut number = |key: &str, min, max| object.present(key).map(|node: Node| node.decimal(min, max)).transpose();
    Ok(Sampling {
        temperature: number("temperature", 0.0, 2.0)?,
        top_p: number("top_p", 0.0, 1.0)?,
        presence_penalty: number("presence_penalty", -2.0, 2.0)?,
        frequency_penalty: number("frequency_penalty", -2.0, 2.0)?,
        seed: object.present("seed").map(Node::signed).transpose()?,
        stop: object.present("stop").map_or(Ok(Vec::new()), stop)?,
    })
}

fn stop(node: Node) -> Result<Vec<String>, Fault> {
    if node.is_string() {
        return node.text().map(|text| vec![text]);
    }
    node.sized_array("one of a string or an array of strings", 0, MAX_STOPS)?.into_iter().map(Node::text).collect()
}

fn max_tokens(object: &mut Object) -> Result<Option<u64>, Fault> {
    let mut bound = |key: &str| object.present(key).map(|node| node.integer(1, MAX_TOKENS)).transpose();
    let (old, new) = (bound("max_tokens")?, bound("max_completion_tokens")?);
    if old.is_some() && new.is_some() {
        let text = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.";
        return Err(Fault::at("max_tokens", text));
    }
    Ok(new.or(old))
}

fn logprobs(object: &mut Object) -> Result<Option<u8>, Fault> {
    let wanted = object.present("logprobs").map_or(Ok(false), Node::boolean)?;
    let top = object.present("top_logprobs").map(|node| node.integer(0, MAX_TOP)).transpose()?;
    match (wanted, top) {
        (false, Some(_)) => {
            let text = "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.";
            Err(Fault::at("top_logprobs", text))
        }
        (false, None) => Ok(None),
        (true, top) => Ok(Some(top.and_then(|top| u8::try_from(top).ok()).unwrap_or_default())),
    }
}

/// `stream`, and whether its last chunk tells the usage.
fn streaming(object: &mut Object) -> Result<(bool, bool), Fault> {
    let stream = object.present("stream").map_or(Ok(false), Node::boolean)?;
    let Some(options) = object.present("stream_options") else { return Ok((stream, false)) };
    if !stream {
        let text = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
        return Err(Fault::at("stream_options", text));
    }
    let mut options = options.object()?;
    let include_usage = options.present("include_usage").map_or(Ok(false), Node::boolean)?;
    // Chunks are never padded here.
    options.present("include_obfuscation").map(Node::boolean).transpose()?;
    options.finish()?;
    Ok((stream, include_usage))
}

fn labels(object: &mut Object) -> Result<BTreeMap<&'static str, String>, Fault> {
    let mut labels = BTreeMap::new();
    for key in ["user", "safety_identifier", "prompt_cache_key"] {
        if let Some(node) = object.present(key) {
            labels.insert(key, node.short_string(MAX_LABEL)?);
        }
    }
    Ok(labels)
}

/// What no model behind this server can do. To leave it out silently would be to answer something else.
fn refuse(object: &mut Object) -> Result<(), Fault> {
    let not_served = |path: &str, what: &str| Err(Fault::at(path, format!("{what} is not available on this server.")));
    if object.present("audio").is_some() {
        return not_served("audio", "Audio output");
    }
    if let Some(node) = object.present("modalities") {
        for node in node.array("an array of strings")? {
            let path = node.path().to_owned();
            if node.word::<Modality>()? == Modality::Audio {
                return not_served(&path, "Audio output");
            }
        }
    }
    if object.present("web_search_options").is_some() {
        return not_served("web_search_options", "Web search");
    }
    if object.present("moderation").is_some() {
        return not_served("moderation", "Moderation");
    }
    match object.present("logit_bias") {
        Some(bias) if !bias.value().as_object().is_some_and(Map::is_empty) => {
            bias.map()?;
            not_served("logit_bias", "A bias of tokens")
        }
        _ => Ok(()),
    }
}

/// What only makes an answer faster or cheaper: it is checked, and has no effect.
fn pass_over(object: &mut Object) -> Result<(), Fault> {
    if let Some(node) = object.present("prediction") {
        let mut prediction = node.object()?;
        prediction.required("type")?.word::<PredictionKind>()?;
        message::texts(prediction.required("content")?)?;
        prediction.finish()?;
    }
    object.present("prompt_cache_retention").map(Node::word::<Retention>).transpose()?;
    object.present("prompt_cache_options").map(Node::map).transpose()?;
    Ok(())
}
