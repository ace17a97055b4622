//! A reader of what commands print stops anywhere, comes back by id, and has each output once and in order: of several
//! commands at a time, of one that was found again after a crash, of one that came to nothing.

use crate::cursor::Cursor;
use crate::tail::Printed;
use std::collections::BTreeMap;
use std::sync::Arc;
use types::{
    Attempt, Cause, Class, CommandResult, EffectId, Event, EventBody, EventId, Item, ItemBody, OfferedTool, Origin,
    Record, RecordBody, Seq, SessionId, Timestamp, ToolOutcome,
};

fn session() -> SessionId {
    SessionId::new("sess_a")
}

fn item_id(effect: u64) -> types::ItemId {
    format!("item_{effect}").as_str().into()
}

/// The commands that run, with what each has printed.
fn open(birth: u64, texts: &[(u64, &str)]) -> BTreeMap<EffectId, Printed> {
    let printed = |(effect, text): &(u64, &str)| {
        let origin = Origin { effect: EffectId(*effect), attempt: Attempt(1) };
        let output_index = u32::try_from(*effect).expect("small");
        let (item, text) = (item_id(*effect), (*text).to_owned());
        (origin.effect, Printed { origin, item, turn: "turn_a".into(), output_index, birth, text, is_full: false })
    };
    texts.iter().map(printed).collect()
}

/// The events of an outcome's record.
fn ended(seq: u64, effect: u64, outcome: ToolOutcome, said: Option<&str>) -> (Seq, Vec<Event>) {
    let shell = OfferedTool { name: "shell".to_owned(), class: Class::Attachable, ..OfferedTool::default() };
    let call = shell.called(EffectId(effect), "call".into(), "{}".to_owned());
    let said = said.map(str::to_owned);
    let body = ItemBody::ToolOutcome { call, attempt: Attempt(1), cause: Cause::Answered, outcome, said };
    let output_index = u32::try_from(effect).ok();
    let item = Item { id: item_id(effect), turn: "turn_a".into(), output_index, origin: None, body };
    let record = Record { at: Timestamp(1), body: RecordBody::Item(Arc::new(item)) };
    (Seq(seq), engine::apply(&mut engine::State::new(session()), Seq(seq), &record))
}

fn ran(seq: u64, effect: u64, output: &str) -> (Seq, Vec<Event>) {
    let output = Some(output.to_owned());
    ended(seq, effect, ToolOutcome::Ran(CommandResult { output, ..CommandResult::default() }), None)
}

/// What a client makes of events: the output of each command, and which have ended.
#[derive(Clone, Default, PartialEq, Debug)]
struct Seen {
    output: BTreeMap<String, String>,
    done: Vec<String>,
}

