//! A session that goes on where another one stood: what was open there is closed, so that the transcript is valid, and
//! nothing before it is ever done again.

use super::{ending, item, tool};
use crate::state::{CallState, State};
use std::sync::Arc;
use types::{
    CallId, Cause, EffectId, Ending, Forked, Item, ItemBody, ItemId, RecordBody, Refusal, Rules, SessionId,
    SessionSettings, SessionStatus, Told, TurnId,
};

/// What the model is told of a call that was open.
pub(super) const NOT_CARRIED_OVER: &str = "not carried over";

/// `state` is the parent's, as it was at the last record that is shared.
pub(super) fn fork(
    state: &State,
    rules: &Rules,
    session: SessionId,
    settings: SessionSettings,
    keeps_calls: bool,
) -> Result<Vec<RecordBody>, Refusal> {
    if state.seq.0 == 0 {
        return Err(Refusal::not_found("session", state.session.as_str()));
    }
    let mut records = vec![RecordBody::Forked(Forked {
        session: session.clone(),
        parent: state.session.clone(),
        at: state.seq,
        settings: Arc::new(settings),
        keeps_calls,
    })];
    // What nobody waits for, or a program that is gone, is not kept.
    let keeps = |call: &CallState| keeps_calls && call.told == Told::InPlace;
    let open = state.calls.iter().filter(|(_, call)| call.outcome.is_none() && !keeps(call));
    let mut open: Vec<_> = open.map(|(id, call)| (call.effect, id, &call.turn)).collect();
    open.sort();
    if let Some(turn) = &state.turn {
        records.extend(tool::close(rules, turn, Cause::Forked));
    }
    let apart = |id: &CallId| state.turn.as_ref().and_then(|turn| turn.told_apart(id)).map(str::to_owned);
    records.extend(open.into_iter().map(|(effect, id, turn)| closed(&session, effect, id, turn, apart(id))));
    if let Some(turn) = &state.turn {
        records.push(ending::ended(turn, Ending::Cancelled, SessionStatus::Idle));
    }
    Ok(records)
}

fn closed(session: &SessionId, effect: EffectId, call_id: &CallId, turn: &TurnId, apart: Option<String>) -> RecordBody {
    item(Item {
        id: ItemId::new(format!("fco_{}e{}", session.digits(), effect.0)),
        turn: turn.clone(),
        output_index: None,
        origin: None,
        body: ItemBody::ClosedCall { call_id: call_id.clone(), reason: NOT_CARRIED_OVER.to_owned(), apart },
    })
}
