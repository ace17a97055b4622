//! A response, whole, and what the smaller routes answer. Every field is there, null where it has no value: clients of
//! the open specification check that.

use super::item::Item;
use super::words::{IncompleteReason, ResponseStatus, ServiceTier, Summary, Truncation};
use crate::agents::{Effort, Verbosity};
use serde::Serialize;
use serde_json::{Map, Value};

#[derive(Serialize, Clone, Debug)]
#[serde(tag = "object", rename = "response")]
pub struct Response<'a> {
    pub id: &'a str,
    /// Seconds since the Unix epoch, as all times here.
    pub created_at: u64,
    pub status: ResponseStatus,
    pub background: bool,
    pub completed_at: Option<u64>,
    pub conversation: Option<Conversation<'a>>,
    pub error: Option<ResponseError<'a>>,
    pub incomplete_details: Option<Incomplete>,
    pub instructions: Option<&'a str>,
    pub max_output_tokens: Option<u64>,
    pub max_tool_calls: Option<u64>,
    pub model: &'a str,
    pub output: Vec<Item<'a>>,
    pub parallel_tool_calls: bool,
    /// These two are never anything but 0: the API does not let a client say them.
    pub presence_penalty: f32,
    pub frequency_penalty: f32,
    pub previous_response_id: Option<&'a str>,
    pub prompt_cache_key: Option<&'a str>,
    pub prompt_cache_retention: Option<&'a str>,
    pub reasoning: Reasoning,
    pub safety_identifier: Option<&'a str>,
    pub service_tier: ServiceTier,
    pub store: bool,
    pub temperature: f32,
    pub text: Text<'a>,
    /// A word or an object, as the client said it.
    pub tool_choice: Value,
    pub tools: Vec<Tool<'a>>,
    pub top_logprobs: u64,
    pub top_p: f32,
    pub truncation: Truncation,
    /// Null until it has ended, and where it ended unmeasured.
    pub usage: Option<Usage>,
    pub user: Option<&'a str>,
    /// An object of texts.
    pub metadata: &'a Value,
}

#[derive(Serialize, Clone, Copy, Debug)]
pub struct Conversation<'a> {
    pub id: &'a str,
}

#[derive(Serialize, Clone, Copy, Debug)]
pub struct ResponseError<'a> {
    pub code: &'a str,
    pub message: &'a str,
}

#[derive(Serialize, Clone, Copy, Debug)]
pub struct Incomplete {
    pub reason: IncompleteReason,
}

/// Both null where the model follows its own default.
#[derive(Serialize, Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Reasoning {
    pub effort: Option<Effort>,
    pub summary: Option<Summary>,
}

#[derive(Serialize, Clone, Debug)]
pub struct Text<'a> {
    pub format: Format<'a>,
    pub verbosity: Verbosity,
}

#[derive(Serialize, Clone, Debug)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Format<'a> {
    Text,
    JsonObject,
    JsonSchema { name: &'a str, description: Option<&'a str>, schema: &'a Map<String, Value>, strict: Option<bool> },
}

#[derive(Serialize, Clone, Debug)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Tool<'a> {
    Function {
        name: &'a str,
        description: Option<&'a str>,
        parameters: Option<&'a Map<String, Value>>,
        strict: Option<bool>,
    },
    Custom {
        name: &'a str,
        description: Option<&'a str>,
        format: Value,
    },
}

#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage {
    input_tokens: u64,
    input_tokens_details: InputDetails,
    output_tokens: u64,
    output_tokens_details: OutputDetails,
    total_tokens: u64,
}

#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
struct InputDetails {
    cached_tokens: u64,
    /// Providers do not tell it apart: always 0.
    cache_write_tokens: u64,
}

#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
struct OutputDetails {
    reasoning_tokens: u64,
}

impl Usage {
    pub fn new(input: u64, cached: u64, output: u64, reasoning: u64) -> Self {
        Self {
            input_tokens: input,
            input_tokens_details: InputDetails { cached_tokens: cached, cache_write_tokens: 0 },
            output_tokens: output,
            output_tokens_details: OutputDetails { reasoning_tokens: reasoning },
            total_tokens: input.saturating_add(output),
        }
    }
}

/// What a deletion answers.
#[derive(Serialize, Clone, Copy, Debug)]
#[serde(tag = "object", rename = "response")]
pub struct Deleted<'a> {
    pub id: &'a str,
    pub deleted: bool,
}

/// One page of items. The ids of an empty one are empty, for clients hold them to be text.
#[derive(Serialize, Clone, Debug)]
#[serde(tag = "object", rename = "list")]
pub struct Items<'a> {
    pub data: Vec<Item<'a>>,
    pub first_id: &'a str,
    pub has_more: bool,
    pub last_id: &'a str,
}

#[derive(Serialize, Clone, Copy, Debug)]
#[serde(tag = "object", rename = "response.input_tokens")]
pub struct InputTokens {
    pub input_tokens: u64,
}

/// A conversation made short.
#[derive(Serialize, Clone, Debug)]
#[serde(tag = "object", rename = "response.compaction")]
pub struct Compaction<'a> {
    pub id: &'a str,
    pub created_at: u64,
    pub output: Vec<Item<'a>>,
    pub usage: Usage,
}
