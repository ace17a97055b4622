//! A reader that stops anywhere and comes back by id has everything once, whatever became of the draft.

use super::Cursor;
use crate::tail::Draft;
use std::sync::Arc;
use types::{
    Abandoned, Answer, Attempt, DraftPlace, EffectId, Event, EventBody, EventId, Item, ItemBody, MicroUsd, ModelEvent,
    Origin, Phase, Record, RecordBody, Seq, SessionId, Timestamp, TurnId,
};

const ORIGIN: Origin = Origin { effect: EffectId(3), attempt: Attempt(1) };

fn session() -> SessionId {
    SessionId::new("sess_a")
}

fn turn() -> TurnId {
    TurnId::new("turn_a")
}

fn draft(events: &[ModelEvent]) -> Draft {
    let mut answer = Answer::default();
    for event in events {
        answer.push(event.clone());
    }
    Draft { origin: ORIGIN, turn: turn(), base: 2, answer }
}

fn said() -> Vec<ModelEvent> {
    let summary = |part, delta: &str| ModelEvent::ReasoningSummary { part, delta: delta.to_owned() };
    let text = |delta: &str| ModelEvent::text(delta.to_owned());
    vec![summary(0, "first "), summary(0, "thought"), summary(1, "second"), text("Grüße"), text(" an "), text("alle")]
}

/// The events of the outcome's records, from seq 8 on.
fn records() -> Vec<(Seq, Vec<Event>)> {
    records_from(8)
}

fn records_from(seq: u64) -> Vec<(Seq, Vec<Event>)> {
    let item = |output_index, prefix, body| {
        let id = ORIGIN.item_id(&session(), prefix, output_index);
        Arc::new(Item { id, turn: turn(), output_index: Some(output_index), origin: Some(ORIGIN), body })
    };
    let summary = vec!["first thought".to_owned(), "second".to_owned()];
    let text = "Grüße an alle".to_owned();
    let bodies = [
        RecordBody::Item(item(2, "rs", ItemBody::Reasoning { summary, opaque: None })),
        RecordBody::Item(item(
            3,
            "msg",
            ItemBody::AssistantMessage {
                text,
                phase: Phase::FinalAnswer,
                complete: true,
                logprobs: Vec::new(),
                annotations: Vec::new(),
            },
        )),
    ];
    apply_from(seq, bodies)
}

fn abandoned() -> Vec<(Seq, Vec<Event>)> {
    apply([RecordBody::Abandoned(Abandoned {
        effect: ORIGIN.effect,
        attempt: ORIGIN.attempt,
        turn: turn(),
        error: None,
        charged: MicroUsd::ZERO,
        unmeasured: true,
        next: None,
    })])
}

fn apply(bodies: impl IntoIterator<Item = RecordBody>) -> Vec<(Seq, Vec<Event>)> {
    apply_from(8, bodies)
}

fn apply_from(seq: u64, bodies: impl IntoIterator<Item = RecordBody>) -> Vec<(Seq, Vec<Event>)> {
    let mut state = engine::State::new(session());
    let seqs = (seq..).map(Seq);
    seqs.zip(bodies)
        .map(|(seq, body)| (seq, engine::apply(&mut state, seq, &Record { at: Timestamp(1), body })))
        .collect()
}

/// What a client makes of events: each item's text, begun and ended once.
#[derive(Default, PartialEq, Debug)]
struct Seen {
    added: Vec<String>,
    parts: Vec<(String, u32)>,
    text: std::collections::BTreeMap<(String, u32), String>,
    done: Vec<String>,
    dropped: Vec<String>,
}

impl Seen {
    fn see(&mut self, events: &[Event]) {
        for event in events {
            match &event.body {
                EventBody::ItemAdded(item) => self.added.push(item.id.to_string()),
                EventBody::DraftAdded { item, .. } => self.added.push(item.to_string()),
                EventBody::PartAdded { item, part, .. } => self.parts.push((item.to_string(), *part)),
                EventBody::Delta { item, part, text, .. } => {
                    self.text.entry((item.to_string(), *part)).or_default().push_str(text);
                }
                EventBody::ItemDone(item) => self.done.push(item.id.to_string()),
                EventBody::DraftDropped { item, .. } => self.dropped.push(item.to_string()),
                _ => {}
            }
        }
    }
}

