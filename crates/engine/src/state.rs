//! What a session is, folded from its log. Heads of items only: bodies stay in the store.

mod consent;

pub(crate) use consent::settlement_digest;
pub use consent::{Request, RequestState, Unsettled};

use crate::deferred::Loaded;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use types::{
    AgentId, AgentSettings, Attempt, CallId, CallOutput, CallResult, Class, Consent, Door, EffectId, Effort,
    EnvironmentSettings, EnvironmentState, ItemId, Metadata, MicroUsd, Offer, Origin, PromptCacheTtl, RequestId,
    Reservation, Resume, Review, Seq, SessionId, SessionSettings, SessionStatus, Source, Timestamp, Told, ToolCall,
    TurnId, TurnRequest, Usage,
};

/// A session as its records have made it.
#[derive(Clone, PartialEq, Debug)]
pub struct State {
    pub session: SessionId,
    /// The last record applied; 0 before the first.
    pub seq: Seq,
    /// The last record that a fork shares with the session that it was forked from; 0 where it is no fork.
    pub base: Seq,
    /// Sessions whose records it shares, the oldest first: their ids stand in those of items.
    pub ancestors: Vec<SessionId>,
    pub settings: Arc<SessionSettings>,
    /// None where the session has none.
    pub environment: Option<EnvironmentState>,
    pub status: SessionStatus,
    pub error: Option<String>,
    pub created_at: Timestamp,
    pub last_active_at: Timestamp,
    pub turn: Option<Turn>,
    /// What a model is shown, in order.
    pub transcript: Vec<ItemHead>,
    /// What was said while a call was in flight or waiting: shown from the next call on, after its results.
    pub steering: Vec<ItemHead>,
    /// Digests of the ids of items that came from outside.
    pub named: BTreeSet<u64>,
    /// Whether items were taken out.
    pub has_gaps: bool,
    /// Whether what a model is shown may hold a call or a result without the other: that one was taken out, or is forgotten
    /// with a later turn.
    pub may_part: bool,
    pub last_turn: Option<LastTurn>,
    /// The record of the newest settings.
    pub settings_at: Seq,
    /// Every call ever made, by the id that its answer must name.
    pub calls: BTreeMap<CallId, CallState>,
    /// What the model may call beside the session's functions, performed by this server, and what it is told of that.
    pub offered: Arc<Offer>,
    /// Bytes of that which a model is shown of it, an estimate.
    pub offered_bytes: u64,
    /// Names of tools that were kept back, and were found.
    pub loaded: Loaded,
    /// Every request for a person's consent, by its id.
    pub requests: BTreeMap<RequestId, RequestState>,
    /// What a server said of its tools when the session first saw them, or last agreed to a call, as digests: by label and name.
    pub pins: BTreeMap<(String, String), String>,
    /// Effects whose outcome nobody knows, and those of which an operator has said it, as digests.
    pub unsettled: BTreeMap<EffectId, Unsettled>,
    pub settled: BTreeMap<EffectId, u64>,
    /// Tool calls that were given up after they had begun, and whose own word has not come.
    pub doubts: BTreeMap<EffectId, Doubt>,
    /// The last effect's number.
    pub effects: EffectId,
    /// The last restore's number; 0 where there was none. Effects before it may have gone on in a part that is lost.
    pub restored: EffectId,
    /// Tokens of all turns that ended.
    pub usage: Usage,
    /// Whether a turn ended whose tokens are not all known.
    pub unmeasured: bool,
    pub spent: MicroUsd,
    /// Bytes of what goes with every model call beside the transcript and the offer: instructions, tools, format. An
    /// estimate.
    pub settings_bytes: u64,
    /// Recoveries since the last record of another kind.
    pub recoveries: u32,
}

