//! Effects: what the engine asks of the world. An effect is
//! `intended -> permitted -> dispatched -> committed | failed | unknown`; its class alone says what recovery may do.

use crate::approval::Consent;
use crate::id::{EffectId, SessionId, TurnId};
use crate::money::MicroUsd;
use crate::stamp::Timestamp;
use serde::{Deserialize, Serialize};

/// What a crash between dispatch and outcome means for an effect.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Run it again.
    Pure,
    /// Run it again as a new attempt; it costs money, and the old one is abandoned.
    Repeatable,
    /// Run it again.
    Idempotent,
    /// Run it again with the same key.
    Keyed,
    /// Attach to what is still running.
    Attachable,
    /// Keep waiting: the caller answers, keyed by call id.
    External,
    /// Never run again: `unknown`.
    #[default]
    Irreversible,
}

/// The number of a try, counted from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attempt(pub u32);

impl Attempt {
    /// The one after it; the last that can be counted stays the last.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// What comes next. The engine's `pending` derives these from State alone, so that they are the same after a crash.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// Ask `model`, not before the given time. Class: repeatable.
    ModelCall { id: EffectId, attempt: Attempt, turn: TurnId, model: String, not_before: Option<Timestamp> },
    /// Perform a call of an offered tool; the call itself is in State. `attach` says that the attempt was begun before
    /// a crash.
    ToolCall {
        id: EffectId,
        attempt: Attempt,
        turn: TurnId,
        class: Class,
        /// Its place among the turn's tool calls, counted from 1.
        nth: u32,
        attach: bool,
        consent: Consent,
    },
    /// Ask `model` whether the call `of` may be made, not before the given time. Class: repeatable.
    Review {
        id: EffectId,
        attempt: Attempt,
        turn: TurnId,
        model: String,
        not_before: Option<Timestamp>,
        of: EffectId,
        /// Of what the model is shown, an estimate.
        tokens: u64,
    },
    /// End the turn when the time has come. Class: pure.
    TurnDeadline { turn: TurnId, at: Timestamp },
}

/// The gate's answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// Go on, if every reservation holds.
    Permit { reserve: Vec<Reservation> },
    /// Not at all: a model call's turn ends with this error; a tool call fails with it, and the model is told.
    Deny { code: String, message: String },
    /// Not before somebody has agreed to it.
    Ask,
}

/// Money that must be free before an effect starts. Whether it is, is the store's answer, in the transaction of the
/// intent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reservation {
    /// `session:<id>`, later also `key:<id>` and `project:<id>`.
    pub account: String,
    pub amount: MicroUsd,
}

/// How a turn ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "how")]
pub enum Ending {
    Completed,
    /// `code` is one of the contract's turn error codes.
    Failed {
        code: String,
        message: String,
    },
    Cancelled,
}

/// What the gate is told of the session that asks for an effect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    pub session: SessionId,
    /// Model calls that the turn has had.
    pub model_calls: u32,
    /// Tokens of the context that the model would be shown, an estimate.
    pub context_tokens: u64,
}
