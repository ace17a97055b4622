//! The hash chain of a log: every record is linked to the one before it, so that a flipped bit, a lost record or a
//! swapped one shows. A link covers the hash of the body, not the body: erasing a body leaves the chain whole.
//!
//! These bytes live for ever. A change of what is hashed would make every older log look damaged.

use sha2::{Digest, Sha256};
use types::{Encoded, ProjectId, Seq, SessionId};

/// SHA-256.
pub type Hash = [u8; 32];

/// What the first record is linked to.
pub const GENESIS: Hash = [0; 32];

/// The hash of a body.
pub fn of_body(body: &[u8]) -> Hash {
    Sha256::digest(body).into()
}

/// The link of one record: `H(previous, header, H(body))`.
pub fn link(
    previous: &Hash,
    project: &ProjectId,
    session: &SessionId,
    seq: Seq,
    record: &Encoded,
    body: &Hash,
) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(previous);
    text(&mut hasher, project.as_str());
    text(&mut hasher, session.as_str());
    hasher.update(seq.0.to_le_bytes());
    hasher.update(record.v.to_le_bytes());
    text(&mut hasher, &record.kind);
    hasher.update(record.at.0.to_le_bytes());
    maybe(&mut hasher, record.turn.as_ref().map(|turn| turn.as_str()));
    maybe(&mut hasher, record.item.as_ref().map(|item| item.as_str()));
    hasher.update(body);
    hasher.finalize().into()
}

/// Lower-case hex, as hashes are shown.
pub fn hex(hash: &Hash) -> String {
    types::hex(hash)
}

/// What [`hex`] wrote; None where it is something else.
pub fn of_hex(text: &str) -> Option<Hash> {
    let mut hash = Hash::default();
    let digit = |byte: u8| char::from(byte).to_digit(16).filter(|_| !byte.is_ascii_uppercase());
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    if pairs.len() != hash.len() {
        return None;
    }
    for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
        *byte = u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()?;
    }
    Some(hash)
}

/// The length goes first: without it, two neighbouring fields could trade bytes unseen.
fn text(hasher: &mut Sha256, text: &str) {
    hasher.update((text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
}

fn maybe(hasher: &mut Sha256, value: Option<&str>) {
    match value {
        None => hasher.update([0]),
        Some(value) => {
            hasher.update([1]);
            text(hasher, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{GENESIS, Hash, hex, link, of_body, of_hex};
    use types::{Encoded, ProjectId, Seq, SessionId, Timestamp, TurnId};

    fn record() -> Encoded {
        Encoded {
            at: Timestamp(7),
            v: 1,
            kind: "turn_created".into(),
            turn: Some(TurnId::from("turn_1")),
            item: None,
            body: br#"{"turn":"turn_1"}"#.to_vec(),
        }
    }

    fn hash(project: &str, session: &str, seq: u64, record: &Encoded) -> Hash {
        link(&GENESIS, &ProjectId::from(project), &SessionId::from(session), Seq(seq), record, &of_body(&record.body))
    }

    /// Logs on disk were linked with these very bytes.
    #[test]
    fn a_link_never_changes() {
        assert_eq!(
            hex(&hash("p", "sess_1", 1, &record())),
            "e98ffd61b1f4575a716fa58f72a912067a5acb578af9ee8b6b23fabfdd201830"
        );
    }

    #[test]
    fn hex_is_read_as_it_was_written() {
        let written = hex(&of_body(b"a body"));
        assert_eq!(of_hex(&written), Some(of_body(b"a body")));
        for other in [&written[1..], &written.to_uppercase(), &format!("{}g", &written[1..]), "", &"\u{e9}".repeat(32)]
        {
            assert_eq!(of_hex(other), None, "{other}");
        }
    }

    #[test]
    fn every_field_counts() {
        let plain = hash("p", "sess_1", 1, &record());
        let changes: [fn(&mut Encoded); 6] = [
            |r| r.at = Timestamp(8),
            |r| r.v = 2,
            |r| r.kind = "turn_started".into(),
            |r| r.turn = None,
            |r| r.item = Some("msg_1".into()),
            |r| r.body.push(b' '),
        ];
        for change in changes {
            let mut changed = record();
            change(&mut changed);
            assert_ne!(hash("p", "sess_1", 1, &changed), plain, "{changed:?}");
        }
        assert_ne!(hash("q", "sess_1", 1, &record()), plain);
        assert_ne!(hash("p", "sess_2", 1, &record()), plain);
        assert_ne!(hash("p", "sess_1", 2, &record()), plain);
        assert_ne!(hash("psess", "_1", 1, &record()), hash("p", "sess_1", 1, &record()));
    }
}
