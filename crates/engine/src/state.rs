//! What a session is, folded from its log. Heads of items only: bodies stay in the store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use types::{
    AgentId, AgentSettings, Attempt, CallId, CallResult, Class, Door, EffectId, Effort, EnvironmentSettings,
    EnvironmentState, ItemId, Metadata, MicroUsd, Offer, Origin, PromptCacheTtl, Reservation, Review, Seq, SessionId,
    SessionSettings, SessionStatus, Timestamp, ToolCall, TurnId, TurnRequest, Usage,
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
    /// Tokens of that, an estimate.
    pub offered_tokens: u64,
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
    /// Tokens of what goes with every model call beside the transcript: instructions, tools, format. An estimate.
    pub settings_tokens: u64,
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
    /// How it is to be answered, where its door says that.
    pub request: Option<Arc<TurnRequest>>,
    /// Output items so far.
    pub outputs: u32,
    pub model_calls: u32,
    pub usage: Usage,
    pub unmeasured: bool,
    /// The model call that is due or in flight. None while the turn waits.
    pub call: Option<Call>,
    /// Function calls without a result. The turn waits while there are any.
    pub open: Vec<OpenCall>,
    /// Tool calls without an outcome: this server works on them.
    pub tools: Vec<OpenTool>,
    /// Tool calls so far.
    pub tool_calls: u32,
}

impl Turn {
    /// Whether what the model calls of the caller's functions ends the turn.
    pub fn hands_over(&self) -> bool {
        self.request.as_ref().is_some_and(|request| request.hands_over)
    }

    /// Whether this server has something to do for it.
    pub fn is_worked_on(&self) -> bool {
        self.call.is_some() || !self.tools.is_empty()
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
}

impl OpenTool {
    /// Whether this attempt or one before it may have reached the tool. A pure one needs no intent for that.
    pub fn has_begun(&self) -> bool {
        self.intended || self.attempt > Attempt(1) || self.call.class == Class::Pure
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
    /// Its record.
    pub seq: Seq,
    /// None while it is open.
    pub outcome: Option<CallOutcome>,
}

#[derive(Clone, PartialEq, Debug)]
pub enum CallOutcome {
    /// A digest of the answer, to tell a repeat from another answer; and its record.
    Answered(u64, Seq),
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
    Message,
    /// Said from above the conversation.
    System,
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
            offered_tokens: 0,
            doubts: BTreeMap::new(),
            effects: EffectId(0),
            restored: EffectId(0),
            usage: Usage::default(),
            unmeasured: false,
            spent: MicroUsd::ZERO,
            settings_tokens: 0,
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
