//! `Converse` and `ConverseStream`: an object in, a value with every default filled in out, or the first fault. The model's id
//! stands in the path of the request and is not read here.

use super::turns::{self, Turn, required};
use super::{not_served, tool};
use crate::agents::Effort;
use crate::body;
use crate::demand::{Format, ToolChoice, ToolParam, name};
use crate::error::{Fault, clip};
use crate::reader::{Node, Object};
use crate::words::words;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Tokens of an answer that a request may name.
const MAX_TOKENS: u64 = u32::MAX as u64;
/// Texts that end an answer.
const MAX_STOPS: usize = 2500;
/// Pairs that a client keeps with a request, and the longest key and value, in characters.
const MAX_LABELS: usize = 16;
const MAX_LABEL: usize = 256;
/// Places in a model's own answer, and the longest, in characters.
const MAX_PATHS: usize = 10;
const MAX_PATH: usize = 256;

const NO_TOOLS: &str = "The toolConfig field must be defined when using toolUse and toolResult content blocks.";
/// AWS's words where there is no such guardrail: there is none here.
pub const NO_GUARDRAIL: &str = "The guardrail identifier or version provided in the request does not exist.";

words! {
    Latency { Standard => "standard", Optimized => "optimized" }
    Tier { Priority => "priority", Default => "default", Flex => "flex", Reserved => "reserved" }
    FormatKind { JsonSchema => "json_schema" }
    Trace { Enabled => "enabled", Disabled => "disabled", EnabledFull => "enabled_full" }
}

/// One request.
#[derive(Clone, PartialEq, Debug)]
pub struct Converse {
    /// What is said above the conversation.
    pub system: Vec<String>,
    /// At least one. Calls and their results pair, and no two calls have the same id.
    pub turns: Vec<Turn>,
    pub tools: Vec<ToolParam>,
    pub tool_choice: ToolChoice,
    pub inference: Inference,
    pub format: Format,
    pub effort: Option<Effort>,
    /// What the client calls the request.
    pub labels: BTreeMap<String, String>,
    pub tier: Option<Tier>,
    /// Whether the request says how fast it is to be: then the answer says it too.
    pub latency: Option<Latency>,
}

/// How the next token is chosen. What is not said is the model's to decide.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Inference {
    pub max_tokens: Option<u64>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub stop: Vec<String>,
    pub seed: Option<i64>,
    pub presence_penalty: Option<f64>,
    pub frequency_penalty: Option<f64>,
}

impl Converse {
    pub fn read(body: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(body);
        let mut request = Self::conversation(&mut object)?;
        if let Some(node) = object.present("inferenceConfig") {
            let mut config = node.object()?;
            request.inference.read(&mut config, &CONVERSE)?;
            config.finish()?;
        }
        request.beside(&mut object)?;
        refuse(&mut object)?;
        pass_over(&mut object)?;
        object.finish()?;
        Ok(request)
    }

    /// What a request to count tokens says of a conversation.
    pub fn counted(mut object: Object) -> Result<Self, Fault> {
        let mut request = Self::conversation(&mut object)?;
        if let Some(node) = object.present("additionalModelRequestFields") {
            request.additional(node)?;
        }
        object.finish()?;
        Ok(request)
    }

    /// What is said, and the tools.
    pub(super) fn conversation(object: &mut Object) -> Result<Self, Fault> {
        let system = object.present("system").map_or(Ok(Vec::new()), turns::system)?;
        let (turns, has_calls) = turns::read(required(object, "messages")?)?;
        let config = object.present("toolConfig").map(tool::read).transpose()?;
        if has_calls && config.is_none() {
            return Err(Fault::at("toolConfig", NO_TOOLS));
        }
        let (tools, tool_choice) = config.unwrap_or_default();
        Ok(Self {
            system,
            turns,
            tools,
            tool_choice,
            inference: Inference::default(),
            format: Format::Text,
            effort: None,
            labels: BTreeMap::new(),
            tier: None,
            latency: None,
        })
    }

    /// Everything else that has an effect.
    fn beside(&mut self, object: &mut Object) -> Result<(), Fault> {
        if let Some(node) = object.present("outputConfig") {
            let mut config = node.object()?;
            if let Some(node) = config.present("textFormat") {
                self.format = format(node)?;
            }
            self.effort = config.present("effort").map(Node::word).transpose()?;
            config.finish()?;
        }
        if let Some(node) = object.present("additionalModelRequestFields") {
            self.additional(node)?;
        }
        self.labels = object.present("requestMetadata").map_or(Ok(BTreeMap::new()), labels)?;
        if let Some(node) = object.present("performanceConfig") {
            let mut config = node.object()?;
            let latency = config.present("latency");
            self.latency = latency.map_or(Ok(Some(Latency::Standard)), |node| standard(node).map(Some))?;
            config.finish()?;
        }
        if let Some(node) = object.present("serviceTier") {
            let mut tier = node.object()?;
            self.tier = Some(read_tier(required(&mut tier, "type")?)?);
            tier.finish()?;
        }
        Ok(())
    }

    /// What only some models know. Of these fields some mean the same to every model here; any other is refused.
    fn additional(&mut self, node: Node) -> Result<(), Fault> {
        let mut fields = node.object()?;
        if let Some(node) = fields.present("reasoning_effort") {
            self.effort = Some(node.word()?);
        }
        let mut number = |key: &str| fields.present(key).map(|node: Node| node.decimal(-2.0, 2.0)).transpose();
        self.inference.presence_penalty = number("presence_penalty")?;
        self.inference.frequency_penalty = number("frequency_penalty")?;
        self.inference.seed = fields.present("seed").map(Node::signed).transpose()?;
        fields.finish().map_err(|fault| {
            let path = fault.param.unwrap_or_default();
            let text = format!("The field {path} is not supported by this server. Remove it, and try again.");
            Fault::at(&path, text)
        })
    }
}

