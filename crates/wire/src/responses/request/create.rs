//! The request for a response, and two smaller ones that name the same things: how many tokens an input has, and a
//! conversation made short.

use super::super::resource::Reasoning;
use super::super::words::{CacheMode, Include, ManagementKind, Retention, ServiceTier, Truncation};
use super::input::{InputItem, items};
use super::text::{TextSettings, reasoning, text};
use super::tool::{tool_choice, tools};
use super::{MAX_ID, MAX_MODEL, not_served};
use crate::agents::CacheTtl;
use crate::agents::request::metadata;
use crate::demand::{ToolChoice, ToolParam};
use crate::error::Fault;
use crate::reader::{Node, Object};
use crate::words::Word;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// `POST /responses`.
#[derive(Clone, PartialEq, Debug)]
pub struct ResponseCreate {
    pub model: String,
    /// Empty where the client gave none.
    pub input: Vec<InputItem>,
    pub instructions: Option<String>,
    pub previous_response_id: Option<String>,
    pub conversation: Option<String>,
    pub tools: Vec<ToolParam>,
    pub tool_choice: ToolChoice,
    pub parallel_tool_calls: bool,
    pub text: TextSettings,
    pub reasoning: Reasoning,
    pub truncation: Truncation,
    pub include: Vec<Include>,
    pub metadata: BTreeMap<String, String>,
    pub service_tier: ServiceTier,
    /// 0 to 2.
    pub temperature: Option<f64>,
    /// 0 to 1.
    pub top_p: Option<f64>,
    pub top_logprobs: Option<u64>,
    pub max_output_tokens: Option<u64>,
    pub store: bool,
    pub background: bool,
    pub stream: bool,
    /// Whether deltas are padded.
    pub include_obfuscation: bool,
    pub prompt_cache: Option<CacheOptions>,
    /// What the response says back to the letter: `max_tool_calls`, `user`, `safety_identifier`, `prompt_cache_key`,
    /// `prompt_cache_retention`, where they were said.
    pub echo: Map<String, Value>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CacheOptions {
    /// Whether it is kept for 12 hours instead of 30 minutes.
    pub long: bool,
}

/// The smallest answer that may be asked for, in tokens: as at the original.
const MIN_OUTPUT_TOKENS: u64 = 16;
/// The most likely tokens beside each one.
const MAX_LOGPROBS: u64 = 20;
/// Characters of what is only said back.
const MAX_WORD: usize = 512;
/// What this server does not do at all; null is taken for nothing.
const NOT_SERVED: [&str; 5] = ["prompt", "moderation", "image", "access_programs", "background_options"];

impl ResponseCreate {
    pub fn read(body: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(body);
        let request = Self::take(&mut object)?;
        object.finish()?;
        Ok(request)
    }

