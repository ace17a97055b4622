//! Files: what clients upload, kept as lists of blobs of at most 8 MiB, so that none is ever whole in memory. A file's row
//! names its blobs and is written with them in one change; a blob belongs to one file alone, for its body ends in random
//! bytes, and so a deleted file takes its blobs along and nobody else's.
//!
//! It knows no multipart and no JSON of clients, and no session. Changes are made one after the other; contents stream
//! beside them.

mod draft;
mod kept;
mod media;
mod sweep;
mod upload;

pub use draft::Draft;
pub use kept::Keep;
pub use media::FileContent;
pub use upload::{NewUpload, Upload, UploadStatus};

use crate::actor::store_refusal;
use crate::handle::Listed;
use crate::{Page, World};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use store::{BlobHash, Error, Row, RowsChange};
use types::{ProjectId, Refusal, RefusalKind, Stamp, Timestamp};

const FILES: &str = "file";
/// What ends by itself: a row for each such file and upload, created at its end, so that the list is in that order.
const ENDINGS: &str = "file_ending";
/// Rows read at a time where a list is filtered.
const ROWS: usize = 100;
/// Characters of an id that an error says back.
const SHOWN: usize = 64;

/// The largest file that comes in one request, bytes.
pub const FILE_BYTES: u64 = 512 << 20;

/// Files and uploads of all projects. Cheap to clone.
#[derive(Clone)]
pub struct Files {
    world: World,
    changing: Arc<tokio::sync::Mutex<()>>,
}

/// A file. In lists `parts` is left empty.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct File {
    /// `file-` and 24 hex digits.
    pub id: String,
    pub created_at: Timestamp,
    /// From then on it is unknown.
    pub expires_at: Option<Timestamp>,
    pub filename: String,
    /// The client's word.
    pub purpose: String,
    /// As the client said it, if it did.
    pub media_type: Option<String>,
    /// Bytes.
    pub size: u64,
    pub parts: Vec<Part>,
}

/// A piece of a file: one blob.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Part {
    hash: String,
    /// Bytes of the file in it.
    pub size: u64,
}

/// What a client says of a file to come.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NewFile {
    pub filename: String,
    pub purpose: String,
    pub media_type: Option<String>,
    /// Counted from its creation.
    pub expires_after: Option<Duration>,
}

impl Files {
    pub fn new(world: World) -> Self {
        Self { world, changing: Arc::default() }
    }

    /// Takes what a client sends.
    pub fn draft(&self, project: &ProjectId) -> Draft {
        Draft::new(self.clone(), project.clone())
    }

    /// Makes a file of what was sent.
    pub async fn create(&self, mut draft: Draft, new: NewFile) -> Result<File, Refusal> {
        let parts = draft.finish().await?;
        let file = self.file_of(new, parts);
        let project = draft.project().clone();
        let mut change = RowsChange { at: file.created_at, names: names(&file.parts), ..RowsChange::default() };
        put_file(&mut change, &file)?;
        draft.keep(self.change(&project, change)).await?;
        Ok(file)
    }

    /// Unknown and expired: `NotFound`.
    pub async fn file(&self, project: &ProjectId, id: &str) -> Result<File, Refusal> {
        let row = self.world.store.row(project, FILES, id).await.map_err(|error| store_refusal(&error))?;
        let file: File = read(&row.ok_or_else(|| no_file(id))?)?;
        if self.is_over(file.expires_at) { Err(no_file(id)) } else { Ok(file) }
    }

    /// By creation, of one purpose if said. Unknown `after`: `NotFound`.
    pub async fn files(
        &self,
        project: &ProjectId,
        purpose: Option<&str>,
        mut page: Page,
    ) -> Result<Listed<File>, Refusal> {
        let limit = page.limit;
        let mut data: Vec<File> = Vec::new();
        loop {
            page.limit = (limit + 1).saturating_sub(data.len()).clamp(1, ROWS);
            let after = page.after.clone().unwrap_or_default();
            let (rows, has_more) = match self.world.store.rows(project, FILES, page.clone()).await {
                Err(Error::NoSuchCursor) => return Err(no_file(&after).at("after")),
                read => read.map_err(|error| store_refusal(&error))?,
            };
            for row in &rows {
                let file: File = read(row)?;
                if !self.is_over(file.expires_at) && purpose.is_none_or(|purpose| file.purpose == purpose) {
                    data.push(File { parts: Vec::new(), ..file });
                }
            }
            page.after = rows.into_iter().next_back().map(|row| row.id);
            if data.len() > limit || !has_more {
                let has_more = data.len() > limit;
                data.truncate(limit);
                return Ok(Listed { data, has_more });
            }
        }
    }

    /// Unknown and expired: `NotFound`. Whoever is reading it reads no further.
    pub async fn delete(&self, project: &ProjectId, id: &str) -> Result<(), Refusal> {
        let _one_at_a_time = self.changing.lock().await;
        let file = self.file(project, id).await?;
        self.remove(project, &file).await
    }

