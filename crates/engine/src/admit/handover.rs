//! Turns that hand their calls over: what the model called of the client's functions ends the turn and stays open over
//! its end. Where it called tools of this server in the same answer, the turn ends when the last of them has.

use super::ending::ended;
use crate::state::{State, Turn};
use std::collections::BTreeSet;
use types::{Ending, ItemBody, RecordBody, SessionStatus};

/// The end of the turn whose answer makes these records, if it hands calls over and waits for no tool.
pub(super) fn after_answer(turn: &Turn, records: &[RecordBody]) -> Option<RecordBody> {
    let of = |kind: fn(&ItemBody) -> bool| {
        records.iter().any(|record| matches!(record, RecordBody::Item(item) if kind(&item.body)))
    };
    let called = of(|body| matches!(body, ItemBody::FunctionCall { .. }));
    let works = of(|body| matches!(body, ItemBody::ToolCall(_)));
    (turn.hands_over() && called && !works).then(|| ended(turn, Ending::Completed, SessionStatus::Idle))
}

/// Ends the turn with the outcome of its last tool call, if it has calls to hand over.
pub(super) fn after_tools(state: &State, mut records: Vec<RecordBody>) -> Vec<RecordBody> {
    let Some(turn) = state.turn.as_ref().filter(|turn| turn.hands_over() && !turn.tools.is_empty()) else {
        return records;
    };
    let outcomes: BTreeSet<_> = records
        .iter()
        .filter_map(|record| match record {
            RecordBody::Item(item) => match &item.body {
                ItemBody::ToolOutcome { call, .. } => Some(call.effect),
                _ => None,
            },
            _ => None,
        })
        .collect();
    let is_last = turn.tools.iter().all(|open| outcomes.contains(&open.call.effect));
    let has_ended = records.iter().any(|record| matches!(record, RecordBody::TurnEnded(_)));
    let called = state.calls.values().any(|call| call.turn == turn.id && call.outcome.is_none());
    if is_last && called && !has_ended {
        records.push(ended(turn, Ending::Completed, SessionStatus::Idle));
    }
    records
}