    /// Takes the request out of `object`; what is left there is the caller's.
    pub fn take(object: &mut Object) -> Result<Self, Fault> {
        for key in NOT_SERVED {
            if object.present(key).is_some() {
                return Err(not_served(key));
            }
        }
        let model = object.present("model").ok_or_else(|| object.missing("model"))?.short_text(MAX_MODEL)?;
        let input = object.present("input").map(items).transpose()?;
        let (previous_response_id, conversation) = history(object)?;
        if input.is_none() && previous_response_id.is_none() && conversation.is_none() {
            return Err(object.missing("input"));
        }
        let tools = object.present("tools").map_or(Ok(Vec::new()), tools)?;
        let tool_choice =
            object.present("tool_choice").map_or(Ok(ToolChoice::Auto), |node| tool_choice(node, &tools))?;
        let (stream, include_obfuscation) = stream(object)?;
        let request = Self {
            model,
            input: input.unwrap_or_default(),
            instructions: object.present("instructions").map(Node::string).transpose()?,
            previous_response_id,
            conversation,
            tools,
            tool_choice,
            parallel_tool_calls: object.present("parallel_tool_calls").map_or(Ok(true), Node::boolean)?,
            text: object.present("text").map_or(Ok(TextSettings::default()), text)?,
            reasoning: object.present("reasoning").map_or(Ok(Reasoning::default()), reasoning)?,
            truncation: object.present("truncation").map_or(Ok(Truncation::Disabled), Node::word)?,
            include: object.present("include").map_or(Ok(Vec::new()), includes)?,
            metadata: object.present("metadata").map_or(Ok(BTreeMap::new()), metadata)?,
            service_tier: object.present("service_tier").map_or(Ok(ServiceTier::Auto), Node::word)?,
            temperature: object.present("temperature").map(|node| node.decimal(0.0, 2.0)).transpose()?,
            top_p: object.present("top_p").map(|node| node.decimal(0.0, 1.0)).transpose()?,
            top_logprobs: object.present("top_logprobs").map(|node| node.integer(0, MAX_LOGPROBS)).transpose()?,
            max_output_tokens: object
                .present("max_output_tokens")
                .map(|node| node.integer(MIN_OUTPUT_TOKENS, u64::from(u32::MAX)))
                .transpose()?,
            store: object.present("store").map_or(Ok(true), Node::boolean)?,
            background: object.present("background").map_or(Ok(false), Node::boolean)?,
            stream,
            include_obfuscation,
            prompt_cache: object.present("prompt_cache_options").map(cache_options).transpose()?,
            echo: echo(object)?,
        };
        object.present("context_management").map(management).transpose()?;
        if request.background && !request.store {
            return Err(Fault::at("background", "Background responses must be stored: 'store' must be true."));
        }
        Ok(request)
    }

