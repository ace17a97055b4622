//! What a request says of one turn only. What it says of the model, the instructions and the tools is the session's.

use crate::id::Seq;
use crate::model::{Sampling, ToolChoice};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How one turn is to be answered. Turns without it are those of the Agents API.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct TurnRequest {
    /// The model's function calls end the turn and stay open over its end: the next request answers them.
    pub hands_over: bool,
    pub tool_choice: ToolChoice,
    /// Only these tools are shown to the model; None for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_tools: Option<Vec<String>>,
    pub parallel_tool_calls: bool,
    pub sampling: Sampling,
    /// At most this many tokens in all answers of the turn together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_logprobs: Option<u8>,
    /// The oldest exchanges are left out of a model call that would be too long.
    pub truncate: bool,
    pub background: bool,
    /// No model is asked: the turn ends as it begins, to be continued.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub silent: bool,
    /// The response that this one continues, as the client named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<String>,
    /// SHA-256 of the request's body, hex, where it came under an Idempotency-Key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_hash: Option<String>,
    /// The record of the settings that the turn has; the engine writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings_at: Option<Seq>,
    /// What the door gives back to the letter and nobody else looks at.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub echo: Map<String, Value>,
}

impl Default for TurnRequest {
    fn default() -> Self {
        Self {
            hands_over: false,
            tool_choice: ToolChoice::Auto,
            allowed_tools: None,
            parallel_tool_calls: true,
            sampling: Sampling::default(),
            max_output_tokens: None,
            top_logprobs: None,
            truncate: false,
            background: false,
            silent: false,
            previous: None,
            body_hash: None,
            settings_at: None,
            echo: Map::new(),
        }
    }
}
