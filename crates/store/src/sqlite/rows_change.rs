//! Several rows and the blobs that they name, in one transaction. The files of blobs that nothing names any more are
//! removed after it; what a crash leaves of them is swept at a later start.

use super::fault::Fault;
use super::{blobs, rows};
use crate::{BlobHash, Error, RowsChange};
use rusqlite::{Connection, params};
use types::ProjectId;

/// Answers with the forgotten blobs that no record names either.
pub(super) fn write(
    connection: &Connection,
    project: &ProjectId,
    change: &RowsChange,
) -> Result<Vec<BlobHash>, Fault<Error>> {
    for (row, insert) in &change.puts {
        rows::put(connection, project, row, *insert)?;
    }
    for (collection, id) in &change.deletes {
        rows::delete(connection, project, collection, id, change.at)?;
    }
    rows::erase(connection, project, &change.erases)?;
    for (hash, size) in &change.names {
        blobs::keep(connection, project, hash, *size)?;
    }
    let mut unnamed = Vec::new();
    for hash in &change.forgets {
        connection
            .prepare_cached("DELETE FROM blobs WHERE hash = ?1 AND project = ?2")?
            .execute(params![hash.0, project.as_str()])?;
        if !blobs::is_named_in(connection, project, hash)? {
            unnamed.push(hash.clone());
        }
    }
    Ok(unnamed)
}
