//! The ledger against the log and the world: every effect is in it once, at rest none is open, and what nobody knows is
//! `unknown` until a late word settles it.

use super::Folded;
use crate::notes::Notes;
use runtime::{EffectKind, EffectState, Entry};
use std::collections::BTreeMap;
use types::{Class, EffectId, ItemBody, RecordBody, ToolOutcome};

pub fn check(folded: &Folded<'_>, notes: &Notes) -> Vec<String> {
    let mut wrong = Vec::new();
    // A deleted session shows none.
    let Some(ledger) = notes.ledgers.get(folded.id) else { return wrong };
    if !ledger.is_sorted_by(|one, next| one.id < next.id) {
        wrong.push("the ledger's pages repeat an effect, or are not in order".to_owned());
    }
    let entries: BTreeMap<EffectId, &Entry> = ledger.iter().map(|entry| (entry.id, entry)).collect();
    for entry in ledger {
        let open = [EffectState::Intended, EffectState::Dispatched, EffectState::Waiting].contains(&entry.state);
        let handed_over = entry.call_id.as_ref().is_some_and(|id| super::log::is_open(&folded.state, id));
        if open && !handed_over {
            wrong.push(format!("in the ledger, effect {} is {:?} at rest", entry.id.0, entry.state));
        }
    }
    // By their own late word, or an operator's.
    let mut settled_later = Vec::new();
    for (_, record) in &folded.records {
        match &record.body {
            RecordBody::Late(of) if !matches!(of.outcome, ToolOutcome::Unknown(_)) => settled_later.push(of.effect),
            RecordBody::Item(item) => {
                if let ItemBody::Settled { effect, .. } = &item.body {
                    settled_later.push(*effect);
                }
            }
            _ => {}
        }
    }
    for (_, record) in &folded.records {
        let RecordBody::Item(item) = &record.body else { continue };
        match &item.body {
            ItemBody::FunctionCall { effect, .. }
                if entries.get(effect).is_none_or(|entry| entry.kind != EffectKind::FunctionCall) =>
            {
                wrong.push(format!("the ledger has no function call {}", effect.0));
            }
            ItemBody::ToolOutcome { call, outcome: ToolOutcome::Unknown(_), .. } => {
                let settled = settled_later.contains(&call.effect);
                let expected = if settled { EffectState::Reconciled } else { EffectState::Unknown };
                let state = entries.get(&call.effect).map(|entry| entry.state);
                if state != Some(expected) {
                    wrong.push(format!("effect {} is {state:?} in the ledger, not {expected:?}", call.effect.0));
                }
            }
            _ => {}
        }
    }
    for dispatch in notes.dispatches.iter().filter(|dispatch| dispatch.session == *folded.id && !dispatch.lost) {
        let tries = entries.get(&dispatch.effect).map_or(&[][..], |entry| entry.attempts.as_slice());
        if dispatch.class != Class::Pure && !tries.iter().any(|of| of.number == dispatch.attempt) {
            let (effect, attempt) = (dispatch.effect.0, dispatch.attempt.0);
            wrong.push(format!("attempt {attempt} of effect {effect} was begun and is not in the ledger"));
        }
    }
    wrong
}
