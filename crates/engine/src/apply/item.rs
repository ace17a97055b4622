//! Items: into the transcript, onto the stream.

use crate::state::{CallOutcome, CallState, HeadKind, ItemHead, OpenCall, State, digest, name_digest};
use std::sync::Arc;
use types::{
    CallId, CallOutput, CallResult, Cause, Content, EffectId, EventBody, Item, ItemBody, ItemKind, ItemRemoved, Role,
    Seq, SettledCall, Told, ToolOutcome, TurnId,
};

pub(super) fn apply(state: &mut State, seq: Seq, item: &Arc<Item>) -> Vec<EventBody> {
    if item.origin.is_none() && item.output_index.is_none() {
        state.named.insert(name_digest(&item.id));
    }
    if let (Some(index), Some(turn)) = (item.output_index, &mut state.turn) {
        turn.outputs = turn.outputs.max(index.saturating_add(1));
    }
    let head = |kind| ItemHead { seq, kind, tokens: tokens(&item.body) };
    match &item.body {
        ItemBody::UserMessage { role, .. } => {
            let kind = if *role == Role::User { HeadKind::Message } else { HeadKind::System };
            let turn_runs = state.turn.as_ref().is_some_and(|turn| turn.started_at.is_some());
            let queue = if turn_runs { &mut state.steering } else { &mut state.transcript };
            queue.push(head(kind));
            if turn_runs {
                super::go_on(state);
            }
            vec![EventBody::ItemAdded(item.clone())]
        }
        ItemBody::AssistantMessage { text, .. } => {
            state.transcript.push(head(HeadKind::Answer));
            message_events(item, text)
        }
        ItemBody::Compaction { .. } => {
            state.transcript.push(head(HeadKind::Apart));
            vec![EventBody::ItemAdded(item.clone())]
        }
        ItemBody::Reasoning { summary, .. } => {
            state.transcript.push(head(HeadKind::Reasoning));
            reasoning_events(item, summary)
        }
        ItemBody::FunctionCall { .. } => called(state, item, head(HeadKind::Call)),
        ItemBody::FunctionCallOutput { call_id, result, cause, .. } => {
            hear(state, call_id, &head);
            if *cause == Cause::CallDeadline {
                doubted(state, call_id, &item.turn, CallOutcome::Overdue);
            } else if let Some(call) = state.calls.get_mut(call_id) {
                call.outcome = Some(CallOutcome::Answered(digest(result), seq));
            }
            answered(state, item, call_id, result)
        }
        ItemBody::MalformedCall { call_id, .. } => {
            state.transcript.push(head(HeadKind::Call));
            // Its id is used up: an answer is matched by id alone.
            let (turn, effect, outcome) = (item.turn.clone(), EffectId(0), Some(CallOutcome::Closed));
            let call = CallState { turn, effect, custom: false, told: Told::InPlace, seq, outcome };
            state.calls.insert(call_id.clone(), call);
            Vec::new()
        }
        ItemBody::ToolCall(call) => super::tool::called(state, item, call, head(HeadKind::Call)),
        ItemBody::ToolOutcome { call, cause, .. } => {
            super::tool::ended(state, item, call, *cause, head(HeadKind::Output))
        }
        ItemBody::Settled { effect, outcome, .. } => {
            super::approval::settled(state, *effect, outcome, head(HeadKind::Settled));
            Vec::new()
        }
        ItemBody::ClosedCall { call_id, .. } => {
            hear(state, call_id, &head);
            doubted(state, call_id, &item.turn, CallOutcome::Closed);
            if let Some(turn) = &mut state.turn {
                turn.open.retain(|call| call.call_id != *call_id);
            }
            Vec::new()
        }
    }
}

/// A call that the caller answers.
fn called(state: &mut State, item: &Arc<Item>, head: ItemHead) -> Vec<EventBody> {
    let ItemBody::FunctionCall { effect, call_id, name, arguments, custom, told, expires } = &item.body else {
        return Vec::new();
    };
    let seq = head.seq;
    if !matches!(told, Told::Program(_)) {
        state.transcript.push(head);
    }
    state.effects = state.effects.max(*effect);
    let call = CallState { turn: item.turn.clone(), effect: *effect, custom: *custom, told: *told, seq, outcome: None };
    state.calls.insert(call_id.clone(), call);
    // What is handed over is waited for by the next turn.
    if let Some(turn) = state.turn.as_mut().filter(|turn| !turn.hands_over()) {
        turn.open.push(OpenCall {
            effect: *effect,
            call_id: call_id.clone(),
            name: name.clone(),
            arguments: arguments.clone(),
            told: *told,
            asked_at: state.last_active_at,
            expires: *expires,
        });
    }
    vec![EventBody::ItemAdded(item.clone()), EventBody::ItemDone(item.clone())]
}

/// A call that ends without its caller's word.
fn doubted(state: &mut State, call_id: &CallId, turn: &TurnId, outcome: CallOutcome) {
    let effect = state.calls.get_mut(call_id).map(|call| {
        call.outcome = Some(outcome);
        call.effect
    });
    let open = state.turn.iter().flat_map(|turn| &turn.open).find(|call| call.call_id == *call_id);
    let name = open.map_or_else(String::new, |call| call.name.clone());
    // The caller was asked, and whether it acted nobody told us.
    if let Some(effect) = effect {
        super::approval::unknown(state, effect, turn, SettledCall { call_id: call_id.clone(), name });
    }
}

