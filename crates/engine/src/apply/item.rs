//! Items: into the transcript, onto the stream.

use crate::state::{CallOutcome, CallState, HeadKind, ItemHead, OpenCall, State, digest, name_digest};
use std::sync::Arc;
use types::{
    CallId, CallOutput, CallResult, Content, EffectId, EventBody, Item, ItemBody, ItemKind, ItemRemoved, Role, Seq,
    Timestamp, ToolOutcome,
};

pub(super) fn apply(state: &mut State, seq: Seq, item: &Arc<Item>, at: Timestamp) -> Vec<EventBody> {
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
            vec![EventBody::ItemAdded(item.clone())]
        }
        ItemBody::AssistantMessage { text, .. } => {
            state.transcript.push(head(HeadKind::Answer));
            message_events(item, text)
        }
        ItemBody::Compaction { .. } => {
            state.transcript.push(head(HeadKind::Message));
            vec![EventBody::ItemAdded(item.clone())]
        }
        ItemBody::Reasoning { summary, .. } => {
            state.transcript.push(head(HeadKind::Reasoning));
            reasoning_events(item, summary)
        }
        ItemBody::FunctionCall { effect, call_id, name, arguments, custom } => {
            state.transcript.push(head(HeadKind::Call));
            state.effects = state.effects.max(*effect);
            let call = CallState { turn: item.turn.clone(), effect: *effect, custom: *custom, seq, outcome: None };
            state.calls.insert(call_id.clone(), call);
            // What is handed over is waited for by the next turn.
            if let Some(turn) = state.turn.as_mut().filter(|turn| !turn.hands_over()) {
                turn.open.push(OpenCall {
                    effect: *effect,
                    call_id: call_id.clone(),
                    name: name.clone(),
                    arguments: arguments.clone(),
                });
            }
            vec![EventBody::ItemAdded(item.clone()), EventBody::ItemDone(item.clone())]
        }
        ItemBody::FunctionCallOutput { call_id, result, .. } => {
            state.transcript.push(head(HeadKind::Output));
            answered(state, (seq, item), call_id, result, at)
        }
        ItemBody::MalformedCall { call_id, .. } => {
            state.transcript.push(head(HeadKind::Call));
            // Its id is used up: an answer is matched by id alone.
            let (turn, effect, outcome) = (item.turn.clone(), EffectId(0), Some(CallOutcome::Closed));
            let call = CallState { turn, effect, custom: false, seq, outcome };
            state.calls.insert(call_id.clone(), call);
            Vec::new()
        }
        ItemBody::ToolCall(call) => super::tool::called(state, item, call, head(HeadKind::Call)),
        ItemBody::ToolOutcome { call, cause, .. } => {
            super::tool::ended(state, item, call, *cause, head(HeadKind::Output), at)
        }
        ItemBody::ClosedCall { call_id, .. } => {
            state.transcript.push(head(HeadKind::Output));
            closed(state, call_id);
            Vec::new()
        }
    }
}

fn closed(state: &mut State, call_id: &CallId) {
    if let Some(call) = state.calls.get_mut(call_id) {
        call.outcome = Some(CallOutcome::Closed);
    }
    if let Some(turn) = &mut state.turn {
        turn.open.retain(|call| call.call_id != *call_id);
    }
}

fn answered(
    state: &mut State,
    (seq, item): (Seq, &Arc<Item>),
    call_id: &CallId,
    result: &CallResult,
    at: Timestamp,
) -> Vec<EventBody> {
    if let Some(call) = state.calls.get_mut(call_id) {
        call.outcome = Some(CallOutcome::Answered(digest(result), seq));
    }
    let mut events = vec![EventBody::ItemAdded(item.clone())];
    let last = state.turn.as_mut().is_some_and(|turn| {
        let open = turn.open.len();
        turn.open.retain(|call| call.call_id != *call_id);
        open > 0 && turn.open.is_empty()
    });
    if last {
        events.push(super::resume(state, at));
    }
    events
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
        ItemBody::ToolCall(call) => call.name.len() + call.arguments.len(),
        ItemBody::ToolOutcome { outcome: ToolOutcome::Done(output), .. } => said(output),
        ItemBody::ToolOutcome { outcome: ToolOutcome::Ran(result), .. } => result.told.len(),
        ItemBody::ToolOutcome { outcome: ToolOutcome::Failed(text) | ToolOutcome::Unknown(text), .. } => text.len(),
    };
    u32::try_from(bytes / 4 + 4).unwrap_or(u32::MAX)
}
