//! One session's log: it reads, it folds to its head, its turns end, its calls and results pair, and what stands in it
//! was said.

use super::Folded;
use crate::client::text_of;
use crate::mem_store::Kept;
use crate::notes::Notes;
use engine::State;
use std::collections::{BTreeMap, BTreeSet};
use types::{
    Attempt, CallId, CallOutput, CallResult, Content, ContextItem, EffectId, Ending, Epoch, EventBody, ItemBody,
    Record, RecordBody, Seq, SessionStatus, ToolCall, TurnId,
};

/// Reads a log and folds it.
pub fn fold(kept: &Kept) -> Result<Folded<'_>, String> {
    let id = &kept.row.head.session;
    let mut state = State::new(id.clone());
    let base = kept.base.as_ref().map_or(Seq(0), |(_, seq)| *seq);
    let mut inherited = state.clone();
    let (mut records, mut events) = (Vec::new(), Vec::new());
    let mut open_at_restores = Vec::new();
    for stored in &kept.records {
        let record = Record::decode(&stored.record).map_err(|error| error.to_string())?;
        let is_restored = matches!(record.body, RecordBody::Restored(_));
        if stored.seq != state.seq.next() && !(is_restored && stored.seq > state.seq) {
            return Err(format!("record {} comes after {}", stored.seq, state.seq));
        }
        if let Some(turn) = state.turn.as_ref().filter(|_| is_restored) {
            open_at_restores.extend(turn.tools.iter().map(|open| open.call.effect));
            open_at_restores.extend(turn.open.iter().map(|call| call.effect));
        }
        let told = engine::apply(&mut state, stored.seq, &record);
        if stored.seq <= base {
            inherited = state.clone();
            continue;
        }
        events.extend(told.into_iter().filter(|event| !matches!(event.body, EventBody::AttemptDropped { .. })));
        records.push((stored.seq, record));
    }
    Ok(Folded { kept, id, records, events, inherited, state, open_at_restores })
}

/// What the log says of itself.
pub fn check(folded: &Folded<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    let Folded { kept, records, state, .. } = folded;
    if engine::head(state) != kept.row.head {
        wrong.push(format!("the head row is {:?}, the fold {:?}", kept.row.head, engine::head(state)));
    }
    if state.settings != kept.row.settings {
        wrong.push("the settings row is not what the fold says".to_owned());
    }
    let at_rest = [SessionStatus::Idle, SessionStatus::BudgetReached, SessionStatus::Failed];
    if state.turn.is_some() || !at_rest.contains(&state.status) || state.needs_work() {
        wrong.push(format!("it came to no end: {:?}", state.status));
    }
    wrong.extend(items(folded));
    wrong.extend(turns(records));
    wrong.extend(attempts(records));
    wrong
}

/// Each item once; each call once, with one answer after it, save those that a request is still to answer.
fn items(folded: &Folded<'_>) -> Vec<String> {
    let Folded { records, inherited, state, .. } = folded;
    let mut wrong = Vec::new();
    let mut ids = BTreeSet::new();
    let calls = inherited.calls.iter().map(|(id, call)| (id, u32::from(call.outcome.is_some())));
    let mut calls: BTreeMap<&CallId, u32> = calls.collect();
    for (seq, record) in records {
        let RecordBody::Item(item) = &record.body else { continue };
        let is_outcome = matches!(item.body, ItemBody::ToolOutcome { .. });
        if !ids.insert((&item.id, is_outcome)) {
            wrong.push(format!("item {} is there twice, again at {seq}", item.id));
        }
        match &item.body {
            ItemBody::FunctionCall { call_id, .. } | ItemBody::ToolCall(ToolCall { call_id, .. })
                if calls.insert(call_id, 0).is_some() =>
            {
                wrong.push(format!("call {call_id} is there twice, again at {seq}"));
            }
            ItemBody::MalformedCall { call_id, .. } if calls.insert(call_id, 1).is_some() => {
                wrong.push(format!("call {call_id} is there twice, again at {seq}"));
            }
            ItemBody::FunctionCallOutput { call_id, .. } | ItemBody::ClosedCall { call_id, .. } => {
                answer(&mut calls, call_id, &mut wrong);
            }
            ItemBody::ToolOutcome { call, .. } => answer(&mut calls, &call.call_id, &mut wrong),
            _ => {}
        }
    }
    wrong.extend(
        calls
            .iter()
            .filter(|(id, answers)| **answers != u32::from(!is_open(state, id)))
            .map(|(call_id, answers)| format!("call {call_id} has {answers} answers")),
    );
    wrong
}

/// Whether the call was handed over and waits for the next request.
pub fn is_open(state: &State, call_id: &CallId) -> bool {
    state.calls.get(call_id).is_some_and(|call| call.outcome.is_none())
}

fn answer(calls: &mut BTreeMap<&CallId, u32>, call_id: &CallId, wrong: &mut Vec<String>) {
    match calls.get_mut(call_id) {
        Some(answers) => *answers += 1,
        None => wrong.push(format!("an answer to {call_id}, which nobody called")),
    }
}

