//! From the first form of a log, a row a record, to rows of many records; and remembered answers with it. Done once, inside
//! the migration's transaction.

use super::append::insert;
use super::batch::{Entry, Owner, pack};
use super::idempotency;
use crate::chain::{GENESIS, Hash};
use crate::{Error, Idempotency};
use rusqlite::{Connection, params};
use types::{Encoded, ItemId, ProjectId, Seq, SessionId, Timestamp, TurnId};

/// Records of a row that is made here.
const ROW: usize = 16;

pub(super) fn convert(connection: &Connection) -> Result<(), Error> {
    let mut statement = connection.prepare("SELECT ord, project, id FROM sessions ORDER BY ord")?;
    let sessions: Vec<(i64, String, String)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
    for (ord, project, session) in sessions {
        log(connection, ord, &ProjectId::new(project), &SessionId::new(session))?;
    }
    answers(connection)?;
    connection.execute_batch("DROP TABLE records; DROP TABLE idempotency;")?;
    Ok(())
}

/// Links are computed anew: what was damaged before ends elsewhere than the session's row says, and stays damaged.
fn log(connection: &Connection, ord: i64, project: &ProjectId, session: &SessionId) -> Result<(), Error> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, v, kind, turn_id, item_id, at, body, blob_size, body_hash FROM records
         WHERE project = ?1 AND session = ?2 ORDER BY seq",
    )?;
    let mut rows = statement.query(params![project.as_str(), session.as_str()])?;
    let owner = Owner { project, session };
    let mut hash = GENESIS;
    let mut write = |entries: &mut Vec<Entry>, last: Seq| {
        let first = Seq((last.0 + 1).saturating_sub(entries.len() as u64));
        let mut data = pack(session, entries);
        hash = owner.link(hash, first, entries, &mut data);
        let written = insert(connection, ord, last, &hash, entries, &data);
        entries.clear();
        written
    };
    let (mut entries, mut last) = (Vec::new(), Seq(0));
    while let Some(row) = rows.next()? {
        let seq = Seq(row.get::<_, i64>(0)?.cast_unsigned());
        // A restore leaves numbers out; a row does not.
        if !entries.is_empty() && (entries.len() == ROW || seq != last.next()) {
            write(&mut entries, last)?;
        }
        entries.push(entry(row)?);
        last = seq;
    }
    if !entries.is_empty() {
        write(&mut entries, last)?;
    }
    Ok(())
}

fn entry(row: &rusqlite::Row<'_>) -> Result<Entry, rusqlite::Error> {
    let record = Encoded {
        v: row.get(1)?,
        kind: row.get(2)?,
        turn: row.get::<_, Option<String>>(3)?.map(TurnId::new),
        item: row.get::<_, Option<String>>(4)?.map(ItemId::new),
        at: Timestamp(row.get::<_, i64>(5)?.cast_unsigned()),
        body: row.get::<_, Option<Vec<u8>>>(6)?.unwrap_or_default(),
    };
    let blob = row.get::<_, Option<i64>>(7)?.map(|size| usize::try_from(size).unwrap_or_default());
    Ok(Entry { record, body_hash: row.get::<_, Hash>(8)?, blob })
}

fn answers(connection: &Connection) -> Result<(), Error> {
    let mut statement = connection.prepare(
        "SELECT project, route, session, key, body_hash, status, body, expires FROM idempotency ORDER BY expires",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (project, session) = (ProjectId::new(row.get::<_, String>(0)?), SessionId::new(row.get::<_, String>(2)?));
        let (route, key): (String, String) = (row.get(1)?, row.get(3)?);
        let answer = Idempotency { body_hash: row.get(4)?, status: row.get(5)?, body: row.get(6)? };
        let name = idempotency::name(&project, &route, &session, &key);
        idempotency::insert(connection, &name, &answer, row.get(7)?)?;
    }
    Ok(())
}