    /// Whether the client asked for this.
    pub fn includes(&self, what: Include) -> bool {
        self.include.contains(&what)
    }
}

/// What the request goes on from: a response or a conversation, not both.
fn history(object: &mut Object) -> Result<(Option<String>, Option<String>), Fault> {
    let previous = object.present("previous_response_id").map(|node| node.short_text(MAX_ID)).transpose()?;
    let conversation = object.present("conversation").map(conversation).transpose()?;
    if previous.is_some() && conversation.is_some() {
        let text = "Mutually exclusive parameters. Ensure you are only providing one of: 'previous_response_id' or 'conversation'.";
        return Err(Fault::at("previous_response_id", text));
    }
    Ok((previous, conversation))
}

/// An id, or an object that has it.
fn conversation(node: Node) -> Result<String, Fault> {
    if node.is_string() {
        return node.short_text(MAX_ID);
    }
    if !node.value().is_object() {
        return Err(node.mistyped("one of a string or an object"));
    }
    let mut object = node.object()?;
    let id = object.required("id")?.short_text(MAX_ID)?;
    object.finish()?;
    Ok(id)
}

/// `stream` and `stream_options.include_obfuscation`.
fn stream(object: &mut Object) -> Result<(bool, bool), Fault> {
    let stream = object.present("stream").map_or(Ok(false), Node::boolean)?;
    let Some(node) = object.present("stream_options") else {
        return Ok((stream, true));
    };
    let mut options = node.object()?;
    let padded = options.present("include_obfuscation").map_or(Ok(true), Node::boolean)?;
    options.finish()?;
    if !stream {
        let text = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
        return Err(Fault::at("stream_options", text));
    }
    Ok((stream, padded))
}

/// Each may stand there more than once.
fn includes(node: Node) -> Result<Vec<Include>, Fault> {
    node.array("an array of strings")?.into_iter().map(Node::word).collect()
}

fn cache_options(node: Node) -> Result<CacheOptions, Fault> {
    let mut object = node.object()?;
    object.present("mode").map(Node::word::<CacheMode>).transpose()?;
    let ttl = object.present("ttl").map_or(Ok(CacheTtl::ThirtyMinutes), Node::word)?;
    object.finish()?;
    Ok(CacheOptions { long: ttl == CacheTtl::TwelveHours })
}

/// When the original compacts by itself. It is advice: here a context is made short by `truncation`, or by request.
fn management(node: Node) -> Result<(), Fault> {
    for node in node.array("an array of objects")? {
        let mut object = node.object()?;
        object.required("type")?.word::<ManagementKind>()?;
        object.present("compact_threshold").map(|node| node.integer(1000, u64::from(u32::MAX))).transpose()?;
        object.finish()?;
    }
    Ok(())
}

fn echo(object: &mut Object) -> Result<Map<String, Value>, Fault> {
    let mut echo = Map::new();
    if let Some(node) = object.present("max_tool_calls") {
        echo.insert("max_tool_calls".to_owned(), node.integer(1, u64::from(u32::MAX))?.into());
    }
    for key in ["user", "safety_identifier", "prompt_cache_key"] {
        if let Some(node) = object.present(key) {
            echo.insert(key.to_owned(), node.short_string(MAX_WORD)?.into());
        }
    }
    if let Some(node) = object.present("prompt_cache_retention") {
        echo.insert("prompt_cache_retention".to_owned(), node.word::<Retention>()?.as_str().into());
    }
    Ok(echo)
}

/// `POST /responses/input_tokens`.
#[derive(Clone, PartialEq, Debug)]
pub struct TokenCount {
    pub model: Option<String>,
    pub input: Vec<InputItem>,
    pub instructions: Option<String>,
    pub previous_response_id: Option<String>,
    pub conversation: Option<String>,
    pub tools: Vec<ToolParam>,
    pub text: TextSettings,
}

impl TokenCount {
    pub fn read(body: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(body);
        let (previous_response_id, conversation) = history(&mut object)?;
        let tools = object.present("tools").map_or(Ok(Vec::new()), tools)?;
        let request = Self {
            model: object.present("model").map(|node| node.short_text(MAX_MODEL)).transpose()?,
            input: object.present("input").map_or(Ok(Vec::new()), items)?,
            instructions: object.present("instructions").map(Node::string).transpose()?,
            previous_response_id,
            conversation,
            text: object.present("text").map_or(Ok(TextSettings::default()), text)?,
            tools,
        };
        // These are read as they are with a response, and change no count.
        object.present("tool_choice").map(|node| tool_choice(node, &request.tools)).transpose()?;
        object.present("parallel_tool_calls").map(Node::boolean).transpose()?;
        object.present("reasoning").map(reasoning).transpose()?;
        object.present("truncation").map(Node::word::<Truncation>).transpose()?;
        if object.present("personality").is_some() {
            return Err(not_served("personality"));
        }
        object.finish()?;
        Ok(request)
    }
}

/// `POST /responses/compact`.
#[derive(Clone, PartialEq, Debug)]
pub struct Compact {
    pub model: String,
    pub input: Vec<InputItem>,
    pub instructions: Option<String>,
    pub previous_response_id: Option<String>,
}

impl Compact {
    pub fn read(body: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(body);
        let model = object.present("model").ok_or_else(|| object.missing("model"))?.short_text(MAX_MODEL)?;
        let input = object.present("input").map(items).transpose()?;
        let previous_response_id =
            object.present("previous_response_id").map(|node| node.short_text(MAX_ID)).transpose()?;
        if input.is_none() && previous_response_id.is_none() {
            return Err(object.missing("input"));
        }
        let instructions = object.present("instructions").map(Node::string).transpose()?;
        // Advice that is read as with a response.
        object.present("service_tier").map(Node::word::<ServiceTier>).transpose()?;
        object.present("prompt_cache_options").map(cache_options).transpose()?;
        echo(&mut object)?;
        if object.present("image").is_some() {
            return Err(not_served("image"));
        }
        object.finish()?;
        Ok(Self { model, input: input.unwrap_or_default(), instructions, previous_response_id })
    }
}
