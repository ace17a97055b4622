//! What clients send: create, update, messages, results.

use super::{environment, item};
use crate::state::{CallOutcome, CallState, State, digest};
use std::sync::Arc;
use types::{
    CallId, CallOutput, CallResult, Cause, EnvironmentSettings, Item, ItemBody, ItemId, Message, PromptCacheTtl,
    RecordBody, Refusal, SessionChange, SessionId, SessionSettings, SessionStatus, Stamp, TurnId,
};

pub(super) fn create(
    state: &State,
    session: SessionId,
    settings: SessionSettings,
    input: Vec<Message>,
    stamp: &mut Stamp<'_>,
) -> Vec<RecordBody> {
    let started = !input.is_empty();
    let (prompt_cache, environment) = (settings.prompt_cache, settings.environment.clone());
    let mut records = vec![RecordBody::SessionCreated { session, settings: Arc::new(settings), started }];
    if started {
        records.extend(start_turn(state, input, prompt_cache, &environment, stamp));
    }
    records
}

fn start_turn(
    state: &State,
    input: Vec<Message>,
    prompt_cache: Option<PromptCacheTtl>,
    environment: &EnvironmentSettings,
    stamp: &mut Stamp<'_>,
) -> Vec<RecordBody> {
    let turn = TurnId::new(stamp.id("turn"));
    let mut records = vec![RecordBody::TurnCreated { turn: turn.clone(), prompt_cache, request: None }];
    records.extend(user_messages(&turn, input, stamp));
    records.push(environment::begin(environment, state, turn, stamp.now));
    records
}

/// Calls that another door left open are answered by nobody once the conversation goes on without their results.
fn close_open_calls(state: &State, mut records: Vec<RecordBody>) -> Vec<RecordBody> {
    let Some(RecordBody::TurnCreated { turn, .. }) = records.first() else { return records };
    let closed = |(call_id, call): (&CallId, &CallState)| {
        item(Item {
            id: state.output_id(call.effect),
            turn: turn.clone(),
            output_index: None,
            origin: None,
            body: ItemBody::ClosedCall {
                call_id: call_id.clone(),
                reason: "no result was given".to_owned(),
                apart: None,
            },
        })
    };
    let open = state.calls.iter().filter(|(_, call)| call.outcome.is_none());
    let closed: Vec<_> = open.map(closed).collect();
    records.splice(1..1, closed);
    records
}

fn user_messages(turn: &TurnId, input: Vec<Message>, stamp: &mut Stamp<'_>) -> Vec<RecordBody> {
    input
        .into_iter()
        .map(|message| {
            item(Item {
                id: ItemId::new(stamp.id("msg")),
                turn: turn.clone(),
                output_index: None,
                origin: None,
                body: ItemBody::UserMessage { role: types::Role::User, content: message.content },
            })
        })
        .collect()
}

pub(super) fn message(state: &State, input: Vec<Message>, stamp: &mut Stamp<'_>) -> Result<Vec<RecordBody>, Refusal> {
    match (state.status, &state.turn) {
        (SessionStatus::Failed, _) => {
            Err(Refusal::conflict("The session has failed and cannot continue. Create a new session."))
        }
        (SessionStatus::BudgetReached, _) => Err(Refusal::conflict(
            "The session has reached its spending limit. Raise or remove spend_control.limit to continue.",
        )),
        _ if input.is_empty() => Ok(Vec::new()),
        (_, Some(turn)) => Ok(user_messages(&turn.id, input, stamp)),
        (_, None) => {
            environment::check_usable(state)?;
            let settings = &state.settings;
            let records = start_turn(state, input, settings.prompt_cache, &settings.environment, stamp);
            Ok(close_open_calls(state, records))
        }
    }
}

pub(super) fn result(success: bool, output: Option<CallOutput>, error: Option<String>) -> CallResult {
    if success { CallResult::Success(output) } else { CallResult::Failure { error, output } }
}

/// The text for an id never seen is the original's, to the letter: SDK helpers retry on it alone.
pub(super) fn tool_result(
    state: &State,
    turn: &TurnId,
    call_id: &CallId,
    result: CallResult,
) -> Result<Vec<RecordBody>, Refusal> {
    // A call that this server performs is none that a caller could know of.
    let known = state.calls.get(call_id).filter(|call| call.outcome != Some(CallOutcome::Performed));
    let Some(call) = known else {
        return Err(Refusal::invalid(format!("Unknown pending tool call: {call_id}")));
    };
    if call.turn != *turn {
        return Err(Refusal::invalid(format!("Tool call {call_id} does not belong to turn {turn}.")));
    }
    match &call.outcome {
        Some(CallOutcome::Answered(known, _)) if *known == digest(&result) => Ok(Vec::new()),
        Some(CallOutcome::Answered(..)) => {
            Err(Refusal::conflict(format!("Tool call {call_id} has already been answered with another result.")))
        }
        Some(CallOutcome::Closed | CallOutcome::Performed | CallOutcome::Unsaid) => {
            Err(Refusal::conflict(format!("Tool call {call_id} is closed: its turn ended before the result arrived.")))
        }
        Some(CallOutcome::Overdue) => {
            Err(Refusal::conflict(format!("Tool call {call_id} is closed: the result did not arrive in time.")))
        }
        // Handed over by a turn that ended: the next request of its door answers it.
        None if state.turn.as_ref().is_none_or(|running| running.id != *turn) => {
            Err(Refusal::conflict(format!("Tool call {call_id} is closed: its turn ended before the result arrived.")))
        }
        None => Ok(vec![item(Item {
            id: state.output_id(call.effect),
            turn: turn.clone(),
            output_index: None,
            origin: None,
            body: ItemBody::FunctionCallOutput {
                call_id: call_id.clone(),
                result,
                custom: call.custom,
                apart: state.turn.as_ref().and_then(|turn| turn.told_apart(call_id)).map(str::to_owned),
                cause: Cause::Answered,
            },
        })]),
    }
}

pub(super) fn update(state: &State, change: SessionChange) -> Result<Vec<RecordBody>, Refusal> {
    if state.status == SessionStatus::Failed {
        return Err(Refusal::conflict("The session has failed and cannot be changed."));
    }
    let mut settings = (*state.settings).clone();
    let agent = &mut settings.agent;
    if let Some(model) = change.model {
        agent.model = model;
    }
    if let Some(effort) = change.effort {
        agent.reasoning.effort = effort;
    }
    if let Some(tier) = change.service_tier {
        agent.service_tier = tier;
    }
    if let Some(tools) = change.tools {
        agent.tools = tools;
    }
    if let Some(metadata) = change.metadata {
        settings.metadata = metadata;
    }
    if let Some(prompt_cache) = change.prompt_cache {
        settings.prompt_cache = prompt_cache;
    }
    if let Some(review) = change.review {
        settings.review = review;
    }
    if let Some(limit) = change.spend_limit {
        settings.spend_limit = limit;
    }
    if settings == *state.settings {
        return Ok(Vec::new());
    }
    Ok(vec![RecordBody::SessionUpdated { settings: Arc::new(settings) }])
}
