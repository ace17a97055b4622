//! Reading a log. Whatever is read is checked against the links of the chain, and its end against the session's row.

use super::batch::{Line, Owner, Row};
use super::blobs::Folder;
use super::lineage::{self, Segment};
use super::sessions;
use crate::chain::{self, Hash};
use crate::{Direction, Error, LogQuery, Stored};
use rusqlite::{Connection, OptionalExtension, params};
use types::{ItemId, ProjectId, Seq, SessionId, TurnId};

/// The kind of the records that introduce a turn.
pub(super) const TURN_CREATED: &str = "turn_created";

/// Where a row of a log is named beside its place: by its turns, by its items, and for the turns that it introduces.
/// Two names may share a number; whoever looks reads the row.
pub(super) mod mark {
    pub(crate) const TURN_CREATED: i64 = 0;

    /// Of a turn's or an item's id, by FNV-1a.
    pub(crate) fn of(id: &str) -> i64 {
        let hash = id.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        i64::from(hash >> 1) + 1
    }
}

const COLUMNS: &str = "b.last, b.count, b.hash, b.data,
    (SELECT p.hash FROM batches p WHERE p.session = b.session AND p.last < b.last ORDER BY p.last DESC LIMIT 1)";

pub(super) fn read(
    connection: &Connection,
    folder: &Folder,
    project: &ProjectId,
    session: &SessionId,
    query: &LogQuery,
) -> Result<Vec<Stored>, Error> {
    let mut records = Vec::new();
    let shown = |line: &Line| {
        let Line { seq, record, .. } = line;
        *seq > query.after
            && query.before.is_none_or(|before| *seq < before)
            && (query.kinds.is_empty() || query.kinds.contains(&record.kind.as_str()))
            && query.turn.as_ref().is_none_or(|turn| record.turn.as_ref() == Some(turn))
            && (!query.listed_items || record.item.is_some())
    };
    let mark = match &query.turn {
        Some(turn) => Some(mark::of(turn.as_str())),
        None if query.kinds == [TURN_CREATED] => Some(mark::TURN_CREATED),
        None => None,
    };
    let range = Range { after: query.after, before: query.before, direction: query.direction, mark };
    walk(connection, project, session, &range, |line| {
        if records.len() == query.limit {
            return Ok(false);
        }
        if shown(&line) {
            records.push(stored(line, folder, project)?);
        }
        Ok(true)
    })?;
    Ok(records)
}

/// Part of a log, by rows: those that hold something of it.
struct Range {
    after: Seq,
    before: Option<Seq>,
    direction: Direction,
    mark: Option<i64>,
}

/// Shows every record of the rows in range, as long as `show` says true. Nothing, where the session is deleted.
fn walk(
    connection: &Connection,
    project: &ProjectId,
    session: &SessionId,
    range: &Range,
    mut show: impl FnMut(Line) -> Result<bool, Error>,
) -> Result<(), Error> {
    // One read transaction: the rows and the end must be of the same moment.
    let reading = connection.unchecked_transaction()?;
    let Some(found) = sessions::find(&reading, project, session)?.filter(|found| !found.deleted) else {
        return Ok(());
    };
    let mut segments = lineage::segments(&reading, session, &found, range.after)?;
    segments.retain(|segment| range.before.is_none_or(|before| segment.from < before));
    if range.direction == Direction::Descending {
        segments.reverse();
    }
    for segment in &segments {
        if !walk_segment(&reading, project, segment, range, &mut show)? {
            break;
        }
    }
    Ok(())
}

