//! What a conversation is answered: Converse's whole answer, and Nova's to InvokeModel, which differ in what stands beside
//! the message.

use super::converse::{Latency, Tier};
use crate::Verbatim;
use crate::words::words;
use serde::Serialize;

words! {
    StopReason {
        EndTurn => "end_turn", ToolUse => "tool_use", MaxTokens => "max_tokens", ContentFiltered => "content_filtered",
    }
}

/// The answer to `Converse`.
#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Answer<'a> {
    pub output: Output<'a>,
    pub stop_reason: StopReason,
    pub usage: Usage,
    pub metrics: Metrics,
    #[serde(flatten)]
    pub manner: Told,
}

/// Nova's answer to `InvokeModel`.
#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct NovaAnswer<'a> {
    pub output: Output<'a>,
    pub stop_reason: StopReason,
    pub usage: Usage,
}

/// `{"message": {"role": "assistant", "content": […]}}`.
#[derive(Serialize, Clone, Debug)]
pub struct Output<'a> {
    message: Message<'a>,
}

#[derive(Serialize, Clone, Debug)]
struct Message<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

impl<'a> Output<'a> {
    pub fn new(content: Vec<Block<'a>>) -> Self {
        Self { message: Message { role: "assistant", content } }
    }
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub enum Block<'a> {
    Text(&'a str),
    ReasoningContent(Reasoning<'a>),
    ToolUse(ToolUse<'a>),
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Reasoning<'a> {
    pub reasoning_text: ReasoningText<'a>,
}

#[derive(Serialize, Clone, Debug)]
pub struct ReasoningText<'a> {
    pub text: &'a str,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct ToolUse<'a> {
    pub tool_use_id: &'a str,
    pub name: &'a str,
    /// A JSON object, as the model wrote it.
    pub input: Verbatim<'a>,
}

/// Tokens. What came out of a cache is counted apart from the rest of the input; what was written to one is not known.
#[derive(Serialize, Clone, Copy, Default, PartialEq, Eq, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    input_tokens: u64,
    output_tokens: u64,
    total_tokens: u64,
    cache_read_input_tokens: u64,
}

impl Usage {
    /// `cached` is part of `input`.
    pub fn new(input: u64, cached: u64, output: u64) -> Self {
        Self {
            input_tokens: input.saturating_sub(cached),
            output_tokens: output,
            total_tokens: input.saturating_add(output),
            cache_read_input_tokens: cached,
        }
    }

    pub fn input_tokens(&self) -> u64 {
        self.input_tokens
    }

    pub fn output_tokens(&self) -> u64 {
        self.output_tokens
    }
}

#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// Milliseconds from the request to its end.
    pub latency_ms: u64,
}

/// What the request said of how it is served, said back.
#[derive(Serialize, Clone, Copy, Default, PartialEq, Eq, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    #[serde(skip_serializing_if = "Option::is_none")]
    performance_config: Option<Performance>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<ServiceTier>,
}

#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
struct Performance {
    latency: Latency,
}

#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
struct ServiceTier {
    r#type: Tier,
}

impl Told {
    pub fn new(latency: Option<Latency>, tier: Option<Tier>) -> Self {
        Self {
            performance_config: latency.map(|latency| Performance { latency }),
            service_tier: tier.map(|r#type| ServiceTier { r#type }),
        }
    }
}

/// The answer to `CountTokens`.
#[derive(Serialize, Clone, Copy, Debug)]
#[serde(rename_all = "camelCase")]
pub struct TokenCount {
    pub input_tokens: u64,
}
