//! Inputs: everything that may change a session. Clients send some, the runtime reports others; the engine admits each
//! as records or refuses it, and a refused input leaves no trace.

use crate::agent::{AgentSettings, Effort, ServiceTier, Tool};
use crate::answer::Answer;
use crate::approval::{Decision, Settlement};
use crate::content::{CallOutput, Content, Message};
use crate::effect::{Attempt, Verdict};
use crate::environment::{EnvironmentChange, EnvironmentSettings};
use crate::id::{AgentId, CallId, EffectId, Epoch, ItemId, RequestId, Seq, SessionId, TurnId};
use crate::item::{Opaque, Phase, Role};
use crate::model::{ModelError, ModelFinish};
use crate::money::MicroUsd;
use crate::session::{AwsSession, Metadata, PromptCacheTtl, Review, SessionSettings, TurnError};
use crate::stamp::Timestamp;
use crate::tool::{Offer, ToolOutcome};
use crate::turn_request::TurnRequest;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a client asks for when it creates a session. The agent is resolved already.
#[derive(Clone, PartialEq, Debug)]
pub struct NewSession {
    /// The id that was drawn for it (`Handle::new_session_id`), where something beside it was made under that id before.
    /// None: it gets one.
    pub id: Option<SessionId>,
    /// None for a session-local agent: it gets an id of its own.
    pub agent_id: Option<AgentId>,
    pub agent_name: Option<String>,
    pub agent: AgentSettings,
    /// Whatever id it has, a self-hosted environment gets one of its own. A hosted one keeps the id under which it was
    /// claimed for this session.
    pub environment: EnvironmentSettings,
    pub vault_ids: Vec<String>,
    pub prompt_cache: Option<PromptCacheTtl>,
    pub review: Review,
    pub spend_limit: Option<MicroUsd>,
    pub metadata: Metadata,
    pub aws: Option<Box<AwsSession>>,
    pub input: Vec<Message>,
}

/// What a client changes of a session; None leaves a setting as it is.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct SessionChange {
    pub model: Option<String>,
    pub effort: Option<Option<Effort>>,
    pub service_tier: Option<ServiceTier>,
    pub tools: Option<Vec<Tool>>,
    pub metadata: Option<Metadata>,
    pub prompt_cache: Option<Option<PromptCacheTtl>>,
    pub review: Option<Review>,
    pub spend_limit: Option<Option<MicroUsd>>,
}

/// An item that a client brings into a turn.
#[derive(Clone, PartialEq, Debug)]
pub struct InputItem {
    /// The client's own id of it: kept where it looks like one of ours and is new in the session.
    pub id: Option<String>,
    pub body: InputBody,
}

#[derive(Clone, PartialEq, Debug)]
pub enum InputBody {
    Message {
        role: Role,
        content: Vec<Content>,
    },
    /// What a model said elsewhere.
    Assistant {
        text: String,
        phase: Option<Phase>,
    },
    /// What a model called elsewhere. It is never performed here.
    Call {
        call_id: CallId,
        name: String,
        arguments: String,
        custom: bool,
    },
    /// The result of a call: one that the session has open, or one that came before it in the same input.
    Output {
        call_id: CallId,
        output: CallOutput,
    },
    Reasoning {
        summary: Vec<String>,
        opaque: Option<Opaque>,
    },
    Compaction {
        text: String,
    },
}

impl From<InputBody> for InputItem {
    fn from(body: InputBody) -> Self {
        Self { id: None, body }
    }
}

