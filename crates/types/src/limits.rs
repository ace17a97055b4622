//! Bounds and rules, resolved from the configuration: what the pure core and the gate are told of it.

use crate::money::Price;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What the engine and the gate know of the configuration.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Rules {
    pub limits: Limits,
    /// By the name that clients write; `*` answers every other name.
    pub models: BTreeMap<String, ModelRules>,
    /// The entry that is asked about calls where a session lets a model review them; None: the session's own.
    pub reviewer: Option<String>,
}

impl Rules {
    /// The entry that answers `name`.
    pub fn model(&self, name: &str) -> Option<&ModelRules> {
        self.models.get(name).or_else(|| self.models.get("*"))
    }

    /// Whether calls of the entry cost nothing, so that they need no durable intent.
    pub fn is_free(&self, name: &str) -> bool {
        self.model(name).is_none_or(|model| model.price.is_free())
    }
}

/// What is known of a configured model beside how to reach it.
#[derive(Clone, PartialEq, Debug)]
pub struct ModelRules {
    /// Tries before the next entry of `fallback`, at least 1.
    pub attempts: u32,
    /// Names of the entries to ask next, in order.
    pub fallback: Vec<String>,
    pub price: Price,
    /// The context window, if known.
    pub context_tokens: Option<u64>,
    /// The most that one answer may cost in tokens: sent upstream, and reserved.
    pub max_output_tokens: Option<u64>,
}

/// Output tokens of a call whose entry names no bound, where there must be one.
const USUAL_OUTPUT_TOKENS: u64 = 4096;

impl ModelRules {
    /// The output tokens that a priced call is reserved for. Where the session has a spending limit, they are what the
    /// upstream is held to.
    pub fn reserved_output_tokens(&self) -> u64 {
        self.max_output_tokens.unwrap_or(USUAL_OUTPUT_TOKENS)
    }
}

impl Default for ModelRules {
    fn default() -> Self {
        Self {
            attempts: 3,
            fallback: Vec::new(),
            price: Price::default(),
            context_tokens: None,
            max_output_tokens: None,
        }
    }
}

/// Bounds on one session's work and on all of them.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Limits {
    pub model_calls_per_turn: u32,
    pub turn_time: Duration,
    /// Calls of tools that this server performs; more fail.
    pub tool_calls_per_turn: u32,
    /// Of one session; more wait.
    pub tool_calls_at_once: usize,
    /// How long one tool call may take.
    pub tool_call_time: Duration,
    /// How long a call that was given up is still listened to.
    pub tool_late_time: Duration,
    /// How long a person's consent to a call is waited for.
    pub approval_time: Duration,
    /// How long a caller is waited for to answer a function call; None: for ever.
    pub function_call_time: Option<Duration>,
    /// Bytes of a tool's output that are kept; the rest is cut off.
    pub tool_output: usize,
    /// More wait in a queue.
    pub running_sessions_per_project: usize,
    /// Over all projects, served in turn.
    pub running_sessions: usize,
    /// A queue longer than this (per project) refuses new work.
    pub queued_sessions_per_project: usize,
    /// Open streams of events, all projects together.
    pub streams: usize,
    /// Recoveries without a new record before a session fails as poison.
    pub recoveries: u32,
    /// First pause before a failed model call is tried again; doubles each time.
    pub retry_pause: Duration,
    /// The longest such pause, also for an upstream's `Retry-After`.
    pub retry_pause_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            model_calls_per_turn: 200,
            turn_time: Duration::from_secs(8 * 3600),
            tool_calls_per_turn: 1000,
            tool_calls_at_once: 8,
            tool_call_time: Duration::from_secs(600),
            tool_late_time: Duration::from_secs(600),
            approval_time: Duration::from_secs(24 * 3600),
            function_call_time: None,
            tool_output: 1 << 20,
            running_sessions_per_project: 256,
            running_sessions: 1024,
            queued_sessions_per_project: 4096,
            streams: 10_000,
            recoveries: 5,
            retry_pause: Duration::from_millis(500),
            retry_pause_max: Duration::from_secs(60),
        }
    }
}