    /// The bytes of one of its parts. `NotFound` where the file was deleted since it was read.
    pub async fn part(&self, project: &ProjectId, file: &File, part: &Part) -> Result<Vec<u8>, Refusal> {
        let body = self.bytes(project, part).await?;
        body.ok_or_else(|| no_file(&file.id))
    }

    /// A whole file, for a model to see. `Invalid` where it has more than `limit` bytes.
    pub async fn content(&self, project: &ProjectId, id: &str, limit: u64) -> Result<FileContent, Refusal> {
        let file = self.file(project, id).await?;
        if file.size > limit {
            let message = format!("File {id} has {} bytes. Expected at most {limit} bytes.", file.size);
            return Err(Refusal::invalid(message).at("file_id"));
        }
        let mut bytes = Vec::new();
        for part in &file.parts {
            bytes.extend(self.part(project, &file, part).await?);
        }
        let media_type = media::media_type(&file).to_owned();
        Ok(FileContent { filename: file.filename, media_type, bytes })
    }

    // ---- inside

    async fn bytes(&self, project: &ProjectId, part: &Part) -> Result<Option<Vec<u8>>, Refusal> {
        let hash = BlobHash(part.hash.clone());
        let body = self.world.store.blob(project, &hash).await.map_err(|error| store_refusal(&error))?;
        let Some(mut body) = body else { return Ok(None) };
        draft::unsalt(&mut body);
        if body.len() as u64 != part.size {
            return Err(Refusal::new(RefusalKind::Internal, format!("The blob {} has another size.", part.hash)));
        }
        Ok(Some(body))
    }

    fn file_of(&self, new: NewFile, parts: Vec<Part>) -> File {
        let (id, now) = self.id("file");
        File {
            // The one id whose prefix ends in a hyphen.
            id: id.replacen('_', "-", 1),
            created_at: now,
            expires_at: new.expires_after.map(|life| now.after(life)),
            filename: new.filename,
            purpose: new.purpose,
            media_type: new.media_type,
            size: size(&parts),
            parts,
        }
    }

    /// Under the lock.
    async fn remove(&self, project: &ProjectId, file: &File) -> Result<(), Refusal> {
        let change = RowsChange {
            at: self.world.clock.now(),
            deletes: vec![named(FILES, &file.id), named(ENDINGS, &file.id)],
            forgets: hashes(&file.parts),
            ..RowsChange::default()
        };
        self.change(project, change).await
    }

    async fn change(&self, project: &ProjectId, change: RowsChange) -> Result<(), Refusal> {
        types::failpoint!(BeforeRow);
        self.world.store.change_rows(project, change).await.map_err(|error| store_refusal(&error))?;
        types::failpoint!(AfterRow);
        Ok(())
    }

    fn is_over(&self, end: Option<Timestamp>) -> bool {
        end.is_some_and(|end| end <= self.world.clock.now())
    }

    fn id(&self, prefix: &str) -> (String, Timestamp) {
        let now = self.world.clock.now();
        (Stamp::new(now, &*self.world.entropy).id(prefix), now)
    }
}

/// A new file and its end, if it has one.
fn put_file(change: &mut RowsChange, file: &File) -> Result<(), Refusal> {
    change.puts.push((row(FILES, &file.id, file.created_at, file)?, true));
    if let Some(end) = file.expires_at {
        change.puts.push((row(ENDINGS, &file.id, end, &())?, true));
    }
    Ok(())
}

fn row<T: Serialize>(collection: &str, id: &str, created_at: Timestamp, value: &T) -> Result<Row, Refusal> {
    let body = serde_json::to_vec(value)
        .map_err(|error| Refusal::new(RefusalKind::Internal, format!("{id} cannot be stored: {error}.")))?;
    Ok(Row { collection: collection.to_owned(), id: id.to_owned(), created_at, body })
}

fn read<T: DeserializeOwned>(row: &Row) -> Result<T, Refusal> {
    serde_json::from_slice(&row.body)
        .map_err(|error| Refusal::new(RefusalKind::Internal, format!("{} is damaged: {error}.", row.id)))
}

fn named(collection: &str, id: &str) -> (String, String) {
    (collection.to_owned(), id.to_owned())
}

fn size(parts: &[Part]) -> u64 {
    parts.iter().map(|part| part.size).sum()
}

fn hashes(parts: &[Part]) -> Vec<BlobHash> {
    parts.iter().map(|part| BlobHash(part.hash.clone())).collect()
}

fn names(parts: &[Part]) -> Vec<(BlobHash, u64)> {
    parts.iter().map(|part| (BlobHash(part.hash.clone()), part.size)).collect()
}

fn no_file(id: &str) -> Refusal {
    no("File", id)
}

fn no(what: &str, id: &str) -> Refusal {
    let id: String = id.chars().take(SHOWN).collect();
    Refusal::new(RefusalKind::NotFound, format!("No such {what} object: {id}")).at("id")
}