/// The turn that has not ended.
#[derive(Clone, PartialEq, Debug)]
pub struct Turn {
    pub id: TurnId,
    /// Its first record.
    pub seq: Seq,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    /// It begins only when the environment is there.
    pub held: Option<Held>,
    /// Since when this server works on it without a pause, and how long it did before. Time in which a caller is
    /// waited for does not count.
    pub working_since: Timestamp,
    pub worked: Duration,
    /// The settings that later changes of the session do not touch.
    pub model: String,
    pub effort: Option<Effort>,
    pub prompt_cache: Option<PromptCacheTtl>,
    /// Who agrees to its calls.
    pub review: Review,
    /// How it is to be answered, where its door says that.
    pub request: Option<Arc<TurnRequest>>,
    /// Output items so far.
    pub outputs: u32,
    pub model_calls: u32,
    pub usage: Usage,
    pub unmeasured: bool,
    /// The model call that is due or in flight. None while the turn waits.
    pub call: Option<Call>,
    /// Function calls without a result. The turn waits while there are any for which the model or a program waits.
    pub open: Vec<OpenCall>,
    /// The model has nothing more to say before one of those that it does not wait for has its result.
    pub rests: bool,
    /// Tool calls without an outcome: this server works on them.
    pub tools: Vec<OpenTool>,
    /// Tool calls so far, and steps of programs.
    pub tool_calls: u32,
    /// What was found on the web, and may be cited.
    pub sources: Vec<Source>,
}

impl Turn {
    /// Whether the model waits for a caller.
    pub(crate) fn waits_for_callers(&self) -> bool {
        self.open.iter().any(|call| call.told == Told::InPlace)
    }

    /// The function whose result is told apart from the open call of this id.
    pub(crate) fn told_apart(&self, call_id: &CallId) -> Option<&str> {
        let open = self.open.iter().find(|open| open.call_id == *call_id && open.told == Told::Apart)?;
        Some(&open.name)
    }

    /// Whether what the model calls of the caller's functions ends the turn.
    pub fn hands_over(&self) -> bool {
        self.request.as_ref().is_some_and(|request| request.hands_over)
    }

    /// Whether its request lets the model call a tool of this name.
    pub(crate) fn allows(&self, name: &str) -> bool {
        let allowed = self.request.as_ref().and_then(|request| request.allowed_tools.as_ref());
        allowed.is_none_or(|allowed| allowed.iter().any(|one| one == name))
    }

    /// Whether something is required of those outside.
    pub fn waits(&self) -> bool {
        !self.open.is_empty() || self.tools.iter().any(OpenTool::waits_for_person)
    }

    /// The reviews of calls that are due or in flight.
    pub fn reviews(&self) -> impl Iterator<Item = (&OpenTool, &Call)> {
        self.tools.iter().filter_map(|open| Some((open, open.request.as_ref()?.review.as_ref()?)))
    }

    /// Whether this server has something to do for it.
    pub fn is_worked_on(&self) -> bool {
        self.call.is_some() || self.tools.iter().any(OpenTool::is_worked_on)
    }
}

/// A turn that waits for its environment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Held {
    pub until: Timestamp,
    /// Whether the session begins with it.
    pub initial: bool,
}

