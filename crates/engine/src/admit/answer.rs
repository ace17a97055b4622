//! A model's answer, turned into items. What it calls is looked at before anyone may act on it: an unknown name or
//! arguments that are no JSON object never become an effect; the model is told and goes on.

use super::{approval, arguments, attempt, cite, ending, handover, item, overdue};
use crate::deferred;
use crate::state::{Call, State, Turn};
use serde_json::Value;
use std::collections::BTreeSet;
use types::{
    Answer, CallId, Committed, EffectId, Ending, Item, ItemBody, ItemKind, MicroUsd, ModelFinish, OfferedTool, Opaque,
    Origin, Phase, RecordBody, Rules, Said, Seq, SessionStatus, Stop, Timestamp, Told, Tool, ToolKind,
};

/// Levels of JSON from outside. Records are read back with a bound on depth of their own.
const MAX_DEPTH: usize = 64;

/// Whether a record that holds the value can be read back.
pub(super) fn fits(value: &Value) -> bool {
    is_within(value, MAX_DEPTH)
}

fn is_within(value: &Value, depth: usize) -> bool {
    depth > 0
        && match value {
            Value::Array(items) => items.iter().all(|item| is_within(item, depth - 1)),
            Value::Object(fields) => fields.values().all(|field| is_within(field, depth - 1)),
            _ => true,
        }
}

/// The longest call id that is kept as the model wrote it.
const MAX_CALL_ID: usize = 64;

pub(super) fn done(
    state: &State,
    rules: &Rules,
    (turn, call): (&Turn, &Call),
    context: Seq,
    (answer, finish): (Answer, ModelFinish),
    now: Timestamp,
) -> Vec<RecordBody> {
    let mut records: Vec<_> = attempt::free_intent(turn, call, context).into_iter().collect();
    // A call in an answer that was cut off may be half a call.
    let keep_calls = finish.stop == Stop::End;
    let calls = keep_calls && answer.items.iter().any(|said| matches!(said, Said::Call { .. }));
    let unheard = state.steering.iter().any(|head| head.seq > context);
    // Calls that the model does not wait for: it has the last word when they have their results.
    let rests = keep_calls && !calls && !unheard && !turn.open.is_empty();
    let goes_on = keep_calls && (calls || unheard || rests);
    let phase = if goes_on { Phase::Commentary } else { Phase::FinalAnswer };

    let mut items = Items::new(state, turn, call, phase, keep_calls);
    items.expires = overdue::after(rules, turn, now);
    for (said, index) in answer.items.into_iter().zip(turn.outputs..) {
        items.push(said, index);
    }
    records.extend(items.records);
    let price = rules.model(&call.model).map(|model| model.price).unwrap_or_default();
    records.push(RecordBody::Committed(Committed {
        effect: call.effect,
        attempt: call.attempt,
        turn: turn.id.clone(),
        stop: finish.stop,
        usage: finish.usage,
        charged: charged(call, finish, |usage| price.cost(usage)),
        rests,
    }));
    if !goes_on {
        let ended = how_it_ended(finish.stop, turn.request.is_some());
        records.extend(ending::close_calls(state, turn, ending::NO_RESULT));
        records.push(ending::ended(turn, ended, SessionStatus::Idle));
    } else if let Some(end) = handover::after_answer(turn, &records) {
        records.push(end);
    }
    records
}

fn how_it_ended(stop: Stop, asked: bool) -> Ending {
    let failed = |code: &str, message: &str| Ending::Failed { code: code.to_owned(), message: message.to_owned() };
    match stop {
        Stop::End => Ending::Completed,
        Stop::MaxTokens => {
            failed("max_output_tokens", "The model reached its output token limit before it finished the answer.")
        }
        // Where the door tells apart what was withheld and what was refused, so does the code.
        Stop::Filtered if asked => failed("content_filter", "The model's provider withheld the rest of the answer."),
        Stop::Filtered => failed("cyber_policy", "The model's provider withheld the rest of the answer."),
    }
}

/// What the provider counted, or what was reserved where it counted nothing.
fn charged(call: &Call, finish: ModelFinish, cost: impl Fn(&types::Usage) -> MicroUsd) -> MicroUsd {
    finish.usage.as_ref().map_or_else(|| call.reserved(), cost)
}

/// What the id of a call's item begins with.
pub(super) fn prefix(body: &ItemBody) -> &'static str {
    match body {
        ItemBody::ToolCall(call) if call.is_command() => "cmd",
        ItemBody::ToolCall(call) if call.kind == ToolKind::WebSearch => "ws",
        ItemBody::ToolCall(_) => "mcp",
        _ => "fc",
    }
}

