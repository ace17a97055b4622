//! Remembered answers to Idempotency-Keys. They are named by a hash of the project, the route, the session and the key, and
//! stand in the order in which they were given: that is the order in which they expire.

use super::fault::{Fault, unreadable};
use super::timers::column;
use crate::{AppendError, Error, Idempotency};
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};
use types::{ProjectId, SessionId, Timestamp};

/// Expired answers that one new one takes away: two, so that the table shrinks faster than it grows.
const SWEEP: i64 = 2;

/// Half of a SHA-256: two keys of one project would have to be sought for 2^64 tries, and harm only their owner.
pub(super) type Name = [u8; 16];

pub(super) fn name(project: &ProjectId, route: &str, session: &SessionId, key: &str) -> Name {
    let mut hasher = Sha256::new();
    for part in [project.as_str(), route, session.as_str(), key] {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let hash: [u8; 32] = hasher.finalize().into();
    let mut name = Name::default();
    name.copy_from_slice(&hash[..16]);
    name
}

#[expect(clippy::too_many_arguments, reason = "the four parts of the name, the answer, and two times")]
pub(super) fn remember(
    connection: &Connection,
    project: &ProjectId,
    route: &str,
    session: &SessionId,
    key: &str,
    answer: &Idempotency,
    expires: Timestamp,
    now: Timestamp,
) -> Result<(), Fault<AppendError>> {
    let (name, now) = (name(project, route, session, key), column(now));
    let mut inserted = insert(connection, &name, answer, column(expires))?;
    if !inserted {
        // Most keys are new. One that is not may have expired without having been swept.
        let expired = connection
            .prepare_cached("DELETE FROM answers WHERE name = ?1 AND expires <= ?2")?
            .execute(params![name, now])?;
        inserted = expired > 0 && insert(connection, &name, answer, column(expires))?;
    }
    if !inserted {
        return Err(AppendError::IdempotencyTaken.into());
    }
    Ok(sweep(connection, now)?)
}

/// Takes the oldest away that have expired. Most often none has, and to look is cheaper.
fn sweep(connection: &Connection, now: i64) -> Result<(), rusqlite::Error> {
    let has_expired = connection
        .prepare_cached("SELECT 1 FROM (SELECT expires FROM answers ORDER BY ord LIMIT ?2) WHERE expires <= ?1")?
        .exists([now, SWEEP])?;
    if has_expired {
        connection
            .prepare_cached(
                "DELETE FROM answers WHERE ord IN (SELECT ord FROM answers ORDER BY ord LIMIT ?2) AND expires <= ?1",
            )?
            .execute([now, SWEEP])?;
    }
    Ok(())
}

/// False where the name is there already.
pub(super) fn insert(
    connection: &Connection,
    name: &Name,
    answer: &Idempotency,
    expires: i64,
) -> Result<bool, rusqlite::Error> {
    connection
        .prepare_cached(
            "INSERT INTO answers (name, body_hash, status, body, expires) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (name) DO NOTHING",
        )?
        .execute(params![name, short(&answer.body_hash), answer.status, answer.body, expires])
        .map(|inserted| inserted > 0)
}

pub(super) fn recall(
    connection: &Connection,
    project: &ProjectId,
    route: &str,
    session: &SessionId,
    key: &str,
    now: Timestamp,
) -> Result<Option<Idempotency>, Error> {
    let mut statement =
        connection.prepare_cached("SELECT body_hash, status, body FROM answers WHERE name = ?1 AND expires > ?2")?;
    let found = statement
        .query_row(params![name(project, route, session, key), column(now)], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((hash, status, body)) = found else { return Ok(None) };
    let body_hash = long(&hash).ok_or_else(|| unreadable("a remembered answer", "no hash"))?;
    Ok(Some(Idempotency { body_hash, status, body }))
}

/// Two digits a byte where it is hex, else as it is.
fn short(hash: &str) -> Vec<u8> {
    let digits: Option<Vec<u8>> = hash
        .bytes()
        .map(|byte| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        })
        .collect();
    match digits.filter(|digits| digits.len() % 2 == 0) {
        Some(digits) => std::iter::once(0).chain(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1])).collect(),
        None => std::iter::once(1).chain(hash.bytes()).collect(),
    }
}

fn long(hash: &[u8]) -> Option<String> {
    match hash.split_first()? {
        (0, bytes) => Some(bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(digit).collect()),
        (_, text) => String::from_utf8(text.to_vec()).ok(),
    }
}

fn digit(value: u8) -> Option<char> {
    char::from_digit(value.into(), 16)
}

#[cfg(test)]
mod tests {
    use super::{long, short};

    #[test]
    fn hashes_come_back_as_they_were() {
        for hash in ["", "0", "00", "h", "H1", "abc", "DEAD", "deadbeef0123456789", "ä"] {
            assert_eq!(long(&short(hash)).as_deref(), Some(hash));
        }
        assert_eq!(short(&"a".repeat(64)).len(), 33);
    }
}