impl Seen {
    fn of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut seen = Self::default();
        seen.see(events);
        seen
    }

    fn see<'a>(&mut self, events: impl IntoIterator<Item = &'a Event>) {
        for event in events {
            match &event.body {
                EventBody::CommandOutput { item, text, .. } => {
                    assert!(!self.done.contains(&item.to_string()), "{item} goes on after its end");
                    self.output.entry(item.to_string()).or_default().push_str(text);
                }
                EventBody::ItemDone(item) => self.done.push(item.id.to_string()),
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Two commands that print by turns; the first ends, then the second goes on and ends.
const STEPS: [&[(u64, &str)]; 5] = [
    &[(3, "a1 "), (4, "")],
    &[(3, "a1 "), (4, "b1 ")],
    &[(3, "a1 a2 "), (4, "b1 ")],
    &[(3, "a1 a2 "), (4, "b1 b2 \u{fc}")],
    &[(4, "b1 b2 \u{fc} b3 ")],
];

/// What a reader does that begins at step `from`: it looks at each step, and at the records where they come.
fn live(cursor: &mut Cursor, from: usize) -> Vec<Event> {
    let mut events = Vec::new();
    for (step, texts) in STEPS.iter().enumerate().skip(from) {
        if step == 4 && cursor.seq < Seq(8) {
            let (seq, record) = ran(8, 3, "a1 a2 a3");
            events.extend(cursor.read_record(seq, &record));
        }
        events.extend(cursor.read_printed(&open(1, texts)));
    }
    let (seq, record) = ran(9, 4, "b1 b2 \u{fc} b3 b4");
    events.extend(cursor.read_record(seq, &record));
    events
}

fn whole() -> Seen {
    let mut cursor = Cursor::at(session(), Seq(7));
    let mut events = Vec::new();
    for (seq, record) in [ran(8, 3, "a1 a2 a3"), ran(9, 4, "b1 b2 \u{fc} b3 b4")] {
        events.extend(cursor.read_record(seq, &record));
    }
    Seen::of(&events)
}

#[test]
fn what_several_commands_print_comes_once_wherever_a_reader_stops() {
    let all = live(&mut Cursor::at(session(), Seq(7)), 0);
    assert_eq!(Seen::of(&all), whole());
    let ids: std::collections::BTreeSet<_> = all.iter().map(|event| event.id.text(&session())).collect();
    assert_eq!(ids.len(), all.len());
    for stop in 1..=all.len() {
        let id = EventId::parse(&all[stop - 1].id.text(&session()), &session()).expect("an id of ours");
        assert_eq!(id, all[stop - 1].id);
        for from in 0..=STEPS.len() {
            let mut seen = Seen::of(&all[..stop]);
            let mut cursor = Cursor::after(session(), id);
            // A draft is shown only to a reader that has every record before it.
            let from = if cursor.seq < Seq(8) && matches!(id, EventId::Draft { .. }) { from } else { STEPS.len() };
            if from == STEPS.len() && cursor.seq < Seq(8) {
                let (seq, record) = ran(8, 3, "a1 a2 a3");
                seen.see(&cursor.read_record(seq, &record));
            }
            if cursor.seq < Seq(9) {
                seen.see(&live(&mut cursor, from));
            }
            assert_eq!(seen, whole(), "stopped after {stop}, went on from step {from}");
        }
    }
}

#[test]
fn a_command_that_was_found_again_goes_on_where_its_reader_was() {
    let mut cursor = Cursor::at(session(), Seq(7));
    let first = cursor.read_printed(&open(1, &[(3, "one two ")]));
    let id = first.last().expect("an event").id;
    // The server is another one, and reads what the executor has from the beginning.
    let mut cursor = Cursor::after(session(), id);
    let mut seen = Seen::of(&first);
    for text in ["", "one", "one two ", "one two three"] {
        seen.see(&cursor.read_printed(&open(1, &[(3, text)])));
    }
    assert_eq!(seen.output["item_3"], "one two three");
    let (seq, record) = ran(8, 3, "one two three four");
    seen.see(&cursor.read_record(seq, &record));
    assert_eq!(seen.output["item_3"], "one two three four");
}

#[test]
fn a_reader_is_told_nothing_that_does_not_follow_on_what_it_has() {
    let first = Cursor::at(session(), Seq(7)).read_printed(&open(1, &[(3, "one two ")]));
    let id = first.last().expect("an event").id;
    for outcome in [
        ToolOutcome::Ran(CommandResult { output: Some("[lost]\nthree".to_owned()), ..CommandResult::default() }),
        ToolOutcome::Unknown("nobody knows".to_owned()),
    ] {
        let mut cursor = Cursor::after(session(), id);
        assert_eq!(cursor.read_printed(&open(1, &[(3, "[lost]\nthree")])), []);
        assert_eq!(cursor.read_printed(&open(1, &[(3, "[lost]\nthree and more")])), []);
        let (seq, record) = ended(8, 3, outcome, None);
        let told = cursor.read_record(seq, &record);
        assert!(matches!(&told[..], [Event { body: EventBody::ItemDone(_), .. }]), "{told:?}");
    }
    // One that has read nothing is told all.
    let mut cursor = Cursor::at(session(), Seq(7));
    let mut seen = Seen::of(&cursor.read_printed(&open(2, &[(3, "[lost]\nthree")])));
    let (seq, record) = ran(8, 3, "[lost]\nthree and four");
    seen.see(&cursor.read_record(seq, &record));
    assert_eq!(seen.output["item_3"], "[lost]\nthree and four");
}

#[test]
fn a_command_that_comes_to_nothing_says_so_after_what_it_printed() {
    let mut cursor = Cursor::at(session(), Seq(7));
    let mut seen = Seen::of(&cursor.read_printed(&open(1, &[(3, "one\ntw")])));
    let (seq, record) = ended(8, 3, ToolOutcome::Failed("it was cancelled".to_owned()), Some("one\ntwo"));
    seen.see(&cursor.read_record(seq, &record));
    assert_eq!(seen.output["item_3"], "one\ntwo\nit was cancelled");
    assert_eq!(seen.done, ["item_3"]);
}

#[test]
fn of_more_commands_than_a_place_holds_some_are_told_of_at_their_ends() {
    let texts = [(3, "a"), (4, "b"), (5, "c"), (6, "d"), (7, "e")];
    let mut cursor = Cursor::at(session(), Seq(7));
    let mut seen = Seen::of(&cursor.read_printed(&open(1, &texts)));
    assert_eq!(seen.output.keys().collect::<Vec<_>>(), ["item_3", "item_4", "item_5", "item_6"]);
    let (seq, record) = ran(8, 4, "b");
    seen.see(&cursor.read_record(seq, &record));
    let left: Vec<_> = texts.into_iter().filter(|(effect, _)| *effect != 4).collect();
    let fresh = cursor.read_printed(&open(1, &left));
    seen.see(&fresh);
    let mut cursor = Cursor::after(session(), fresh.last().expect("the fifth").id);
    for (seq, effect) in [(9, 3), (10, 5), (11, 6), (12, 7)] {
        let output = texts.iter().find(|(of, _)| *of == effect).expect("one of them").1;
        let (seq, record) = ran(seq, effect, output);
        seen.see(&cursor.read_record(seq, &record));
    }
    assert_eq!(seen.output.into_values().collect::<Vec<_>>(), ["a", "b", "c", "d", "e"]);
    assert_eq!(seen.done.len(), 5);
}
