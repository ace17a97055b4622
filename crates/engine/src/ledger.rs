//! The ledger: every effect that a session's records tell of, what became of it, and each try. A fold over records like
//! `apply`, but one that forgets nothing and needs no State: the records of one turn give the effects of that turn.
//!
//! It decides nothing and shows nothing that is not in the log. A free model call is there with its outcome, because
//! its intent travels with it. A call that never became an effect (an unknown name, arguments that are no object) is
//! not there.

mod consent;

pub use consent::{Consent, Consented, Settled};

use std::collections::BTreeMap;
use types::{
    Abandoned, Attempt, CallId, CallResult, Cause, Class, Committed, EffectId, Ending, Intended, Item, ItemBody,
    ItemId, Late, MicroUsd, ModelError, ModelErrorKind, ProgramPaused, Record, RecordBody, Restored, Timestamp, Told,
    ToolCall, ToolOutcome, TurnId, Usage, Verdict,
};

/// The kinds of record that the fold looks at.
pub const KINDS: [&str; 15] = [
    "intended",
    "abandoned",
    "committed",
    "function_call",
    "function_call_output",
    "closed_call",
    "tool_call",
    "tool_outcome",
    "program_paused",
    "late",
    "approval_asked",
    "approval_answered",
    "settled",
    "turn_ended",
    "restored",
];

/// What an effect is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EffectKind {
    ModelCall,
    FunctionCall,
    /// A call of a tool that this server performs.
    ToolCall,
    /// A model that is asked whether a call may be made.
    Review,
    /// Not an effect of its own: what was done after a backup and is lost with the restore.
    Restore,
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EffectState {
    /// Decided on, and not begun.
    Intended,
    /// Let through, and no outcome yet.
    Dispatched,
    /// Handed to the caller, who has not answered.
    Waiting,
    Committed,
    Failed,
    /// It may have happened or not, and nobody here can say.
    Unknown,
    /// It was unknown, and an outcome that came late, or an operator, settled it.
    Reconciled,
}

/// What became of one try.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    Intended,
    Dispatched,
    /// The gate refused it; nothing was asked.
    Denied,
    Committed,
    /// Given up: an error, a crash, the turn's end.
    Abandoned,
}

/// Why something came to nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// A word for programs.
    pub code: String,
    /// Its beginning, where it is long: the item has it whole.
    pub message: String,
}

/// Bytes of a message that are told. A page is made of whole turns, and each of their calls may have failed at length.
const MAX_MESSAGE: usize = 1000;

impl Problem {
    fn new(code: impl Into<String>, message: &str) -> Self {
        let mut told = message[..message.floor_char_boundary(MAX_MESSAGE)].to_owned();
        if told.len() < message.len() {
            told.push('\u{2026}');
        }
        Self { code: code.into(), message: told }
    }
}

/// One effect.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    pub id: EffectId,
    pub kind: EffectKind,
    pub class: Class,
    pub state: EffectState,
    pub turn: Option<TurnId>,
    pub item: Option<ItemId>,
    pub call_id: Option<CallId>,
    /// The program that made the call.
    pub parent: Option<EffectId>,
    /// The function, or the model that was asked last.
    pub name: Option<String>,
    /// None where no record says so: a free attempt that came to nothing.
    pub intended_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub error: Option<Problem>,
    /// It was open at the moment to which the session was restored: it may have ended otherwise before.
    pub diverged: bool,
    /// Consent to it, where somebody was asked.
    pub approval: Option<Consented>,
    /// Who settled what was unknown, and what they said, where an operator did.
    pub settled: Option<Settled>,
    /// Tries of a model call or a tool call, oldest first.
    pub attempts: Vec<Try>,
}

/// One try of an effect.
#[derive(Clone, PartialEq, Debug)]
pub struct Try {
    pub number: Attempt,
    /// None where no record says so.
    pub model: Option<String>,
    pub outcome: Outcome,
    /// Whether the gate let it through; None where no record says so.
    pub permitted: Option<bool>,
    pub at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub error: Option<Problem>,
    pub usage: Option<Usage>,
    /// What it was charged; where `usage` is None, its reservation.
    pub charged: MicroUsd,
}

/// Effects by their number, as far as records were read.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Ledger {
    entries: BTreeMap<EffectId, Entry>,
    calls: BTreeMap<CallId, EffectId>,
    /// The last restore's number.
    restored: EffectId,
}

