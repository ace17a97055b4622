//! Records: what the log holds. They live for ever: a kind's name and the meaning of its fields never change, fields
//! are only added with defaults, and an old version is lifted when it is decoded. A kind or version that this binary
//! does not know makes the session readable, not runnable; it is never skipped.
//!
//! Decisions are in records (which model is asked next, when, what it cost), so that a newer engine cannot decide the
//! past anew.

use crate::approval::{ApprovalAnswered, ApprovalAsked};
use crate::effect::{Attempt, Class, Ending, Verdict};
use crate::environment::{EnvironmentError, EnvironmentStatus};
use crate::id::{EffectId, Epoch, ItemId, Seq, SessionId, TurnId};
use crate::item::Item;
use crate::model::{ModelError, Stop, Usage};
use crate::money::MicroUsd;
use crate::session::{PromptCacheTtl, SessionSettings, SessionStatus};
use crate::stamp::Timestamp;
use crate::tool::{Offer, ToolOutcome};
use crate::turn_request::TurnRequest;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// One entry of a session's log; its place in the log is the store's.
#[derive(Clone, PartialEq, Debug)]
pub struct Record {
    pub at: Timestamp,
    pub body: RecordBody,
}

#[derive(Clone, PartialEq, Debug)]
pub enum RecordBody {
    /// `started` says whether a first turn came with it: the session is then shown as running from its first event on.
    SessionCreated {
        session: SessionId,
        settings: Arc<SessionSettings>,
        started: bool,
    },
    /// The settings after the change, whole.
    SessionUpdated {
        settings: Arc<SessionSettings>,
    },
    /// The session cannot go on.
    SessionFailed {
        code: String,
        message: String,
    },
    /// `prompt_cache` is the session's setting at that moment.
    TurnCreated {
        turn: TurnId,
        prompt_cache: Option<PromptCacheTtl>,
        /// How it is to be answered, where its door says that.
        request: Option<Arc<TurnRequest>>,
    },
    TurnHeld(TurnHeld),
    TurnStarted {
        turn: TurnId,
    },
    TurnEnded(TurnEnded),
    Item(Arc<Item>),
    Intended(Intended),
    Abandoned(Abandoned),
    Committed(Committed),
    /// What the session's model may call from here on, beside its functions, and what it is told of that.
    ToolsOffered(Arc<Offer>),
    ApprovalAsked(ApprovalAsked),
    ApprovalAnswered(ApprovalAnswered),
    ProgramPaused(ProgramPaused),
    Late(Late),
    /// A node took over unfinished work. What an attempt in flight was charged is in the `Abandoned` beside it.
    Recovered {
        epoch: Epoch,
    },
    Restored(Restored),
    ClockSet(ClockSet),
    Forked(Forked),
    TurnRemoved {
        turn: TurnId,
    },
    ItemRemoved(ItemRemoved),
    EnvironmentChanged(EnvironmentChanged),
}

/// An effect was let through the gate and is about to touch the world.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Intended {
    pub effect: EffectId,
    pub attempt: Attempt,
    pub turn: TurnId,
    pub class: Class,
    /// The model that is asked; empty for a tool call.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub model: String,
    /// The last record that the model is shown; of a tool call, the last one before it.
    pub context: Seq,
    pub verdict: Verdict,
}

/// An attempt ended without an outcome that counts.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Abandoned {
    pub effect: EffectId,
    pub attempt: Attempt,
    pub turn: TurnId,
    /// None where it was cancelled or its node died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ModelError>,
    /// What it is charged: its reservation, an estimate.
    pub charged: MicroUsd,
    /// Whether it had begun to speak: then the turn's usage is not known.
    pub unmeasured: bool,
    /// The next attempt; None where the turn ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Next>,
}

/// The attempt that follows an abandoned one.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Next {
    /// Its number, where that is not the one after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<Attempt>,
    /// Empty for a tool call.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub model: String,
    /// Tries that this model, or this tool call, has had before it.
    pub tried: u32,
    pub not_before: Timestamp,
}

impl Abandoned {
    /// The number of the attempt that follows, if one does.
    pub fn next_attempt(&self) -> Attempt {
        self.next.as_ref().and_then(|next| next.attempt).unwrap_or_else(|| self.attempt.next())
    }
}

/// A model call ended well; its items are the records before this one.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Committed {
    pub effect: EffectId,
    pub attempt: Attempt,
    pub turn: TurnId,
    pub stop: Stop,
    pub usage: Option<Usage>,
    pub charged: MicroUsd,
    /// It has nothing more to say before calls that it did not wait for have results.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rests: bool,
}

/// A program called tools, and goes on when it has their results. Its calls are the items before this record.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ProgramPaused {
    pub effect: EffectId,
    /// The attempt that came so far.
    pub attempt: Attempt,
    pub turn: TurnId,
    pub snapshot: Arc<str>,
    /// What it has printed since the pause before.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub printed: String,
    /// In the order in which it made them.
    pub calls: Vec<PausedCall>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct PausedCall {
    /// The program's own number of it.
    pub number: u32,
    #[serde(flatten)]
    pub became: Became,
}