/// A model call and its present attempt.
#[derive(Clone, PartialEq, Debug)]
pub struct Call {
    pub effect: EffectId,
    pub attempt: Attempt,
    /// The entry that this attempt asks.
    pub model: String,
    /// Attempts that this entry has had before.
    pub tried: u32,
    pub not_before: Option<Timestamp>,
    /// The durable intent of this attempt, if it needs one and has it.
    pub intent: Option<Intent>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct Intent {
    pub context: Seq,
    pub reserve: Vec<Reservation>,
}

impl Intent {
    /// What the attempt is charged where nobody knows what it cost.
    pub(crate) fn reserved(&self) -> MicroUsd {
        self.reserve.iter().map(|reservation| reservation.amount).max().unwrap_or(MicroUsd::ZERO)
    }
}

impl Call {
    pub(crate) fn reserved(&self) -> MicroUsd {
        self.intent.as_ref().map_or(MicroUsd::ZERO, Intent::reserved)
    }
}

#[derive(Clone, PartialEq, Debug)]
pub struct OpenCall {
    pub effect: EffectId,
    pub call_id: CallId,
    pub name: String,
    pub arguments: String,
    pub told: Told,
    pub asked_at: Timestamp,
    /// When nobody waits for the caller any longer.
    pub expires: Option<Timestamp>,
}

/// A call that this server performs, and its present attempt.
#[derive(Clone, PartialEq, Debug)]
pub struct OpenTool {
    pub item: ItemId,
    pub output_index: Option<u32>,
    pub origin: Option<Origin>,
    pub call: ToolCall,
    pub attempt: Attempt,
    /// Its place among the turn's tool calls, counted from 1.
    pub nth: u32,
    /// Whether this attempt has a durable intent: then it counts as begun.
    pub intended: bool,
    /// Of a program, where it stands.
    pub program: Option<Program>,
    /// The request for consent to it, while it is open.
    pub request: Option<Request>,
    /// Whether somebody has agreed to it.
    pub approved: bool,
}

impl OpenTool {
    /// Whether this attempt or one before it may have reached the tool. A pure one needs no intent for that.
    pub fn has_begun(&self) -> bool {
        let may_begin = self.call.class == Class::Pure && self.consent() != Consent::Missing;
        self.intended || self.attempt > Attempt(1) || may_begin
    }

    /// Whether it is this call's turn, and not that of who is asked about it.
    pub fn is_due(&self) -> bool {
        self.is_worked_on() && (self.request.is_none() || self.intended)
    }

    /// Whether this server has something to do for it, or waits for others until it has.
    pub fn is_worked_on(&self) -> bool {
        !self.program.as_ref().is_some_and(Program::waits) && !self.waits_for_person()
    }
}

/// A program that called tools: from here it goes on when it has their results.
#[derive(Clone, PartialEq, Debug)]
pub struct Program {
    pub snapshot: Arc<str>,
    /// What it has printed so far.
    pub printed: String,
    /// In the order in which it made them.
    pub calls: Vec<Awaited>,
    /// Bytes of this snapshot and all before it, and of what it has printed.
    pub bytes: u64,
}

/// A call of a program.
#[derive(Clone, PartialEq, Debug)]
pub struct Awaited {
    /// The program's own number of it.
    pub number: u32,
    /// None where it never became an effect.
    pub effect: Option<EffectId>,
    /// None while it is open.
    pub result: Option<Result<CallOutput, String>>,
}

impl Program {
    /// Whether a call of it is open.
    pub fn waits(&self) -> bool {
        self.calls.iter().any(|call| call.result.is_none())
    }

