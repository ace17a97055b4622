//! What clients heard: no event twice, none missing, in order, over all connections of one stream; and the text that came
//! in pieces is the text that stands in the log.

use super::Folded;
use crate::notes::{Notes, Stream};
use std::collections::{BTreeMap, BTreeSet};
use types::{Event, EventBody, ItemBody, ItemId, RecordBody, SessionId};

pub fn check(notes: &Notes, sessions: &BTreeMap<SessionId, Folded<'_>>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (place, stream) in notes.streams.iter().enumerate() {
        let Some(folded) = sessions.get(&stream.session) else {
            // A restore took the session away.
            if notes.is_gone(&stream.session) {
                continue;
            }
            wrong.push(format!("{}: {} heard of a session that is nowhere", stream.session, stream.client));
            continue;
        };
        let cut_off = folded.kept.deleted || notes.cut_streams.contains_key(&place);
        let found = of_stream(stream, cut_off, folded, notes);
        wrong.extend(found.into_iter().map(|what| format!("{}: {}: {what}", stream.session, stream.client)));
    }
    wrong
}

/// `cut_off`: nothing more could be heard of it.
fn of_stream(stream: &Stream, cut_off: bool, folded: &Folded<'_>, notes: &Notes) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut ids = BTreeSet::new();
    for event in &stream.events {
        if !ids.insert(event.id) {
            wrong.push(format!("event {} came twice", event.id.text(&stream.session)));
        }
    }
    let heard = Sum::of(&stream.events);
    let log = Sum::of(&folded.events);
    wrong.extend(heard.wrong.iter().cloned());
    wrong.extend(order(&heard.firm, &log.firm, stream.from_beginning, cut_off));
    for (item, text) in &heard.texts {
        match log.texts.get(item) {
            Some(whole) if whole == text => {}
            Some(whole) if is_lost(item, text, whole, folded, notes) => {}
            Some(whole) if stream.from_beginning && !cut_off => {
                wrong.push(format!("of {item} it heard {text:?}; the log has {whole:?}"));
            }
            // One that began to listen in the middle, or that was cut off, has heard a part.
            Some(whole) if whole.contains(text.as_str()) => {}
            Some(whole) => wrong.push(format!("of {item} it heard {text:?}; the log has {whole:?}")),
            None if heard.dropped.contains(item) => {}
            None if cut_off => {}
            None => wrong.push(format!("{item} was begun, is not in the log and was never closed")),
        }
        if heard.dropped.contains(item) && log.texts.contains_key(item) {
            wrong.push(format!("{item} was closed as incomplete and is in the log"));
        }
    }
    wrong
}

/// Whether a command printed what was heard, and was left by its node after that: where its beginning was gone when it was
/// found again, or it was not found, nothing can be told that follows on what was heard.
fn is_lost(item: &ItemId, heard: &str, whole: &str, folded: &Folded<'_>, notes: &Notes) -> bool {
    let effect = folded.events.iter().find_map(|event| match &event.body {
        EventBody::ItemDone(done) if done.id == *item => match &done.body {
            ItemBody::ToolOutcome { call, .. } => Some(call.effect),
            _ => None,
        },
        _ => None,
    });
    let Some(effect) = effect else { return false };
    let was_left = folded.records.iter().any(|(_, record)| matches!(record.body, RecordBody::Recovered { .. }));
    let printed = notes.printed.get(&(folded.id.clone(), effect)).map_or(&[][..], Vec::as_slice);
    was_left && !whole.starts_with(heard) && printed.iter().any(|text| text.starts_with(heard))
}

/// Events that come from records alone come as the log has them.
fn order(heard: &[String], log: &[String], from_beginning: bool, cut_off: bool) -> Option<String> {
    let expected = &log[if from_beginning { 0 } else { beginning(heard, log)? }..];
    let at = heard.iter().zip(expected).position(|(heard, log)| heard != log);
    if let Some(at) = at {
        return Some(format!("event {at} is {}; the log has {}", heard[at], expected[at]));
    }
    if heard.len() > expected.len() {
        return Some(format!("more came than the log has: {}", heard[expected.len()]));
    }
    // A deletion cuts a stream off, and so does a restore.
    (heard.len() < expected.len() && !cut_off).then(|| format!("it missed {}", expected[heard.len()]))
}

/// Where the log goes on as a stream that began in its middle heard it. An event may stand in the log more than once: what
/// came after it tells which of them it was.
fn beginning(heard: &[String], log: &[String]) -> Option<usize> {
    let places = || (0..log.len()).filter(|place| heard.first() == Some(&log[*place]));
    places().rfind(|place| log[*place..].starts_with(heard)).or_else(|| places().next())
}

/// A stream, however it was cut into pieces.
#[derive(Default)]
struct Sum {
    /// What does not depend on drafts, in order.
    firm: Vec<String>,
    /// Text by item and part, in order of the parts.
    texts: BTreeMap<ItemId, String>,
    dropped: BTreeSet<ItemId>,
    wrong: Vec<String>,
}

impl Sum {
    fn of(events: &[Event]) -> Self {
        let mut sum = Self::default();
        events.iter().for_each(|event| sum.add(event));
        sum
    }

    fn add(&mut self, event: &Event) {
        match &event.body {
            EventBody::DraftAdded { item, .. } => self.begin(item),
            EventBody::ItemAdded(item) => match &item.body {
                ItemBody::AssistantMessage { .. } | ItemBody::Reasoning { .. } => self.begin(&item.id),
                ItemBody::ToolCall(call) if call.is_command() => {
                    self.firm.push(format!("added {}", item.id));
                    self.begin(&item.id);
                }
                _ => self.firm.push(format!("added {}", item.id)),
            },
            EventBody::PartAdded { item, part, .. } => self.say(item, &format!("|{part}:")),
            EventBody::Delta { item, text, .. } | EventBody::CommandOutput { item, text, .. } => self.say(item, text),
            EventBody::DraftDropped { item, .. } => {
                if !self.texts.contains_key(item) || !self.dropped.insert(item.clone()) {
                    self.wrong.push(format!("{item} was closed and was not open"));
                }
            }
            EventBody::ItemDone(item) => self.firm.push(format!("done {} {:?}", item.id, item.body)),
            EventBody::TextDone { item, part, .. } => self.firm.push(format!("text done {} {part}", item.id)),
            EventBody::PartDone { item, part, .. } => self.firm.push(format!("part done {} {part}", item.id)),
            EventBody::AttemptDropped { .. } => {}
            other => self.firm.push(format!("{other:?}")),
        }
    }

    fn begin(&mut self, item: &ItemId) {
        if self.texts.insert(item.clone(), String::new()).is_some() {
            self.wrong.push(format!("{item} was begun twice"));
        }
    }

    fn say(&mut self, item: &ItemId, text: &str) {
        if self.dropped.contains(item) {
            self.wrong.push(format!("{item} was closed and goes on"));
        }
        // A stream that began in the middle of an item never heard its beginning.
        self.texts.entry(item.clone()).or_default().push_str(text);
    }
}