/// False where `show` has seen enough.
fn walk_segment(
    connection: &Connection,
    project: &ProjectId,
    segment: &Segment,
    range: &Range,
    show: &mut impl FnMut(Line) -> Result<bool, Error>,
) -> Result<bool, Error> {
    let before = range.before.filter(|before| segment.is_own || *before <= segment.end);
    let upto = match before {
        Some(before) => holder(connection, segment.ord, Seq(before.0.saturating_sub(1)))?,
        None if segment.is_own => i64::MAX,
        None => holder(connection, segment.ord, segment.end)?,
    };
    let order = match range.direction {
        Direction::Ascending => "ASC",
        Direction::Descending => "DESC",
    };
    // SQLite keeps no statistics here: it is told which way to go.
    let sql = match range.mark {
        Some(_) => format!(
            "SELECT {COLUMNS} FROM marks m CROSS JOIN batches b ON b.session = m.session AND b.last = m.last
             WHERE m.session = ?1 AND m.last > ?2 AND m.last <= ?3 AND m.mark = ?4 ORDER BY m.last {order}"
        ),
        None => format!(
            "SELECT {COLUMNS} FROM batches b INDEXED BY batches_place
             WHERE b.session = ?1 AND b.last > ?2 AND b.last <= ?3 AND ?4 IS NULL ORDER BY b.last {order}"
        ),
    };
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![segment.ord, column(range.after), upto, range.mark])?;
    let has_end = before.is_none() && range.mark.is_none();
    let mut newest = None;
    while let Some(row) = rows.next()? {
        let mut lines = open(project, segment, row, None)?;
        let end = lines.last().map(|line| (line.seq, line.hash));
        if range.direction == Direction::Descending {
            lines.reverse();
            if has_end && newest.is_none() {
                check_end(segment, range.after, end)?;
            }
            newest = newest.or(end);
        } else {
            newest = end;
        }
        for line in lines {
            if !show(line)? {
                return Ok(false);
            }
        }
    }
    if has_end {
        check_end(segment, range.after, newest)?;
    }
    Ok(true)
}

/// A segment that is shorter than is said where it ends has lost records.
fn check_end(segment: &Segment, after: Seq, newest: Option<(Seq, Hash)>) -> Result<(), Error> {
    match newest {
        None if segment.end <= after.max(segment.from) => Ok(()),
        Some((seq, hash)) if segment.end == seq && segment.hash == hash => Ok(()),
        Some((seq, _)) if segment.end <= seq => Err(damaged(seq, "it is not where the session ends".to_owned())),
        newest => {
            let last = newest.map_or(after.max(segment.from), |(seq, _)| seq);
            Err(damaged(last.next(), "it is missing".to_owned()))
        }
    }
}

/// Where the row ends that holds this record, or the next one that there is.
fn holder(connection: &Connection, session: i64, seq: Seq) -> Result<i64, Error> {
    let sql = "SELECT last FROM batches WHERE session = ?1 AND last >= ?2 ORDER BY last LIMIT 1";
    let last = connection.prepare_cached(sql)?.query_row(params![session, column(seq)], |row| row.get(0)).optional()?;
    Ok(last.unwrap_or(i64::MAX))
}

fn column(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}

/// The records of a row of [`COLUMNS`] that belong to the segment; `before` is the link before it, where the caller
/// knows better than the row.
fn open(
    project: &ProjectId,
    segment: &Segment,
    row: &rusqlite::Row<'_>,
    before: Option<&Hash>,
) -> Result<Vec<Line>, Error> {
    let last = Seq(row.get::<_, i64>(0)?.cast_unsigned());
    let unreadable = |error: rusqlite::Error| damaged(last, error.to_string());
    let count = usize::try_from(row.get::<_, i64>(1).map_err(unreadable)?).unwrap_or_default();
    let previous = match before {
        Some(before) => *before,
        None => row.get::<_, Option<Hash>>(4).map_err(unreadable)?.unwrap_or(segment.before),
    };
    let data = row.get_ref(3)?.as_blob().map_err(|error| damaged(last, error.to_string()))?;
    let owner = Owner { project, session: &segment.session };
    let mut lines = owner.open(&Row { last, count, hash: row.get(2).map_err(unreadable)?, data }, &previous)?;
    if !segment.is_own {
        // What its session said after the fork is no part of this log.
        lines.retain(|line| line.seq <= segment.end);
    }
    Ok(lines)
}

/// The link of a segment's record; None where it has no record of that seq.
pub(super) fn link_at(
    connection: &Connection,
    project: &ProjectId,
    segment: &Segment,
    seq: Seq,
) -> Result<Option<Hash>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM batches b WHERE b.session = ?1 AND b.last >= ?2 ORDER BY b.last LIMIT 1");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![segment.ord, column(seq)])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let lines = open(project, segment, row, None)?;
    Ok(lines.iter().find(|line| line.seq == seq).map(|line| line.hash))
}

/// With its body, wherever that stands.
fn stored(line: Line, folder: &Folder, project: &ProjectId) -> Result<Stored, Error> {
    let Line { seq, mut record, body_hash, blob, hash } = line;
    if let Some(size) = blob {
        let body = folder.get(project, &chain::hex(&body_hash))?;
        record.body = body.ok_or_else(|| damaged(seq, format!("its blob of {size} bytes is missing")))?;
        if chain::of_body(&record.body) != body_hash {
            return Err(damaged(seq, "its blob does not have the hash that names it".to_owned()));
        }
    }
    Ok(Stored { seq, record, hash: chain::hex(&hash) })
}

