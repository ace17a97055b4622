//! One wake-up a session.

use super::fault::unreadable;
use crate::{DueTimer, Error};
use rusqlite::{Connection, params};
use types::{ProjectId, SessionId, Timestamp};

pub(super) fn set(
    connection: &Connection,
    project: &ProjectId,
    session: &SessionId,
    at: Option<Timestamp>,
) -> Result<(), rusqlite::Error> {
    match at {
        Some(at) => connection
            .prepare_cached("INSERT OR REPLACE INTO timers (project, session, at) VALUES (?1, ?2, ?3)")?
            .execute(params![project.as_str(), session.as_str(), column(at)]),
        None => connection
            .prepare_cached("DELETE FROM timers WHERE project = ?1 AND session = ?2")?
            .execute(params![project.as_str(), session.as_str()]),
    }
    .map(|_| ())
}

/// Those of all projects that are due, oldest first.
pub(super) fn due(connection: &Connection, now: Timestamp) -> Result<Vec<DueTimer>, Error> {
    let mut statement = connection
        .prepare_cached("SELECT project, session, at FROM timers WHERE at <= ?1 ORDER BY at, project, session")?;
    let rows = statement.query_map([column(now)], |row| {
        let at: i64 = row.get(2)?;
        Ok((
            ProjectId::new(row.get::<_, String>(0)?),
            SessionId::new(row.get::<_, String>(1)?),
            Timestamp(at.cast_unsigned()),
        ))
    })?;
    rows.collect::<Result<_, _>>().map_err(|error| unreadable("a timer", error))
}

/// Columns hold signed numbers and are compared as such: what lies beyond them is the end of time.
pub(super) fn column(at: Timestamp) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}
