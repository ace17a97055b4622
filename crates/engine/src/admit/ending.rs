//! How a turn ends before its answer: cancelled, out of time, or with nothing left to try. Whatever is open is closed
//! first, so that the transcript stays valid.

use super::{approval, environment, item, tool};
use crate::state::{Call, State, Turn};
use types::{
    Abandoned, CallId, Cause, ClockSet, EffectId, Ending, Item, ItemBody, ModelError, RecordBody, Rules, SessionStatus,
    Timestamp, TurnEnded, TurnError, TurnHeld, TurnId,
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

/// The session must not go on without what it lacks. What was open is answered already: a model call comes after that.
pub(super) fn no_offer(state: &State, rules: &Rules, error: TurnError) -> Vec<RecordBody> {
    let Some(turn) = state.turn.as_ref().filter(|turn| turn.call.is_some()) else { return Vec::new() };
    let why = (Cause::Denied, "the turn failed before a result arrived");
    let ending = Ending::Failed { code: error.code, message: error.message };
    let mut records = end(state, rules, turn, why, ending, SessionStatus::Idle);
    for record in &mut records {
        if let RecordBody::Abandoned(abandoned) = record
            && turn.call.as_ref().is_some_and(|call| call.effect == abandoned.effect)
        {
            // Tools are asked for before the model is.
            abandoned.unmeasured = false;
        }
    }
    records
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
    records.extend(approval::close(rules, turn));
    records.extend(tool::close(rules, turn, cause));
    records.extend(close_calls(state, turn, reason));
    if turn.hands_over() {
        // Only a turn that comes to its answer hands anything over.
        let open = state.calls.iter().filter(|(_, call)| call.turn == turn.id && call.outcome.is_none());
        records.extend(open.map(|(call_id, call)| closed(state, turn, call.effect, call_id, reason)));
    }
    records.push(ended(turn, ending, session));
    records
}

/// What the model is told of a call that a turn left behind.
pub(super) const NO_RESULT: &str = "the turn ended before a result arrived";

/// Closes the calls for which callers are waited for.
pub(super) fn close_calls(state: &State, turn: &Turn, reason: &str) -> Vec<RecordBody> {
    turn.open.iter().map(|open| closed(state, turn, open.effect, &open.call_id, reason)).collect()
}

fn closed(state: &State, turn: &Turn, effect: EffectId, call_id: &CallId, reason: &str) -> RecordBody {
    let apart = turn.told_apart(call_id).map(str::to_owned);
    item(Item {
        id: state.output_id(effect),
        turn: turn.id.clone(),
        output_index: None,
        origin: None,
        body: ItemBody::ClosedCall { call_id: call_id.clone(), reason: reason.to_owned(), apart },
    })
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