/// What a program's call became.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Became {
    Effect(EffectId),
    /// Why it never became one: raised in the program.
    Refused(String),
}

/// What a tool said after its call was given up. It is known from here on, and changes nothing.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Late {
    pub effect: EffectId,
    pub attempt: Attempt,
    pub turn: TurnId,
    pub outcome: ToolOutcome,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TurnEnded {
    pub turn: TurnId,
    pub ending: Ending,
    /// What the session is after it: `idle` or `budget_reached`.
    pub session: SessionStatus,
    /// Records whose items no later model call is shown, first and last: the context was too long.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forget: Vec<(Seq, Seq)>,
}

/// The log was put back to where a backup had it; what the session did after that is lost, and nobody knows what it was.
/// The record's seq lies so far behind the one before it that no position of the lost part is ever used again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Restored {
    /// Every node from before has a smaller one.
    pub epoch: Epoch,
    /// When the backup was made.
    pub backup: Timestamp,
    /// Its number among the session's effects: later ones are greater, and those of the lost part were smaller.
    pub effect: EffectId,
    /// The turn that had not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<TurnId>,
}

/// Wall time was set while this server worked on the turn. The time that nobody worked is not the turn's.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClockSet {
    pub turn: TurnId,
    /// Since when it has been worked on without a pause, as the clock tells time now.
    pub working_since: Timestamp,
}

/// The first record of a session that goes on where another one stood.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Forked {
    pub session: SessionId,
    pub parent: SessionId,
    /// The last record that is shared.
    pub at: Seq,
    pub settings: Arc<SessionSettings>,
    /// Whether calls that were open there may be answered here.
    #[serde(default)]
    pub keeps_calls: bool,
}

/// An item that no list and no context shows any more.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ItemRemoved {
    pub item: ItemId,
    /// Its record.
    pub seq: Seq,
}

/// What became of the session's environment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EnvironmentChanged {
    pub status: EnvironmentStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<EnvironmentError>,
    /// The number of the reset that brought this about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<u64>,
}

/// The turn begins when the session's environment is there, which must be so before long. A second one of a turn only
/// says until when, as the clock tells time then.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TurnHeld {
    pub turn: TurnId,
    pub until: Timestamp,
    /// Whether it is the session's initial input: without it there is no session.
    #[serde(default)]
    pub initial: bool,
}

/// A record as the store keeps it: columns and a JSON body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Encoded {
    pub at: Timestamp,
    pub v: u32,
    pub kind: String,
    pub turn: Option<TurnId>,
    /// Only of items that lists show.
    pub item: Option<crate::id::ItemId>,
    pub body: Vec<u8>,
}

/// The kind of [`Restored`]: the only one before which numbers may be left out.
pub const RESTORED: &str = "restored";

/// The newest version of every kind that this binary writes.
const VERSION: u32 = 1;

impl Record {
    pub fn encode(&self) -> Encoded {
        use RecordBody as B;
        let (kind, turn, item, body) = match &self.body {
            B::SessionCreated { session, settings, started } => {
                let body = Created { session: session.clone(), settings: settings.clone(), started: *started };
                ("session_created", None, None, json(&body))
            }
            B::SessionUpdated { settings } => {
                ("session_updated", None, None, json(&Updated { settings: settings.clone() }))
            }
            B::SessionFailed { code, message } => {
                ("session_failed", None, None, json(&Failed { code: code.clone(), message: message.clone() }))
            }
            B::TurnCreated { turn, prompt_cache, request } => {
                let body = NewTurn { turn: turn.clone(), prompt_cache: *prompt_cache, request: request.clone() };
                ("turn_created", Some(turn), None, json(&body))
            }
            B::TurnHeld(held) => ("turn_held", Some(&held.turn), None, json(held)),
            B::TurnStarted { turn } => ("turn_started", Some(turn), None, json(&Turn { turn: turn.clone() })),
            B::TurnEnded(ended) => ("turn_ended", Some(&ended.turn), None, json(ended)),
            B::Item(item) => {
                (item.body.kind(), Some(&item.turn), item.is_listed().then(|| item.id.clone()), json(&**item))
            }
            B::Intended(intended) => ("intended", Some(&intended.turn), None, json(intended)),
            B::Abandoned(abandoned) => ("abandoned", Some(&abandoned.turn), None, json(abandoned)),
            B::Committed(committed) => ("committed", Some(&committed.turn), None, json(committed)),
            B::ToolsOffered(offer) => ("tools_offered", None, None, json(offer)),
            B::ApprovalAsked(asked) => ("approval_asked", Some(&asked.turn), None, json(asked)),
            B::ApprovalAnswered(answered) => ("approval_answered", Some(&answered.turn), None, json(answered)),
            B::ProgramPaused(paused) => ("program_paused", Some(&paused.turn), None, json(paused)),
            B::Late(late) => ("late", Some(&late.turn), None, json(late)),
            B::Restored(restored) => (RESTORED, restored.turn.as_ref(), None, json(restored)),
            B::ClockSet(set) => ("clock_set", Some(&set.turn), None, json(set)),
            B::Forked(forked) => ("forked", None, None, json(forked)),
            B::TurnRemoved { turn } => ("turn_removed", Some(turn), None, json(&Turn { turn: turn.clone() })),
            B::ItemRemoved(removed) => ("item_removed", None, None, json(removed)),
            B::EnvironmentChanged(changed) => ("environment_changed", None, None, json(changed)),
            B::Recovered { epoch } => ("recovered", None, None, json(&Recovered { epoch: *epoch })),
        };
        Encoded { at: self.at, v: VERSION, kind: kind.to_owned(), turn: turn.cloned(), item, body }
    }

