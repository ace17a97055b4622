//! What a fork stands on. A log is a chain of segments: a session's own records, before them the records of the session
//! that it was forked from, up to a seq, and so on. Nothing is copied; a segment is read where it was written, be its
//! session deleted or not.
//!
//! A fork at a place within its parent's own base stands on that base's session: so each segment of a chain holds at
//! least one record, and seqs fall strictly on the way down.

use super::fault::{Fault, unreadable};
use super::log;
use super::sessions::{self, Found};
use crate::chain::{GENESIS, Hash};
use crate::{AppendError, Error, MAX_SEGMENTS};
use rusqlite::{Connection, OptionalExtension, Row};
use types::{ProjectId, Seq, SessionId};

/// The last shared record: whose it is (the number of the session's row), its seq and its link.
#[derive(Clone, Copy)]
pub(super) struct Base {
    pub(super) ord: i64,
    pub(super) seq: Seq,
    pub(super) hash: Hash,
    /// Segments below the session that stands on this.
    pub(super) depth: usize,
}

impl Base {
    /// From the columns `base`, `base_seq`, `base_hash` and `depth`, the first of which is `column`.
    pub(super) fn read(row: &Row<'_>, column: usize) -> Result<Option<Self>, rusqlite::Error> {
        let Some(ord) = row.get(column)? else { return Ok(None) };
        let seq: i64 = row.get(column + 1)?;
        let depth: i64 = row.get(column + 3)?;
        let depth = usize::try_from(depth).unwrap_or_default();
        Ok(Some(Self { ord, seq: Seq(seq.cast_unsigned()), hash: row.get(column + 2)?, depth }))
    }
}

/// The records of one session after `from` and up to `end`.
pub(super) struct Segment {
    pub(super) ord: i64,
    pub(super) session: SessionId,
    pub(super) from: Seq,
    /// The link before its first record.
    pub(super) before: Hash,
    pub(super) end: Seq,
    pub(super) hash: Hash,
    /// Whether it is the session's own, which ends where the session does.
    pub(super) is_own: bool,
}

impl Segment {
    fn new(ord: i64, session: SessionId, base: Option<&Base>, (end, hash): (Seq, Hash), is_own: bool) -> Self {
        let (from, before) = base.map_or((Seq(0), GENESIS), |base| (base.seq, base.hash));
        Self { ord, session, from, before, end, hash, is_own }
    }
}

/// The segments that hold something after `after`, oldest first; the session's own is always there.
pub(super) fn segments(
    connection: &Connection,
    session: &SessionId,
    found: &Found,
    after: Seq,
) -> Result<Vec<Segment>, Error> {
    let own = Segment::new(found.ord, session.clone(), found.base.as_ref(), (found.seq, found.hash), true);
    let mut segments = vec![own];
    let mut above = found.base;
    while let Some(base) = above.filter(|base| base.seq > after) {
        let (session, below) = parent(connection, base.ord)?
            .ok_or_else(|| log::damaged(base.seq, "the session that it stands on is missing".to_owned()))?;
        if below.is_some_and(|below| below.seq >= base.seq) {
            return Err(log::damaged(base.seq, "it does not stand where it says".to_owned()));
        }
        segments.push(Segment::new(base.ord, session, below.as_ref(), (base.seq, base.hash), false));
        above = below;
    }
    segments.reverse();
    Ok(segments)
}

fn parent(connection: &Connection, ord: i64) -> Result<Option<(SessionId, Option<Base>)>, Error> {
    connection
        .prepare_cached("SELECT id, base, base_seq, base_hash, depth FROM sessions WHERE ord = ?1")?
        .query_row([ord], |row| Ok((SessionId::new(row.get::<_, String>(0)?), Base::read(row, 1)?)))
        .optional()
        .map_err(|error| unreadable("what a fork stands on", error))
}

/// Where a fork of this session stands whose last shared record is the one at `seq`.
pub(super) fn base_at(
    connection: &Connection,
    project: &ProjectId,
    session: &SessionId,
    seq: Seq,
) -> Result<Base, Fault<AppendError>> {
    let missing = || AppendError::NoBase { session: session.clone() };
    let found = sessions::find(connection, project, session)?.filter(|found| !found.deleted).ok_or_else(missing)?;
    if seq == Seq(0) || seq > found.seq {
        return Err(missing().into());
    }
    let segments = segments(connection, session, &found, Seq(seq.0 - 1)).map_err(AppendError::from)?;
    // The oldest of them is the one that holds it.
    let Some(holder) = segments.first() else { return Err(missing().into()) };
    let depth = (found.depth() + 2).saturating_sub(segments.len());
    if depth >= MAX_SEGMENTS {
        return Err(AppendError::TooDeep.into());
    }
    let hash = log::link_at(connection, project, holder, seq).map_err(AppendError::from)?.ok_or_else(missing)?;
    Ok(Base { ord: holder.ord, seq, hash, depth })
}
