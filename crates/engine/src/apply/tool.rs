//! Calls that this server performs: open from their record to their outcome's.

use super::{go_on, program};
use crate::deferred;
use crate::state::{CallOutcome, CallState, Doubt, ItemHead, OpenTool, State, Turn};
use std::sync::Arc;
use types::{
    Abandoned, Attempt, Cause, Class, EventBody, Intended, Item, ItemBody, Late, Offer, SessionStatus, SettledCall,
    Told, ToolCall, ToolOutcome, Verdict,
};

/// Calls given up whose own word may still come; the oldest are forgotten first.
const MAX_DOUBTS: usize = 256;
/// Pages of one turn that may be cited; the first are kept.
const MAX_SOURCES: usize = 200;

pub(super) fn offered(state: &mut State, offer: &Arc<Offer>) {
    state.offered = offer.clone();
    state.pin_offered(offer);
    deferred::weigh(state);
}

pub(super) fn called(state: &mut State, item: &Arc<Item>, call: &ToolCall, head: ItemHead) -> Vec<EventBody> {
    let seq = head.seq;
    if call.parent.is_none() {
        state.transcript.push(head);
    }
    state.effects = state.effects.max(call.effect);
    // Its id is used up, and nobody outside may answer it.
    let (turn, effect, outcome) = (item.turn.clone(), call.effect, Some(CallOutcome::Performed));
    let told = call.parent.map_or(Told::InPlace, Told::Program);
    let known = CallState { turn, effect, custom: false, told, seq, outcome };
    state.calls.insert(call.call_id.clone(), known);
    if let Some(turn) = &mut state.turn {
        turn.tool_calls += 1;
        turn.tools.push(OpenTool {
            item: item.id.clone(),
            output_index: item.output_index,
            origin: item.origin,
            call: call.clone(),
            attempt: Attempt(1),
            nth: turn.tool_calls,
            intended: false,
            program: None,
            request: None,
            approved: false,
        });
    }
    if item.is_visible() { vec![EventBody::ItemAdded(item.clone())] } else { Vec::new() }
}

pub(super) fn ended(
    state: &mut State,
    item: &Arc<Item>,
    call: &ToolCall,
    cause: Cause,
    head: ItemHead,
) -> Vec<EventBody> {
    match (call.parent, &item.body) {
        (None, _) => state.transcript.push(head),
        (Some(parent), ItemBody::ToolOutcome { outcome, .. }) => {
            program::heard(state, parent, call.effect, program::of_outcome(outcome));
        }
        (Some(_), _) => {}
    }
    learn(state, item);
    let closed = state.turn.as_mut().and_then(|turn| {
        let place = turn.tools.iter().position(|open| open.call.effect == call.effect)?;
        let open = turn.tools.remove(place);
        Some(open)
    });
    if let Some(open) = closed {
        if cause.is_given_up() && open.has_begun() && call.class != Class::Pure {
            let doubt = Doubt { turn: item.turn.clone(), attempt: open.attempt };
            state.doubts.insert(call.effect, doubt);
            if state.doubts.len() > MAX_DOUBTS {
                state.doubts.pop_first();
            }
        }
        go_on(state);
    }
    if let ItemBody::ToolOutcome { outcome: ToolOutcome::Unknown(_), .. } = &item.body {
        let known = SettledCall { call_id: call.call_id.clone(), name: call.name.clone() };
        super::approval::unknown(state, call.effect, &item.turn, known);
    }
    if !item.is_visible() {
        return Vec::new();
    }
    printed(item).into_iter().chain([EventBody::ItemDone(item.clone())]).collect()
}

/// What an outcome leaves behind: tools that are shown from here on, pages that may be cited.
fn learn(state: &mut State, item: &Item) {
    let ItemBody::ToolOutcome { outcome, .. } = &item.body else { return };
    match (outcome, &mut state.turn) {
        (ToolOutcome::Found(found), _) => deferred::load(state, &found.names),
        (ToolOutcome::Web(result), Some(turn)) => {
            for source in &result.sources {
                if turn.sources.len() < MAX_SOURCES && turn.sources.iter().all(|known| known.url != source.url) {
                    turn.sources.push(source.clone());
                }
            }
        }
        _ => {}
    }
}

/// The output of a command that printed something.
fn printed(item: &Item) -> Option<EventBody> {
    let ItemBody::ToolOutcome { call, outcome, said, .. } = &item.body else { return None };
    let has_printed = match outcome {
        ToolOutcome::Ran(result) => !result.shown().is_empty(),
        ToolOutcome::Failed(_) | ToolOutcome::Unknown(_) => said.is_some(),
        ToolOutcome::Done(_) | ToolOutcome::Found(_) | ToolOutcome::Web(_) | ToolOutcome::Paused(_) => false,
    };
    (call.is_command() && has_printed).then(|| EventBody::CommandOutput {
        item: item.id.clone(),
        turn: item.turn.clone(),
        output_index: item.output_index.unwrap_or_default(),
        text: outcome.shown(said.as_deref()).into_owned(),
    })
}

/// Whether the effect is an open tool call; then its intent is noted.
pub(super) fn intend(state: &mut State, intended: &Intended) -> bool {
    let Some(open) = open(state, intended.effect) else { return false };
    open.intended |= matches!(intended.verdict, Verdict::Permit { .. });
    true
}

/// Whether the effect is an open tool call; then its next attempt begins.
pub(super) fn abandon(state: &mut State, abandoned: &Abandoned) -> bool {
    let Some(open) = open(state, abandoned.effect) else { return false };
    open.attempt = abandoned.next_attempt();
    open.intended = false;
    // What a restore took for begun is asked about again.
    if open.waits_for_person() {
        state.status = SessionStatus::RequiresAction;
    }
    true
}

pub(super) fn late(state: &mut State, late: &Late) {
    state.doubts.remove(&late.effect);
    if !matches!(late.outcome, ToolOutcome::Unknown(_)) {
        state.unsettled.remove(&late.effect);
    }
}

/// What was open at the backup may have been begun in the part of the log that is lost.
pub(super) fn restored(state: &mut State) {
    for open in state.turn.iter_mut().flat_map(|turn| &mut turn.tools) {
        open.intended = true;
    }
    if state.status == SessionStatus::RequiresAction
        && !state.turn.as_ref().is_some_and(Turn::waits)
        && !state.is_held()
    {
        state.status = SessionStatus::InProgress;
    }
}

pub(super) fn open(state: &mut State, effect: types::EffectId) -> Option<&mut OpenTool> {
    state.turn.as_mut()?.tools.iter_mut().find(|open| open.call.effect == effect)
}
