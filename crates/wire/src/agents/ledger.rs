//! The ledger of a session: ours, beyond the Agents API. Words are only ever added.

use super::turn::TokenUsage;
use serde::Serialize;

/// One effect. Times are seconds; money is US cents, as in `spend_control`, with fractions.
#[derive(Serialize, Clone, Debug)]
#[serde(tag = "object", rename = "agent.session.effect")]
pub struct Effect<'a> {
    pub id: String,
    pub session_id: &'a str,
    /// `model_call`, `function_call`, `tool_call`, `review`, `restore`.
    pub kind: &'static str,
    /// `pure`, `repeatable`, `idempotent`, `keyed`, `attachable`, `external`, `irreversible`.
    pub class: &'static str,
    /// `intended`, `dispatched`, `waiting`, `committed`, `failed`, `unknown`, `reconciled`.
    pub state: &'static str,
    pub turn_id: Option<&'a str>,
    pub item_id: Option<&'a str>,
    pub call_id: Option<&'a str>,
    /// The effect that is the program which made the call.
    pub parent_id: Option<String>,
    /// The function, the tool, or the model that was asked last.
    pub name: Option<&'a str>,
    pub intended_at: Option<u64>,
    pub ended_at: Option<u64>,
    pub error: Option<EffectError<'a>>,
    /// It was open when the session was put back to a backup: it may have ended otherwise.
    pub diverged: bool,
    /// Where the gate's verdict was to ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval<'a>>,
    /// Where an operator said what became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled<'a>>,
    /// Empty for what the caller performs.
    pub attempts: Vec<Attempt<'a>>,
}

/// The request for consent to a call.
#[derive(Serialize, Clone, Debug)]
pub struct Approval<'a> {
    /// `ask`.
    pub verdict: &'static str,
    pub request_id: &'a str,
    /// SHA-256 of what is agreed to, hex.
    pub digest: &'a str,
    /// `person` or `model`.
    pub asked_of: &'static str,
    pub asked_at: u64,
    pub expires_at: u64,
    /// The tool's description was not the one that the session relied on before.
    pub tool_changed: bool,
    /// The effect that is the model's review.
    pub review_id: Option<String>,
    /// Null while it is open, or where its call ended first.
    pub answer: Option<ApprovalAnswer<'a>>,
}

#[derive(Serialize, Clone, Copy, Debug)]
pub struct ApprovalAnswer<'a> {
    /// `approve`, `deny`, `cancel`.
    pub decision: &'static str,
    /// `person`, `model`, `expiry`, `server`.
    pub by: &'static str,
    pub at: u64,
    pub reason: Option<&'a str>,
}

/// An operator's word.
#[derive(Serialize, Clone, Copy, Debug)]
pub struct Settled<'a> {
    /// `committed` or `failed`.
    pub outcome: &'static str,
    /// The beginning of it, where it is long.
    pub said: &'a str,
    pub by: Option<&'a str>,
    pub at: u64,
}

#[derive(Serialize, Clone, Copy, Debug)]
pub struct EffectError<'a> {
    pub code: &'a str,
    pub message: &'a str,
}

/// One try of an effect.
#[derive(Serialize, Clone, Debug)]
pub struct Attempt<'a> {
    pub number: u32,
    pub model: Option<&'a str>,
    /// `intended`, `dispatched`, `denied`, `committed`, `abandoned`.
    pub state: &'static str,
    /// `permit` or `deny`; null where no record says so.
    pub verdict: Option<&'static str>,
    pub at: Option<u64>,
    pub ended_at: Option<u64>,
    pub error: Option<EffectError<'a>>,
    pub usage: Option<TokenUsage>,
    /// US cents; where `usage` is null, an estimate: what was reserved.
    pub charged: f64,
}