/// One input of the engine.
#[derive(Clone, PartialEq, Debug)]
pub enum Input {
    /// The first of every session.
    Create {
        session: SessionId,
        settings: Box<SessionSettings>,
        input: Vec<Message>,
    },
    Update(SessionChange),
    /// Starts a turn that is answered as `request` says, after the session's agent was made this one. Refused while a turn
    /// runs (`Locked`), where `items` and the session's open calls do not fit (`Invalid`, at `input`), and where another
    /// turn came after the one that it `follows` (`Conflict`).
    Respond {
        agent: Box<AgentSettings>,
        request: Arc<TurnRequest>,
        items: Vec<InputItem>,
        /// The `turn_created` of the turn that must be the last one; None for whichever is.
        follows: Option<Seq>,
        /// The id of the new turn, where that derives from the request.
        turn: Option<TurnId>,
    },
    /// Adds items in a turn that ends at once: no model is asked. Calls may stay open.
    Import {
        items: Vec<InputItem>,
    },
    /// The item with the record `seq` is in no list and no context any more.
    RemoveItem {
        item: ItemId,
        seq: Seq,
    },
    /// The turn is not to be found by its response's id any more. What was built on it stays.
    RemoveTurn {
        turn: TurnId,
    },
    /// The first of a session that goes on where another stood at its record `at`; admitted on the State of that one as
    /// it was then. Calls that are open stay so only if they are kept.
    Fork {
        session: SessionId,
        settings: Box<SessionSettings>,
        keeps_calls: bool,
    },
    /// Starts a turn, or steers the one that runs.
    Message(Vec<Message>),
    /// Ends the turn that runs or waits; without one it does nothing.
    Cancel,
    /// The same, if it is this one.
    CancelTurn {
        turn: TurnId,
    },
    ToolResult {
        turn: TurnId,
        call_id: CallId,
        success: bool,
        output: Option<CallOutput>,
        error: Option<String>,
    },
    /// What a person says to a request for consent.
    Approval {
        request: RequestId,
        decision: Decision,
    },
    /// Requests for consent may have run out of time.
    Expire,
    /// An operator's word on an effect whose outcome nobody knows. `by` names who said it.
    Settle {
        effect: EffectId,
        outcome: Settlement,
        by: Option<String>,
    },

    /// The gate decided on an effect that needs a durable intent, or refused one.
    Verdict {
        effect: EffectId,
        attempt: Attempt,
        context: Seq,
        verdict: Verdict,
    },
    /// The store had no money for the reservation.
    OverBudget {
        effect: EffectId,
        attempt: Attempt,
    },
    /// A model call ended well. `context` is the last record that the model was shown.
    ModelDone {
        effect: EffectId,
        attempt: Attempt,
        context: Seq,
        answer: Answer,
        finish: ModelFinish,
    },
    /// A model call failed. `spoke` says whether it had said anything, `retry` whether the same entry may be asked again:
    /// its budget of retries may be used up.
    ModelFailed {
        effect: EffectId,
        attempt: Attempt,
        context: Seq,
        error: ModelError,
        spoke: bool,
        retry: bool,
    },
    /// What became of the session's environment.
    Environment(EnvironmentChange),
    /// What the session's model may call from now on, beside its functions, and what it is told of that.
    Offer(Offer),
    /// What it must have cannot be had: the turn ends so.
    NoOffer(TurnError),
    /// A tool call has its outcome. One that comes when the call was given up is recorded, and nothing else.
    ToolDone {
        effect: EffectId,
        attempt: Attempt,
        outcome: ToolOutcome,
    },
    /// A tool call took longer than it may.
    ToolOverdue {
        effect: EffectId,
        attempt: Attempt,
    },
    /// Wall time was set while this server worked on the turn: seen from now, its time is over at `ends`.
    ClockSet {
        turn: TurnId,
        ends: Timestamp,
    },
    /// The turn ran out of time, or its environment did not come in time.
    Deadline {
        turn: TurnId,
    },
    /// A node found this session with unfinished work.
    Recover {
        epoch: Epoch,
    },
}

/// Why an input was not taken. Nothing of it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    pub kind: RefusalKind,
    pub message: String,
    /// The parameter at fault, as a JSON path.
    pub param: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RefusalKind {
    /// The request is wrong.
    Invalid,
    /// No such thing in this project.
    NotFound,
    /// No entry answers the model's name.
    ModelNotFound,
    /// The state does not allow it now; asking again changes nothing.
    Conflict,
    /// Another turn runs in the session.
    Locked,
    /// Too much work; come back later.
    Busy { retry_after: Duration },
    /// The server cannot take it (draining, store failed).
    Unavailable,
    /// A defect of ours.
    Internal,
}

/// Characters of the longest id.
const MAX_ID: usize = 64;

impl Refusal {
    pub fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), param: None }
    }
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(RefusalKind::Invalid, message)
    }
    /// `what` is the field's word for it; of an id that is longer than ids are, only the beginning is said back.
    pub fn not_found(what: &str, id: &str) -> Self {
        let end = id.char_indices().nth(MAX_ID).map_or(id.len(), |(end, _)| end);
        Self::new(RefusalKind::NotFound, format!("No {what} found with id '{}'.", &id[..end]))
    }
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(RefusalKind::Conflict, message)
    }
    #[must_use]
    pub fn at(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}
