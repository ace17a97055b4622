//! Consent: nothing that needs it is begun without it, a request is answered once and in its time, by somebody who was
//! asked; and what was not agreed to was never begun.

use super::Folded;
use crate::notes::{Notes, Told, What};
use std::collections::{BTreeMap, BTreeSet};
use types::{
    Approval, ApprovalAsked, Approver, Cause, Decider, Decision, EffectId, ItemBody, Record, RecordBody, RequestId, Seq,
};

pub fn check(folded: &Folded<'_>, notes: &Notes) -> Vec<String> {
    let mut wrong = requests(folded, notes);
    let inherited = folded.inherited.seq;
    for dispatch in notes.dispatches.iter().filter(|dispatch| dispatch.session == *folded.id && !dispatch.lost) {
        if needs(folded, dispatch.effect) && !agreed(&folded.records, dispatch.effect) && inherited == Seq(0) {
            wrong.push(format!("effect {} was begun and nobody had agreed to it", dispatch.effect.0));
        }
    }
    wrong
}

fn needs(folded: &Folded<'_>, effect: EffectId) -> bool {
    folded.records.iter().any(|(_, record)| match &record.body {
        RecordBody::Item(item) => match &item.body {
            ItemBody::ToolCall(call) => call.effect == effect && call.approval == Approval::Person,
            _ => false,
        },
        _ => false,
    })
}

/// Whether the log says that the request for this very effect was answered with consent.
pub fn agreed(records: &[(Seq, Record)], effect: EffectId) -> bool {
    let asked = records.iter().find_map(|(_, record)| match &record.body {
        RecordBody::ApprovalAsked(asked) if asked.effect == effect => Some(&asked.request),
        _ => None,
    });
    records.iter().any(|(_, record)| match &record.body {
        RecordBody::ApprovalAnswered(answered) => {
            answered.effect == effect && Some(&answered.request) == asked && answered.decision == Decision::Approve
        }
        _ => false,
    })
}

fn requests(folded: &Folded<'_>, notes: &Notes) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut open: BTreeMap<&RequestId, &ApprovalAsked> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut refused = BTreeSet::new();
    for (seq, record) in &folded.records {
        match &record.body {
            RecordBody::ApprovalAsked(asked) => {
                if !seen.insert(&asked.request) {
                    wrong.push(format!("{} is asked a second time, at {seq}", asked.request));
                }
                open.insert(&asked.request, asked);
            }
            RecordBody::ApprovalAnswered(answered) => {
                let Some(asked) = open.remove(&answered.request) else {
                    wrong.push(format!("{} is answered at {seq} and was not open", answered.request));
                    continue;
                };
                if asked.effect != answered.effect {
                    wrong.push(format!("the answer to {} is of another call, at {seq}", answered.request));
                }
                let by_person = answered.by == Decider::Person;
                if by_person && record.at >= asked.expires {
                    wrong.push(format!("{} was answered after its time, at {seq}", answered.request));
                }
                if (asked.by == Approver::Model) == matches!(answered.by, Decider::Person | Decider::Expiry) {
                    wrong.push(format!(
                        "{} was asked of a {:?} and answered by {:?}",
                        answered.request, asked.by, answered.by
                    ));
                }
                if by_person && !sent(notes, &answered.request, answered.decision) {
                    wrong.push(format!("nobody said {:?} to {}, at {seq}", answered.decision, answered.request));
                }
                // What the fake model says, word for word.
                let clear = answered.reason.as_deref() == Some("as asked");
                if answered.by == Decider::Model && answered.decision == Decision::Approve && !clear {
                    wrong.push(format!("{} was approved and no review said so, at {seq}", answered.request));
                }
                if answered.decision != Decision::Approve {
                    refused.insert(answered.effect);
                }
            }
            RecordBody::Item(item) => {
                if let ItemBody::ToolOutcome { call, cause, .. } = &item.body
                    && refused.remove(&call.effect)
                    && *cause != Cause::Denied
                {
                    wrong.push(format!("effect {} was refused, and its outcome is {cause:?}", call.effect.0));
                }
            }
            _ => {}
        }
    }
    wrong.extend(refused.iter().map(|effect| format!("effect {} was refused and has no outcome", effect.0)));
    wrong
}

/// Whether a client said so, and was not told that it counts for nothing.
fn sent(notes: &Notes, request: &RequestId, decision: Decision) -> bool {
    notes.asked.values().any(|asked| {
        let said = What::Approval { request: request.clone(), decision };
        asked.what == said && asked.told.iter().any(|told| *told == Told::Taken || !told.is_refusal())
    })
}