    /// With what it goes on, once it does not wait.
    pub fn resume(&self) -> Resume {
        let results = self.calls.iter().filter_map(|call| Some((call.number, call.result.clone()?)));
        Resume { snapshot: self.snapshot.clone(), printed: self.printed.clone(), results: results.collect() }
    }
}

/// A call that was given up.
#[derive(Clone, PartialEq, Debug)]
pub struct Doubt {
    pub turn: TurnId,
    pub attempt: Attempt,
}

/// The newest turn, whatever became of it.
#[derive(Clone, PartialEq, Debug)]
pub struct LastTurn {
    pub id: TurnId,
    /// Its `turn_created`.
    pub seq: Seq,
    /// Whether a request began it that was to be answered.
    pub is_response: bool,
    pub is_removed: bool,
}

/// What became of a function call.
#[derive(Clone, PartialEq, Debug)]
pub struct CallState {
    pub turn: TurnId,
    pub effect: EffectId,
    /// Of a custom tool.
    pub custom: bool,
    pub told: Told,
    /// Its record.
    pub seq: Seq,
    /// None while it is open.
    pub outcome: Option<CallOutcome>,
}

#[derive(Clone, PartialEq, Debug)]
pub enum CallOutcome {
    /// A digest of the answer, to tell a repeat from another answer; and its record.
    Answered(u64, Seq),
    /// The caller did not answer in its time.
    Overdue,
    /// Its answer was taken out; another may be brought, and none is waited for.
    Unsaid,
    /// The turn ended first, or the call was malformed.
    Closed,
    /// It is no function call: this server performs it.
    Performed,
}

/// An item without its body.
#[derive(Clone, PartialEq, Debug)]
pub struct ItemHead {
    pub seq: Seq,
    pub kind: HeadKind,
    /// An estimate: bytes of text by four; images count as 1,000.
    pub tokens: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeadKind {
    /// What a user wrote.
    Message,
    /// What stands where a message could and nobody wrote: results that come later than their calls, summaries.
    Apart,
    /// Said from above the conversation.
    System,
    /// What became of an effect of which nobody had known.
    Settled,
    Answer,
    Reasoning,
    Call,
    Output,
}

impl State {
    /// A session before its first record.
    pub fn new(session: SessionId) -> Self {
        let settings = SessionSettings {
            agent_id: AgentId::new(""),
            agent_name: None,
            agent: AgentSettings::new(""),
            environment: EnvironmentSettings::None,
            vault_ids: Vec::new(),
            prompt_cache: None,
            review: Review::None,
            spend_limit: None,
            metadata: Metadata::new(),
            door: Door::Agents,
            aws: None,
        };
        Self {
            session,
            seq: Seq(0),
            base: Seq(0),
            ancestors: Vec::new(),
            settings: Arc::new(settings),
            environment: None,
            status: SessionStatus::Idle,
            error: None,
            created_at: Timestamp(0),
            last_active_at: Timestamp(0),
            turn: None,
            transcript: Vec::new(),
            steering: Vec::new(),
            named: BTreeSet::new(),
            has_gaps: false,
            may_part: false,
            last_turn: None,
            settings_at: Seq(0),
            calls: BTreeMap::new(),
            offered: Arc::default(),
            offered_bytes: 0,
            loaded: Loaded::default(),
            requests: BTreeMap::new(),
            pins: BTreeMap::new(),
            unsettled: BTreeMap::new(),
            settled: BTreeMap::new(),
            doubts: BTreeMap::new(),
            effects: EffectId(0),
            restored: EffectId(0),
            usage: Usage::default(),
            unmeasured: false,
            spent: MicroUsd::ZERO,
            settings_bytes: 0,
            recoveries: 0,
        }
    }

    /// Whether the session has effects that the server must perform, were it only to look at the clock.
    pub fn needs_work(&self) -> bool {
        self.turn.as_ref().is_some_and(Turn::is_worked_on) || self.is_held()
    }

    /// Whether its turn waits for its environment.
    pub fn is_held(&self) -> bool {
        self.turn.as_ref().is_some_and(|turn| turn.held.is_some())
    }

    /// The open tool call of this number.
    pub fn tool(&self, effect: EffectId) -> Option<&OpenTool> {
        self.turn.as_ref()?.tools.iter().find(|open| open.call.effect == effect)
    }

    /// The model call in flight with this number: the turn's own, or a review.
    pub fn model_call(&self, effect: EffectId) -> Option<&Call> {
        let turn = self.turn.as_ref()?;
        let reviews = turn.reviews().map(|(_, call)| call);
        turn.call.iter().chain(reviews).find(|call| call.effect == effect)
    }

    /// The id of a call's result: the same however it comes about.
    pub(crate) fn output_id(&self, call: EffectId) -> ItemId {
        ItemId::new(format!("fco_{}e{}", self.session.digits(), call.0))
    }

    pub(crate) fn next_effect(&mut self) -> EffectId {
        self.effects = EffectId(self.effects.0.saturating_add(1));
        self.effects
    }
}

/// Tells a repeated answer from another one. Only ever compared within one fold, so it need not be the same for ever.
pub(crate) fn digest(result: &CallResult) -> u64 {
    fnv(&serde_json::to_vec(result).unwrap_or_default())
}

/// Tells an item's id from others; one that is taken for another only gets a new name.
pub(crate) fn name_digest(id: &ItemId) -> u64 {
    fnv(id.as_str().as_bytes())
}

/// FNV-1a: small, and fast enough for one answer.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
