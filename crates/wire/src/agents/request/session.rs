//! Sessions: what a client may ask for when it creates one, and what it may change later.

use super::agent::{AgentPatch, model};
use super::environment::EnvironmentParam;
use super::input::{InputContent, Message, messages};
use super::tool::{Place, ToolParam, tools};
use super::{MAX_ID, metadata};
use crate::agents::words::{CacheTtl, Effort, EnvironmentKind, Review, ServiceTier};
use crate::error::Fault;
use crate::reader::{Node, Object};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The most that a spending limit may be, in US cents.
const MAX_CENTS: u64 = 100_000_000_000;
/// Vaults of one session.
const MAX_VAULTS: usize = 10;

/// `POST /agents/sessions`. At least one of `agent_id` and a model in `agent` is there.
#[derive(Clone, PartialEq, Debug)]
pub struct SessionCreate {
    pub agent_id: Option<String>,
    pub agent: AgentPatch,
    pub environment: EnvironmentParam,
    pub input: SessionInput,
    pub metadata: BTreeMap<String, String>,
    pub prompt_cache: Option<CacheTtl>,
    pub review: Review,
    /// US cents.
    pub spend_limit: Option<u64>,
    pub vault_ids: Vec<String>,
    pub stream: bool,
    pub include_obfuscation: bool,
}

/// Empty where the client gave none.
pub type SessionInput = Vec<Message>;

/// `POST /agents/sessions/{id}`. None keeps what there is.
#[derive(Clone, PartialEq, Debug)]
pub struct SessionUpdate {
    pub model: Option<String>,
    pub effort: Option<Option<Effort>>,
    pub service_tier: Option<ServiceTier>,
    pub tools: Option<Vec<ToolParam>>,
    pub metadata: Option<BTreeMap<String, String>>,
    pub prompt_cache: Option<Option<CacheTtl>>,
    pub review: Option<Review>,
    /// US cents; `Some(None)` lifts the limit.
    pub spend_limit: Option<Option<u64>>,
}

impl SessionCreate {
    pub fn read(body: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(body);
        let environment = EnvironmentParam::read(object.required("environment")?)?;
        let agent_id = object.optional("agent_id").map(|node| node.short_text(MAX_ID)).transpose()?;
        let agent = inline_agent(&mut object, agent_id.is_some())?;
        let input = object.present("input").map_or(Ok(Vec::new()), initial_input)?;
        let metadata = object.present("metadata").map_or(Ok(BTreeMap::new()), metadata)?;
        let prompt_cache = object.present("prompt_cache_options").map(prompt_cache).transpose()?;
        let review = object.optional("review").map_or(Ok(Review::None), Node::word)?;
        let spend_limit = object.present("spend_control").map(spend_limit).transpose()?.flatten();
        let vault_ids = object.present("vault_ids").map_or(Ok(Vec::new()), vault_ids)?;
        let (stream, include_obfuscation) = stream(&mut object)?;
        object.finish()?;
        let request = Self {
            agent_id,
            agent,
            environment,
            input,
            metadata,
            prompt_cache,
            review,
            spend_limit,
            vault_ids,
            stream,
            include_obfuscation,
        };
        request.check_input()?;
        Ok(request)
    }

    fn check_input(&self) -> Result<(), Fault> {
        if !self.input.is_empty() {
            return Ok(());
        }
        if self.environment.kind == EnvironmentKind::None {
            return Err(Fault::at("input", "conversation-only sessions currently require initial input"));
        }
        if self.stream && self.environment.kind != EnvironmentKind::SelfHosted {
            return Err(Fault::at("input", "streaming sessions require initial input"));
        }
        Ok(())
    }
}

/// Without a saved agent, the model must be here.
fn inline_agent(object: &mut Object, is_saved: bool) -> Result<AgentPatch, Fault> {
    let Some(node) = object.optional("agent") else {
        return if is_saved { Ok(AgentPatch::default()) } else { Err(object.missing("agent")) };
    };
    let mut agent = node.object()?;
    let patch = AgentPatch::read(&mut agent, Place::Session)?;
    if patch.model.is_none() && !is_saved {
        return Err(agent.missing("model"));
    }
    agent.finish()?;
    Ok(patch)
}

