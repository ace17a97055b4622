//! Sessions beside their logs: heads, settings, lists, tombstones.

use super::append::check_epoch;
use super::fault::{Fault, unreadable};
use super::lineage::Base;
use super::seal;
use super::settings::KnownSettings;
use super::timers::{self, column};
use crate::chain::Hash;
use crate::{AppendError, Error, HeadRow};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::sync::Arc;
use types::{Door, Epoch, Head, Metadata, ProjectId, Seq, SessionId, SessionSettings, Timestamp};

/// What seals call the two.
const HEAD: &str = "the head";
const SETTINGS: &str = "the settings";

/// Where a session's log ends, deleted or not.
pub(super) struct Found {
    pub(super) ord: i64,
    pub(super) seq: Seq,
    pub(super) hash: Hash,
    pub(super) deleted: bool,
    /// What it stands on, where it is a fork.
    pub(super) base: Option<Base>,
}

impl Found {
    /// Segments of its log below its own.
    pub(super) fn depth(&self) -> usize {
        self.base.map_or(0, |base| base.depth)
    }
}

pub(super) fn find(
    connection: &Connection,
    project: &ProjectId,
    session: &SessionId,
) -> Result<Option<Found>, rusqlite::Error> {
    connection
        .prepare_cached(
            "SELECT ord, seq, hash, deleted_at IS NOT NULL, base, base_seq, base_hash, depth FROM sessions
             WHERE project = ?1 AND id = ?2",
        )?
        .query_row(params![project.as_str(), session.as_str()], |row| {
            let seq = Seq(row.get::<_, i64>(1)?.cast_unsigned());
            Ok(Found { ord: row.get(0)?, seq, hash: row.get(2)?, deleted: row.get(3)?, base: Base::read(row, 4)? })
        })
        .optional()
}

/// A head as its columns.
pub(super) struct HeadColumns {
    created_at: Timestamp,
    needs_work: bool,
    head: Vec<u8>,
    settings: Option<SettingsColumns>,
}

struct SettingsColumns {
    door: &'static str,
    agent_id: String,
    metadata: Metadata,
    settings: Vec<u8>,
}

impl HeadColumns {
    pub(super) fn new(head: &Head, settings: Option<&SessionSettings>) -> Result<Self, Error> {
        let settings = match settings {
            None => None,
            Some(settings) => Some(SettingsColumns {
                door: door(settings.door),
                agent_id: settings.agent_id.as_str().to_owned(),
                metadata: settings.metadata.clone(),
                settings: seal::close([SETTINGS, head.session.as_str()], json(settings)?),
            }),
        };
        let sealed = seal::close([HEAD, head.session.as_str()], json(head)?);
        Ok(Self { created_at: head.created_at, needs_work: head.needs_work, head: sealed, settings })
    }
}

/// A door's word in the database. Never changes.
pub(super) fn door(door: Door) -> &'static str {
    match door {
        Door::Agents => "agents",
        Door::Responses => "responses",
        Door::Conversations => "conversations",
        Door::Chat => "chat",
    }
}

fn json<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(value).map_err(|error| Error::Failed(format!("a head cannot be written: {error}")))
}

/// The number of its row.
pub(super) fn insert(
    connection: &Connection,
    project: &ProjectId,
    session: &SessionId,
    base: Option<&Base>,
    head: &HeadColumns,
    (seq, hash): (Seq, &Hash),
) -> Result<i64, Fault<AppendError>> {
    let Some(settings) = &head.settings else {
        return Err(
            AppendError::from(Error::Failed(format!("session {session} is new and came without settings"))).into()
        );
    };
    connection
        .prepare_cached(
            "INSERT INTO sessions
               (project, id, created_at, agent_id, needs_work, seq, hash, head, door, base, base_seq, base_hash, depth)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
            project.as_str(),
            session.as_str(),
            column(head.created_at),
            settings.agent_id,
            head.needs_work,
            seq.0.cast_signed(),
            hash,
            head.head,
            settings.door,
            base.map(|base| base.ord),
            base.map(|base| base.seq.0.cast_signed()),
            base.map(|base| base.hash),
            base.map_or(0, |base| base.depth as i64)
        ])?;
    let ord = connection.last_insert_rowid();
    put_settings(connection, project, ord, column(head.created_at), settings)?;
    Ok(ord)
}

/// `created_at` is the first head's for ever: lists are ordered by it.
pub(super) fn update(
    connection: &Connection,
    project: &ProjectId,
    found: &Found,
    head: &HeadColumns,
    seq: Seq,
    hash: &Hash,
) -> Result<(), rusqlite::Error> {
    connection
        .prepare_cached("UPDATE sessions SET needs_work = ?2, seq = ?3, hash = ?4, head = ?5 WHERE ord = ?1")?
        .execute(params![found.ord, head.needs_work, seq.0.cast_signed(), hash, head.head])?;
    let Some(settings) = &head.settings else { return Ok(()) };
    let created_at: i64 = connection
        .prepare_cached("UPDATE sessions SET agent_id = ?2 WHERE ord = ?1 RETURNING created_at")?
        .query_row(params![found.ord, settings.agent_id], |row| row.get(0))?;
    connection.prepare_cached("DELETE FROM session_metadata WHERE session = ?1")?.execute([found.ord])?;
    put_settings(connection, project, found.ord, created_at, settings)
}

