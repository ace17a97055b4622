//! Rows of collections, API keys, blobs.

use super::sessions::Place;
use super::{Memory, RowName};
use crate::chain;
use crate::{BlobHash, Error, KeyRow, Row, RowsChange};
use types::{KeyId, ProjectId, Timestamp};

/// What a row and a blob are counted with, beside their bodies.
const ROW: usize = 256;

#[derive(Clone)]
pub(super) struct RowEntry {
    pub(super) place: Place,
    pub(super) row: Row,
    /// Without its body then.
    pub(super) deleted: bool,
}

impl Memory {
    pub(super) fn row(&self, name: &RowName) -> Option<Row> {
        self.rows.get(name).filter(|entry| !entry.deleted).map(|entry| entry.row.clone())
    }

    pub(super) fn put_row(&mut self, project: &ProjectId, row: Row, insert: bool) -> Result<(), Error> {
        self.change_rows(project, RowsChange { puts: vec![(row, insert)], ..RowsChange::default() })
    }

    pub(super) fn change_rows(&mut self, project: &ProjectId, change: RowsChange) -> Result<(), Error> {
        let name = |row: &Row| (project.clone(), row.collection.clone(), row.id.clone());
        let taken =
            |(row, insert): &(Row, bool)| self.rows.get(&name(row)).is_some_and(|entry| entry.deleted || *insert);
        if change.puts.iter().any(taken) {
            return Err(Error::Exists);
        }
        self.make_room(change.puts.iter().map(|(row, _)| row.body.len() + ROW).sum(), true)?;
        for (row, _) in change.puts {
            self.replace_row(name(&row), row);
        }
        for (collection, id) in change.deletes {
            self.delete_row(&(project.clone(), collection, id));
        }
        for (collection, id) in change.erases {
            self.erase_row(&(project.clone(), collection, id));
        }
        for hash in change.forgets {
            let name = (project.clone(), hash);
            if !self.named.contains_key(&name) {
                self.remove_blob(&name);
            }
        }
        Ok(())
    }

    fn replace_row(&mut self, name: RowName, row: Row) {
        self.bytes += row.body.len();
        if let Some(entry) = self.rows.get_mut(&name) {
            let before = std::mem::replace(&mut entry.row.body, row.body);
            self.bytes = self.bytes.saturating_sub(before.len());
        } else {
            self.bytes += ROW;
            let place = self.place(row.created_at);
            self.rows.insert(name, RowEntry { place, row, deleted: false });
        }
    }

    /// Its name stays: it is used up.
    pub(super) fn delete_row(&mut self, name: &RowName) -> bool {
        let Some(entry) = self.rows.get_mut(name).filter(|entry| !entry.deleted) else { return false };
        entry.deleted = true;
        let body = std::mem::take(&mut entry.row.body);
        self.bytes = self.bytes.saturating_sub(body.len());
        true
    }

    fn erase_row(&mut self, name: &RowName) {
        if let Some(entry) = self.rows.remove(name) {
            self.bytes = self.bytes.saturating_sub(entry.row.body.len() + ROW);
        }
    }

    pub(super) fn key_by_hash(&self, hash: &str) -> Option<KeyRow> {
        self.keys.iter().find(|key| key.hash == hash).cloned()
    }

    pub(super) fn put_key(&mut self, key: KeyRow) -> Result<(), Error> {
        if self.keys.iter().any(|other| other.id == key.id || other.hash == key.hash) {
            return Err(Error::Exists);
        }
        self.keys.push(key);
        // Stable: keys of the same moment stay as they came.
        self.keys.sort_by_key(|key| key.created_at);
        Ok(())
    }

    pub(super) fn revoke_key(&mut self, id: &KeyId, at: Timestamp) -> bool {
        let Some(key) = self.keys.iter_mut().find(|key| key.id == *id) else { return false };
        key.revoked_at.get_or_insert(at);
        true
    }

    pub(super) fn put_blob(&mut self, project: &ProjectId, body: Vec<u8>) -> Result<BlobHash, Error> {
        let hash = BlobHash(chain::hex(&chain::of_body(&body)));
        let name = (project.clone(), hash.clone());
        if !self.blobs.contains_key(&name) {
            let bytes = body.len() + ROW;
            self.make_room(bytes, true)?;
            self.bytes += bytes;
            self.blobs.insert(name, body);
        }
        Ok(hash)
    }

    pub(super) fn remove_blob(&mut self, name: &(ProjectId, BlobHash)) {
        let removed = self.blobs.remove(name);
        self.bytes = self.bytes.saturating_sub(removed.map_or(0, |body| body.len() + ROW));
    }

    pub(super) fn blob(&self, project: &ProjectId, hash: &BlobHash) -> Option<Vec<u8>> {
        self.blobs.get(&(project.clone(), hash.clone())).cloned()
    }
}
