//! An operator's word on what nobody knew: it was said by one, of an effect whose outcome was unknown, and stands there
//! once; models are told, once; and the ledger has it.

use super::Folded;
use crate::client::text_of;
use crate::notes::{Notes, What};
use runtime::EffectState;
use std::collections::{BTreeMap, BTreeSet};
use types::{Content, ContextItem, EffectId, ItemBody, RecordBody, Seq, Settlement, ToolOutcome};

/// Model calls after a word of which one must have heard it: the first may have been under way to the model.
const SOON: usize = 2;

pub fn check(folded: &Folded<'_>, notes: &Notes) -> Vec<String> {
    let mut wrong = Vec::new();
    let calls: BTreeMap<_, _> = folded.inherited.calls.iter().map(|(id, call)| (id, call.effect)).collect();
    let mut calls: BTreeMap<_, _> = calls;
    let mut doubtful: BTreeSet<EffectId> = BTreeSet::new();
    for (seq, record) in &folded.records {
        match &record.body {
            RecordBody::Late(late) if !matches!(late.outcome, ToolOutcome::Unknown(_)) => {
                doubtful.remove(&late.effect);
            }
            RecordBody::Item(item) => match &item.body {
                ItemBody::FunctionCall { effect, call_id, .. } => drop(calls.insert(call_id, *effect)),
                ItemBody::ClosedCall { call_id, .. } => doubtful.extend(calls.get(call_id)),
                ItemBody::ToolOutcome { call, outcome: ToolOutcome::Unknown(_), .. } => {
                    doubtful.insert(call.effect);
                }
                ItemBody::Settled { effect, outcome, .. } => {
                    if !doubtful.remove(effect) {
                        wrong.push(format!("effect {} is settled at {seq} and nobody doubted it", effect.0));
                    }
                    wrong.extend(said(folded, notes, *seq, *effect, outcome));
                    wrong.extend(in_ledger(folded, notes, *effect, outcome));
                }
                _ => {}
            },
            _ => {}
        }
    }
    wrong
}

/// An operator said it, and models heard it once.
fn said(folded: &Folded<'_>, notes: &Notes, at: Seq, effect: EffectId, outcome: &Settlement) -> Vec<String> {
    let what = What::Settle { effect, outcome: outcome.clone() };
    let of_it = |asked: &&crate::notes::Asked| asked.what == what && asked.session.as_ref() == Some(folded.id);
    let Some((mark, _)) = notes.asked.iter().find(|(_, asked)| of_it(asked)) else {
        return vec![format!("no operator said {outcome:?}, which stands at {at}")];
    };
    let word = text_of(*mark);
    let after = notes.calls.iter().filter(|call| call.session == *folded.id && !call.review && call.head >= at);
    let heard: Vec<usize> = after.map(|call| times(&call.context, &word)).collect();
    let mut wrong = Vec::new();
    if let Some(most) = heard.iter().max().filter(|most| **most > 1) {
        wrong.push(format!("a model was told {most} times of how effect {} was settled", effect.0));
    }
    if heard.len() >= SOON && heard.iter().take(SOON).all(|times| *times == 0) {
        wrong.push(format!("no model was told of how effect {} was settled, at {at}", effect.0));
    }
    wrong
}

fn times(context: &[ContextItem], word: &str) -> usize {
    let in_text = |content: &[Content]| {
        let texts = content.iter().filter(|part| matches!(part, Content::Text { text } if text.contains(word)));
        texts.count()
    };
    let items = context.iter().map(|item| match item {
        ContextItem::User { content } | ContextItem::System { content } => in_text(content),
        _ => 0,
    });
    items.sum()
}

fn in_ledger(folded: &Folded<'_>, notes: &Notes, effect: EffectId, outcome: &Settlement) -> Option<String> {
    // A deleted session shows none.
    let ledger = notes.ledgers.get(folded.id)?;
    let entry = ledger.iter().find(|entry| entry.id == effect);
    let has_it = entry.is_some_and(|entry| {
        let said = entry.settled.as_ref();
        let same = said.is_some_and(|settled| {
            settled.said == outcome.text() && settled.committed == matches!(outcome, Settlement::Committed(_))
        });
        same && entry.state == EffectState::Reconciled
    });
    (!has_it).then(|| format!("the ledger does not say how effect {} was settled: {entry:?}", effect.0))
}
