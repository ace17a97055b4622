//! Tools that are not what they were: whatever a server says of one after a session has seen it, or adds later, is called
//! with somebody's consent alone, and who is asked is told. And where nobody can say what there is, the turn says so.

use super::Folded;
use crate::notes::Notes;
use crate::offers::NO_OFFER;
use std::collections::{BTreeMap, BTreeSet};
use types::{Approval, Decision, EffectId, Ending, ItemBody, Offer, RecordBody, Seq, ToolCall};

/// By the server's label and its own name for the tool: what was relied on. None where nobody has agreed to it yet.
type Relied = BTreeMap<(String, String), Option<String>>;

pub fn check(folded: &Folded<'_>, notes: &Notes) -> Vec<String> {
    let mut wrong = no_offers(folded, notes);
    // A fork stands on what its own records do not say.
    if folded.inherited.seq > Seq(0) {
        return wrong;
    }
    let mut relied = Relied::new();
    let mut calls: BTreeMap<EffectId, &ToolCall> = BTreeMap::new();
    for (seq, record) in &folded.records {
        match &record.body {
            RecordBody::ToolsOffered(offer) => see(&mut relied, offer),
            RecordBody::Item(item) => {
                let ItemBody::ToolCall(call) = &item.body else { continue };
                calls.insert(call.effect, call);
                if !is_relied_on(&relied, call) && call.approval != Approval::Person {
                    let (name, effect) = (call.shown_name(), call.effect.0);
                    wrong.push(format!(
                        "{name} is not what it was, and its call, effect {effect} at {seq}, needs nobody's consent"
                    ));
                }
            }
            RecordBody::ApprovalAsked(asked) => {
                let same = calls.get(&asked.effect).is_none_or(|call| is_relied_on(&relied, call));
                if asked.changed == same {
                    let is = if same { "what it was" } else { "not what it was" };
                    wrong.push(format!("who is asked about effect {} is told otherwise: it is {is}", asked.effect.0));
                }
            }
            RecordBody::ApprovalAnswered(answered) if answered.decision == Decision::Approve => {
                let call = calls.get(&answered.effect);
                if let Some((call, pin)) = call.and_then(|call| Some((call, call.pin.clone()?))) {
                    relied.insert(key(call), Some(pin));
                }
            }
            _ => {}
        }
    }
    wrong
}

/// What a server has when it is first heard is relied on from then on.
fn see(relied: &mut Relied, offer: &Offer) {
    let known: BTreeSet<String> = relied.keys().map(|(label, _)| label.clone()).collect();
    for tool in offer.tools.iter().filter(|tool| tool.pin.is_some()) {
        let name = tool.remote.as_ref().unwrap_or(&tool.name);
        let first = relied.entry((tool.server_label.clone(), name.clone())).or_default();
        if first.is_none() && !known.contains(&tool.server_label) {
            first.clone_from(&tool.pin);
        }
    }
}

fn key(call: &ToolCall) -> (String, String) {
    (call.server_label.clone(), call.shown_name().to_owned())
}

fn is_relied_on(relied: &Relied, call: &ToolCall) -> bool {
    call.pin.is_none() || relied.get(&key(call)).is_some_and(|pin| *pin == call.pin)
}

/// A turn that ended for want of its tools was told that there are none.
fn no_offers(folded: &Folded<'_>, notes: &Notes) -> Vec<String> {
    let told = |message: &str| {
        notes
            .refused_offers
            .iter()
            .any(|(session, mark)| session == folded.id && message.contains(&format!("<{mark}>")))
    };
    let failed = folded.records.iter().filter_map(|(seq, record)| match &record.body {
        RecordBody::TurnEnded(ended) => match &ended.ending {
            Ending::Failed { code, message } if code == NO_OFFER && !told(message) => {
                Some(format!("a turn ended at {seq} for want of its tools, and nobody had said so: {message}"))
            }
            _ => None,
        },
        _ => None,
    });
    failed.collect()
}
