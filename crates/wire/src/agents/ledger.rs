//! The ledger of a session: ours, beyond the Agents API. Words are only ever added.

use super::turn::TokenUsage;
use serde::Serialize;

/// One effect. Times are seconds; money is US cents, as in `spend_control`, with fractions.
#[derive(Serialize, Clone, Debug)]
#[serde(tag = "object", rename = "agent.session.effect")]
pub struct Effect<'a> {
    pub id: String,
    pub session_id: &'a str,
    /// `model_call`, `function_call`, `tool_call`, `restore`.
    pub kind: &'static str,
    /// `pure`, `repeatable`, `idempotent`, `keyed`, `attachable`, `external`, `irreversible`.
    pub class: &'static str,
    /// `intended`, `dispatched`, `waiting`, `committed`, `failed`, `unknown`, `reconciled`.
    pub state: &'static str,
    pub turn_id: Option<&'a str>,
    pub item_id: Option<&'a str>,
    pub call_id: Option<&'a str>,
    /// The function, the tool, or the model that was asked last.
    pub name: Option<&'a str>,
    pub intended_at: Option<u64>,
    pub ended_at: Option<u64>,
    pub error: Option<EffectError<'a>>,
    /// It was open when the session was put back to a backup: it may have ended otherwise.
    pub diverged: bool,
    /// Empty for what the caller performs.
    pub attempts: Vec<Attempt<'a>>,
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
