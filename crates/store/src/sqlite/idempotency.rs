//! Remembered answers to Idempotency-Keys.

use super::fault::Fault;
use super::timers::column;
use crate::{AppendError, Error, Idempotency};
use rusqlite::{Connection, OptionalExtension, params};
use types::{ProjectId, SessionId, Timestamp};

/// Expired answers that one new one takes away: two, so that the table shrinks faster than it grows.
const SWEEP: i64 = 2;

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
    let now = column(now);
    let taken = connection
        .prepare_cached(
            "SELECT 1 FROM idempotency WHERE project = ?1 AND route = ?2 AND session = ?3 AND key = ?4 AND expires > ?5",
        )?
        .exists(params![project.as_str(), route, session.as_str(), key, now])?;
    if taken {
        return Err(AppendError::IdempotencyTaken.into());
    }
    connection
        .prepare_cached(
            "DELETE FROM idempotency WHERE rowid IN
             (SELECT rowid FROM idempotency WHERE expires <= ?1 ORDER BY expires LIMIT ?2)",
        )?
        .execute(params![now, SWEEP])?;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO idempotency (project, route, session, key, body_hash, status, body, expires)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            project.as_str(),
            route,
            session.as_str(),
            key,
            answer.body_hash,
            answer.status,
            answer.body,
            column(expires)
        ])?;
    Ok(())
}

pub(super) fn recall(
    connection: &Connection,
    project: &ProjectId,
    route: &str,
    session: &SessionId,
    key: &str,
    now: Timestamp,
) -> Result<Option<Idempotency>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT body_hash, status, body FROM idempotency
         WHERE project = ?1 AND route = ?2 AND session = ?3 AND key = ?4 AND expires > ?5",
    )?;
    let found = statement.query_row(params![project.as_str(), route, session.as_str(), key, column(now)], |row| {
        Ok(Idempotency { body_hash: row.get(0)?, status: row.get(1)?, body: row.get(2)? })
    });
    Ok(found.optional()?)
}
