//! Which effects come next, and what they need to know: derived from State alone, so the same before and after a crash.

mod truncation;

use crate::state::{ItemHead, State};
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
    effects.extend(turn.tools.iter().take(limits.tool_calls_at_once.max(1)).map(|open| Effect::ToolCall {
        id: open.call.effect,
        attempt: open.attempt,
        turn: turn.id.clone(),
        class: open.call.class,
        nth: open.nth,
        // What an environment holds is taken up again and never begun a second time.
        attach: open.intended && open.call.class == Class::Attachable,
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
fn beside(state: &State) -> u64 {
    state.settings_tokens + state.offered_tokens
}

fn shown(state: &State) -> impl Iterator<Item = &ItemHead> {
    state.transcript.iter().chain(&state.steering)
}
