//! What an agent is: the model it asks, its instructions, its tools. A saved agent is a row of its project; a session
//! keeps its own copy, made at creation, so that editing or deleting the saved one never changes a running session.

use crate::id::AgentId;
use crate::input::Refusal;
use crate::session::Metadata;
use crate::stamp::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Everything that a client may say of an agent, resolved: no field is left to a default.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AgentSettings {
    /// The name that the client wrote; which model answers it is configuration.
    pub model: String,
    /// Free text put before the conversation.
    pub instructions: Option<String>,
    pub tools: Vec<Tool>,
    pub reasoning: Reasoning,
    pub text: Text,
    pub service_tier: ServiceTier,
    pub compaction: Compaction,
    pub multi_agent: MultiAgent,
    pub experimental: Experimental,
}

impl AgentSettings {
    /// An agent of which only the model was said.
    pub fn new(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            instructions: None,
            tools: Vec::new(),
            reasoning: Reasoning::default(),
            text: Text::default(),
            service_tier: ServiceTier::default(),
            compaction: Compaction::default(),
            multi_agent: MultiAgent::default(),
            experimental: Experimental::default(),
        }
    }
}

/// A reusable agent of a project.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SavedAgent {
    pub id: AgentId,
    pub name: Option<String>,
    pub metadata: Metadata,
    pub settings: AgentSettings,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A tool as the client declared it, with defaults filled in. All kinds can be saved; a session takes only those that
/// this server serves.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Tool {
    Function {
        name: String,
        description: String,
        parameters: Map<String, Value>,
        #[serde(default)]
        defer_loading: bool,
        /// Whether the agent goes on without waiting for the result.
        #[serde(default, rename = "async")]
        is_async: Option<bool>,
        /// Whether arguments must hold to the schema to the letter; None where the client did not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        strict: Option<bool>,
    },
    /// A function whose only argument is free text.
    Custom {
        name: String,
        description: String,
        #[serde(default, skip_serializing_if = "CustomFormat::is_text")]
        format: CustomFormat,
    },
    ToolSearch,
    ProgrammaticToolCalling {
        enabled: bool,
    },
    Mcp(McpTool),
    WebSearch(WebSearch),
    ComputerUse {
        include_screenshots: bool,
    },
    Automations,
}

impl Tool {
    /// The `type` that a client writes.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Function { .. } => "function",
            Self::Custom { .. } => "custom",
            Self::ToolSearch => "tool_search",
            Self::ProgrammaticToolCalling { .. } => "programmatic_tool_calling",
            Self::Mcp(_) => "mcp",
            Self::WebSearch(_) => "web_search",
            Self::ComputerUse { .. } => "computer_use",
            Self::Automations => "automations",
        }
    }

    /// Says that sessions here have no such tool.
    pub fn not_served(&self, path: &str) -> Refusal {
        Refusal::invalid(format!("Tools of type '{}' are not served by this server yet.", self.kind())).at(path)
    }
}

/// What the text of a custom tool's call must look like.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum CustomFormat {
    #[default]
    Text,
    /// `syntax` is `lark` or `regex`.
    Grammar { syntax: String, definition: String },
}

impl CustomFormat {
    fn is_text(&self) -> bool {
        *self == Self::Text
    }
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct McpTool {
    pub server_label: String,
    pub transport: McpTransport,
    pub allowed_tools: Option<Vec<String>>,
    /// `service` or `environment`.
    pub connection_origin: String,
    pub credential_id: Option<String>,
    pub request_metadata: Map<String, Value>,
    pub required: bool,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum McpTransport {
    Http { server_url: String, headers: BTreeMap<String, String>, authorization: Option<String> },
    Stdio { command: String, cwd: String, args: Vec<String>, env: BTreeMap<String, String>, env_vars: Vec<String> },
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct WebSearch {
    /// `disabled`, `cached` or `live`.
    pub mode: String,
    /// `low`, `medium` or `high`.
    pub context_size: String,
    pub allowed_domains: Option<Vec<String>>,
    /// `city`, `country`, `region`, `timezone`, where said.
    pub location: Option<BTreeMap<String, Option<String>>>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reasoning {
    pub effort: Option<Effort>,
    pub summary: Option<ReasoningSummary>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effort {
    None,
    Minimal,
    Low,
    Medium,
    High,
    Xhigh,
    Max,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReasoningSummary {
    Concise,
    Detailed,
    Auto,
}

#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Text {
    pub format: TextFormat,
    pub verbosity: Verbosity,
}

#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TextFormat {
    #[default]
    Text,
    /// Any JSON object.
    JsonObject,
    JsonSchema {
        schema: Map<String, Value>,
        /// Empty where the client gave none.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        strict: Option<bool>,
    },
}

impl TextFormat {
    /// A schema of which nothing else was said.
    pub fn schema(schema: Map<String, Value>) -> Self {
        Self::JsonSchema { schema, name: String::new(), description: None, strict: None }
    }
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verbosity {
    Low,
    #[default]
    Medium,
    High,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceTier {
    #[default]
    Auto,
    Default,
    Flex,
    Priority,
    Fast,
    Ultrafast,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Compaction {
    #[serde(rename = "async")]
    pub is_async: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MultiAgent {
    pub enabled: bool,
    /// None where subagents are disabled.
    pub max_concurrent_subagents: Option<u32>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Experimental {
    pub time_awareness: bool,
}
