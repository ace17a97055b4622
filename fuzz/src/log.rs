//! A session's log as it is read back: a record a line, its kind, a space and its body. What cannot be read is an error;
//! whatever can be read can be applied, shown, and written again as it was.

use engine::{State, apply, context, head, pending, standing};
use std::collections::BTreeSet;
use types::{Encoded, EventId, Limits, Record, SessionId, Timestamp};

/// A kind of which the version is not the first: `intended@2`.
const VERSION: char = '@';

pub fn target(data: &[u8]) {
    let session = SessionId::new("sess_1");
    let mut state = State::new(session.clone());
    let limits = Limits::default();
    let mut ids = BTreeSet::new();
    for (line, at) in data.split(|byte| *byte == b'\n').zip(0..) {
        let record = match Record::decode(&encoded(line, Timestamp(at))) {
            Ok(record) => record,
            Err(error) => {
                assert!(!error.to_string().is_empty(), "an error without words");
                // Where the log ends for this binary: nothing is skipped.
                return;
            }
        };
        let again = Record::decode(&record.encode()).expect("a record that was read is written again");
        assert_eq!(again, record, "read otherwise than it was written");
        let seq = state.seq.next();
        for event in apply(&mut state, seq, &record) {
            let id = event.id.text(&session);
            assert_eq!(EventId::parse(&id, &session), Ok(event.id), "an event's id is a place");
            assert!(ids.insert(id), "two events with one id");
        }
        assert_eq!(state.seq, seq);
        let shown = context(&state, &types::Rules::default());
        assert!(shown.iter().all(|place| *place <= seq), "a model is shown what is not there");
        let _ = (pending(&state, &limits), standing(&state, &types::Rules::default()));
        let head = serde_json::to_vec(&head(&state)).expect("a head is JSON");
        let read: Result<types::Head, _> = serde_json::from_slice(&head);
        assert!(read.is_ok(), "a head that cannot be read: {}", String::from_utf8_lossy(&head));
    }
}

fn encoded(line: &[u8], at: Timestamp) -> Encoded {
    let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
    let (kind, body) = line.split_at(end);
    let kind = String::from_utf8_lossy(kind);
    let (kind, v) = match kind.split_once(VERSION) {
        Some((kind, version)) => (kind, version.parse().unwrap_or(u32::MAX)),
        None => (&*kind, 1),
    };
    let body = body.get(1..).unwrap_or_default().to_vec();
    Encoded { at, v, kind: kind.to_owned(), turn: None, item: None, body }
}
