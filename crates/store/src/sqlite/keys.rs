//! API keys, as hashes.

use super::fault::{Fault, unreadable};
use super::timers::column;
use crate::{Error, KeyRow};
use rusqlite::{Connection, OptionalExtension, Row, params};
use types::{KeyId, ProjectId, Timestamp};

const COLUMNS: &str = "id, project, hash, hint, scopes, created_at, revoked_at";

pub(super) fn put(connection: &Connection, key: &KeyRow) -> Result<(), Fault<Error>> {
    let taken = connection
        .prepare_cached("SELECT 1 FROM keys WHERE id = ?1 OR hash = ?2")?
        .exists(params![key.id.as_str(), key.hash])?;
    if taken {
        return Err(Error::Exists.into());
    }
    let scopes = serde_json::to_string(&key.scopes).map_err(|error| Error::Failed(error.to_string()))?;
    connection
        .prepare_cached(
            "INSERT INTO keys (id, project, hash, hint, scopes, created_at, revoked_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            key.id.as_str(),
            key.project.as_str(),
            key.hash,
            key.hint,
            scopes,
            column(key.created_at),
            key.revoked_at.map(column)
        ])?;
    Ok(())
}

pub(super) fn by_hash(connection: &Connection, hash: &str) -> Result<Option<KeyRow>, Error> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM keys WHERE hash = ?1"))?;
    let mut rows = statement.query([hash])?;
    rows.next()?.map(read).transpose()
}

/// By creation.
pub(super) fn list(connection: &Connection) -> Result<Vec<KeyRow>, Error> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM keys ORDER BY created_at, ord"))?;
    let mut rows = statement.query([])?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        keys.push(read(row)?);
    }
    Ok(keys)
}

fn read(row: &Row<'_>) -> Result<KeyRow, Error> {
    let scopes: String = row.get(4)?;
    Ok(KeyRow {
        id: KeyId::new(row.get::<_, String>(0)?),
        project: ProjectId::new(row.get::<_, String>(1)?),
        hash: row.get(2)?,
        hint: row.get(3)?,
        scopes: serde_json::from_str(&scopes).map_err(|error| unreadable("a key's scopes", error))?,
        created_at: Timestamp(row.get::<_, i64>(5)?.cast_unsigned()),
        revoked_at: row.get::<_, Option<i64>>(6)?.map(|at| Timestamp(at.cast_unsigned())),
    })
}

/// A key is revoked once: the first moment stays.
pub(super) fn revoke(connection: &Connection, id: &KeyId, at: Timestamp) -> Result<bool, Fault<Error>> {
    let known = connection
        .prepare_cached("UPDATE keys SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1 RETURNING 1")?
        .query_row(params![id.as_str(), column(at)], |_| Ok(()))
        .optional()?;
    Ok(known.is_some())
}
