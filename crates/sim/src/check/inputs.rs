//! What clients asked for: what was taken is in the log, once; what was refused is not in it; of what came back without an
//! answer there is one at most for each time that it was sent.

use super::{Folded, log};
use crate::notes::{Asked, Notes, Told, What};
use std::collections::BTreeMap;
use types::{CallResult, ItemBody, RecordBody, SessionId};

pub fn check(notes: &Notes, sessions: &BTreeMap<SessionId, Folded<'_>>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (mark, asked) in &notes.asked {
        let found = found(*mark, asked, sessions);
        let (least, most) = bounds(asked, notes.keys_expired);
        if found < least || found > most {
            wrong.push(format!(
                "{:?} <{mark}> of {:?} was told {:?}; it is there {found} times, {least} to {most} are right",
                asked.what, asked.session, asked.told
            ));
        }
    }
    wrong.extend(sessions.values().flat_map(|folded| answers(notes, folded)));
    wrong
}

/// How often it may be there.
fn bounds(asked: &Asked, keys_expired: bool) -> (usize, usize) {
    let taken = asked.told.iter().filter(|told| **told == Told::Taken).count();
    let doubtful = asked.told.iter().filter(|told| **told != Told::Taken && !told.is_refusal()).count();
    match asked.what {
        What::Cancel => (0, 0),
        // The same by its nature, however often it is said.
        // The same decision may have been said before, by another request.
        What::Approval { .. } => (taken.min(1), 1),
        What::Result { .. } | What::Settle { .. } | What::Delete => (taken.min(1), (taken + doubtful).min(1)),
        _ if asked.keyed && keys_expired => (taken.min(1), taken + doubtful),
        _ if asked.keyed => (taken.min(1), (taken + doubtful).min(1)),
        What::Update => (taken, taken + doubtful),
        What::Create | What::Message => (taken, taken + doubtful),
    }
}

fn found(mark: u64, asked: &Asked, sessions: &BTreeMap<SessionId, Folded<'_>>) -> usize {
    let kinds: &[&str] = match asked.what {
        What::Create => &["session_created"],
        What::Message => &["user_message"],
        What::Result { .. } => &["function_call_output"],
        What::Update => &["session_updated"],
        What::Settle { .. } => &["settled"],
        What::Approval { .. } => return answered(asked, sessions),
        What::Cancel => return 0,
        What::Delete => {
            let session = asked.session.as_ref().and_then(|session| sessions.get(session));
            // Another deletion may have done it.
            let taken = asked.told.contains(&Told::Taken);
            return usize::from(taken && session.is_some_and(|folded| folded.kept.deleted));
        }
    };
    sessions.values().map(|folded| log::count(folded, mark, kinds)).sum()
}

/// Whether the request was answered so by a person.
fn answered(asked: &Asked, sessions: &BTreeMap<SessionId, Folded<'_>>) -> usize {
    let records = sessions.values().flat_map(|folded| &folded.records);
    let of = records.filter(|(_, record)| match &record.body {
        RecordBody::ApprovalAnswered(answered) => {
            let (request, decision) = (answered.request.clone(), answered.decision);
            answered.by == types::Decider::Person && asked.what == What::Approval { request, decision }
        }
        _ => false,
    });
    of.count()
}

/// Each result that stands in the log was sent for that call, and those that were taken say what stands there.
fn answers(notes: &Notes, folded: &Folded<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (seq, record) in &folded.records {
        let RecordBody::Item(item) = &record.body else { continue };
        let ItemBody::FunctionCallOutput { call_id, result, .. } = &item.body else { continue };
        let text = match result {
            CallResult::Success(output) => format!("{output:?}"),
            CallResult::Failure { error, .. } => format!("{error:?}"),
        };
        let sent = notes.asked.iter().any(|(mark, asked)| {
            let of_call = matches!(&asked.what, What::Result { call_id: of, .. } if of == call_id);
            let here = asked.session.as_ref().is_none_or(|session| session == folded.id);
            of_call && here && text.contains(&crate::client::text_of(*mark))
        });
        if !sent {
            wrong.push(format!("{}: the answer to {call_id} at {seq} was sent by nobody: {text}", folded.id));
        }
    }
    wrong
}
