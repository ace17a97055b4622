//! How a turn ends before its answer: cancelled, out of time, or with nothing left to try. Whatever is open is closed
//! first, so that the transcript stays valid.

use super::item;
use crate::state::{Call, State, Turn};
use types::{
    Abandoned, Ending, Item, ItemBody, ItemId, MicroUsd, ModelError, RecordBody, SessionStatus, TurnEnded, TurnId,
};

pub(super) fn cancel(state: &State) -> Vec<RecordBody> {
    match &state.turn {
        Some(turn) => end(state, turn, "cancelled before a result arrived", Ending::Cancelled, SessionStatus::Idle),
        None => Vec::new(),
    }
}

pub(super) fn deadline(state: &State, id: &TurnId) -> Vec<RecordBody> {
    let Some(turn) = state.turn.as_ref().filter(|turn| turn.id == *id) else { return Vec::new() };
    let message = "The turn took longer than this server allows (limits.turn_time).".to_owned();
    let ending = Ending::Failed { code: "request_timeout".to_owned(), message };
    end(state, turn, "the turn ran out of time before a result arrived", ending, SessionStatus::Idle)
}

/// Abandons the model call in flight, closes every open function call, ends the turn.
pub(super) fn end(state: &State, turn: &Turn, reason: &str, ending: Ending, session: SessionStatus) -> Vec<RecordBody> {
    let mut records: Vec<_> =
        turn.call.iter().map(|call| RecordBody::Abandoned(abandoned(turn, call, None, true))).collect();
    let session_digits = state.session.as_str().strip_prefix("sess_").unwrap_or(state.session.as_str());
    records.extend(turn.open.iter().map(|open| {
        item(Item {
            id: ItemId::new(format!("fco_{session_digits}e{}", open.effect.0)),
            turn: turn.id.clone(),
            output_index: None,
            origin: None,
            body: ItemBody::ClosedCall { call_id: open.call_id.clone(), reason: reason.to_owned() },
        })
    }));
    records.push(RecordBody::TurnEnded(TurnEnded { turn: turn.id.clone(), ending, session }));
    records
}

/// An attempt without an outcome is charged what was reserved for it: it may have cost that much, and nobody knows.
pub(super) fn abandoned(turn: &Turn, call: &Call, error: Option<ModelError>, unmeasured: bool) -> Abandoned {
    let charged = call
        .intent
        .iter()
        .flat_map(|intent| &intent.reserve)
        .map(|reservation| reservation.amount)
        .max()
        .unwrap_or(MicroUsd::ZERO);
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