/// One at a time, each ended.
fn turns(records: &[(Seq, Record)]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut open: Option<&TurnId> = None;
    let mut seen = BTreeSet::new();
    let mut epoch = Epoch(0);
    for (seq, record) in records {
        match &record.body {
            RecordBody::TurnCreated { turn, .. } => {
                if open.is_some() || !seen.insert(turn) {
                    wrong.push(format!("turn {turn} begins at {seq} while {open:?} goes on"));
                }
                open = Some(turn);
            }
            RecordBody::TurnEnded(ended) => {
                if open != Some(&ended.turn) {
                    wrong.push(format!("turn {} ends at {seq} while {open:?} goes on", ended.turn));
                }
                open = None;
            }
            RecordBody::Recovered { epoch: by } => {
                if *by < epoch {
                    wrong.push(format!("recovered at {seq} by an older node than before"));
                }
                epoch = *by;
            }
            _ => {}
        }
    }
    wrong.extend(open.map(|turn| format!("turn {turn} never ended")));
    wrong
}

/// An effect comes to one end, and each of its attempts too.
fn attempts(records: &[(Seq, Record)]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut ended: BTreeSet<(EffectId, Attempt)> = BTreeSet::new();
    let mut intended: BTreeSet<(EffectId, Attempt)> = BTreeSet::new();
    let mut committed: BTreeSet<EffectId> = BTreeSet::new();
    for (seq, record) in records {
        match &record.body {
            RecordBody::Intended(of) => {
                if !intended.insert((of.effect, of.attempt)) {
                    wrong.push(format!("effect {} attempt {} intended twice, at {seq}", of.effect.0, of.attempt.0));
                }
                if committed.contains(&of.effect) || ended.contains(&(of.effect, of.attempt)) {
                    wrong.push(format!("effect {} intended at {seq} after its end", of.effect.0));
                }
            }
            RecordBody::Abandoned(of) if !ended.insert((of.effect, of.attempt)) || committed.contains(&of.effect) => {
                wrong.push(format!("effect {} attempt {} ended twice, at {seq}", of.effect.0, of.attempt.0));
            }
            RecordBody::Committed(of) if !ended.insert((of.effect, of.attempt)) || !committed.insert(of.effect) => {
                wrong.push(format!("effect {} ended twice, at {seq}", of.effect.0));
            }
            _ => {}
        }
    }
    wrong
}

/// A turn that was completed has heard all that was said to it: some model call, before its end, was shown each message.
pub fn heard(folded: &Folded<'_>, notes: &Notes) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut said: BTreeMap<&TurnId, Vec<(Seq, String)>> = BTreeMap::new();
    for (seq, record) in &folded.records {
        match &record.body {
            RecordBody::Item(item) => {
                match &item.body {
                    ItemBody::UserMessage { content, .. } => {
                        said.entry(&item.turn).or_default().push((*seq, mark_in(content)));
                    }
                    // What nobody waited for is heard like a message.
                    ItemBody::FunctionCallOutput { result, apart: Some(_), .. } => {
                        said.entry(&item.turn).or_default().push((*seq, mark_in(&[text_in(result)])));
                    }
                    _ => {}
                }
            }
            RecordBody::TurnEnded(ended) if ended.ending == Ending::Completed => {
                for (at, mark) in said.get(&ended.turn).into_iter().flatten() {
                    let heard = notes.calls.iter().filter(|call| !call.lost).any(|call| {
                        call.session == *folded.id && call.head >= *at && call.head < *seq && shows(&call.context, mark)
                    });
                    if !heard {
                        wrong.push(format!("turn {} was completed and no model heard {mark}", ended.turn));
                    }
                }
            }
            _ => {}
        }
    }
    wrong
}

fn text_in(result: &CallResult) -> Content {
    let text = match result {
        CallResult::Success(Some(CallOutput::Text(text))) => text.clone(),
        CallResult::Failure { error, .. } => error.clone().unwrap_or_default(),
        CallResult::Success(_) => String::new(),
    };
    Content::Text { text }
}

fn mark_in(content: &[Content]) -> String {
    let text = content.iter().find_map(|part| match part {
        Content::Text { text } => text.find('<').map(|at| text[at..].to_owned()),
        Content::Image { .. } | Content::File { .. } => None,
    });
    text.unwrap_or_default()
}

fn shows(context: &[ContextItem], mark: &str) -> bool {
    context.iter().any(|item| matches!(item, ContextItem::User { content } if mark_in(content) == mark))
}

/// What models are quoted with, they said: whole, and once.
pub fn said(folded: &Folded<'_>, notes: &Notes) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut spoken: BTreeMap<&str, u32> = BTreeMap::new();
    for call in notes.calls.iter().filter(|call| call.session == *folded.id && call.end.is_some()) {
        spoken.extend(call.said.iter().map(|text| (text.as_str(), 0)));
    }
    for (seq, record) in &folded.records {
        let RecordBody::Item(item) = &record.body else { continue };
        let ItemBody::AssistantMessage { text, .. } = &item.body else { continue };
        match spoken.get_mut(text.as_str()) {
            None => wrong.push(format!("no model said {text:?}, which stands at {seq}")),
            Some(times) => {
                *times += 1;
                if *times > 1 {
                    wrong.push(format!("{text:?} stands there {times} times"));
                }
            }
        }
    }
    wrong
}

/// How often a mark stands in records of a kind.
pub fn count(folded: &Folded<'_>, mark: u64, kinds: &[&str]) -> usize {
    let mark = text_of(mark);
    let own = |stored: &&store::Stored| stored.seq > folded.inherited.seq;
    let records = folded.kept.records.iter().filter(own);
    let records = records.filter(|stored| kinds.contains(&stored.record.kind.as_str()));
    records.filter(|stored| stored.record.body.windows(mark.len()).any(|window| window == mark.as_bytes())).count()
}
