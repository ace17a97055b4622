//! Restores: what is lost stays lost, and its names name nothing else. What was open at the backup is known to have
//! diverged.

use super::Folded;
use crate::notes::Notes;
use types::{EffectId, ItemBody, ItemId, RecordBody, TurnId};

pub fn check(folded: &Folded<'_>, notes: &Notes) -> Vec<String> {
    let mut wrong = Vec::new();
    for cut in notes.cuts.iter().filter(|cut| cut.session == *folded.id) {
        if cut.gone {
            wrong.push("it was created after the backup, and is there".to_owned());
        }
        for (seq, record) in &folded.records {
            if *seq > cut.kept && *seq <= cut.lost {
                wrong.push(format!("a record stands at {seq}, where one was that is lost"));
            }
            let (effects, turn, item) = names(&record.body);
            if let Some(effect) = effects.into_iter().flatten().find(|effect| cut.effects.contains(effect)) {
                wrong.push(format!("effect {} at {seq} has the number of one that is lost", effect.0));
            }
            if let Some(turn) = turn.filter(|turn| cut.turns.contains(turn)) {
                wrong.push(format!("{turn} at {seq} has the id of one that is lost"));
            }
            if let Some(item) = item.filter(|item| cut.items.contains(item)) {
                wrong.push(format!("{item} at {seq} has the id of one that is lost"));
            }
        }
        let of_it = notes.dispatches.iter().filter(|dispatch| dispatch.session == *folded.id && !dispatch.lost);
        for dispatch in of_it.filter(|dispatch| cut.effects.contains(&dispatch.effect)) {
            wrong.push(format!("effect {} was begun, and is lost", dispatch.effect.0));
        }
    }
    wrong.extend(diverged(folded, notes));
    wrong
}

/// What a record names first: effects, a turn, an item.
pub fn names(body: &RecordBody) -> ([Option<EffectId>; 2], Option<&TurnId>, Option<&ItemId>) {
    match body {
        RecordBody::TurnCreated { turn, .. } => ([None, None], Some(turn), None),
        RecordBody::Intended(of) => ([Some(of.effect), None], None, None),
        RecordBody::Committed(of) => ([Some(of.effect), None], None, None),
        RecordBody::Abandoned(of) => ([Some(of.effect), None], None, None),
        RecordBody::ApprovalAsked(of) => {
            ([Some(of.effect), of.review.as_ref().map(|review| review.effect)], None, None)
        }
        RecordBody::Item(item) => {
            let effect = match &item.body {
                ItemBody::FunctionCall { effect, .. } => Some(*effect),
                ItemBody::ToolCall(call) => Some(call.effect),
                // What is said of an effect is named after it, whichever words it is.
                ItemBody::Settled { effect, .. } => return ([Some(*effect), None], None, None),
                ItemBody::FunctionCallOutput { .. } | ItemBody::ClosedCall { .. } => return ([None, None], None, None),
                _ => None,
            };
            ([effect, None], None, Some(&item.id))
        }
        _ => ([None, None], None, None),
    }
}

fn diverged(folded: &Folded<'_>, notes: &Notes) -> Vec<String> {
    let Some(ledger) = notes.ledgers.get(folded.id) else { return Vec::new() };
    let says = |effect: &EffectId| ledger.iter().any(|entry| entry.id == *effect && entry.diverged);
    let open = folded.open_at_restores.iter().filter(|effect| !says(effect));
    open.map(|effect| format!("effect {} was open at a backup, and the ledger does not say so", effect.0)).collect()
}