impl Ledger {
    /// Reads the next record, of those that [`KINDS`] names; others change nothing.
    pub fn read(&mut self, record: &Record) {
        match &record.body {
            RecordBody::Intended(intended) => self.intended(intended, record.at),
            RecordBody::Abandoned(abandoned) => self.abandoned(abandoned, record.at),
            RecordBody::Committed(committed) => self.committed(committed, record.at),
            RecordBody::Item(item) => self.item(item, record.at),
            RecordBody::TurnEnded(ended) => self.explain(&ended.turn, &ended.ending, record.at),
            RecordBody::ProgramPaused(paused) => self.paused(paused, record.at),
            RecordBody::Late(late) => self.late(late, record.at),
            RecordBody::Restored(restored) => self.restored(restored, record.at),
            RecordBody::ApprovalAsked(asked) => self.asked(asked, record.at),
            RecordBody::ApprovalAnswered(answered) => self.answered(answered, record.at),
            RecordBody::SessionCreated { .. }
            | RecordBody::SessionUpdated { .. }
            | RecordBody::SessionFailed { .. }
            | RecordBody::TurnCreated { .. }
            | RecordBody::TurnStarted { .. }
            | RecordBody::ToolsOffered { .. }
            | RecordBody::ClockSet(_)
            | RecordBody::Forked(_)
            | RecordBody::TurnRemoved { .. }
            | RecordBody::ItemRemoved(_)
            | RecordBody::TurnHeld(_)
            | RecordBody::EnvironmentChanged(_)
            | RecordBody::Recovered { .. } => {}
        }
    }

    /// Whether a call has no result among what was read.
    pub fn waits(&self) -> bool {
        self.entries.values().any(|entry| entry.state == EffectState::Waiting)
    }

    /// Oldest first.
    pub fn into_entries(self) -> Vec<Entry> {
        self.entries.into_values().collect()
    }

    /// A model call has no record before its first attempt's. One that is free may have been in flight at a backup
    /// without any.
    fn of(&mut self, id: EffectId, turn: &TurnId) -> &mut Entry {
        let diverged = id < self.restored;
        self.entries.entry(id).or_insert_with(|| Entry {
            turn: Some(turn.clone()),
            diverged,
            ..Entry::new(id, EffectKind::ModelCall, Class::Repeatable, EffectState::Intended)
        })
    }

    fn intended(&mut self, intended: &Intended, at: Timestamp) {
        let entry = self.of(intended.effect, &intended.turn);
        entry.class = intended.class;
        entry.intended_at.get_or_insert(at);
        entry.asks(intended.attempt, &intended.model);
        let attempt = entry.attempt(intended.attempt);
        attempt.at = Some(at);
        match &intended.verdict {
            Verdict::Permit { .. } => {
                attempt.permitted = Some(true);
                attempt.outcome = Outcome::Dispatched;
                entry.state = EffectState::Dispatched;
            }
            // A record of its own says that.
            Verdict::Ask => {}
            Verdict::Deny { code, message } => {
                let problem = Problem::new(code, message);
                attempt.permitted = Some(false);
                attempt.outcome = Outcome::Denied;
                attempt.ended_at = Some(at);
                attempt.error = Some(problem.clone());
                entry.end(EffectState::Failed, at, Some(problem));
            }
        }
    }

    fn abandoned(&mut self, abandoned: &Abandoned, at: Timestamp) {
        let entry = self.of(abandoned.effect, &abandoned.turn);
        let error = abandoned.error.as_ref().map(problem);
        let attempt = entry.attempt(abandoned.attempt);
        attempt.outcome = Outcome::Abandoned;
        attempt.ended_at = Some(at);
        attempt.error = error.clone();
        attempt.charged = abandoned.charged;
        match &abandoned.next {
            None => entry.end(EffectState::Failed, at, error),
            Some(next) => {
                entry.state = EffectState::Intended;
                entry.asks(abandoned.next_attempt(), &next.model);
            }
        }
    }

    fn committed(&mut self, committed: &Committed, at: Timestamp) {
        let entry = self.of(committed.effect, &committed.turn);
        let attempt = entry.attempt(committed.attempt);
        attempt.outcome = Outcome::Committed;
        attempt.ended_at = Some(at);
        attempt.usage = committed.usage;
        attempt.charged = committed.charged;
        entry.end(EffectState::Committed, at, None);
    }