fn whole() -> Seen {
    let mut seen = Seen::default();
    for (seq, events) in records() {
        seen.see(&Cursor::at(session(), Seq(seq.0 - 1)).read_record(seq, &events));
    }
    assert_eq!(seen.text.values().cloned().collect::<Vec<_>>(), ["Grüße an alle", "first thought", "second"]);
    seen
}

/// Every event that a reader gets when it looks after each thing said.
fn streamed(upto: usize) -> Vec<Event> {
    let mut cursor = Cursor::at(session(), Seq(7));
    (1..=upto).flat_map(|length| cursor.read_draft(&draft(&said()[..length]))).collect()
}

#[test]
fn a_live_reader_has_everything_once() {
    for upto in 0..=said().len() {
        let mut cursor = Cursor::at(session(), Seq(7));
        let mut seen = Seen::default();
        for length in 1..=upto {
            seen.see(&cursor.read_draft(&draft(&said()[..length])));
        }
        for (seq, events) in records() {
            seen.see(&cursor.read_record(seq, &events));
        }
        assert_eq!(seen, whole(), "the draft was read up to {upto}");
    }
}

#[test]
fn ids_are_unique_and_parse() {
    let events = streamed(said().len());
    let ids: std::collections::BTreeSet<_> = events.iter().map(|event| event.id.text(&session())).collect();
    assert_eq!(ids.len(), events.len());
    for event in events {
        assert_eq!(EventId::parse(&event.id.text(&session()), &session()), Ok(event.id));
    }
}

#[test]
fn a_reader_that_comes_back_has_everything_once() {
    let live = streamed(said().len());
    for stop in 1..=live.len() {
        let mut seen = Seen::default();
        seen.see(&live[..stop]);
        // The draft is still there, has gone on, or is closed.
        for again in [0, said().len()] {
            let mut seen = Seen { ..clone(&seen) };
            let mut cursor = Cursor::after(session(), live[stop - 1].id);
            seen.see(&cursor.read_draft(&draft(&said()[..again])));
            for (seq, events) in records() {
                seen.see(&cursor.read_record(seq, &events));
            }
            assert_eq!(seen, whole(), "stopped after {stop}, the draft had {again}");
        }
    }
}

fn clone(seen: &Seen) -> Seen {
    let Seen { added, parts, text, done, dropped } = seen;
    Seen {
        added: added.clone(),
        parts: parts.clone(),
        text: text.clone(),
        done: done.clone(),
        dropped: dropped.clone(),
    }
}

/// A whole life: half of the draft, a message that steers (seq 8), the rest of the draft, the outcome (seq 9 and 10).
fn life() -> Vec<(Seq, Vec<Event>)> {
    let body = ItemBody::UserMessage { role: types::Role::User, content: Vec::new() };
    let steering = Item { id: "msg_user".into(), turn: turn(), output_index: None, origin: None, body };
    let mut records = apply([RecordBody::Item(Arc::new(steering))]);
    records.extend(records_from(9));
    records
}

#[test]
fn a_reader_that_stops_anywhere_has_everything_once() {
    let mut cursor = Cursor::at(session(), Seq(7));
    let mut live = cursor.read_draft(&draft(&said()[..5]));
    let [(seq, steering), rest @ ..] = &life()[..] else { panic!("a life") };
    live.extend(cursor.read_record(*seq, steering));
    live.extend(cursor.read_draft(&draft(&said())));
    for (seq, events) in rest {
        live.extend(cursor.read_record(*seq, events));
    }
    let mut once = Seen::default();
    once.see(&live);
    once.added.sort();
    for stop in 1..live.len() {
        // It comes back when all is in the log, and while the draft still speaks.
        for settled in [true, false] {
            let mut seen = Seen::default();
            seen.see(&live[..stop]);
            let mut cursor = Cursor::after(session(), live[stop - 1].id);
            for (seq, events) in life().into_iter().filter(|(seq, _)| settled || seq.0 == 8) {
                if seq > cursor.seq {
                    seen.see(&cursor.read_record(seq, &events));
                }
            }
            if cursor.seq < Seq(9) {
                seen.see(&cursor.read_draft(&draft(&said())));
                for (seq, events) in life().into_iter().filter(|(seq, _)| seq.0 > 8) {
                    seen.see(&cursor.read_record(seq, &events));
                }
            } else if !settled {
                let from = cursor.seq;
                for (seq, events) in life().into_iter().filter(|(seq, _)| *seq > from) {
                    seen.see(&cursor.read_record(seq, &events));
                }
            }
            // The steering message may come before or after what was being said.
            seen.added.sort();
            assert_eq!(seen, once, "stopped after {stop} ({:?}), settled: {settled}", live[stop - 1].id);
        }
    }
}

