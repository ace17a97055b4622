//! Agents: creating and updating saved ones, and the `agent` of a new session. All three name the same settings, and
//! in all three a field that is given replaces the one before as a whole; only `experimental` is merged by key.

use super::tool::{Place, ToolParam, tools};
use super::{MAX_MODEL, MAX_NAME, MAX_SCHEMAS, compact_size, metadata, object_schema};
use crate::agents::agent::{MultiAgent, Reasoning};
use crate::agents::words::{FormatKind, ServiceTier, Verbosity};
use crate::error::Fault;
use crate::reader::{Node, Object};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// `POST /agents`.
#[derive(Clone, PartialEq, Debug)]
pub struct AgentCreate {
    pub model: String,
    pub name: Option<String>,
    pub metadata: BTreeMap<String, String>,
    pub settings: AgentPatch,
}

/// `POST /agents/{id}`. None keeps what there is.
#[derive(Clone, PartialEq, Debug)]
pub struct AgentUpdate {
    pub name: Option<Option<String>>,
    pub metadata: Option<BTreeMap<String, String>>,
    pub settings: AgentPatch,
}

/// What a request says of an agent's settings. None keeps what there is; null on the wire has become the default that
/// it resets to.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct AgentPatch {
    pub model: Option<String>,
    pub instructions: Option<Option<String>>,
    pub tools: Option<Vec<ToolParam>>,
    pub reasoning: Option<Reasoning>,
    pub text: Option<TextSettings>,
    pub service_tier: Option<ServiceTier>,
    /// Whether context is compacted in the background.
    pub async_compaction: Option<bool>,
    pub multi_agent: Option<MultiAgent>,
    pub time_awareness: Option<bool>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct TextSettings {
    pub format: Format,
    pub verbosity: Verbosity,
}

#[derive(Clone, PartialEq, Debug)]
pub enum Format {
    Text,
    JsonSchema(Map<String, Value>),
}

impl AgentCreate {
    pub fn read(body: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(body);
        let mut settings = AgentPatch::read(&mut object, Place::SavedAgent)?;
        let model = settings.model.take().ok_or_else(|| object.missing("model"))?;
        let name = object.present("name").map(name).transpose()?;
        let metadata = object.present("metadata").map_or(Ok(BTreeMap::new()), metadata)?;
        object.finish()?;
        Ok(Self { model, name, metadata, settings })
    }
}

impl AgentUpdate {
    pub fn read(body: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(body);
        let settings = AgentPatch::read(&mut object, Place::SavedAgent)?;
        let name = object.nullable("name").map(|node| node.map(name).transpose()).transpose()?;
        let metadata =
            object.nullable("metadata").map(|node| node.map_or(Ok(BTreeMap::new()), metadata)).transpose()?;
        object.finish()?;
        Ok(Self { name, metadata, settings })
    }
}

fn name(node: Node) -> Result<String, Fault> {
    node.short_string(MAX_NAME)
}

pub(super) fn model(node: Node) -> Result<String, Fault> {
    node.short_text(MAX_MODEL)
}

impl AgentPatch {
    /// Takes the settings out of `object`; what is left there is the caller's.
    pub(super) fn read(object: &mut Object, place: Place) -> Result<Self, Fault> {
        let patch = Self {
            model: object.optional("model").map(model).transpose()?,
            instructions: object.nullable("instructions").map(|node| node.map(Node::string).transpose()).transpose()?,
            tools: object
                .nullable("tools")
                .map(|node| node.map_or(Ok(Vec::new()), |node| tools(node, place)))
                .transpose()?,
            reasoning: object
                .nullable("reasoning")
                .map(|node| node.map_or(Ok(Reasoning::default()), reasoning))
                .transpose()?,
            text: object.nullable("text").map(text).transpose()?,
            service_tier: object
                .nullable("service_tier")
                .map(|node| node.map_or(Ok(ServiceTier::Auto), Node::word))
                .transpose()?,
            async_compaction: object
                .nullable("compaction")
                .map(|node| node.map_or(Ok(false), compaction))
                .transpose()?,
            multi_agent: object
                .nullable("multi_agent")
                .map(|node| node.map_or(Ok(MultiAgent::default()), multi_agent))
                .transpose()?,
            time_awareness: object.optional("experimental").map(time_awareness).transpose()?.flatten(),
        };
        patch.check_schemas(object)?;
        Ok(patch)
    }

