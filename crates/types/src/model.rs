//! The words between the runtime and a model: one request, a stream of events, one end.

use crate::agent::{CustomFormat, Effort, ReasoningSummary, TextFormat, Verbosity};
use crate::content::{CallOutput, Content};
use crate::id::CallId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// One call of a model. Providers translate it; they add nothing of their own.
#[derive(Clone, PartialEq, Debug)]
pub struct ModelRequest {
    /// The name that the upstream knows.
    pub model: String,
    pub instructions: Option<String>,
    /// The transcript, oldest first. Calls and results pair. Shared with the session that asks: it grows by every call,
    /// and a copy for each would cost its square.
    pub context: Arc<Vec<ContextItem>>,
    /// Shared, too: there may be thousands.
    pub tools: Arc<Vec<FunctionTool>>,
    pub tool_choice: ToolChoice,
    /// Whether one answer may hold several calls.
    pub parallel_tool_calls: bool,
    pub format: TextFormat,
    pub verbosity: Verbosity,
    pub effort: Option<Effort>,
    pub summary: Option<ReasoningSummary>,
    /// At most this many tokens of output, if said.
    pub max_output_tokens: Option<u64>,
    pub sampling: Sampling,
    /// Log probabilities of what is said, each with this many of the likeliest alternatives; None for none at all.
    pub top_logprobs: Option<u8>,
    /// The same for all calls of one session, different between projects: for the upstream's prompt cache.
    pub cache_key: String,
}

/// One item of the transcript, as a model needs it.
#[derive(Clone, PartialEq, Debug)]
pub enum ContextItem {
    /// What the caller says above the conversation: messages of the roles system and developer.
    System {
        content: Vec<Content>,
    },
    User {
        content: Vec<Content>,
    },
    Assistant {
        text: String,
    },
    /// What a provider asked to have back, verbatim. A provider skips what it does not know.
    Reasoning {
        summary: Vec<String>,
        opaque: Value,
    },
    Call {
        call_id: CallId,
        name: String,
        /// The arguments as JSON text, as the model wrote them or as they were understood; of a custom tool's call, its
        /// free text.
        arguments: String,
        custom: bool,
    },
    Output {
        call_id: CallId,
        output: CallOutput,
    },
}

/// A function that the model may call.
#[derive(Clone, PartialEq, Debug)]
pub struct FunctionTool {
    pub name: String,
    pub description: String,
    /// A JSON schema; empty for a custom tool.
    pub parameters: Map<String, Value>,
    pub kind: FunctionKind,
}

/// What a function takes.
#[derive(Clone, PartialEq, Debug)]
pub enum FunctionKind {
    /// A JSON object.
    Function { strict: Option<bool> },
    /// Free text.
    Custom { format: CustomFormat },
}

impl Default for FunctionKind {
    fn default() -> Self {
        Self::Function { strict: None }
    }
}

/// Whether a model must call a function.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// As it sees fit.
    #[default]
    Auto,
    /// It answers text, though functions are there.
    None,
    /// It calls one function at least.
    Required,
    /// It calls the function of this name.
    Function(String),
}

/// How the next token is chosen. What is not said is the provider's to decide.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// From 0, the likeliest token always, to 2, near to chance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
    /// Only the likeliest tokens that together have this share of the whole: more than 0 and at most 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f32>,
    /// The same seed makes the same choices, as far as the provider can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Texts that end the answer. They are not part of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// From -2 to 2: how much a token that was said is avoided; by how often it was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f32>,
}

/// How likely a token was, as a natural logarithm.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TokenLogprob {
    pub token: String,
    pub logprob: f64,
    /// The token's bytes, where a provider says them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Vec<u8>>,
    /// The likeliest at its place, each without alternatives of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top: Vec<TokenLogprob>,
}

/// What a model says, in the order in which it says it. Output items are numbered by their start.
#[derive(Clone, PartialEq, Debug)]
pub enum ModelEvent {
    /// The upstream is alive (any byte counts); nothing was said.
    Alive,
    /// A message begins. Text without it begins one too.
    MessageStarted,
    Text {
        delta: String,
        /// Of the tokens in it, where they were asked for and the provider has them.
        logprobs: Vec<TokenLogprob>,
    },
    /// A reasoning item begins. A summary without it begins one too.
    ReasoningStarted,
    /// `part` counts from 0 within the reasoning item.
    ReasoningSummary { part: u32, delta: String },
    /// What belongs to the reasoning item last begun and must be sent back with later calls.
    ReasoningOpaque { value: Value },
    /// A whole call; arguments are never streamed. Those of a custom tool are its free text.
    Call { call_id: CallId, name: String, arguments: String },
}

impl ModelEvent {
    /// Text of which nothing else is known.
    pub fn text(delta: impl Into<String>) -> Self {
        Self::Text { delta: delta.into(), logprobs: Vec::new() }
    }
}

/// How a call of a model ended well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ModelFinish {
    /// None where the provider did not say.
    pub usage: Option<Usage>,
    pub stop: Stop,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// It had nothing more to say, or called functions.
    End,
    /// Its output limit.
    MaxTokens,
    /// The provider's content filter.
    Filtered,
}

/// Tokens of one or several calls.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Usage {
    pub input_tokens: u64,
    pub cached_tokens: u64,
    pub output_tokens: u64,
    pub reasoning_tokens: u64,
}

impl Usage {
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            cached_tokens: self.cached_tokens.saturating_add(other.cached_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            reasoning_tokens: self.reasoning_tokens.saturating_add(other.reasoning_tokens),
        }
    }
}

/// How a call of a model failed. `message` is safe to show to a client: no key, no internal address.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ModelError {
    pub kind: ModelErrorKind,
    pub message: String,
    /// How long the upstream asked us to stay away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Duration>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelErrorKind {
    /// No connection could be made.
    Connect,
    /// Nothing came within the time for a first byte, or 408.
    Timeout,
    /// Nothing came for too long after the first byte.
    Stalled,
    /// The answer broke off.
    Torn,
    /// 429.
    RateLimited,
    /// 503, 529 or the provider's own word for it; also a full local queue.
    Overloaded,
    /// Any other 5xx, or 409.
    Upstream,
    /// The answer could not be understood.
    Protocol,
    ContextLength,
    /// 401 or 403.
    Authentication,
    /// 404: the upstream does not know the model.
    NotFound,
    /// Any other 4xx.
    Invalid,
    /// The upstream's account has no money.
    Quota,
    /// The upstream refused for safety.
    Policy,
    /// This server has no such model, or a defect.
    Internal,
}

impl ModelErrorKind {
    /// Whether asking again may help.
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::Connect
                | Self::Timeout
                | Self::Stalled
                | Self::Torn
                | Self::RateLimited
                | Self::Overloaded
                | Self::Upstream
                | Self::Protocol
        )
    }

    /// The contract's code for a turn that fails of it.
    pub fn turn_error_code(self) -> &'static str {
        match self {
            Self::Connect => "connection_failed",
            Self::Timeout | Self::Stalled => "request_timeout",
            Self::Torn | Self::Upstream | Self::Protocol => "server_error",
            Self::RateLimited => "rate_limit_exceeded",
            Self::Overloaded => "server_overloaded",
            Self::ContextLength => "context_length_exceeded",
            Self::Authentication => "authentication_error",
            Self::NotFound => "resource_not_found",
            Self::Invalid => "invalid_request",
            Self::Quota => "usage_limit_exceeded",
            Self::Policy => "cyber_policy",
            Self::Internal => "internal_error",
        }
    }
}

impl ModelError {
    pub fn new(kind: ModelErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None }
    }
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ModelError {}