fn answered(state: &mut State, item: &Arc<Item>, call_id: &CallId, result: &CallResult) -> Vec<EventBody> {
    let told = state.calls.get(call_id).map(|call| (call.told, call.effect));
    if let Some((Told::Program(program), effect)) = told {
        super::program::heard(state, program, effect, super::program::of_result(result));
    }
    let mut events = vec![EventBody::ItemAdded(item.clone())];
    let was_open = state.turn.as_mut().is_some_and(|turn| {
        let open = turn.open.len();
        turn.open.retain(|call| call.call_id != *call_id);
        turn.open.len() < open
    });
    if was_open {
        super::go_on(state);
        events.extend(super::requires_no_more(state));
    }
    events
}

/// What came of a call goes where the model, or nobody, waits for it.
fn hear(state: &mut State, call_id: &CallId, head: &dyn Fn(HeadKind) -> ItemHead) {
    match state.calls.get(call_id).map(|call| call.told) {
        Some(Told::Program(_)) => {}
        // Like a message: shown with the next call.
        Some(Told::Apart) => state.steering.push(head(HeadKind::Apart)),
        Some(Told::InPlace) | None => state.transcript.push(head(HeadKind::Output)),
    }
}

/// Gone from every context. A call that waited waits no more; one that lost its result may get another.
pub(super) fn removed(state: &mut State, removed: &ItemRemoved) {
    state.transcript.retain(|head| head.seq != removed.seq);
    (state.has_gaps, state.may_part) = (true, true);
    for call in state.calls.values_mut() {
        match call.outcome {
            None | Some(CallOutcome::Unsaid) if call.seq == removed.seq => call.outcome = Some(CallOutcome::Closed),
            Some(CallOutcome::Answered(_, seq)) if seq == removed.seq => call.outcome = Some(CallOutcome::Unsaid),
            _ => {}
        }
    }
}

fn message_events(item: &Arc<Item>, text: &str) -> Vec<EventBody> {
    if item.output_index.is_none() {
        return brought_events(item);
    }
    let mut events = vec![EventBody::ItemAdded(item.clone())];
    part_events(&mut events, item, ItemKind::Message, 0, text);
    events.push(EventBody::ItemDone(item.clone()));
    events
}

/// What came from outside was never said here.
fn brought_events(item: &Arc<Item>) -> Vec<EventBody> {
    vec![EventBody::ItemAdded(item.clone()), EventBody::ItemDone(item.clone())]
}

fn reasoning_events(item: &Arc<Item>, summary: &[String]) -> Vec<EventBody> {
    if item.output_index.is_none() {
        return brought_events(item);
    }
    let mut events = vec![EventBody::ItemAdded(item.clone())];
    for (text, part) in summary.iter().zip(0..) {
        part_events(&mut events, item, ItemKind::Reasoning, part, text);
    }
    events.push(EventBody::ItemDone(item.clone()));
    events
}

fn part_events(events: &mut Vec<EventBody>, item: &Arc<Item>, kind: ItemKind, part: u32, text: &str) {
    let (id, turn, output_index) = (&item.id, &item.turn, item.output_index.unwrap_or(0));
    events.push(EventBody::PartAdded { item: id.clone(), kind, turn: turn.clone(), output_index, part });
    if !text.is_empty() {
        let text = text.to_owned();
        events.push(EventBody::Delta { item: id.clone(), kind, turn: turn.clone(), output_index, part, text });
    }
    events.push(EventBody::TextDone { item: item.clone(), kind, part });
    events.push(EventBody::PartDone { item: item.clone(), kind, part });
}

fn tokens(body: &ItemBody) -> u32 {
    const IMAGE: usize = 1000 * 4;
    let content = |parts: &[Content]| -> usize {
        parts
            .iter()
            .map(|part| match part {
                Content::Text { text } => text.len(),
                Content::Image { .. } => IMAGE,
                Content::File { data, .. } => data.len(),
            })
            .sum()
    };
    let said = |output: &CallOutput| match output {
        CallOutput::Text(text) => text.len(),
        CallOutput::Parts(parts) => content(parts),
    };
    let output = |output: &Option<CallOutput>| output.as_ref().map_or(0, said);
    let bytes = match body {
        ItemBody::UserMessage { content: parts, .. } => content(parts),
        ItemBody::AssistantMessage { text, .. } | ItemBody::Compaction { text } => text.len(),
        ItemBody::Reasoning { summary, .. } => summary.iter().map(String::len).sum(),
        ItemBody::FunctionCall { name, arguments, .. } => name.len() + arguments.len(),
        ItemBody::FunctionCallOutput { result: CallResult::Success(result), .. } => output(result),
        ItemBody::FunctionCallOutput { result: CallResult::Failure { error, output: result }, .. } => {
            error.as_ref().map_or(0, String::len) + output(result)
        }
        ItemBody::MalformedCall { name, arguments, error, .. } => name.len() + arguments.len() + error.len(),
        ItemBody::ClosedCall { reason, .. } => reason.len(),
        ItemBody::Settled { outcome, .. } => outcome.text().len(),
        ItemBody::ToolCall(call) => call.name.len() + call.arguments.len(),
        ItemBody::ToolOutcome { outcome: ToolOutcome::Done(output), .. } => said(output),
        ItemBody::ToolOutcome { outcome: ToolOutcome::Ran(result), .. } => result.told.len(),
        ItemBody::ToolOutcome { outcome: ToolOutcome::Found(found), .. } => found.told.len(),
        ItemBody::ToolOutcome { outcome: ToolOutcome::Web(result), .. } => result.told.len(),
        ItemBody::ToolOutcome { outcome: ToolOutcome::Paused(pause), .. } => pause.printed.len(),
        ItemBody::ToolOutcome { outcome: ToolOutcome::Failed(text) | ToolOutcome::Unknown(text), .. } => text.len(),
    };
    u32::try_from(bytes / 4 + 4).unwrap_or(u32::MAX)
}
