//! Calls that this server performs: open from their record to their outcome's.

use super::{open_call, pause};
use crate::state::{CallOutcome, CallState, Doubt, ItemHead, OpenTool, State};
use std::sync::Arc;
use types::{
    Abandoned, Attempt, Cause, Class, EventBody, Intended, Item, ItemBody, Late, Offer, OfferedTool, Timestamp,
    ToolCall, ToolOutcome, Verdict,
};

/// Calls given up whose own word may still come; the oldest are forgotten first.
const MAX_DOUBTS: usize = 256;

pub(super) fn offered(state: &mut State, offer: &Arc<Offer>) {
    state.offered = offer.clone();
    let bytes = |tool: &OfferedTool| {
        let parameters = serde_json::to_vec(&tool.parameters).map_or(0, |bytes| bytes.len());
        tool.name.len() + tool.description.len() + parameters
    };
    let told = offer.instructions.as_ref().map_or(0, String::len);
    state.offered_tokens = (told + offer.tools.iter().map(bytes).sum::<usize>()) as u64 / 4;
}

pub(super) fn called(state: &mut State, item: &Arc<Item>, call: &ToolCall, head: ItemHead) -> Vec<EventBody> {
    let seq = head.seq;
    state.transcript.push(head);
    state.effects = state.effects.max(call.effect);
    // Its id is used up, and nobody outside may answer it.
    let (turn, effect, outcome) = (item.turn.clone(), call.effect, Some(CallOutcome::Performed));
    let known = CallState { turn, effect, custom: false, seq, outcome };
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
        });
    }
    vec![EventBody::ItemAdded(item.clone())]
}

pub(super) fn ended(
    state: &mut State,
    item: &Arc<Item>,
    call: &ToolCall,
    cause: Cause,
    head: ItemHead,
    at: Timestamp,
) -> Vec<EventBody> {
    state.transcript.push(head);
    let closed = state.turn.as_mut().and_then(|turn| {
        let place = turn.tools.iter().position(|open| open.call.effect == call.effect)?;
        let open = turn.tools.remove(place);
        Some((open, turn.tools.is_empty(), turn.open.is_empty()))
    });
    if let Some((open, last, nobody_waits)) = closed {
        if cause.is_given_up() && open.has_begun() && call.class != Class::Pure {
            let doubt = Doubt { turn: item.turn.clone(), attempt: open.attempt };
            state.doubts.insert(call.effect, doubt);
            if state.doubts.len() > MAX_DOUBTS {
                state.doubts.pop_first();
            }
        }
        match (last, nobody_waits) {
            (true, true) => open_call(state),
            // Only callers are waited for now.
            (true, false) => pause(state, at),
            (false, _) => {}
        }
    }
    printed(item).into_iter().chain([EventBody::ItemDone(item.clone())]).collect()
}

/// The output of a command that printed something.
fn printed(item: &Item) -> Option<EventBody> {
    let ItemBody::ToolOutcome { call, outcome, said, .. } = &item.body else { return None };
    let has_printed = match outcome {
        ToolOutcome::Ran(result) => !result.shown().is_empty(),
        ToolOutcome::Failed(_) | ToolOutcome::Unknown(_) => said.is_some(),
        ToolOutcome::Done(_) => false,
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
    true
}

pub(super) fn late(state: &mut State, late: &Late) {
    state.doubts.remove(&late.effect);
}

/// What was open at the backup may have been begun in the part of the log that is lost.
pub(super) fn restored(state: &mut State) {
    for open in state.turn.iter_mut().flat_map(|turn| &mut turn.tools) {
        open.intended = true;
    }
}

fn open(state: &mut State, effect: types::EffectId) -> Option<&mut OpenTool> {
    state.turn.as_mut()?.tools.iter_mut().find(|open| open.call.effect == effect)
}
