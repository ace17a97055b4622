//! Uploads: a file that comes in parts, each a request of its own and kept from its answer on. Completing one names the
//! blobs of its parts, in the order that is asked for, as a file; nothing is copied. After an hour it is too late.

use super::{Draft, ENDINGS, File, Files, NewFile, Part, hashes, named, names, no, no_file, put_file, read, row, size};
use crate::actor::store_refusal;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use store::{Direction, Page, RowsChange};
use types::{ProjectId, Refusal, Timestamp};

const UPLOADS: &str = "upload";

const LIFE: Duration = Duration::from_secs(3600);
/// Parts of one upload.
const PARTS: usize = 10_000;
/// What an upload may take beside its own size: parts that were sent twice.
const SPARE: u64 = 256 << 20;

/// An upload.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Upload {
    /// `upload_` and 24 hex digits.
    pub id: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// What the file will have.
    pub bytes: u64,
    pub new: NewFile,
    pub status: UploadStatus,
    /// Parts that were added, and their bytes.
    added: usize,
    added_bytes: u64,
    /// Of a completed one: its parts, and its file.
    parts: Vec<String>,
    pub file: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadStatus {
    Pending,
    Completed,
    Cancelled,
    Expired,
}

/// What a client wants to upload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewUpload {
    pub bytes: u64,
    pub file: NewFile,
}

impl Files {
    pub async fn create_upload(&self, project: &ProjectId, wanted: NewUpload) -> Result<Upload, Refusal> {
        let (id, now) = self.id("upload");
        let upload = Upload {
            id,
            created_at: now,
            expires_at: now.after(LIFE),
            bytes: wanted.bytes,
            new: wanted.file,
            status: UploadStatus::Pending,
            added: 0,
            added_bytes: 0,
            parts: Vec::new(),
            file: None,
        };
        let ending = row(ENDINGS, &upload.id, upload.expires_at, &())?;
        let puts = vec![(row(UPLOADS, &upload.id, now, &upload)?, true), (ending, true)];
        self.change(project, RowsChange { at: now, puts, ..RowsChange::default() }).await?;
        Ok(upload)
    }

    /// One that may still be added to. `NotFound`, or `Invalid` where it is over.
    pub async fn pending_upload(&self, project: &ProjectId, id: &str) -> Result<Upload, Refusal> {
        let upload = self.upload(project, id).await?;
        match upload.status {
            UploadStatus::Pending => Ok(upload),
            UploadStatus::Completed => Err(over(id, "is already completed")),
            UploadStatus::Cancelled => Err(over(id, "is cancelled")),
            UploadStatus::Expired => Err(over(id, "has expired")),
        }
    }

    /// Keeps what was sent as a part: its id and when it was added.
    pub async fn add_part(&self, id: &str, mut draft: Draft) -> Result<(String, Timestamp), Refusal> {
        let blobs = draft.finish().await?;
        let project = draft.project().clone();
        let _one_at_a_time = self.changing.lock().await;
        let mut upload = self.pending_upload(&project, id).await?;
        upload.added += 1;
        upload.added_bytes = upload.added_bytes.saturating_add(size(&blobs));
        if upload.added > PARTS {
            return Err(Refusal::invalid(format!("Upload {id} has {PARTS} parts already.")));
        }
        if upload.added_bytes > upload.bytes.saturating_mul(2).saturating_add(SPARE) {
            let message =
                format!("The parts of upload {id} are much larger than the {} bytes it is for.", upload.bytes);
            return Err(Refusal::invalid(message));
        }
        let (part, now) = self.id("part");
        let puts = vec![
            (row(UPLOADS, id, upload.created_at, &upload)?, false),
            (row(&parts_of(id), &part, now, &blobs)?, true),
        ];
        let change = RowsChange { at: now, puts, names: names(&blobs), ..RowsChange::default() };
        draft.keep(self.change(&project, change)).await?;
        Ok((part, now))
    }

    /// Makes the file. One that is completed with the same parts answers again; `md5` is 32 hex digits.
    pub async fn complete(
        &self,
        project: &ProjectId,
        id: &str,
        part_ids: Vec<String>,
        md5: Option<&str>,
    ) -> Result<(Upload, Option<File>), Refusal> {
        let upload = self.upload(project, id).await?;
        if upload.status == UploadStatus::Completed && upload.parts == part_ids {
            return self.completed(project, upload).await;
        }
        let upload = self.pending_upload(project, id).await?;
        let mut there = self.parts(project, id).await?;
        let mut blobs = Vec::new();
        for part in &part_ids {
            // A part that is named twice is not there the second time.
            let Some(more) = there.remove(part) else {
                let part: String = part.chars().take(64).collect();
                let message = format!("No such Part object: {part}, or it is named more than once.");
                return Err(Refusal::invalid(message).at("part_ids"));
            };
            blobs.extend(more);
        }
        let total = size(&blobs);
        if total != upload.bytes {
            let message = format!("The parts have {total} bytes together. Expected {} bytes.", upload.bytes);
            return Err(Refusal::invalid(message).at("part_ids"));
        }
        if let Some(md5) = md5 {
            self.check_md5(project, &blobs, md5).await?;
        }
        let _one_at_a_time = self.changing.lock().await;
        // Nothing was held up while the content was read: it may be over by now, or have got a part more.
        let mut upload = self.upload(project, id).await?;
        if upload.status == UploadStatus::Completed && upload.parts == part_ids {
            return self.completed(project, upload).await;
        }
        self.pending_upload(project, id).await?;
        let parts = self.parts(project, id).await?;
        let file = self.file_of(upload.new.clone(), blobs);
        upload.status = UploadStatus::Completed;
        upload.parts = part_ids;
        upload.file = Some(file.id.clone());
        let used: BTreeSet<&String> = upload.parts.iter().collect();
        let unused = parts.iter().filter(|(part, _)| !used.contains(part));
        let forgets = unused.flat_map(|(_, blobs)| hashes(blobs)).collect();
        let mut change = self.ended(&upload, parts.keys(), forgets)?;
        put_file(&mut change, &file)?;
        self.change(project, change).await?;
        Ok((upload, Some(file)))
    }

