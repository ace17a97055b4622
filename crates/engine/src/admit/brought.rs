//! Items that a client brings into a turn, as records. A result must belong to a call: one that the session has open, or
//! one that came before it. Calls are external: they were performed elsewhere and are never fired here.

use super::item;
use crate::state::{CallOutcome, State, name_digest};
use std::collections::{BTreeMap, BTreeSet};
use types::{
    CallId, CallOutput, CallResult, Cause, EffectId, InputBody, InputItem, Item, ItemBody, ItemId, Phase, RecordBody,
    Refusal, Stamp, Told, TurnId,
};

/// Characters of the longest id that is kept.
const MAX_ID: usize = 64;

pub(super) struct Brought<'a> {
    state: &'a State,
    turn: &'a TurnId,
    effects: u64,
    /// Calls without a result, by id: those that the session has open, and those that were brought.
    open: BTreeMap<CallId, Open>,
    named: BTreeSet<u64>,
    records: Vec<RecordBody>,
}

#[derive(Clone, Copy)]
struct Open {
    effect: EffectId,
    custom: bool,
    /// Its result was there before, and was taken out.
    unsaid: bool,
}

impl<'a> Brought<'a> {
    pub(super) fn new(state: &'a State, turn: &'a TurnId) -> Self {
        let open = state.calls.iter().filter_map(|(id, call)| {
            let unsaid = call.outcome == Some(CallOutcome::Unsaid);
            let open = Open { effect: call.effect, custom: call.custom, unsaid };
            (unsaid || call.outcome.is_none()).then(|| (id.clone(), open))
        });
        let open = open.collect();
        Self { state, turn, effects: state.effects.0, open, named: BTreeSet::new(), records: Vec::new() }
    }

    pub(super) fn push(&mut self, InputItem { id, body }: InputItem, stamp: &mut Stamp<'_>) -> Result<(), Refusal> {
        let (prefixes, own, body): (&[&str], _, _) = match body {
            InputBody::Message { role, content } => (&["msg_"], None, ItemBody::UserMessage { role, content }),
            InputBody::Assistant { text, phase } => {
                let phase = phase.unwrap_or(Phase::FinalAnswer);
                (
                    &["msg_"],
                    None,
                    ItemBody::AssistantMessage {
                        text,
                        phase,
                        complete: true,
                        logprobs: Vec::new(),
                        annotations: Vec::new(),
                    },
                )
            }
            InputBody::Reasoning { summary, opaque } => {
                let opaque = opaque.filter(|opaque| super::answer::fits(&opaque.value));
                (&["rs_"], None, ItemBody::Reasoning { summary, opaque })
            }
            InputBody::Compaction { text } => (&["cmp_"], None, ItemBody::Compaction { text }),
            InputBody::Call { call_id, name, arguments, custom } => {
                let effect = self.call(&call_id, custom)?;
                let body = ItemBody::FunctionCall {
                    effect,
                    call_id,
                    name,
                    arguments,
                    custom,
                    told: Told::InPlace,
                    expires: None,
                };
                (if custom { &["ctc_"] } else { &["fc_"] }, None, body)
            }
            InputBody::Output { call_id, output } => {
                let (own, body) = self.output(call_id, output)?;
                (&["fco_", "ctco_"], own, body)
            }
        };
        let id = match id.filter(|id| self.may_keep(id, prefixes)) {
            Some(id) => ItemId::new(id),
            None => own.unwrap_or_else(|| ItemId::new(stamp.id(prefixes[0].trim_end_matches('_')))),
        };
        self.named.insert(name_digest(&id));
        let turn = self.turn.clone();
        self.records.push(item(Item { id, turn, output_index: None, origin: None, body }));
        Ok(())
    }

    /// Calls whose result is waited for.
    pub(super) fn unanswered(&self) -> impl Iterator<Item = &CallId> {
        self.open.iter().filter(|(_, open)| !open.unsaid).map(|(call_id, _)| call_id)
    }

    pub(super) fn into_records(self) -> Vec<RecordBody> {
        self.records
    }

    fn call(&mut self, call_id: &CallId, custom: bool) -> Result<EffectId, Refusal> {
        if call_id.as_str().is_empty() || call_id.as_str().len() > MAX_ID {
            let message = format!("A call_id has 1 to {MAX_ID} characters.");
            return Err(Refusal::invalid(message).at("input"));
        }
        // Of two calls with one id a result could not tell which it answers; once answered, the id is free.
        if self.open.get(call_id).is_some_and(|open| !open.unsaid) {
            return Err(Refusal::invalid(format!("No tool output found for function call {call_id}.")).at("input"));
        }
        self.effects += 1;
        let effect = EffectId(self.effects);
        self.open.insert(call_id.clone(), Open { effect, custom, unsaid: false });
        Ok(effect)
    }

    /// The result's own id derives from its call, if it is the first one.
    fn output(&mut self, call_id: CallId, output: CallOutput) -> Result<(Option<ItemId>, ItemBody), Refusal> {
        let Some(Open { effect, custom, unsaid }) = self.open.remove(&call_id) else {
            let message = format!("No tool call found for function call output with call_id {call_id}.");
            return Err(Refusal::invalid(message).at("input"));
        };
        let result = CallResult::Success(Some(output));
        let own = (!unsaid).then(|| self.state.output_id(effect));
        Ok((own, ItemBody::FunctionCallOutput { call_id, result, custom, apart: None, cause: Cause::Answered }))
    }

    /// A client's id that looks like ours, is not one that this session or one below it could give itself, and is new.
    fn may_keep(&self, id: &str, prefixes: &[&str]) -> bool {
        let Some(rest) = prefixes.iter().find_map(|prefix| id.strip_prefix(prefix)) else { return false };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let name = name_digest(&ItemId::from(id));
        let mut givers = self.state.ancestors.iter().chain([&self.state.session]);
        !rest.is_empty()
            && id.len() <= MAX_ID
            && rest.chars().all(plain)
            && !givers.any(|giver| rest.starts_with(giver.digits()))
            && !self.state.named.contains(&name)
            && !self.named.contains(&name)
    }
}