    fn item(&mut self, item: &Item, at: Timestamp) {
        match &item.body {
            ItemBody::FunctionCall { effect, call_id, name, told, .. } => {
                self.calls.insert(call_id.clone(), *effect);
                let entry = Entry {
                    turn: Some(item.turn.clone()),
                    item: Some(item.id.clone()),
                    call_id: Some(call_id.clone()),
                    parent: match told {
                        Told::Program(program) => Some(*program),
                        Told::InPlace | Told::Apart => None,
                    },
                    name: Some(name.clone()),
                    intended_at: Some(at),
                    ..Entry::new(*effect, EffectKind::FunctionCall, Class::External, EffectState::Waiting)
                };
                self.entries.insert(*effect, entry);
            }
            ItemBody::FunctionCallOutput { call_id, result, cause, .. } => {
                let Some(entry) = self.call(call_id) else { return };
                match result {
                    CallResult::Success(_) => entry.end(EffectState::Committed, at, None),
                    CallResult::Failure { error, .. } => {
                        let message = error.as_deref().unwrap_or("The caller gave no reason.");
                        // As below: nobody told us whether the caller acted.
                        if cause.is_given_up() {
                            let problem = Problem::new(cause_word(*cause), &format!("outcome unknown: {message}"));
                            return entry.end(EffectState::Unknown, at, Some(problem));
                        }
                        entry.end(EffectState::Failed, at, Some(Problem::new("call_failed", message)));
                    }
                }
            }
            // The caller was asked, and whether it acted nobody told us.
            ItemBody::ClosedCall { call_id, reason, .. } => {
                let Some(entry) = self.call(call_id) else { return };
                let message = format!("outcome unknown: {reason}");
                entry.end(EffectState::Unknown, at, Some(Problem::new("no_result", &message)));
            }
            ItemBody::ToolCall(call) => self.tool_call(item, call, at),
            ItemBody::Settled { effect, outcome, by, .. } => self.settled(*effect, outcome, by.clone(), at),
            ItemBody::ToolOutcome { call, attempt, cause, outcome, .. } => {
                let entry = self.of(call.effect, &item.turn);
                entry.item.get_or_insert_with(|| item.id.clone());
                let ended = match outcome {
                    ToolOutcome::Done(_) | ToolOutcome::Ran(_) | ToolOutcome::Found(_) | ToolOutcome::Web(_) => {
                        EffectState::Committed
                    }
                    ToolOutcome::Paused(_) => EffectState::Dispatched,
                    ToolOutcome::Failed(_) => EffectState::Failed,
                    ToolOutcome::Unknown(_) => EffectState::Unknown,
                };
                let error = outcome.error().map(|message| Problem::new(cause_word(*cause), &message));
                let attempt = entry.attempt(*attempt);
                attempt.outcome = match (cause, ended) {
                    (Cause::Denied, _) => Outcome::Denied,
                    (_, EffectState::Committed) => Outcome::Committed,
                    _ => Outcome::Abandoned,
                };
                attempt.ended_at = Some(at);
                attempt.error = error.clone();
                entry.end(ended, at, error);
            }
            ItemBody::UserMessage { .. }
            | ItemBody::AssistantMessage { .. }
            | ItemBody::Reasoning { .. }
            | ItemBody::Compaction { .. }
            | ItemBody::MalformedCall { .. } => {}
        }
    }

    /// A step of a program is a try that went as far as its calls.
    fn paused(&mut self, paused: &ProgramPaused, at: Timestamp) {
        let entry = self.of(paused.effect, &paused.turn);
        let step = entry.attempt(paused.attempt);
        step.permitted = Some(true);
        step.outcome = Outcome::Committed;
        step.at = Some(at);
        step.ended_at = Some(at);
        entry.state = EffectState::Dispatched;
    }

    fn tool_call(&mut self, item: &Item, call: &ToolCall, at: Timestamp) {
        let entry = Entry {
            turn: Some(item.turn.clone()),
            item: Some(item.id.clone()),
            parent: call.parent,
            call_id: Some(call.call_id.clone()),
            name: Some(call.name.clone()),
            intended_at: Some(at),
            ..Entry::new(call.effect, EffectKind::ToolCall, call.class, EffectState::Intended)
        };
        self.entries.insert(call.effect, entry);
    }