/// A string is one message of one text.
fn initial_input(node: Node) -> Result<SessionInput, Fault> {
    if node.is_string() {
        return Ok(vec![Message { content: vec![InputContent::Text(node.text()?)] }]);
    }
    if !node.value().is_array() {
        return Err(node.mistyped("one of a string or an array of objects"));
    }
    messages(node)
}

fn prompt_cache(node: Node) -> Result<CacheTtl, Fault> {
    let mut object = node.object()?;
    let ttl = object.optional("ttl").map_or(Ok(CacheTtl::ThirtyMinutes), Node::word)?;
    object.finish()?;
    Ok(ttl)
}

fn spend_limit(node: Node) -> Result<Option<u64>, Fault> {
    let mut object = node.object()?;
    let Some(limit) = object.nullable("limit") else {
        return Err(object.missing("limit"));
    };
    object.finish()?;
    limit.map(|node| node.integer(1, MAX_CENTS)).transpose()
}

fn vault_ids(node: Node) -> Result<Vec<String>, Fault> {
    let nodes = node.sized_array("an array of strings", 0, MAX_VAULTS)?;
    nodes.into_iter().map(|node| node.short_text(MAX_ID)).collect()
}

/// `stream` and `stream_options.include_obfuscation`.
fn stream(object: &mut Object) -> Result<(bool, bool), Fault> {
    let stream = object.optional("stream").map_or(Ok(false), Node::boolean)?;
    let Some(node) = object.optional("stream_options") else {
        return Ok((stream, true));
    };
    let mut options = node.object()?;
    let padded = options.optional("include_obfuscation").map_or(Ok(true), Node::boolean)?;
    options.finish()?;
    if !stream {
        return Err(Fault::at(
            "stream_options",
            "The 'stream_options' parameter is only allowed when 'stream' is true.",
        ));
    }
    Ok((stream, padded))
}

impl SessionUpdate {
    /// A request that says nothing is refused.
    pub fn read(body: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(body);
        let mut update = match object.optional("agent") {
            Some(node) => Self::agent(node)?,
            None => Self::nothing(),
        };
        update.metadata =
            object.nullable("metadata").map(|node| node.map_or(Ok(BTreeMap::new()), metadata)).transpose()?;
        update.prompt_cache =
            object.nullable("prompt_cache_options").map(|node| node.map(prompt_cache).transpose()).transpose()?;
        update.review = object.optional("review").map(Node::word).transpose()?;
        update.spend_limit = object
            .nullable("spend_control")
            .map(|node| node.map(spend_limit).transpose().map(Option::flatten))
            .transpose()?;
        object.finish()?;
        if update == Self::nothing() {
            return Err(Fault::new("At least one field to update is required."));
        }
        Ok(update)
    }

    fn nothing() -> Self {
        Self {
            model: None,
            effort: None,
            service_tier: None,
            tools: None,
            metadata: None,
            prompt_cache: None,
            review: None,
            spend_limit: None,
        }
    }

    fn agent(node: Node) -> Result<Self, Fault> {
        let mut agent = node.object()?;
        let model = agent.optional("model").map(model).transpose()?;
        let effort = agent.optional("reasoning").map(effort).transpose()?.flatten();
        let service_tier =
            agent.nullable("service_tier").map(|node| node.map_or(Ok(ServiceTier::Auto), Node::word)).transpose()?;
        let tools = agent
            .nullable("tools")
            .map(|node| node.map_or(Ok(Vec::new()), |node| tools(node, Place::Session)))
            .transpose()?;
        agent.finish()?;
        Ok(Self { model, effort, service_tier, tools, ..Self::nothing() })
    }
}

fn effort(node: Node) -> Result<Option<Option<Effort>>, Fault> {
    let mut object = node.object()?;
    let effort = object.nullable("effort").map(|node| node.map(Node::word).transpose()).transpose()?;
    object.finish()?;
    Ok(effort)
}
