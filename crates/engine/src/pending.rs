//! Which effects come next, and what they need to know: derived from State alone, so the same before and after a crash.

mod truncation;

use crate::state::{HeadKind, ItemHead, OpenTool, State};
use types::{Class, Effect, Limits, Rules, Seq, Standing};

/// The effects that are due or in flight. The caller knows which of them it has started already.
pub fn pending(state: &State, limits: &Limits) -> Vec<Effect> {
    let Some(turn) = &state.turn else { return Vec::new() };
    let mut effects = Vec::new();
    if let Some(held) = &turn.held {
        effects.push(Effect::TurnDeadline { turn: turn.id.clone(), at: held.until });
    }
    if turn.is_worked_on() {
        let left = limits.turn_time.saturating_sub(turn.worked);
        effects.push(Effect::TurnDeadline { turn: turn.id.clone(), at: turn.working_since.after(left) });
    }
    effects.extend(turn.tools.iter().filter(|open| open.is_due()).take(limits.tool_calls_at_once.max(1)).map(|open| {
        Effect::ToolCall {
            id: open.call.effect,
            attempt: open.attempt,
            turn: turn.id.clone(),
            class: open.call.class,
            nth: open.nth,
            // What an environment holds is taken up again and never begun a second time.
            attach: open.intended && open.call.class == Class::Attachable,
            consent: open.consent(),
        }
    }));
    effects.extend(turn.reviews().map(|(open, call)| Effect::Review {
        id: call.effect,
        attempt: call.attempt,
        turn: turn.id.clone(),
        model: call.model.clone(),
        not_before: call.not_before,
        of: open.call.effect,
        tokens: review_tokens(state, open),
    }));
    if let Some(call) = &turn.call {
        effects.push(Effect::ModelCall {
            id: call.effect,
            attempt: call.attempt,
            turn: turn.id.clone(),
            model: call.model.clone(),
            not_before: call.not_before,
        });
    }
    effects
}

/// The records whose items the next model call is shown, in order.
pub fn context(state: &State, rules: &Rules) -> Vec<Seq> {
    let left_out = truncation::left_out(state, rules);
    shown(state).map(|head| head.seq).filter(|seq| !left_out.contains(seq)).collect()
}

/// The newest messages of users, oldest first: what a model that reviews a call is shown of the conversation.
pub fn review_context(state: &State) -> Vec<Seq> {
    let mut newest: Vec<_> = review_heads(state).map(|head| head.seq).collect();
    newest.reverse();
    newest
}

fn review_heads(state: &State) -> impl Iterator<Item = &ItemHead> {
    const NEWEST: usize = 5;
    let heads = state.steering.iter().rev().chain(state.transcript.iter().rev());
    heads.filter(|head| head.kind == HeadKind::Message).take(NEWEST)
}

/// Tokens of what a review is shown, an estimate.
fn review_tokens(state: &State, open: &OpenTool) -> u64 {
    const QUESTION: u64 = 1000;
    let told: u64 = review_heads(state).map(|head| u64::from(head.tokens)).sum();
    let instructions = state.settings.agent.instructions.as_ref().map_or(0, String::len);
    QUESTION + told + (instructions + open.call.arguments.len()) as u64 / 4
}

/// What the gate is told.
pub fn standing(state: &State, rules: &Rules) -> Standing {
    let left_out = truncation::left_out(state, rules);
    let context = shown(state).filter(|head| !left_out.contains(&head.seq));
    Standing {
        session: state.session.clone(),
        model_calls: state.turn.as_ref().map_or(0, |turn| turn.model_calls),
        context_tokens: context.map(|head| u64::from(head.tokens)).sum::<u64>() + beside(state),
    }
}

/// Tokens of what goes with every call.
pub(crate) fn beside(state: &State) -> u64 {
    state.settings_bytes / 4 + state.offered_bytes / 4
}

fn shown(state: &State) -> impl Iterator<Item = &ItemHead> {
    state.transcript.iter().chain(&state.steering)
}
