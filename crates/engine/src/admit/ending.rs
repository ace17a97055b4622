//! How a turn ends before its answer: cancelled, out of time, or with nothing left to try. Whatever is open is closed
//! first, so that the transcript stays valid.

use super::{environment, item, tool};
use crate::state::{Call, State, Turn};
use types::{
    Abandoned, CallId, Cause, ClockSet, EffectId, Ending, Item, ItemBody, ModelError, RecordBody, Rules, SessionStatus,
    Timestamp, TurnEnded, TurnHeld, TurnId,
};

pub(super) fn cancel(state: &State, rules: &Rules) -> Vec<RecordBody> {
    match &state.turn {
        Some(turn) => {
            let why = (Cause::Cancelled, "cancelled before a result arrived");
            end(state, rules, turn, why, Ending::Cancelled, SessionStatus::Idle)
        }
        None => Vec::new(),
    }
}

pub(super) fn deadline(state: &State, rules: &Rules, id: &TurnId) -> Vec<RecordBody> {
    let Some(turn) = state.turn.as_ref().filter(|turn| turn.id == *id) else { return Vec::new() };
    if let Some(held) = &turn.held {
        return environment::overdue(state, rules, turn, held);
    }
    let message = "The turn took longer than this server allows (limits.turn_time).".to_owned();
    let ending = Ending::Failed { code: "request_timeout".to_owned(), message };
    let why = (Cause::TurnDeadline, "the turn ran out of time before a result arrived");
    end(state, rules, turn, why, ending, SessionStatus::Idle)
}

/// What is left of the turn's time stays what it is, whatever the clock says from now on.
pub(super) fn clock_set(state: &State, rules: &Rules, id: &TurnId, ends: Timestamp) -> Vec<RecordBody> {
    let Some(turn) = state.turn.as_ref().filter(|turn| turn.id == *id) else { return Vec::new() };
    if let Some(held) = &turn.held {
        return vec![RecordBody::TurnHeld(TurnHeld { turn: id.clone(), until: ends, initial: held.initial })];
    }
    if !turn.is_worked_on() {
        return Vec::new();
    }
    let working_since = ends.before(rules.limits.turn_time.saturating_sub(turn.worked));
    vec![RecordBody::ClockSet(ClockSet { turn: id.clone(), working_since })]
}

/// Abandons the model call in flight, closes every open call, ends the turn.
pub(super) fn end(
    state: &State,
    rules: &Rules,
    turn: &Turn,
    (cause, reason): (Cause, &str),
    ending: Ending,
    session: SessionStatus,
) -> Vec<RecordBody> {
    let mut records: Vec<_> = turn
        .call
        .iter()
        .map(|call| RecordBody::Abandoned(abandoned(turn, call, None, may_be_made(rules, call))))
        .collect();
    records.extend(tool::close(rules, turn, cause));
    let closed = |(effect, call_id): (EffectId, &CallId)| {
        item(Item {
            id: state.output_id(effect),
            turn: turn.id.clone(),
            output_index: None,
            origin: None,
            body: ItemBody::ClosedCall { call_id: call_id.clone(), reason: reason.to_owned() },
        })
    };
    records.extend(turn.open.iter().map(|open| (open.effect, &open.call_id)).map(closed));
    if turn.hands_over() {
        // Only a turn that comes to its answer hands anything over.
        let open = state.calls.iter().filter(|(_, call)| call.turn == turn.id && call.outcome.is_none());
        records.extend(open.map(|(call_id, call)| (call.effect, call_id)).map(closed));
    }
    records.push(ended(turn, ending, session));
    records
}

/// Whether the attempt may have reached its model: a priced one only after its intent.
pub(super) fn may_be_made(rules: &Rules, call: &Call) -> bool {
    call.intent.is_some() || rules.is_free(&call.model)
}

pub(super) fn ended(turn: &Turn, ending: Ending, session: SessionStatus) -> RecordBody {
    RecordBody::TurnEnded(TurnEnded { turn: turn.id.clone(), ending, session, forget: Vec::new() })
}

/// An attempt without an outcome is charged what was reserved for it: it may have cost that much, and nobody knows.
pub(super) fn abandoned(turn: &Turn, call: &Call, error: Option<ModelError>, unmeasured: bool) -> Abandoned {
    let charged = call.reserved();
    Abandoned {
        effect: call.effect,
        attempt: call.attempt,
        turn: turn.id.clone(),
        error,
        charged,
        unmeasured,
        next: None,
    }
}