    /// Takes its parts away. One that is cancelled answers again.
    pub async fn cancel(&self, project: &ProjectId, id: &str) -> Result<Upload, Refusal> {
        let _one_at_a_time = self.changing.lock().await;
        let upload = self.upload(project, id).await?;
        if upload.status == UploadStatus::Cancelled {
            return Ok(upload);
        }
        let upload = self.pending_upload(project, id).await?;
        self.end(project, Upload { status: UploadStatus::Cancelled, ..upload }).await
    }

    /// Under the lock: an upload whose time is over.
    pub(super) async fn expire(&self, project: &ProjectId, id: &str) -> Result<(), Refusal> {
        let upload = self.upload(project, id).await?;
        self.end(project, upload).await.map(|_| ())
    }

    // ---- inside

    /// One whose time is over has expired, whether or not it was swept.
    async fn upload(&self, project: &ProjectId, id: &str) -> Result<Upload, Refusal> {
        let row = self.world.store.row(project, UPLOADS, id).await.map_err(|error| store_refusal(&error))?;
        let mut upload: Upload = read(&row.ok_or_else(|| no("Upload", id).at("upload_id"))?)?;
        if upload.status == UploadStatus::Pending && self.is_over(Some(upload.expires_at)) {
            upload.status = UploadStatus::Expired;
        }
        Ok(upload)
    }

    async fn completed(&self, project: &ProjectId, upload: Upload) -> Result<(Upload, Option<File>), Refusal> {
        let id = upload.file.as_deref().unwrap_or_default();
        match self.file(project, id).await {
            Ok(file) => Ok((upload, Some(file))),
            // Deleted since.
            Err(refusal) if refusal == no_file(id) => Ok((upload, None)),
            Err(refusal) => Err(refusal),
        }
    }

    async fn parts(&self, project: &ProjectId, id: &str) -> Result<BTreeMap<String, Vec<Part>>, Refusal> {
        let page = Page { after: None, limit: PARTS, direction: Direction::Ascending };
        let rows = self.world.store.rows(project, &parts_of(id), page).await;
        let (rows, _) = rows.map_err(|error| store_refusal(&error))?;
        rows.iter().map(|row| Ok((row.id.clone(), read(row)?))).collect()
    }

    async fn check_md5(&self, project: &ProjectId, blobs: &[Part], wanted: &str) -> Result<(), Refusal> {
        let mut hash = Md5::new();
        for part in blobs {
            let bytes = self.bytes(project, part).await?;
            // Taken away by a cancel meanwhile, which is found out later.
            hash.update(bytes.unwrap_or_default());
        }
        let found = types::hex(&hash.finalize());
        if found.eq_ignore_ascii_case(wanted) {
            return Ok(());
        }
        Err(Refusal::invalid(format!("The md5 checksum of the parts is {found}, not the one given.")).at("md5"))
    }

    async fn end(&self, project: &ProjectId, upload: Upload) -> Result<Upload, Refusal> {
        let parts = self.parts(project, &upload.id).await?;
        let forgets = parts.values().flat_map(|blobs| hashes(blobs)).collect();
        let change = self.ended(&upload, parts.keys(), forgets)?;
        self.change(project, change).await?;
        Ok(upload)
    }

    /// The upload as it is now, without its parts and its hour.
    fn ended<'a>(
        &self,
        upload: &Upload,
        parts: impl Iterator<Item = &'a String>,
        forgets: Vec<store::BlobHash>,
    ) -> Result<RowsChange, Refusal> {
        let collection = parts_of(&upload.id);
        let mut deletes = vec![named(ENDINGS, &upload.id)];
        deletes.extend(parts.map(|part| named(&collection, part)));
        let puts = vec![(row(UPLOADS, &upload.id, upload.created_at, upload)?, false)];
        Ok(RowsChange { at: self.world.clock.now(), puts, deletes, forgets, ..RowsChange::default() })
    }
}

/// The collection of an upload's parts.
fn parts_of(upload: &str) -> String {
    format!("upload_part/{upload}")
}

fn over(id: &str, what: &str) -> Refusal {
    Refusal::invalid(format!("Upload {id} {what}.")).at("upload_id")
}