/// Records came without a head: the log has moved, what clients see has not.
pub(super) fn advance(connection: &Connection, found: &Found, seq: Seq, hash: &Hash) -> Result<(), rusqlite::Error> {
    connection
        .prepare_cached("UPDATE sessions SET seq = ?2, hash = ?3 WHERE ord = ?1")?
        .execute(params![found.ord, seq.0.cast_signed(), hash])
        .map(|_| ())
}

fn put_settings(
    connection: &Connection,
    project: &ProjectId,
    ord: i64,
    created_at: i64,
    settings: &SettingsColumns,
) -> Result<(), rusqlite::Error> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO session_settings (session, settings) VALUES (?1, ?2)")?
        .execute(params![ord, settings.settings])?;
    for (key, value) in &settings.metadata {
        connection
            .prepare_cached(
                "INSERT INTO session_metadata (session, key, value, project, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![ord, key, value, project.as_str(), created_at])?;
    }
    Ok(())
}

pub(super) fn read_head(
    connection: &Connection,
    project: &ProjectId,
    session: &SessionId,
) -> Result<Option<Head>, Error> {
    let sealed = connection
        .prepare_cached("SELECT head FROM sessions WHERE project = ?1 AND id = ?2 AND deleted_at IS NULL")?
        .query_row(params![project.as_str(), session.as_str()], |row| row.get(0))
        .optional()?;
    sealed.map(|sealed: Vec<u8>| head(session.as_str(), &sealed)).transpose()
}

pub(super) fn read(
    connection: &Connection,
    known: &KnownSettings,
    project: &ProjectId,
    session: &SessionId,
) -> Result<Option<HeadRow>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT s.head, t.settings FROM sessions s JOIN session_settings t ON t.session = s.ord
         WHERE s.project = ?1 AND s.id = ?2 AND s.deleted_at IS NULL",
    )?;
    let mut rows = statement.query(params![project.as_str(), session.as_str()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let id = session.as_str();
    let head = head(id, blob(row, 0)?)?;
    let sealed = blob(row, 1)?;
    let settings = known.of(id, sealed, || settings(id, sealed))?;
    Ok(Some(HeadRow { head, settings }))
}

/// From the columns `head`, `settings` and `id`, in this order.
pub(super) fn head_row_of(row: &Row<'_>) -> Result<HeadRow, Error> {
    let id = row.get_ref(2)?.as_str().map_err(column_type)?;
    Ok(HeadRow { head: head(id, blob(row, 0)?)?, settings: Arc::new(settings(id, blob(row, 1)?)?) })
}

fn blob<'a>(row: &'a Row<'_>, column: usize) -> Result<&'a [u8], Error> {
    row.get_ref(column)?.as_blob().map_err(column_type)
}

fn column_type(error: rusqlite::types::FromSqlError) -> Error {
    unreadable("a session's row", error)
}

fn head(id: &str, sealed: &[u8]) -> Result<Head, Error> {
    let head = seal::open([HEAD, id], sealed)?;
    serde_json::from_slice(head).map_err(|error| unreadable("a session's head", error))
}

fn settings(id: &str, sealed: &[u8]) -> Result<SessionSettings, Error> {
    let settings = seal::open([SETTINGS, id], sealed)?;
    serde_json::from_slice(settings).map_err(|error| unreadable("a session's settings", error))
}

pub(super) fn is_deleted(connection: &Connection, project: &ProjectId, session: &SessionId) -> Result<bool, Error> {
    Ok(find(connection, project, session)?.is_some_and(|found| found.deleted))
}

/// Leaves a tombstone. Head, log and answers stay where they are, out of everybody's sight; a collector takes them
/// when no other session stands on them.
pub(super) fn delete(
    connection: &Connection,
    project: &ProjectId,
    session: &SessionId,
    expected: Seq,
    epoch: Epoch,
    at: Timestamp,
) -> Result<bool, Fault<AppendError>> {
    check_epoch(connection, epoch)?;
    let Some(found) = find(connection, project, session)? else { return Ok(false) };
    if found.deleted {
        return Ok(true);
    }
    if found.seq != expected {
        return Err(AppendError::Moved { head: found.seq }.into());
    }
    connection
        .prepare_cached("UPDATE sessions SET deleted_at = ?2, needs_work = 0 WHERE ord = ?1")?
        .execute(params![found.ord, column(at)])?;
    connection.prepare_cached("DELETE FROM session_metadata WHERE session = ?1")?.execute([found.ord])?;
    connection.prepare_cached("DELETE FROM session_settings WHERE session = ?1")?.execute([found.ord])?;
    timers::set(connection, project, session, None)?;
    Ok(true)
}

pub(super) fn unfinished(connection: &Connection) -> Result<Vec<(ProjectId, SessionId)>, Error> {
    let mut statement =
        connection.prepare_cached("SELECT project, id FROM sessions WHERE needs_work = 1 ORDER BY ord")?;
    let rows = statement.query_map([], |row| {
        Ok((ProjectId::new(row.get::<_, String>(0)?), SessionId::new(row.get::<_, String>(1)?)))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
