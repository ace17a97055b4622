//! A program from pause to pause: what its calls came to is kept until it goes on.

use super::tool;
use crate::state::{Awaited, Program, State};
use crate::view::session_view;
use types::{Became, CallOutput, CallResult, Content, EffectId, EventBody, ProgramPaused, SessionStatus, ToolOutcome};

/// The next attempt goes on from here, when all calls have results.
pub(super) fn paused(state: &mut State, paused: &ProgramPaused) -> Vec<EventBody> {
    let Some(turn) = &mut state.turn else { return Vec::new() };
    // A step whose calls all come to nothing counts as one: a program that only pauses must come to an end, too.
    let idle = paused.calls.iter().all(|call| matches!(call.became, Became::Refused(_)));
    turn.tool_calls += u32::from(idle);
    let spent = turn.tool_calls;
    let asks = turn.open.iter().any(|open| paused.calls.iter().any(|call| call.became == Became::Effect(open.effect)));
    let Some(open) = tool::open(state, paused.effect) else { return Vec::new() };
    let before = open.program.take();
    let (mut printed, bytes) = before.map_or((String::new(), 0), |program| (program.printed, program.bytes));
    printed.push_str(&paused.printed);
    let calls = paused.calls.iter().map(|call| match &call.became {
        Became::Effect(effect) => Awaited { number: call.number, effect: Some(*effect), result: None },
        Became::Refused(why) => Awaited { number: call.number, effect: None, result: Some(Err(why.clone())) },
    });
    open.program = Some(Program {
        snapshot: paused.snapshot.clone(),
        printed,
        calls: calls.collect(),
        bytes: bytes + (paused.snapshot.len() + paused.printed.len()) as u64,
    });
    open.attempt = paused.attempt.next();
    open.intended = false;
    if idle {
        open.nth = spent;
    }
    if !asks {
        return Vec::new();
    }
    state.status = SessionStatus::RequiresAction;
    vec![EventBody::SessionRequiresAction(session_view(state))]
}

/// A call of the program has its result.
pub(super) fn heard(state: &mut State, program: EffectId, call: EffectId, result: Result<CallOutput, String>) {
    let program = tool::open(state, program).and_then(|open| open.program.as_mut());
    let awaited = program.and_then(|program| program.calls.iter_mut().find(|known| known.effect == Some(call)));
    if let Some(awaited) = awaited {
        awaited.result = Some(result);
    }
}

pub(super) fn of_outcome(outcome: &ToolOutcome) -> Result<CallOutput, String> {
    match outcome {
        ToolOutcome::Done(output) => Ok(output.clone()),
        ToolOutcome::Ran(result) => Ok(CallOutput::Text(result.told.clone())),
        ToolOutcome::Found(found) => Ok(CallOutput::Text(found.told.clone())),
        ToolOutcome::Web(result) => Ok(CallOutput::Text(result.told.clone())),
        ToolOutcome::Paused(_) => Err("the call paused, and is no program".to_owned()),
        ToolOutcome::Failed(_) | ToolOutcome::Unknown(_) => Err(outcome.error().unwrap_or_default()),
    }
}

pub(super) fn of_result(result: &CallResult) -> Result<CallOutput, String> {
    match result {
        CallResult::Success(output) => Ok(output.clone().unwrap_or_else(|| CallOutput::Text(String::new()))),
        CallResult::Failure { error: Some(error), .. } => Err(error.clone()),
        CallResult::Failure { error: None, output } => Err(output.as_ref().map_or_else(|| "error".to_owned(), text)),
    }
}

fn text(output: &CallOutput) -> String {
    match output {
        CallOutput::Text(text) => text.clone(),
        CallOutput::Parts(parts) => {
            let texts = parts.iter().filter_map(|part| match part {
                Content::Text { text } => Some(text.as_str()),
                Content::Image { .. } | Content::File { .. } => None,
            });
            texts.collect::<Vec<_>>().join("\n")
        }
    }
}
