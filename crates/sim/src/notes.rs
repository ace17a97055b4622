//! What was seen of a run from outside of the process that is tried: what clients asked and were told, what they heard on
//! their streams, what models and tools were asked. It survives every crash; the checker reads it and nothing else but the
//! final log.

use runtime::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use types::{
    Attempt, CallId, Class, ContextItem, Decision, EffectId, Event, EventId, ItemId, MicroUsd, RefusalKind, RequestId,
    Seq, SessionId, Settlement, ToolOutcome, TurnId,
};

/// Everything that was seen.
#[derive(Default, Debug)]
pub struct Notes {
    /// By its mark: a number that no other input has, and that its text carries.
    pub asked: BTreeMap<u64, Asked>,
    pub calls: Vec<ModelCall>,
    pub dispatches: Vec<Dispatch>,
    /// What runs, or ran, outside of the process and can be attached to, and what it comes to.
    pub processes: BTreeMap<(SessionId, EffectId), ToolOutcome>,
    /// What each command printed, once for each time that it was begun or found again.
    pub printed: BTreeMap<(SessionId, EffectId), Vec<String>>,
    pub streams: Vec<Stream>,
    /// The turns of whose end the tools were told.
    pub ended: BTreeSet<(SessionId, TurnId)>,
    /// How often each tool of the world's was described anew.
    pub changes: BTreeMap<&'static str, u64>,
    /// Sessions of which a node was told that there are no tools, and has not asked again since.
    pub unoffered: BTreeSet<(SessionId, u32)>,
    /// The marks of all such words.
    pub refused_offers: BTreeSet<(SessionId, u64)>,
    /// What restores have taken away, oldest first.
    pub cuts: Vec<Cut>,
    /// Streams, by their place, of which a restore took away what was heard last: what that was. They keep what came
    /// before.
    pub cut_streams: BTreeMap<usize, EventId>,
    /// As it was at the end.
    pub ledgers: BTreeMap<SessionId, Vec<Entry>>,
    /// What was wrong at the very moment.
    pub problems: Vec<String>,
    /// How often each thing happened.
    pub counts: BTreeMap<String, u64>,
    /// The wall clock was set by half a day or more: keys may have been forgotten.
    pub keys_expired: bool,
}

/// One input of a client, asked for once or several times.
#[derive(Clone, Debug)]
pub struct Asked {
    pub session: Option<SessionId>,
    pub what: What,
    /// Sent under one Idempotency-Key each time.
    pub keyed: bool,
    pub told: Vec<Told>,
}

#[derive(Clone, PartialEq, Debug)]
pub enum What {
    Create,
    Message,
    Result { turn: TurnId, call_id: CallId },
    Approval { request: RequestId, decision: Decision },
    Settle { effect: EffectId, outcome: Settlement },
    Cancel,
    Update,
    Delete,
}

/// What a client knows of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    Taken,
    Refused(RefusalKind),
    /// Nothing came back.
    Nothing,
    /// It was taken, and a restore may have taken it away.
    Lost,
}

impl Told {
    /// Whether nothing can have been written.
    pub fn is_refusal(self) -> bool {
        use RefusalKind as K;
        // After the others the store may have kept it all the same.
        matches!(
            self,
            Self::Refused(K::Invalid | K::NotFound | K::ModelNotFound | K::Busy { .. } | K::Conflict | K::Locked)
        )
    }
}

/// One call of a model, as the model saw it.
#[derive(Clone, Debug)]
pub struct ModelCall {
    pub session: SessionId,
    pub entry: String,
    /// The node that asked.
    pub node: u32,
    /// The last durable record of the session when it was asked.
    pub head: Seq,
    /// Asked about a call, in a person's place.
    pub review: bool,
    pub context: Arc<Vec<ContextItem>>,
    /// Texts of the messages that it said, whole or not.
    pub said: Vec<String>,
    /// None while it speaks, and for ever where it was cut off.
    pub end: Option<End>,
    /// What it would put on a bill.
    pub cost: MicroUsd,
    /// The log knows nothing of it any more.
    pub lost: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Answered,
    Failed,
}

/// One attempt of a tool call, as the tool saw it.
#[derive(Clone, Debug)]
pub struct Dispatch {
    pub session: SessionId,
    pub effect: EffectId,
    pub attempt: Attempt,
    pub class: Class,
    pub key: Option<String>,
    pub attach: bool,
    pub node: u32,
    /// What it answered; None where it was cut off, or never answered.
    pub outcome: Option<ToolOutcome>,
    /// The log knows nothing of it any more.
    pub lost: bool,
}

/// What one client heard of one session, over all its connections.
#[derive(Clone, Debug)]
pub struct Stream {
    pub client: String,
    pub session: SessionId,
    /// From the session's first event on; otherwise from somewhere on.
    pub from_beginning: bool,
    pub events: Vec<Event>,
    pub connections: u64,
}

/// What one restore took away of one session.
#[derive(Clone, Debug)]
pub struct Cut {
    pub session: SessionId,
    /// The session itself is gone.
    pub gone: bool,
    /// The last record that was kept, and the last that was lost.
    pub kept: Seq,
    pub lost: Seq,
    /// Names that only the lost part has.
    pub effects: BTreeSet<EffectId>,
    pub turns: BTreeSet<TurnId>,
    pub items: BTreeSet<ItemId>,
}

impl Notes {
    /// Whether a restore took the whole session away.
    pub fn is_gone(&self, session: &SessionId) -> bool {
        self.cuts.iter().any(|cut| cut.gone && cut.session == *session)
    }

    /// Whether a restore took away what a stream heard last, or its session.
    pub fn is_cut(&self, place: usize, stream: &Stream) -> bool {
        self.cut_streams.contains_key(&place) || self.is_gone(&stream.session)
    }

    pub fn count(&mut self, what: impl Into<String>) {
        *self.counts.entry(what.into()).or_default() += 1;
    }
}