#[test]
fn reasoning_without_a_summary_begins_and_ends() {
    let body = ItemBody::Reasoning { summary: Vec::new(), opaque: None };
    let id = ORIGIN.item_id(&session(), "rs", 2);
    let reasoning = Item { id, turn: turn(), output_index: Some(2), origin: Some(ORIGIN), body };
    let mut cursor = Cursor::at(session(), Seq(7));
    // The message after it was begun, it itself was never shown.
    let opaque = ModelEvent::ReasoningOpaque { value: "secret".into() };
    assert_eq!(cursor.read_draft(&draft(&[opaque, ModelEvent::text("so".to_owned())])).len(), 3);
    let [(seq, events)] = apply([RecordBody::Item(Arc::new(reasoning))]).try_into().expect("one record");
    let fresh = cursor.read_record(seq, &events);
    assert!(matches!(fresh[0].body, EventBody::ItemAdded(_)) && matches!(fresh[1].body, EventBody::ItemDone(_)));
}

#[test]
fn an_abandoned_draft_is_closed_for_those_who_saw_it() {
    let [(seq, events)] = abandoned().try_into().expect("one record");
    // Who saw nothing is told only that the attempt is gone.
    let unseen = Cursor::at(session(), Seq(7)).read_record(seq, &events);
    assert!(matches!(&unseen[..], [Event { body: EventBody::AttemptDropped { .. }, .. }]));
    // Who saw both items is told of both.
    let mut live = streamed(said().len());
    let mut cursor = Cursor::at(session(), Seq(7));
    cursor.read_draft(&draft(&said()));
    let told = cursor.read_record(seq, &events);
    assert!(matches!(told.last().map(|event| &event.body), Some(EventBody::AttemptDropped { .. })));
    // The agents' door shows nothing of that, so nobody comes back by it.
    live.extend(told.into_iter().filter(|event| !matches!(event.body, EventBody::AttemptDropped { .. })));
    let mut whole = Seen::default();
    whole.see(&live);
    assert_eq!(whole.dropped, ["rs_ae3a1i2", "msg_ae3a1i3"]);
    // So is who comes back by any id, of what it had seen begin: also between the one closing and the other.
    let ids: std::collections::BTreeSet<_> = live.iter().map(|event| event.id).collect();
    assert_eq!(ids.len(), live.len());
    for stop in 1..=live.len() {
        let mut seen = Seen::default();
        seen.see(&live[..stop]);
        let id = EventId::parse(&live[stop - 1].id.text(&session()), &session()).expect("an id of ours");
        let rest = Cursor::after(session(), id).read_record(seq, &events);
        seen.see(&rest);
        assert_eq!(seen.dropped, seen.added, "stopped after {stop}");
        assert!(
            live.iter().filter(|event| rest.iter().any(|again| again.id == event.id)).all(|event| rest.contains(event))
        );
    }
}

#[test]
fn an_offset_within_a_character_is_moved_on() {
    let live = streamed(said().len());
    let EventId::Draft { seq, position: DraftPlace::Said(mut position) } = live.last().expect("events").id else {
        panic!("a draft's id")
    };
    // "Gr" and half of the umlaut.
    position.offset = 2 + 3;
    let mut cursor = Cursor::after(session(), EventId::Draft { seq, position: DraftPlace::Said(position) });
    let fresh = cursor.read_draft(&draft(&said()));
    assert!(matches!(&fresh[..], [Event { body: EventBody::Delta { text, .. }, .. }] if text == "ße an alle"));
}
