//! Callers that do not answer. A function call may be waited for with a bound; then it fails, the model or the program is
//! told, and the turn goes on. The bound is in the call's own record, so a later configuration changes nothing of it.

use super::item;
use crate::state::{OpenCall, State, Turn};
use types::{CallResult, Cause, Item, ItemBody, RecordBody, Rules, Timestamp};

/// When a call that is made now is waited for no longer. What a turn hands over is no longer its own to wait for.
pub(super) fn after(rules: &Rules, turn: &Turn, now: Timestamp) -> Option<Timestamp> {
    rules.limits.function_call_time.filter(|_| !turn.hands_over()).map(|time| now.after(time))
}

/// Closes the calls whose time is over.
pub(super) fn expire(state: &State, now: Timestamp) -> Vec<RecordBody> {
    let Some(turn) = &state.turn else { return Vec::new() };
    let over = |call: &&OpenCall| call.expires.is_some_and(|at| at <= now);
    turn.open.iter().filter(over).map(|call| failed(state, turn, call)).collect()
}

fn failed(state: &State, turn: &Turn, call: &OpenCall) -> RecordBody {
    let waited = call.expires.map(|at| call.asked_at.until(at)).unwrap_or_default();
    let error = format!("the caller did not answer within {} s", waited.as_secs_f64());
    item(Item {
        id: state.output_id(call.effect),
        turn: turn.id.clone(),
        output_index: None,
        origin: None,
        body: ItemBody::FunctionCallOutput {
            call_id: call.call_id.clone(),
            result: CallResult::Failure { error: Some(error), output: None },
            custom: state.calls.get(&call.call_id).is_some_and(|known| known.custom),
            apart: turn.told_apart(&call.call_id).map(str::to_owned),
            cause: Cause::CallDeadline,
        },
    })
}
