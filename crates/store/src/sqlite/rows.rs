//! Collections: rows with an id and a body, by creation. A deleted row leaves a tombstone, which keeps its place as a
//! cursor and its id for ever. Bodies that are replaced or deleted are overwritten with zeros, for some are secrets.

use super::fault::Fault;
use super::seal;
use super::timers::column;
use crate::{Direction, Error, Page, Row};
use rusqlite::{Connection, OptionalExtension, params};
use types::{ProjectId, Timestamp};

pub(super) fn put(connection: &Connection, project: &ProjectId, row: &Row, insert: bool) -> Result<(), Fault<Error>> {
    let deleted = connection
        .prepare_cached("SELECT deleted_at IS NOT NULL FROM rows WHERE project = ?1 AND collection = ?2 AND id = ?3")?
        .query_row(params![project.as_str(), row.collection, row.id], |found| found.get::<_, bool>(0))
        .optional()?;
    if deleted.is_some_and(|deleted| deleted || insert) {
        return Err(Error::Exists.into());
    }
    let sealed = seal::close([&row.collection, &row.id], row.body.clone());
    let _wiping = deleted.map(|_| Wiping::begin(connection)).transpose()?;
    connection
        .prepare_cached(
            "INSERT INTO rows (project, collection, id, created_at, body) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (project, collection, id) DO UPDATE SET body = excluded.body",
        )?
        .execute(params![project.as_str(), row.collection, row.id, column(row.created_at), sealed])?;
    Ok(())
}

pub(super) fn get(
    connection: &Connection,
    project: &ProjectId,
    collection: &str,
    id: &str,
) -> Result<Option<Row>, Error> {
    let found = connection
        .prepare_cached(
            "SELECT id, created_at, body FROM rows
             WHERE project = ?1 AND collection = ?2 AND id = ?3 AND deleted_at IS NULL",
        )?
        .query_row(params![project.as_str(), collection, id], |row| read(row, collection))
        .optional()?;
    found.map(unseal).transpose()
}

pub(super) fn list(
    connection: &Connection,
    project: &ProjectId,
    collection: &str,
    page: &Page,
) -> Result<(Vec<Row>, bool), Error> {
    let (beyond, order, start) = match page.direction {
        Direction::Ascending => (">", "ASC", (i64::MIN, i64::MIN)),
        Direction::Descending => ("<", "DESC", (i64::MAX, i64::MAX)),
    };
    let cursor = match &page.after {
        None => start,
        Some(id) => connection
            .prepare_cached("SELECT created_at, ord FROM rows WHERE project = ?1 AND collection = ?2 AND id = ?3")?
            .query_row(params![project.as_str(), collection, id], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?
            .ok_or(Error::NoSuchCursor)?,
    };
    let limit = i64::try_from(page.limit.saturating_add(1)).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(&format!(
        "SELECT id, created_at, body FROM rows
         WHERE project = ?1 AND collection = ?2 AND deleted_at IS NULL AND (created_at, ord) {beyond} (?3, ?4)
         ORDER BY created_at {order}, ord {order} LIMIT ?5"
    ))?;
    let found = statement
        .query_map(params![project.as_str(), collection, cursor.0, cursor.1, limit], |row| read(row, collection))?;
    let mut rows = found.map(|row| unseal(row?)).collect::<Result<Vec<_>, Error>>()?;
    let more = rows.len() > page.limit;
    rows.truncate(page.limit);
    Ok((rows, more))
}

fn read(row: &rusqlite::Row<'_>, collection: &str) -> Result<Row, rusqlite::Error> {
    Ok(Row {
        collection: collection.to_owned(),
        id: row.get(0)?,
        created_at: Timestamp(row.get::<_, i64>(1)?.cast_unsigned()),
        body: row.get(2)?,
    })
}

fn unseal(mut row: Row) -> Result<Row, Error> {
    let length = seal::open([&row.collection, &row.id], &row.body)?.len();
    row.body.truncate(length);
    Ok(row)
}

/// The body goes; the id and the place stay.
pub(super) fn delete(
    connection: &Connection,
    project: &ProjectId,
    collection: &str,
    id: &str,
    at: Timestamp,
) -> Result<bool, Fault<Error>> {
    let _wiping = Wiping::begin(connection)?;
    let changed = connection
        .prepare_cached(
            "UPDATE rows SET deleted_at = ?4, body = x''
             WHERE project = ?1 AND collection = ?2 AND id = ?3 AND deleted_at IS NULL",
        )?
        .execute(params![project.as_str(), collection, id, column(at)])?;
    Ok(changed > 0)
}

/// Nothing stays. A number that was the last is given again then: places are only compared among rows that are there.
pub(super) fn erase(
    connection: &Connection,
    project: &ProjectId,
    names: &[(String, String)],
) -> Result<(), Fault<Error>> {
    if names.is_empty() {
        return Ok(());
    }
    let _wiping = Wiping::begin(connection)?;
    let mut statement =
        connection.prepare_cached("DELETE FROM rows WHERE project = ?1 AND collection = ?2 AND id = ?3")?;
    for (collection, id) in names {
        statement.execute(params![project.as_str(), collection, id])?;
    }
    Ok(())
}

/// What SQLite frees while this lives, it overwrites. For the logs of sessions nothing is paid.
struct Wiping<'a>(&'a Connection);

impl<'a> Wiping<'a> {
    fn begin(connection: &'a Connection) -> Result<Self, rusqlite::Error> {
        // Not prepared once: it takes effect where it is prepared.
        connection.query_row("PRAGMA secure_delete = ON", [], |_| Ok(()))?;
        Ok(Self(connection))
    }
}

impl Drop for Wiping<'_> {
    fn drop(&mut self) {
        // Where that fails, more is overwritten than has to be.
        let _ = self.0.query_row("PRAGMA secure_delete = OFF", [], |_| Ok(()));
    }
}
