//! The records of one append as one row: what a log is made of on the disk. Records say much the same again and again, so
//! the row is compressed against a text that both sides know and the session's id. This form lives for ever: a change
//! of [`KNOWN`] or of the layout is another form, with another number.
//!
//! A row's `data` are four bytes of each record's link, a byte for the form, and the records. `hash` is the link of
//! the last record. So one that is damaged is found, and named, whichever column it was; the bodies' own hashes are
//! not kept, for they can be computed, save those of blobs.

use super::log::damaged;
use crate::chain::{self, Hash};
use crate::{BLOB_BYTES, Error};
use types::{Encoded, ItemId, ProjectId, Seq, SessionId, Timestamp, TurnId};

/// Bytes of each record's link that stand before the records.
const LINK: usize = 4;
const PLAIN: u8 = 0;
const LZ4: u8 = 1;
/// LZ4 makes no byte more than this many.
const EXPANSION: usize = 255;

/// What records look like. Never changed.
const KNOWN: &str = r#"session_updated{"settings":{"agent_id":"agent_","agent_name":null,"agent":{"model":"recovered{"epoch":abandoned","reason":"reasoning{"id":"rs_","body":{"kind":"reasoning","summary":[{"session":"sess_","turn_created{"turn":"turn_"}","phase":"commentary","ending":{"how":"failed","error":{"code":"cancelled"user_message{"id":"msg_","turn":"turn_","body":{"kind":"user_message","content":[{"type":"text","text":""}]}}turn_started{"turn":"turn_"}turn_ended{"turn":"turn_","ending":{"how":"completed"},"session":"idle"}assistant_message{"id":"msg_","turn":"turn_","output_index":0,"origin":{"effect":1,"attempt":1},"body":{"kind":"assistant_message","text":"","phase":"final_answer","complete":true}}function_call_output{"id":"fco_","turn":"turn_","body":{"kind":"function_call_output","call_id":"call_","result":{"success":""}}}intended{"effect":1,"attempt":1,"turn":"turn_","class":"repeatable","model":"","context":1,"verdict":{"verdict":"permit","reserve":[]}}function_call{"id":"fc_","turn":"turn_","output_index":1,"origin":{"effect":1,"attempt":1},"body":{"kind":"function_call","effect":1,"call_id":"call_","name":"","arguments":"{\"\":\"\"}"}}committed{"effect":1,"attempt":1,"turn":"turn_","stop":"end","usage":{"input_tokens":1,"cached_tokens":0,"output_tokens":1,"reasoning_tokens":0},"charged":0}"#;

/// A record that is to be written.
pub(super) struct Entry {
    /// Its body is taken away when it is packed.
    pub(super) record: Encoded,
    pub(super) body_hash: Hash,
    /// Its size, where it stands in the blob folder.
    pub(super) blob: Option<usize>,
}

impl Entry {
    pub(super) fn new(record: Encoded) -> Self {
        Self { body_hash: chain::of_body(&record.body), record, blob: None }
    }

    /// The body that must be in the blob folder before this is written.
    pub(super) fn take_blob(&mut self) -> Option<(Hash, Vec<u8>)> {
        if self.blob.is_some() || self.record.body.len() < BLOB_BYTES {
            return None;
        }
        self.blob = Some(self.record.body.len());
        Some((self.body_hash, std::mem::take(&mut self.record.body)))
    }
}

/// The row's data, but for the links, which are known only where the log ends.
pub(super) fn pack(session: &SessionId, entries: &mut [Entry]) -> Vec<u8> {
    let start = entries.first().map_or(0, |entry| entry.record.at.0);
    let mut plain = Vec::with_capacity(entries.iter().map(|entry| entry.record.body.len() + 128).sum());
    number(&mut plain, start);
    for Entry { record, body_hash, blob } in entries.iter_mut() {
        number(&mut plain, record.v.into());
        text(&mut plain, record.kind.as_bytes());
        number(&mut plain, zigzag(record.at.0.wrapping_sub(start).cast_signed()));
        text(&mut plain, record.turn.as_ref().map_or("", |turn| turn.as_str()).as_bytes());
        text(&mut plain, record.item.as_ref().map_or("", |item| item.as_str()).as_bytes());
        let given = u8::from(record.turn.is_some()) | u8::from(record.item.is_some()) << 1;
        plain.push(given | u8::from(blob.is_some()) << 2);
        match blob {
            Some(size) => {
                number(&mut plain, *size as u64);
                plain.extend_from_slice(body_hash);
            }
            None => text(&mut plain, &std::mem::take(&mut record.body)),
        }
    }
    let mut data = vec![0; entries.len() * LINK];
    let small = lz4_flex::block::compress_with_dict(&plain, &known(session));
    if small.len() + 3 < plain.len() {
        data.push(LZ4);
        number(&mut data, plain.len() as u64);
        data.extend_from_slice(&small);
    } else {
        data.push(PLAIN);
        data.extend_from_slice(&plain);
    }
    data
}

fn known(session: &SessionId) -> Vec<u8> {
    let id = session.as_str();
    [KNOWN.as_bytes(), id.split_once('_').map_or(id, |(_, own)| own).as_bytes()].concat()
}

