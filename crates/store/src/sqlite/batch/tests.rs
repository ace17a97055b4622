//! Rows come back as they were, and no damage goes unnoticed.

use super::{Entry, LINK, Owner, Row, pack};
use crate::chain::{self, GENESIS, Hash};
use crate::{BLOB_BYTES, Error};
use types::{Encoded, ItemId, ProjectId, Seq, SessionId, Timestamp, TurnId};

fn names() -> (ProjectId, SessionId) {
    (ProjectId::from("p"), SessionId::from("sess_0123456789abcdef01234567"))
}

fn record(kind: &str, at: u64, turn: Option<&str>, item: Option<&str>, body: &str) -> Encoded {
    let (turn, item) = (turn.map(TurnId::from), item.map(ItemId::from));
    Encoded { at: Timestamp(at), v: 1, kind: kind.into(), turn, item, body: body.into() }
}

fn records() -> Vec<Encoded> {
    let output = format!(r#"{{"id":"fco_1","turn":"turn_1","output":"{}"}}"#, "a word or two. ".repeat(60));
    vec![
        record("function_call_output", 1_795_407_608_000, Some("turn_1"), Some("fco_1"), &output),
        record("intended", 1_795_407_607_999, Some("turn_1"), None, r#"{"effect":5,"attempt":1,"turn":"turn_1"}"#),
        record("", u64::MAX, None, Some(""), ""),
        record("blob", 0, None, None, &"b".repeat(BLOB_BYTES)),
    ]
}

fn packed(records: Vec<Encoded>) -> (Vec<u8>, Hash) {
    let (project, session) = names();
    let mut entries: Vec<Entry> = records.into_iter().map(Entry::new).collect();
    for entry in &mut entries {
        entry.take_blob();
    }
    let mut data = pack(&session, &mut entries);
    let hash = Owner { project: &project, session: &session }.link(GENESIS, Seq(1), &entries, &mut data);
    (data, hash)
}

fn open(data: &[u8], count: usize, hash: Hash) -> Result<Vec<super::Line>, Error> {
    let (project, session) = names();
    let row = Row { last: Seq(count as u64), count, hash, data };
    Owner { project: &project, session: &session }.open(&row, &GENESIS)
}

#[test]
fn a_row_comes_back_as_it_was() {
    let (data, hash) = packed(records());
    assert!(data.len() < 250, "{} bytes for a kilobyte that repeats itself", data.len());
    let lines = open(&data, 4, hash).unwrap();
    for (line, record) in lines.iter().zip(records()) {
        assert_eq!(line.body_hash, chain::of_body(&record.body));
        match line.blob {
            Some(size) => assert_eq!((size, &line.record.body[..]), (BLOB_BYTES, &b""[..])),
            None => assert_eq!(line.record, record),
        }
    }
    assert_eq!(lines[3].hash, hash);
    let none = packed(Vec::new());
    assert_eq!(open(&none.0, 0, GENESIS).unwrap().len(), 0);
}

#[test]
fn what_cannot_be_made_smaller_stays_as_it_is() {
    let noise: String =
        (0..300_u32).map(|n| char::from(b'!' + (n.wrapping_mul(n).wrapping_mul(2_654_435_761) >> 26) as u8)).collect();
    let (data, hash) = packed(vec![record("x", 1, None, None, &noise)]);
    assert_eq!(data[LINK], super::PLAIN);
    assert_eq!(open(&data, 1, hash).unwrap()[0].record.body, noise.as_bytes());
}

/// Whatever bit of a row is flipped, wherever it ends: what is read is what was written, or an error.
#[test]
fn any_damage_is_an_error() {
    let (data, hash) = packed(records());
    let truth: Vec<Encoded> = open(&data, 4, hash).unwrap().into_iter().map(|line| line.record).collect();
    let damaged = |data: &[u8], count, hash, what: &str| match open(data, count, hash) {
        Err(Error::Damaged { .. }) => {}
        Err(other) => panic!("{what}: {other}"),
        // LZ4 can say the same in another way.
        Ok(lines) => assert!(lines.into_iter().map(|line| line.record).eq(truth.iter().cloned()), "{what}"),
    };
    for at in 0..data.len() {
        for bit in 0..8 {
            let mut spoiled = data.clone();
            spoiled[at] ^= 1 << bit;
            damaged(&spoiled, 4, hash, &format!("bit {bit} of byte {at}"));
        }
        damaged(&data[..at], 4, hash, &format!("cut after {at}"));
    }
    for count in [0, 3, 5, usize::MAX] {
        damaged(&data, count, hash, &format!("{count} records"));
    }
    damaged(&data, 4, [7; 32], "another hash");
}

/// Rows on disk were written in this very form, and this one by another program than ours.
#[test]
fn the_form_never_changes() {
    let data = bytes(
        "57979fa27662637901a60188c0f187b5a034010c6e042100060e004a310001118b035f31227d01146b020113093200101ead\
         020f6b00054765340337d4020f27000709ee01506e5f31227d",
    );
    let hash = bytes("766263792414e1fb6a0910be63b6ba65c3eae44d5692b2756a068cdd812c7be3");
    let lines = open(&data, 2, hash.try_into().unwrap()).unwrap();
    let found: Vec<Encoded> = lines.into_iter().map(|line| line.record).collect();
    let item = "fco_0123456789abcdef01234567e4";
    let body = format!(r#"{{"id":"{item}","turn":"turn_1"}}"#);
    let created = record("turn_created", 1_795_407_608_000, Some("turn_1"), None, r#"{"turn":"turn_1"}"#);
    let output = record("function_call_output", 1_795_407_607_995, Some("turn_1"), Some(item), &body);
    assert_eq!(found, [created, output]);
    let known = chain::of_body(super::KNOWN.as_bytes());
    assert_eq!(chain::hex(&known), "b011262563ac1f04caa235c445715af6a654002d7e7d8239e454586502bcec46");
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
