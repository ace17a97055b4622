//! Reading a log. Whatever is read is checked against the hash that was stored with it.

use super::blobs::Folder;
use super::fault::unreadable;
use crate::chain::{self, GENESIS, Hash};
use crate::{Direction, Error, LogQuery, Stored};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use types::{Encoded, ItemId, ProjectId, Seq, SessionId, Timestamp, TurnId};

/// A record as it was found.
struct Line {
    seq: Seq,
    record: Encoded,
    body_hash: Hash,
    hash: Hash,
}

const COLUMNS: &str = "seq, v, kind, turn_id, item_id, at, body, blob_size, body_hash, hash";

/// A deleted session has no log that anybody may read.
const LIVE: &str =
    "NOT EXISTS (SELECT 1 FROM sessions s WHERE s.project = ?1 AND s.id = ?2 AND s.deleted_at IS NOT NULL)";

pub(super) fn read(
    connection: &Connection,
    folder: &Folder,
    project: &ProjectId,
    session: &SessionId,
    query: &LogQuery,
) -> Result<Vec<Stored>, Error> {
    let (sql, values) = statement(project, session, query);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        let Line { seq, record, hash, .. } = line(row, folder, project)?;
        records.push(Stored { seq, record, hash: chain::hex(&hash) });
    }
    Ok(records)
}

/// SQLite keeps no statistics here, so that the index is named: each of these queries has one that was made for it.
fn statement(project: &ProjectId, session: &SessionId, query: &LogQuery) -> (String, Vec<Value>) {
    let mut values: Vec<Value> = vec![
        project.as_str().to_owned().into(),
        session.as_str().to_owned().into(),
        seq_column(query.after).into(),
        query.before.map_or(i64::MAX, seq_column).into(),
        i64::try_from(query.limit).unwrap_or(i64::MAX).into(),
    ];
    let mut filter = String::new();
    let mut index = "";
    if query.kinds == ["turn_created"] {
        index = "INDEXED BY records_created_turns";
        filter.push_str(" AND kind = 'turn_created'");
    } else if !query.kinds.is_empty() {
        filter.push_str(" AND kind IN (");
        for (n, kind) in query.kinds.iter().enumerate() {
            values.push((*kind).to_owned().into());
            filter.push_str(&format!("{}?{}", if n == 0 { "" } else { ", " }, values.len()));
        }
        filter.push(')');
    }
    if query.listed_items {
        index = "INDEXED BY records_listed";
        filter.push_str(" AND item_id IS NOT NULL");
    }
    if let Some(turn) = &query.turn {
        index = "INDEXED BY records_turn";
        values.push(turn.as_str().to_owned().into());
        filter.push_str(&format!(" AND turn_id = ?{}", values.len()));
    }
    let order = match query.direction {
        Direction::Ascending => "ASC",
        Direction::Descending => "DESC",
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM records {index}
         WHERE project = ?1 AND session = ?2 AND seq > ?3 AND seq < ?4{filter} AND {LIVE}
         ORDER BY seq {order} LIMIT ?5"
    );
    (sql, values)
}

fn seq_column(seq: Seq) -> i64 {
    i64::try_from(seq.0).unwrap_or(i64::MAX)
}

fn line(row: &Row<'_>, folder: &Folder, project: &ProjectId) -> Result<Line, Error> {
    let seq = Seq(row.get::<_, i64>(0)?.cast_unsigned());
    let (mut line, blob_size) = columns(row, seq).map_err(|error| Error::Damaged { seq, what: error.to_string() })?;
    if let Some(size) = blob_size {
        let body = folder.get(project, &chain::hex(&line.body_hash))?;
        line.record.body = body.ok_or_else(|| damaged(seq, format!("its blob of {size} bytes is missing")))?;
    }
    if chain::of_body(&line.record.body) != line.body_hash {
        return Err(damaged(seq, "its body does not have the hash that was stored with it".to_owned()));
    }
    Ok(line)
}

fn columns(row: &Row<'_>, seq: Seq) -> Result<(Line, Option<i64>), rusqlite::Error> {
    let record = Encoded {
        v: row.get(1)?,
        kind: row.get(2)?,
        turn: row.get::<_, Option<String>>(3)?.map(TurnId::new),
        item: row.get::<_, Option<String>>(4)?.map(ItemId::new),
        at: Timestamp(row.get::<_, i64>(5)?.cast_unsigned()),
        body: row.get::<_, Option<Vec<u8>>>(6)?.unwrap_or_default(),
    };
    Ok((Line { seq, record, body_hash: row.get(8)?, hash: row.get(9)? }, row.get(7)?))
}

fn damaged(seq: Seq, what: String) -> Error {
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
    let end = super::sessions::find(&reading, project, session)?;
    let (end_seq, end_hash) = end.map_or((Seq(0), GENESIS), |found| (found.seq, found.hash));
    let sql = format!("SELECT {COLUMNS} FROM records WHERE project = ?1 AND session = ?2 ORDER BY seq");
    let mut statement = reading.prepare_cached(&sql)?;
    let mut rows = statement.query(params![project.as_str(), session.as_str()])?;
    let (mut at, mut hash) = (Seq(0), GENESIS);
    while let Some(row) = rows.next()? {
        let line = line(row, folder, project)?;
        at = at.next();
        if line.seq != at {
            // Only a restore leaves numbers out.
            if line.record.kind != types::RESTORED || line.seq < at {
                return Err(damaged(at, "it is missing".to_owned()));
            }
            at = line.seq;
        }
        hash = chain::link(&hash, project, session, at, &line.record, &line.body_hash);
        if hash != line.hash {
            return Err(damaged(at, "its link does not fit the record before it".to_owned()));
        }
    }
    if at < end_seq {
        return Err(damaged(at.next(), "it is missing".to_owned()));
    }
    if at != end_seq || hash != end_hash {
        return Err(damaged(at, "it is not where the session ends".to_owned()));
    }
    Ok(at)
}

pub(super) fn turn_seq(
    connection: &Connection,
    project: &ProjectId,
    session: &SessionId,
    turn: &TurnId,
) -> Result<Option<Seq>, Error> {
    let sql = format!(
        "SELECT seq FROM records INDEXED BY records_turn
         WHERE project = ?1 AND session = ?2 AND turn_id = ?3 AND kind = 'turn_created' AND {LIVE} ORDER BY seq LIMIT 1"
    );
    seq(connection, &sql, project, session, turn.as_str())
}

pub(super) fn item_seq(
    connection: &Connection,
    project: &ProjectId,
    session: &SessionId,
    item: &ItemId,
) -> Result<Option<Seq>, Error> {
    let sql = format!(
        "SELECT seq FROM records INDEXED BY records_item
         WHERE project = ?1 AND session = ?2 AND item_id = ?3 AND {LIVE} ORDER BY seq LIMIT 1"
    );
    seq(connection, &sql, project, session, item.as_str())
}

fn seq(
    connection: &Connection,
    sql: &str,
    project: &ProjectId,
    session: &SessionId,
    id: &str,
) -> Result<Option<Seq>, Error> {
    let found = connection
        .prepare_cached(sql)?
        .query_row(params![project.as_str(), session.as_str(), id], |row| row.get::<_, i64>(0))
        .optional()
        .map_err(|error| unreadable("a record's place", error))?;
    Ok(found.map(|seq| Seq(seq.cast_unsigned())))
}
