//! What a client is sending, or an environment made: cut into blobs as it comes. What does not become a file is taken away
//! again, also when the request is dropped in the middle; after a crash the store's sweep does it.

use super::{Files, Part, hashes};
use crate::actor::store_refusal;
use std::mem;
use store::RowsChange;
use types::{ProjectId, Refusal};

/// Bytes of a file in one blob.
const BLOB: usize = 8 << 20;
/// Random bytes at the end of each blob: no two are equal, so that each has one owner.
const SALT: usize = 16;
/// The first bytes get this much room: most files are small.
const FIRST: usize = 64 << 10;

/// Takes bytes in order.
pub struct Draft {
    files: Files,
    project: ProjectId,
    /// Written, and named by no row.
    parts: Vec<Part>,
    buffer: Vec<u8>,
    size: u64,
}

impl Draft {
    pub(super) fn new(files: Files, project: ProjectId) -> Self {
        Self { files, project, parts: Vec::new(), buffer: Vec::new(), size: 0 }
    }

    pub(super) fn project(&self) -> &ProjectId {
        &self.project
    }

    /// Bytes taken so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Takes more; waits for the disk where a blob is full.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Refusal> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(BLOB - self.buffer.len()));
            self.make_room(now.len());
            self.buffer.extend_from_slice(now);
            self.size += now.len() as u64;
            bytes = later;
            if self.buffer.len() == BLOB {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// All parts, written. They are this draft's to take away until it is kept.
    pub async fn finish(&mut self) -> Result<Vec<Part>, Refusal> {
        if !self.buffer.is_empty() {
            self.flush().await?;
        }
        Ok(self.parts.clone())
    }

    /// Makes the change that names the parts. It may be made even if nobody waits for it any more, so from its beginning
    /// on nothing is taken away; where it is known not to be made, everything is.
    pub(super) async fn keep(self, change: impl Future<Output = Result<(), Refusal>>) -> Result<(), Refusal> {
        Self::keep_all(vec![self], change).await
    }

    /// The same for several drafts whose parts one change names.
    pub(super) async fn keep_all(
        mut drafts: Vec<Self>,
        change: impl Future<Output = Result<(), Refusal>>,
    ) -> Result<(), Refusal> {
        let parts: Vec<Vec<Part>> = drafts.iter_mut().map(|draft| mem::take(&mut draft.parts)).collect();
        let made = change.await;
        if made.is_err() {
            for (draft, parts) in drafts.iter_mut().zip(parts) {
                draft.parts = parts;
            }
        }
        made
    }

    /// Grows like a vector and no further than to a blob.
    fn make_room(&mut self, more: usize) {
        let wanted = self.buffer.len() + more + SALT;
        if wanted > self.buffer.capacity() {
            let room = wanted.max(self.buffer.capacity() * 2).clamp(FIRST, BLOB + SALT);
            self.buffer.reserve_exact(room - self.buffer.len());
        }
    }

    async fn flush(&mut self) -> Result<(), Refusal> {
        let mut body = mem::take(&mut self.buffer);
        let size = body.len() as u64;
        let mut salt = [0_u8; SALT];
        self.files.world.entropy.fill(&mut salt);
        body.extend_from_slice(&salt);
        let hash = self.files.world.store.put_blob(&self.project, body).await.map_err(|error| store_refusal(&error))?;
        self.parts.push(Part { hash: hash.0, size });
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.parts.is_empty() {
            return;
        }
        let change = RowsChange { forgets: hashes(&self.parts), ..RowsChange::default() };
        let (store, project) = (self.files.world.store.clone(), self.project.clone());
        let forget = async move {
            if let Err(error) = store.change_rows(&project, change).await {
                tracing::warn!(%error, "what was left of a request stays until the next start");
            }
        };
        self.files.world.spawn.spawn("what is left of a request", Box::pin(forget));
    }
}

/// The file's own bytes of a blob.
pub(super) fn unsalt(body: &mut Vec<u8>) {
    body.truncate(body.len().saturating_sub(SALT));
}
