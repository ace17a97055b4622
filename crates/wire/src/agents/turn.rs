//! A turn, and what it used.

use super::session::PromptCacheOptions;
use super::words::TurnStatus;
use serde::Serialize;

#[derive(Serialize, Clone, Debug)]
#[serde(tag = "object", rename = "agent.session.turn")]
pub struct Turn<'a> {
    pub id: &'a str,
    pub session_id: &'a str,
    pub agent_id: &'a str,
    /// Null for root turns.
    pub subagent_id: Option<&'a str>,
    pub status: TurnStatus,
    pub error: Option<TurnError<'a>>,
    pub usage: Option<TokenUsage>,
    pub prompt_cache_options: Option<PromptCacheOptions>,
    pub created_at: u64,
    pub started_at: Option<u64>,
    pub completed_at: Option<u64>,
}

/// `code` is one of [`super::TURN_ERROR_CODES`].
#[derive(Serialize, Clone, Copy, Debug)]
pub struct TurnError<'a> {
    pub code: &'a str,
    pub message: &'a str,
}

#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct TokenUsage {
    pub input_tokens: u64,
    pub input_tokens_details: InputTokensDetails,
    pub output_tokens: u64,
    pub output_tokens_details: OutputTokensDetails,
    pub total_tokens: u64,
}

#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct InputTokensDetails {
    pub cached_tokens: u64,
}

#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutputTokensDetails {
    pub reasoning_tokens: u64,
}

impl TokenUsage {
    pub fn new(input: u64, cached: u64, output: u64, reasoning: u64) -> Self {
        Self {
            input_tokens: input,
            input_tokens_details: InputTokensDetails { cached_tokens: cached },
            output_tokens: output,
            output_tokens_details: OutputTokensDetails { reasoning_tokens: reasoning },
            total_tokens: input.saturating_add(output),
        }
    }
}