/// Names of the members by which tokens are chosen: one of several that mean the same.
pub(super) struct Names {
    pub max_tokens: &'static [&'static str],
    pub top_p: &'static [&'static str],
    pub top_k: &'static [&'static str],
    /// The highest temperature.
    pub hottest: f64,
}

const CONVERSE: Names = Names { max_tokens: &["maxTokens"], top_p: &["topP"], top_k: &[], hottest: 1.0 };

impl Inference {
    pub(super) fn read(&mut self, config: &mut Object, names: &Names) -> Result<(), Fault> {
        let mut one = |keys: &[&str]| keys.iter().find_map(|key| config.present(key));
        if let Some(node) = one(names.top_k) {
            return Err(not_served(node.path(), "A number of likely tokens"));
        }
        self.max_tokens = one(names.max_tokens).map(|node| node.integer(1, MAX_TOKENS)).transpose()?;
        self.top_p = one(names.top_p).map(|node| node.decimal(0.0, 1.0)).transpose()?;
        self.temperature = one(&["temperature"]).map(|node| node.decimal(0.0, names.hottest)).transpose()?;
        let Some(node) = one(&["stopSequences"]) else { return Ok(()) };
        let stops = node.sized_array("an array of strings", 0, MAX_STOPS)?;
        self.stop = stops.into_iter().map(Node::text).collect::<Result<_, _>>()?;
        Ok(())
    }
}

/// The form of the answer. Its schema is JSON within a string.
fn format(node: Node) -> Result<Format, Fault> {
    let mut object = node.object()?;
    required(&mut object, "type")?.word::<FormatKind>()?;
    let mut structure = required(&mut object, "structure")?.object()?;
    object.finish()?;
    let mut definition = required(&mut structure, "jsonSchema")?.object()?;
    structure.finish()?;
    let node = required(&mut definition, "schema")?;
    let path = node.path().to_owned();
    let schema = body::parse(Some("application/json"), node.text()?.as_bytes())
        .map_err(|_| Fault::at(&path, format!("The value at {path} is not a JSON schema, written as a string.")))?;
    crate::agents::request::object_schema(&path, "the answer", &schema)?;
    let called = definition.present("name").map(|node| name(node, turns::MAX_NAME)).transpose()?;
    let description = definition.present("description").map(Node::string).transpose()?;
    definition.finish()?;
    Ok(Format::JsonSchema {
        name: called.unwrap_or_else(|| "answer".to_owned()),
        description,
        schema,
        strict: Some(true),
    })
}

fn labels(node: Node) -> Result<BTreeMap<String, String>, Fault> {
    let path = node.path().to_owned();
    let entries = node.entries()?;
    if !(1..=MAX_LABELS).contains(&entries.len()) {
        return Err(Fault::at(&path, format!("Invalid '{path}': expected 1 to {MAX_LABELS} pairs.")));
    }
    let mut labels = BTreeMap::new();
    for (key, value) in entries {
        if key.is_empty() || key.chars().count() > MAX_LABEL {
            return Err(Fault::at(&path, format!("Invalid '{path}': keys have 1 to {MAX_LABEL} characters.")));
        }
        labels.insert(key, value.short_string(MAX_LABEL)?);
    }
    Ok(labels)
}

/// How fast: as usual. Nothing here is faster.
pub(super) fn standard(node: Node) -> Result<Latency, Fault> {
    let path = node.path().to_owned();
    match node.word()? {
        Latency::Standard => Ok(Latency::Standard),
        Latency::Optimized => Err(not_served(&path, "Optimized latency")),
    }
}

pub(super) fn read_tier(node: Node) -> Result<Tier, Fault> {
    let path = node.path().to_owned();
    match node.word()? {
        Tier::Reserved => Err(not_served(&path, "The reserved tier")),
        tier => Ok(tier),
    }
}

/// What no model behind this server can do. To leave it out silently would be to answer something else.
fn refuse(object: &mut Object) -> Result<(), Fault> {
    let Some(node) = object.present("guardrailConfig") else { return Ok(()) };
    let mut config = node.object()?;
    let identifier = config.present("guardrailIdentifier").map_or(Ok(String::new()), Node::string)?;
    config.present("guardrailVersion").map(Node::string).transpose()?;
    config.present("trace").map(Node::word::<Trace>).transpose()?;
    // How streams wait for the guardrail.
    config.present("streamProcessingMode").map(Node::string).transpose()?;
    config.finish()?;
    // An empty one asks for none.
    if identifier.is_empty() { Ok(()) } else { Err(Fault::at("guardrailConfig", NO_GUARDRAIL)) }
}

/// What belongs to stored prompts, and what of a model's own answer is to be told where there is such a thing: checked, and
/// without an effect, as at AWS.
fn pass_over(object: &mut Object) -> Result<(), Fault> {
    if let Some(node) = object.present("promptVariables") {
        for (_, value) in node.entries()? {
            turns::plain(value)?;
        }
    }
    let Some(node) = object.present("additionalModelResponseFieldPaths") else { return Ok(()) };
    for node in node.sized_array("an array of strings", 0, MAX_PATHS)? {
        let at = node.path().to_owned();
        let path = node.short_text(MAX_PATH)?;
        if !path.starts_with('/') {
            return Err(Fault::at(&at, format!("The value '{}' at {at} is not a valid JSON Pointer.", clip(&path))));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