/// Whose log it is.
pub(super) struct Owner<'a> {
    pub(super) project: &'a ProjectId,
    pub(super) session: &'a SessionId,
}

impl Owner<'_> {
    /// Links the records to what was before them, the first at `first`; their links' beginnings go into `data`. The last
    /// link.
    pub(super) fn link(&self, previous: Hash, first: Seq, entries: &[Entry], data: &mut [u8]) -> Hash {
        let (mut hash, mut seq) = (previous, first);
        for (entry, place) in entries.iter().zip(data.chunks_exact_mut(LINK)) {
            hash = chain::link(&hash, self.project, self.session, seq, &entry.record, &entry.body_hash);
            place.copy_from_slice(&hash[..LINK]);
            seq = seq.next();
        }
        hash
    }

    /// The records of a row, checked against the links; `previous` is the last link before them.
    pub(super) fn open(&self, row: &Row<'_>, previous: &Hash) -> Result<Vec<Line>, Error> {
        let first = row.first();
        let broken = || damaged(first, "its row cannot be read".to_owned());
        let links = row.data.get(..row.count.saturating_mul(LINK)).ok_or_else(broken)?;
        let plain = unpack(&row.data[links.len()..], self.session).ok_or_else(broken)?;
        let entries = entries(&plain, row.count).ok_or_else(broken)?;
        let (mut hash, mut seq) = (*previous, first);
        let mut lines = Vec::with_capacity(entries.len());
        for (Entry { record, body_hash, blob }, link) in entries.into_iter().zip(links.chunks_exact(LINK)) {
            hash = chain::link(&hash, self.project, self.session, seq, &record, &body_hash);
            if hash[..LINK] != *link {
                return Err(damaged(seq, "its link does not fit it, or the record before it".to_owned()));
            }
            lines.push(Line { seq, record, body_hash, blob, hash });
            seq = seq.next();
        }
        if hash != row.hash {
            return Err(damaged(row.last, "it does not have the link that was stored with it".to_owned()));
        }
        Ok(lines)
    }
}

/// A row as it was found.
pub(super) struct Row<'a> {
    pub(super) last: Seq,
    pub(super) count: usize,
    pub(super) hash: Hash,
    pub(super) data: &'a [u8],
}

impl Row<'_> {
    pub(super) fn first(&self) -> Seq {
        Seq(self.last.0.saturating_sub(self.count as u64).saturating_add(1))
    }
}

/// A record of a row.
pub(super) struct Line {
    pub(super) seq: Seq,
    /// Without its body where that is a blob.
    pub(super) record: Encoded,
    pub(super) body_hash: Hash,
    pub(super) blob: Option<usize>,
    pub(super) hash: Hash,
}

fn unpack(packed: &[u8], session: &SessionId) -> Option<Vec<u8>> {
    let (form, mut rest) = packed.split_first()?;
    match *form {
        PLAIN => Some(rest.to_vec()),
        LZ4 => {
            let size = usize::try_from(read_number(&mut rest)?).ok()?;
            if size > rest.len().saturating_mul(EXPANSION) {
                return None;
            }
            lz4_flex::block::decompress_with_dict(rest, size, &known(session)).ok()
        }
        _ => None,
    }
}

fn entries(plain: &[u8], count: usize) -> Option<Vec<Entry>> {
    let mut rest = plain;
    let start = read_number(&mut rest)?;
    let mut entries = Vec::new();
    for _ in 0..count {
        entries.push(entry(&mut rest, start)?);
    }
    rest.is_empty().then_some(entries)
}

fn entry(rest: &mut &[u8], start: u64) -> Option<Entry> {
    let v = u32::try_from(read_number(rest)?).ok()?;
    let kind = read_string(rest)?;
    let at = Timestamp(start.wrapping_add(unzigzag(read_number(rest)?).cast_unsigned()));
    let (turn, item) = (read_string(rest)?, read_string(rest)?);
    let given = *rest.split_off_first()?;
    let (turn, item) = ((given & 1 > 0).then(|| TurnId::new(turn)), (given & 2 > 0).then(|| ItemId::new(item)));
    let record = |body| Encoded { at, v, kind, turn, item, body };
    if given & 4 > 0 {
        let size = usize::try_from(read_number(rest)?).ok()?;
        let body_hash = rest.split_off(..32)?.try_into().ok()?;
        return Some(Entry { record: record(Vec::new()), body_hash, blob: Some(size) });
    }
    Some(Entry::new(record(read_text(rest)?.to_vec())))
}

/// Seven bits a byte, the lowest first.
fn number(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn read_number(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *rest.split_off_first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn zigzag(value: i64) -> u64 {
    (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

fn text(out: &mut Vec<u8>, text: &[u8]) {
    number(out, text.len() as u64);
    out.extend_from_slice(text);
}

fn read_text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(read_number(rest)?).ok()?;
    rest.split_off(..length)
}

fn read_string(rest: &mut &[u8]) -> Option<String> {
    String::from_utf8(read_text(rest)?.to_vec()).ok()
}

#[cfg(test)]
mod tests;