    fn check_schemas(&self, object: &Object) -> Result<(), Fault> {
        let inputs: usize = self.tools.iter().flatten().map(schema_size).fold(0, usize::saturating_add);
        let output = match &self.text {
            Some(TextSettings { format: Format::JsonSchema(schema), .. }) => compact_size(schema),
            _ => 0,
        };
        let size = inputs.saturating_add(output);
        if size <= MAX_SCHEMAS {
            return Ok(());
        }
        let path = object.path(if output > inputs { "text.format.schema" } else { "tools" });
        let text = format!(
            "Invalid '{path}': schemas too large. Expected at most {MAX_SCHEMAS} bytes of compact JSON in all schemas of the request, but got {size} bytes instead."
        );
        Err(Fault::at(&path, text))
    }
}

fn schema_size(tool: &ToolParam) -> usize {
    match tool {
        ToolParam::Function { parameters, .. } => compact_size(parameters),
        _ => 0,
    }
}

fn reasoning(node: Node) -> Result<Reasoning, Fault> {
    let mut object = node.object()?;
    let reasoning = Reasoning {
        effort: object.present("effort").map(Node::word).transpose()?,
        summary: object.present("summary").map(Node::word).transpose()?,
    };
    object.finish()?;
    Ok(reasoning)
}

fn text(node: Option<Node>) -> Result<TextSettings, Fault> {
    let Some(node) = node else {
        return Ok(TextSettings { format: Format::Text, verbosity: Verbosity::Medium });
    };
    let mut object = node.object()?;
    let settings = TextSettings {
        format: object.present("format").map_or(Ok(Format::Text), format)?,
        verbosity: object.present("verbosity").map_or(Ok(Verbosity::Medium), Node::word)?,
    };
    object.finish()?;
    Ok(settings)
}

fn format(node: Node) -> Result<Format, Fault> {
    let mut object = node.object()?;
    let format = match object.required("type")?.word()? {
        FormatKind::Text => Format::Text,
        FormatKind::JsonSchema => {
            let schema = object.required("schema")?.map()?;
            object_schema(&object.path("schema"), "text format", &schema)?;
            // The Responses API has these two; here the schema alone decides, and they are not kept.
            object.present("name").map(Node::string).transpose()?;
            object.present("strict").map(Node::boolean).transpose()?;
            Format::JsonSchema(schema)
        }
    };
    object.finish()?;
    Ok(format)
}

fn compaction(node: Node) -> Result<bool, Fault> {
    let mut object = node.object()?;
    let is_async = object.present("async").map_or(Ok(false), Node::boolean)?;
    object.finish()?;
    Ok(is_async)
}

fn multi_agent(node: Node) -> Result<MultiAgent, Fault> {
    let mut object = node.object()?;
    let enabled = object.required("enabled")?.boolean()?;
    let given = object.optional("max_concurrent_subagents");
    let most = given.map_or(Ok(6), |node| node.integer(1, u64::from(u32::MAX)))?;
    object.finish()?;
    let most = u32::try_from(most).unwrap_or(u32::MAX);
    Ok(MultiAgent { enabled, max_concurrent_subagents: enabled.then_some(most) })
}

fn time_awareness(node: Node) -> Result<Option<bool>, Fault> {
    let mut object = node.object()?;
    let value = object.optional("time_awareness").map(Node::boolean).transpose()?;
    object.finish()?;
    Ok(value)
}