pub(super) fn damaged(seq: Seq, what: String) -> Error {
    Error::Damaged { seq, what }
}

/// Walks the chain from the first record to where the session's row says that it ends; deleted sessions too.
pub(super) fn verify(
    connection: &Connection,
    folder: &Folder,
    project: &ProjectId,
    session: &SessionId,
) -> Result<Seq, Error> {
    // One read transaction: the end and the records must be of the same moment.
    let reading = connection.unchecked_transaction()?;
    let Some(found) = sessions::find(&reading, project, session)? else { return Ok(Seq(0)) };
    for segment in &lineage::segments(&reading, session, &found, Seq(0))? {
        verify_segment(&reading, folder, project, segment)?;
    }
    Ok(found.seq)
}

/// The same of what is the session's own, and of the link between that and what it stands on: where every session is
/// looked at, no record is read twice.
pub(super) fn verify_own(
    connection: &Connection,
    folder: &Folder,
    project: &ProjectId,
    session: &SessionId,
) -> Result<(), Error> {
    let reading = connection.unchecked_transaction()?;
    let Some(found) = sessions::find(&reading, project, session)? else { return Ok(()) };
    let after = Seq(found.base.map_or(0, |base| base.seq.0.saturating_sub(1)));
    for segment in &lineage::segments(&reading, session, &found, after)? {
        if segment.is_own {
            verify_segment(&reading, folder, project, segment)?;
        } else if link_at(&reading, project, segment, segment.end)? != Some(segment.hash) {
            return Err(damaged(segment.end, "it is not the record that the fork stands on".to_owned()));
        }
    }
    Ok(())
}

fn verify_segment(
    connection: &Connection,
    folder: &Folder,
    project: &ProjectId,
    segment: &Segment,
) -> Result<(), Error> {
    let upto = if segment.is_own { i64::MAX } else { holder(connection, segment.ord, segment.end)? };
    let sql = format!("SELECT {COLUMNS} FROM batches b WHERE b.session = ?1 AND b.last <= ?2 ORDER BY b.last");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([segment.ord, upto])?;
    let (mut at, mut hash) = (segment.from, segment.before);
    while let Some(row) = rows.next()? {
        let count = row.get::<_, i64>(1)?.cast_unsigned();
        let follows = row.get::<_, i64>(0)?.cast_unsigned().checked_sub(count) == Some(at.0);
        // A row that does not fit because one before it is gone says nothing of its own records.
        let gone = |error| if follows { error } else { damaged(at.next(), "it is missing".to_owned()) };
        for line in open(project, segment, row, Some(&hash)).map_err(gone)? {
            // Only a restore leaves numbers out.
            if line.seq != at.next() && (line.record.kind != types::RESTORED || line.seq <= at) {
                return Err(damaged(at.next(), "it is missing".to_owned()));
            }
            (at, hash) = (line.seq, line.hash);
            stored(line, folder, project)?;
        }
    }
    if at < segment.end {
        return Err(damaged(at.next(), "it is missing".to_owned()));
    }
    if at != segment.end || hash != segment.hash {
        return Err(damaged(at, "it is not where the session ends".to_owned()));
    }
    Ok(())
}

pub(super) fn turn_seq(
    connection: &Connection,
    project: &ProjectId,
    session: &SessionId,
    turn: &TurnId,
) -> Result<Option<Seq>, Error> {
    first(connection, project, session, mark::of(turn.as_str()), |line| {
        line.record.kind == TURN_CREATED && line.record.turn.as_ref() == Some(turn)
    })
}

pub(super) fn item_seq(
    connection: &Connection,
    project: &ProjectId,
    session: &SessionId,
    item: &ItemId,
) -> Result<Option<Seq>, Error> {
    first(connection, project, session, mark::of(item.as_str()), |line| line.record.item.as_ref() == Some(item))
}

fn first(
    connection: &Connection,
    project: &ProjectId,
    session: &SessionId,
    mark: i64,
    is_it: impl Fn(&Line) -> bool,
) -> Result<Option<Seq>, Error> {
    let range = Range { after: Seq(0), before: None, direction: Direction::Ascending, mark: Some(mark) };
    let mut found = None;
    walk(connection, project, session, &range, |line| {
        found = is_it(&line).then_some(line.seq);
        Ok(found.is_none())
    })?;
    Ok(found)
}