struct Items<'a> {
    state: &'a State,
    turn: &'a Turn,
    origin: Origin,
    model: &'a str,
    phase: Phase,
    keep_calls: bool,
    effects: u64,
    /// Of the functions that it calls.
    expires: Option<Timestamp>,
    call_ids: BTreeSet<CallId>,
    records: Vec<RecordBody>,
}

impl<'a> Items<'a> {
    fn new(state: &'a State, turn: &'a Turn, call: &'a Call, phase: Phase, keep_calls: bool) -> Self {
        let origin = Origin { effect: call.effect, attempt: call.attempt };
        let (effects, call_ids, records) = (state.effects.0, BTreeSet::new(), Vec::new());
        Self { state, turn, origin, model: &call.model, phase, keep_calls, effects, expires: None, call_ids, records }
    }

    fn push(&mut self, said: Said, index: u32) {
        let (prefix, body) = match said {
            // A message or a summary that never said anything was never shown.
            Said::Message { text, .. } if text.is_empty() => return,
            Said::Message { text, logprobs } => {
                let body = ItemBody::AssistantMessage {
                    annotations: cite::annotations(&text, &self.turn.sources),
                    text,
                    phase: self.phase,
                    complete: self.keep_calls,
                    logprobs,
                };
                (ItemKind::Message.id_prefix(), body)
            }
            Said::Reasoning { parts, opaque } => {
                let opaque = opaque.filter(fits).map(|value| Opaque { model: self.model.to_owned(), value });
                (ItemKind::Reasoning.id_prefix(), ItemBody::Reasoning { summary: parts, opaque })
            }
            Said::Call { .. } if !self.keep_calls => return,
            Said::Call { call_id, name, arguments } => {
                let body = self.call(call_id, name, arguments, index);
                (prefix(&body), body)
            }
        };
        self.records.push(item(Item {
            id: self.origin.item_id(&self.state.session, prefix, index),
            turn: self.turn.id.clone(),
            output_index: Some(index),
            origin: Some(self.origin),
            body,
        }));
    }

    fn call(&mut self, call_id: CallId, name: String, arguments: String, index: u32) -> ItemBody {
        let call_id = self.unused(call_id, index);
        let known = self.state.settings.agent.tools.iter().find(|tool| match tool {
            Tool::Function { name: declared, .. } | Tool::Custom { name: declared, .. } => *declared == name,
            _ => false,
        });
        // A function of the session goes before a tool of the same name.
        let offered =
            if known.is_some() { None } else { self.state.offered.tools.iter().find(|tool| tool.name == name) };
        if known.is_none() && offered.is_none() {
            let error = format!("There is no function named {name:?}.");
            return ItemBody::MalformedCall { call_id, name, arguments, error };
        }
        // A model may name from the history what it is not shown now.
        if let Some(error) = self.withheld(&name, known, offered) {
            return ItemBody::MalformedCall { call_id, name, arguments, error };
        }
        let custom = matches!(known, Some(Tool::Custom { .. }));
        // Free text need not be anything.
        let checked = if custom { Ok(arguments.clone()) } else { arguments::object(&arguments) };
        match checked {
            Ok(arguments) => {
                self.effects += 1;
                let effect = EffectId(self.effects);
                match offered {
                    None => {
                        let (told, expires) = (self.told(known), self.expires);
                        ItemBody::FunctionCall { effect, call_id, name, arguments, custom, told, expires }
                    }
                    Some(tool) => ItemBody::ToolCall(approval::called(self.state, tool, effect, call_id, arguments)),
                }
            }
            Err(error) => {
                let error = format!("The arguments are not a JSON object: {error}.");
                ItemBody::MalformedCall { call_id, name, arguments, error }
            }
        }
    }

    /// Why a tool that there is may not be called now.
    fn withheld(&self, name: &str, known: Option<&Tool>, offered: Option<&OfferedTool>) -> Option<String> {
        if !self.turn.allows(name) {
            return Some(format!("{name:?} is not among the tools that this request allows."));
        }
        deferred::not_found(self.state, known, offered)
    }

    /// A door that hands its calls over waits for all of them.
    fn told(&self, known: Option<&Tool>) -> Told {
        match known {
            Some(Tool::Function { is_async: Some(true), .. }) if !self.turn.hands_over() => Told::Apart,
            _ => Told::InPlace,
        }
    }

    /// An answer is matched to its call by id alone, so an id counts once in a session.
    fn unused(&mut self, wanted: CallId, index: u32) -> CallId {
        let length = wanted.as_str().len();
        let taken = self.state.calls.contains_key(&wanted) || self.call_ids.contains(&wanted);
        let id = if taken || length == 0 || length > MAX_CALL_ID {
            CallId::new(self.origin.item_id(&self.state.session, "call", index).as_str())
        } else {
            wanted
        };
        self.call_ids.insert(id.clone());
        id
    }
}