    /// The tool's own word, after its call was given up: it settles what was unknown, and nothing else.
    fn late(&mut self, late: &Late, at: Timestamp) {
        let Some(entry) = self.entries.get_mut(&late.effect) else { return };
        if entry.state == EffectState::Unknown && !matches!(late.outcome, ToolOutcome::Unknown(_)) {
            let error = late.outcome.error().map(|message| Problem::new("late", &message));
            entry.end(EffectState::Reconciled, at, error);
        }
    }

    fn call(&mut self, call_id: &CallId) -> Option<&mut Entry> {
        self.entries.get_mut(self.calls.get(call_id)?)
    }

    /// What ended with its turn has no error of its own. A next attempt that was named and never decided on ends here too.
    fn explain(&mut self, turn: &TurnId, ending: &Ending, at: Timestamp) {
        let problem = match ending {
            Ending::Completed => return,
            Ending::Cancelled => Problem::new("cancelled", "The turn was cancelled."),
            Ending::Failed { code, message } => Problem::new(code, message),
        };
        let of_turn = self.entries.values_mut().filter(|entry| entry.turn.as_ref() == Some(turn));
        for entry in of_turn {
            let is_model = matches!(entry.kind, EffectKind::ModelCall | EffectKind::Review);
            if is_model && entry.ended_at.is_none() {
                entry.state = EffectState::Failed;
                entry.ended_at = Some(at);
            }
        }
        let of_turn = self.entries.values_mut().filter(|entry| entry.turn.as_ref() == Some(turn));
        for entry in of_turn.filter(|entry| entry.state == EffectState::Failed && entry.error.is_none()) {
            entry.error = Some(problem.clone());
        }
    }

    /// What was open may have ended since, and whatever came after it is not in this log.
    fn restored(&mut self, restored: &Restored, at: Timestamp) {
        for entry in self.entries.values_mut().filter(|entry| entry.ended_at.is_none()) {
            entry.diverged = true;
        }
        let message = "The session was restored from a backup: what it did after the backup is not known.";
        let entry = Entry {
            turn: restored.turn.clone(),
            intended_at: Some(restored.backup),
            ended_at: Some(at),
            error: Some(Problem::new("diverged", message)),
            diverged: true,
            ..Entry::new(restored.effect, EffectKind::Restore, Class::Irreversible, EffectState::Unknown)
        };
        self.entries.insert(restored.effect, entry);
        self.restored = restored.effect;
    }
}

impl Entry {
    fn new(id: EffectId, kind: EffectKind, class: Class, state: EffectState) -> Self {
        Self {
            id,
            kind,
            class,
            state,
            turn: None,
            item: None,
            call_id: None,
            parent: None,
            name: None,
            intended_at: None,
            ended_at: None,
            error: None,
            diverged: false,
            approval: None,
            settled: None,
            attempts: Vec::new(),
        }
    }

    fn end(&mut self, state: EffectState, at: Timestamp, error: Option<Problem>) {
        self.state = state;
        self.ended_at = Some(at);
        self.error = error;
    }

    /// A model call's try names the model; a tool call's names nobody.
    fn asks(&mut self, number: Attempt, model: &str) {
        let attempt = self.attempt(number);
        if !model.is_empty() {
            attempt.model = Some(model.to_owned());
            self.name = Some(model.to_owned());
        }
    }

    /// The try with this number; they come in order.
    fn attempt(&mut self, number: Attempt) -> &mut Try {
        let place = match self.attempts.iter().position(|known| known.number == number) {
            Some(place) => place,
            None => {
                self.attempts.push(Try {
                    number,
                    model: None,
                    outcome: Outcome::Intended,
                    permitted: None,
                    at: None,
                    ended_at: None,
                    error: None,
                    usage: None,
                    charged: MicroUsd::ZERO,
                });
                self.attempts.len() - 1
            }
        };
        &mut self.attempts[place]
    }
}

fn problem(error: &ModelError) -> Problem {
    Problem::new(word(error.kind), &error.message)
}

fn cause_word(cause: Cause) -> &'static str {
    match cause {
        Cause::Answered => "call_failed",
        Cause::Denied => "denied",
        Cause::Cancelled => "cancelled",
        Cause::TurnDeadline | Cause::CallDeadline => "request_timeout",
        Cause::Crash => "interrupted",
        Cause::SessionFailed => "session_failed",
        Cause::Forked => "not_carried_over",
    }
}

/// The kind as records spell it.
fn word(kind: ModelErrorKind) -> String {
    match serde_json::to_value(kind) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "error".to_owned(),
    }
}
