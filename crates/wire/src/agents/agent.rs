//! A saved agent, and the parts that a session's agent shares with it.

use super::tool::Tool;
use super::words::{Effort, ReasoningSummary, ServiceTier, Verbosity};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

#[derive(Serialize, Clone, Debug)]
#[serde(tag = "object", rename = "agent")]
pub struct Agent<'a> {
    pub id: &'a str,
    /// Seconds since the Unix epoch, as all times here.
    pub created_at: u64,
    pub updated_at: u64,
    pub name: Option<&'a str>,
    pub model: &'a str,
    pub instructions: Option<&'a str>,
    pub tools: Vec<Tool<'a>>,
    pub reasoning: Reasoning,
    pub text: Text<'a>,
    pub service_tier: ServiceTier,
    pub compaction: Compaction,
    pub multi_agent: MultiAgent,
    pub experimental: Experimental,
    pub metadata: &'a BTreeMap<String, String>,
}

#[derive(Serialize, Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Reasoning {
    /// Null where the model follows its own default.
    pub effort: Option<Effort>,
    pub summary: Option<ReasoningSummary>,
}

#[derive(Serialize, Clone, Debug)]
pub struct Text<'a> {
    pub format: TextFormat<'a>,
    pub verbosity: Verbosity,
}

#[derive(Serialize, Clone, Debug)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TextFormat<'a> {
    Text,
    JsonSchema { schema: &'a Map<String, Value> },
}

#[derive(Serialize, Clone, Copy, Debug)]
pub struct Compaction {
    #[serde(rename = "async")]
    pub is_async: bool,
}

#[derive(Serialize, Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct MultiAgent {
    pub enabled: bool,
    /// Null where it is not enabled.
    pub max_concurrent_subagents: Option<u32>,
}

#[derive(Serialize, Clone, Copy, Debug)]
pub struct Experimental {
    pub time_awareness: bool,
}