    pub fn decode(encoded: &Encoded) -> Result<Self, DecodeError> {
        use RecordBody as B;
        if encoded.v > VERSION {
            return Err(DecodeError(format!(
                "record kind {} has version {}, written by a newer outcrop; this one knows {VERSION}",
                encoded.kind, encoded.v
            )));
        }
        let bytes = encoded.body.as_slice();
        let body = match encoded.kind.as_str() {
            "session_created" => {
                let Created { session, settings, started } = parse(&encoded.kind, bytes)?;
                B::SessionCreated { session, settings, started }
            }
            "session_updated" => B::SessionUpdated { settings: parse::<Updated>(&encoded.kind, bytes)?.settings },
            "session_failed" => {
                let Failed { code, message } = parse(&encoded.kind, bytes)?;
                B::SessionFailed { code, message }
            }
            "turn_created" => {
                let NewTurn { turn, prompt_cache, request } = parse(&encoded.kind, bytes)?;
                B::TurnCreated { turn, prompt_cache, request }
            }
            "turn_held" => B::TurnHeld(parse(&encoded.kind, bytes)?),
            "turn_started" => B::TurnStarted { turn: parse::<Turn>(&encoded.kind, bytes)?.turn },
            "turn_ended" => B::TurnEnded(parse(&encoded.kind, bytes)?),
            "user_message"
            | "assistant_message"
            | "reasoning"
            | "function_call"
            | "function_call_output"
            | "malformed_call"
            | "closed_call"
            | "tool_call"
            | "tool_outcome"
            | "settled"
            | "compaction" => B::Item(parse(&encoded.kind, bytes)?),
            "intended" => B::Intended(parse(&encoded.kind, bytes)?),
            "abandoned" => B::Abandoned(parse(&encoded.kind, bytes)?),
            "committed" => B::Committed(parse(&encoded.kind, bytes)?),
            "tools_offered" => B::ToolsOffered(parse(&encoded.kind, bytes)?),
            "approval_asked" => B::ApprovalAsked(parse(&encoded.kind, bytes)?),
            "approval_answered" => B::ApprovalAnswered(parse(&encoded.kind, bytes)?),
            "program_paused" => B::ProgramPaused(parse(&encoded.kind, bytes)?),
            "late" => B::Late(parse(&encoded.kind, bytes)?),
            RESTORED => B::Restored(parse(&encoded.kind, bytes)?),
            "clock_set" => B::ClockSet(parse(&encoded.kind, bytes)?),
            "forked" => B::Forked(parse(&encoded.kind, bytes)?),
            "turn_removed" => B::TurnRemoved { turn: parse::<Turn>(&encoded.kind, bytes)?.turn },
            "item_removed" => B::ItemRemoved(parse(&encoded.kind, bytes)?),
            "environment_changed" => B::EnvironmentChanged(parse(&encoded.kind, bytes)?),
            "recovered" => B::Recovered { epoch: parse::<Recovered>(&encoded.kind, bytes)?.epoch },
            other => {
                return Err(DecodeError(format!("unknown record kind {other:?}, written by a newer outcrop")));
            }
        };
        Ok(Self { at: encoded.at, body })
    }
}

/// A record that this binary cannot read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DecodeError(String);

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DecodeError {}

#[derive(Serialize, Deserialize)]
struct Created {
    session: SessionId,
    settings: Arc<SessionSettings>,
    started: bool,
}

#[derive(Serialize, Deserialize)]
struct Updated {
    settings: Arc<SessionSettings>,
}

#[derive(Serialize, Deserialize)]
struct Failed {
    code: String,
    message: String,
}

#[derive(Serialize, Deserialize)]
struct NewTurn {
    turn: TurnId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prompt_cache: Option<PromptCacheTtl>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request: Option<Arc<TurnRequest>>,
}

#[derive(Serialize, Deserialize)]
struct Turn {
    turn: TurnId,
}

#[derive(Serialize, Deserialize)]
struct Recovered {
    epoch: Epoch,
}

/// Our own types have string keys and finite numbers only, so this cannot fail; a defect shows as an unreadable
/// record, which the next read reports, and not as a panic in the writer.
fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

fn parse<'a, T: Deserialize<'a>>(kind: &str, bytes: &'a [u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(bytes).map_err(|error| DecodeError(format!("record of kind {kind} is damaged: {error}")))
}
