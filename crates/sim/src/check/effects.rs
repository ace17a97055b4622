//! What tools were asked to do, against what the log says of it: an irreversible effect at most once, a key for each
//! effect, nothing attachable started twice; and what nobody knows is said to be unknown.

use super::Folded;
use crate::notes::{Dispatch, Notes};
use std::collections::{BTreeMap, BTreeSet};
use types::{CallOutput, Cause, Class, ContextItem, EffectId, EventBody, Item, ItemBody, RecordBody, Seq, ToolOutcome};

pub fn check(folded: &Folded<'_>, notes: &Notes) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut by_effect: BTreeMap<EffectId, Vec<&Dispatch>> = BTreeMap::new();
    for dispatch in notes.dispatches.iter().filter(|dispatch| dispatch.session == *folded.id) {
        by_effect.entry(dispatch.effect).or_default().push(dispatch);
    }
    let mut keys = BTreeMap::new();
    for (effect, dispatches) in &by_effect {
        wrong.extend(times(*effect, dispatches));
        for key in dispatches.iter().filter_map(|dispatch| dispatch.key.as_ref()) {
            if keys.insert(key, effect).is_some_and(|other| other != effect) {
                wrong.push(format!("two effects share the key {key}"));
            }
        }
    }
    for (seq, record) in &folded.records {
        let RecordBody::Item(item) = &record.body else { continue };
        let ItemBody::ToolOutcome { call, cause, outcome, .. } = &item.body else { continue };
        let dispatches = by_effect.get(&call.effect).map_or(&[][..], Vec::as_slice);
        wrong.extend(outcome_fits(call.class, call.effect, *cause, outcome, dispatches));
        if let ToolOutcome::Unknown(_) = outcome {
            wrong.extend(is_told(folded, notes, *seq, item, call.call_id.as_str()));
        }
    }
    wrong
}

/// How often it may be begun.
fn times(effect: EffectId, dispatches: &[&Dispatch]) -> Vec<String> {
    let mut wrong = Vec::new();
    let Some(first) = dispatches.first() else { return wrong };
    let begun = dispatches.iter().filter(|dispatch| !dispatch.attach).count();
    let kept = || dispatches.iter().filter(|dispatch| !dispatch.lost);
    let attempts: BTreeSet<_> = kept().map(|dispatch| dispatch.attempt).collect();
    match first.class {
        Class::Irreversible if dispatches.len() > 1 => {
            wrong.push(format!("irreversible effect {} was begun {} times", effect.0, dispatches.len()));
        }
        Class::Attachable if begun > 1 => wrong.push(format!("effect {} was started {begun} times", effect.0)),
        Class::Keyed if dispatches.iter().any(|dispatch| dispatch.key.is_none() || dispatch.key != first.key) => {
            wrong.push(format!("effect {} was tried under other keys, or none", effect.0));
        }
        _ => {}
    }
    let repeats = matches!(first.class, Class::Idempotent | Class::Keyed);
    if repeats && attempts.len() != kept().count() {
        wrong.push(format!("an attempt of effect {} was made twice", effect.0));
    }
    wrong
}

/// What the log says came of it is what the tool said, or says that nobody knows.
fn outcome_fits(
    class: Class,
    effect: EffectId,
    cause: Cause,
    outcome: &ToolOutcome,
    dispatches: &[&Dispatch],
) -> Option<String> {
    let said = dispatches.iter().any(|dispatch| dispatch.outcome.as_ref() == Some(outcome));
    if !cause.is_given_up() {
        let denied = cause == Cause::Denied;
        return (!denied && !said).then(|| format!("no tool said {outcome:?}, the outcome of effect {}", effect.0));
    }
    let doubtful = matches!(class, Class::Irreversible | Class::Keyed) && !dispatches.is_empty();
    let unknown = matches!(outcome, ToolOutcome::Unknown(_));
    (doubtful && !unknown)
        .then(|| format!("effect {} ({class:?}) may have happened, and the log says {outcome:?} ({cause:?})", effect.0))
}

/// The model that is asked next is told so, and so are clients.
fn is_told(folded: &Folded<'_>, notes: &Notes, at: Seq, item: &Item, call_id: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let next = notes.calls.iter().filter(|call| call.session == *folded.id && !call.review);
    let next = next.into_iter().find(|call| call.head >= at);
    let forgotten = !folded.state.transcript.iter().any(|head| head.seq == at);
    let told = next.is_none_or(|call| {
        call.context.iter().any(|item| match item {
            ContextItem::Output { call_id: of, output: CallOutput::Text(text) } => {
                of.as_str() == call_id && text.contains("outcome unknown:")
            }
            _ => false,
        })
    });
    if !told && !forgotten {
        wrong.push(format!("the next model was not told that the outcome of {call_id} is unknown"));
    }
    let shown = folded.events.iter().any(|event| match &event.body {
        EventBody::ItemDone(done) => {
            let error = match &done.body {
                ItemBody::ToolOutcome { outcome, .. } => outcome.error().unwrap_or_default(),
                _ => String::new(),
            };
            done.id == item.id && error.starts_with("outcome unknown:")
        }
        _ => false,
    });
    // Of some calls clients are told nothing at all.
    if !shown && item.is_visible() {
        wrong.push(format!("clients were not told that the outcome of {call_id} is unknown"));
    }
    wrong
}
