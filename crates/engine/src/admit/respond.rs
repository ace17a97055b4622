//! Turns that other doors begin: items that the client brings, the settings of this one request, and its wish how the
//! model is to answer. Also turns that only bring items, and what is taken out again.

use super::brought::Brought;
use super::environment;
use crate::state::State;
use std::sync::Arc;
use types::{
    AgentSettings, Door, Ending, InputItem, ItemId, ItemRemoved, RecordBody, Refusal, RefusalKind, Seq,
    SessionSettings, SessionStatus, Stamp, TurnEnded, TurnId, TurnRequest,
};

/// What a client asks of a turn.
pub(super) struct Asked {
    pub(super) agent: AgentSettings,
    pub(super) request: Arc<TurnRequest>,
    pub(super) items: Vec<InputItem>,
    pub(super) follows: Option<Seq>,
    pub(super) turn: Option<TurnId>,
}

pub(super) fn respond(state: &State, asked: Asked, stamp: &mut Stamp<'_>) -> Result<Vec<RecordBody>, Refusal> {
    match (asked.follows, &state.last_turn) {
        // What continues one response of a conversation, and not the conversation, is no part of it.
        (Some(_), _) if state.settings.door == Door::Conversations => {
            return Err(Refusal::conflict("A conversation goes on at its end only."));
        }
        (Some(seq), Some(last))
            if seq == last.seq && (last.is_removed || !last.is_response || state.settings.door == Door::Chat) =>
        {
            return Err(Refusal::not_found("turn", last.id.as_str()));
        }
        (Some(seq), last) if last.as_ref().is_none_or(|last| seq != last.seq) => {
            return Err(Refusal::conflict("Another turn came after the one that this one continues."));
        }
        _ => {}
    }
    check_rest(state)?;
    environment::check_usable(state)?;
    let mut records = Vec::new();
    let mut request = asked.request;
    let changed = asked.agent != state.settings.agent;
    Arc::make_mut(&mut request).settings_at = Some(if changed { state.seq.next() } else { state.settings_at });
    if changed {
        let settings = SessionSettings { agent: asked.agent, ..(*state.settings).clone() };
        records.push(RecordBody::SessionUpdated { settings: Arc::new(settings) });
    }
    let silent = request.silent;
    let turn = asked.turn.unwrap_or_else(|| TurnId::new(stamp.id("turn")));
    let prompt_cache = state.settings.prompt_cache;
    records.push(RecordBody::TurnCreated { turn: turn.clone(), prompt_cache, request: Some(request) });
    let mut brought = Brought::new(state, &turn);
    for item in asked.items {
        brought.push(item, stamp)?;
    }
    if let Some(call_id) = brought.unanswered().next() {
        return Err(Refusal::invalid(format!("No tool output found for function call {call_id}.")).at("input"));
    }
    records.extend(brought.into_records());
    if silent {
        records.push(RecordBody::TurnStarted { turn: turn.clone() });
        let (ending, session, forget) = (Ending::Completed, SessionStatus::Idle, Vec::new());
        records.push(RecordBody::TurnEnded(TurnEnded { turn, ending, session, forget }));
    } else {
        records.push(environment::begin(&state.settings.environment, state, turn, stamp.now));
    }
    Ok(records)
}

/// A turn of items alone.
pub(super) fn import(state: &State, items: Vec<InputItem>, stamp: &mut Stamp<'_>) -> Result<Vec<RecordBody>, Refusal> {
    check_rest(state)?;
    let turn = TurnId::new(stamp.id("turn"));
    let prompt_cache = state.settings.prompt_cache;
    // Its calls may be answered later.
    let request = Some(Arc::new(TurnRequest { hands_over: true, ..TurnRequest::default() }));
    let mut records = vec![RecordBody::TurnCreated { turn: turn.clone(), prompt_cache, request }];
    let mut brought = Brought::new(state, &turn);
    for item in items {
        brought.push(item, stamp)?;
    }
    records.extend(brought.into_records());
    let (ending, session, forget) = (Ending::Completed, SessionStatus::Idle, Vec::new());
    records.push(RecordBody::TurnEnded(TurnEnded { turn, ending, session, forget }));
    Ok(records)
}

pub(super) fn remove_item(state: &State, item: ItemId, seq: Seq) -> Result<Vec<RecordBody>, Refusal> {
    if state.turn.is_some() {
        return Err(locked());
    }
    Ok(vec![RecordBody::ItemRemoved(ItemRemoved { item, seq })])
}

fn check_rest(state: &State) -> Result<(), Refusal> {
    match (state.status, &state.turn) {
        (SessionStatus::Failed, _) => Err(Refusal::conflict("The session has failed and cannot continue.")),
        (SessionStatus::BudgetReached, _) => Err(Refusal::conflict("The session has reached its spending limit.")),
        (_, Some(_)) => Err(locked()),
        (_, None) => Ok(()),
    }
}

/// The original's words.
fn locked() -> Refusal {
    let message = "Another process is currently operating on this conversation. Please retry in a few seconds.";
    Refusal::new(RefusalKind::Locked, message)
}
