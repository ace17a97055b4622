//! The files of an environment, as clients put and list them: from outside, on its disk, whether or not anything runs in it.

mod selection;

use crate::disk::{Disk, Error, Most, Place, Seen, absolute, is_hidden};
use crate::hosting::{Hosting, Inner};
use crate::plan;
use crate::record::Environment;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use selection::Selection;
use std::time::Duration;
use types::{EnvironmentStatus, ProjectId, Refusal, RefusalKind};

/// Bytes of a file that a request brings, and of one that is copied from the uploaded ones.
const INLINE: u64 = 5 << 20;
const UPLOADED: u64 = 50 << 20;
/// Entries of a disk that one list looks at.
const LOOKED_AT: usize = 100_000;
/// How often it is written down at most that an environment is used.
const NOTED: Duration = Duration::from_secs(60);
/// Whoever runs commands inside may read and write it, and run what he likes.
pub(crate) const MODE: u32 = 0o644;

/// A file to put into an environment.
#[derive(Clone, PartialEq, Eq)]
pub struct NewFile {
    /// As the client wrote it; checked here.
    pub path: String,
    pub content: Content,
}

#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    Bytes(Vec<u8>),
    /// An uploaded file.
    File(String),
}

/// A file as it is in an environment now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EnvironmentFile {
    /// Absolute, in the environment.
    pub path: String,
    pub bytes: u64,
}

/// Which files of an environment are listed, by the components of their paths.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FilePage {
    /// An absolute directory. None: all of the workspace.
    pub path: Option<String>,
    /// The token of the page before.
    pub after: Option<String>,
    pub limit: usize,
    pub ascending: bool,
}

impl Hosting {
    /// Folders are made where they are missing, a file that is there is replaced. Errors: `NotFound`; `Invalid` with `path`,
    /// `data` or `file_id`, or where the environment has no disk now.
    pub async fn put_file(&self, project: &ProjectId, id: &str, file: NewFile) -> Result<EnvironmentFile, Refusal> {
        self.inner.clients_environment(project, id).await?;
        let place = Place::of_client(&file.path)?;
        let seat = self.seat(project, id);
        seat.used(self.inner.around.clock.monotonic());
        let environment = self.inner.note_use(project, id).await?;
        // What was measured is to be still so when it is written.
        let _one_at_a_time = seat.putting.lock().await;
        let disk = self.inner.disk_of(&environment)?;
        let bytes = match file.content {
            Content::Bytes(bytes) => {
                let size = bytes.len() as u64;
                if size > INLINE {
                    return Err(too_large(size, INLINE).at("data"));
                }
                make_room(&disk, &environment, &place, size).await?;
                disk.write(place, bytes, MODE).await.map_err(|error| refusal(&environment, &error))?;
                size
            }
            Content::File(uploaded) => self.put_uploaded(project, (&environment, &disk), place, &uploaded).await?,
        };
        Ok(EnvironmentFile { path: file.path, bytes })
    }

    /// The page, and the token of the next. A folder that is not there has no files. `Invalid` with `path` or `page`, or
    /// where there are more entries than one list looks at.
    pub async fn files(
        &self,
        project: &ProjectId,
        id: &str,
        page: FilePage,
    ) -> Result<(Vec<EnvironmentFile>, Option<String>), Refusal> {
        let environment = self.inner.clients_environment(project, id).await?;
        let folder = page.path.as_deref().map_or_else(|| Ok(Place::workspace()), Place::folder)?;
        let after = page.after.as_deref().map(read_token).transpose()?;
        let disk = self.inner.disk_of(&environment)?;
        if folder.is_hidden() {
            return Ok((Vec::new(), None));
        }
        let selection = Selection::new(after, page.limit.max(1), page.ascending);
        let wanted = |selection: &Selection, folder: &[u8]| !is_hidden(folder) && selection.may_be_in(folder);
        let take = |selection: &mut Selection, seen: Seen| {
            if !is_hidden(&seen.path) {
                selection.take(seen.path, seen.bytes);
            }
        };
        let (selection, whole) = match disk.walk(&folder, LOOKED_AT, selection, wanted, take).await {
            Err(Error::NotFound | Error::NotFolder | Error::Link) => return Ok((Vec::new(), None)),
            walked => walked.map_err(|error| refusal(&environment, &error))?,
        };
        if !whole {
            let message =
                format!("There are more than {LOOKED_AT} files and directories. List a directory with fewer.");
            return Err(Refusal::invalid(message).at("path"));
        }
        let (found, has_more) = selection.finish();
        let next = found.last().filter(|_| has_more).map(|(path, _)| BASE64.encode(path));
        let shown = |(path, bytes): (String, u64)| EnvironmentFile { path: absolute(&path), bytes };
        Ok((found.into_iter().map(shown).collect(), next))
    }

    async fn put_uploaded(
        &self,
        project: &ProjectId,
        (environment, disk): (&Environment, &Disk),
        place: Place,
        uploaded: &str,
    ) -> Result<u64, Refusal> {
        let files = self.inner.files()?;
        let content = match files.file(project, uploaded).await {
            Err(missing) if missing.kind == RefusalKind::NotFound => {
                let uploaded: String = uploaded.chars().take(64).collect();
                return Err(Refusal::invalid(format!("File not found: {uploaded}")).at("file_id"));
            }
            file => file?,
        };
        if content.size > UPLOADED {
            return Err(too_large(content.size, UPLOADED).at("file_id"));
        }
        make_room(disk, environment, &place, content.size).await?;
        let failed = |error: Error| refusal(environment, &error);
        let mut delivery = disk.delivery().await.map_err(failed)?;
        for part in &content.parts {
            delivery.write(files.part(project, &content, part).await?).await.map_err(failed)?;
        }
        delivery.place(place, MODE).await.map_err(failed)?;
        Ok(content.size)
    }
}

impl Inner {
    /// Writes down that it is used now, unless that was done just before: what a client puts is not taken for long unused
    /// by the next server. The row as it is then.
    async fn note_use(&self, project: &ProjectId, id: &str) -> Result<Environment, Refusal> {
        let (now, often) = (self.around.clock.now(), NOTED.min(self.settings.expire_after / 4));
        let change = |row: &mut Environment| {
            if u128::from(now.0.saturating_sub(row.used_at.0)) >= often.as_millis() {
                row.used_at = now;
            }
        };
        self.change(project, id, change).await
    }

    /// The disk of an environment whose files are somebody's to see. `Invalid` where there is none now.
    fn disk_of(&self, environment: &Environment) -> Result<Disk, Refusal> {
        let id = environment.settings.id.as_str();
        let why = match environment.status {
            EnvironmentStatus::Pending => "is still provisioning; wait until it is connected before you use its files",
            EnvironmentStatus::Expired => "has expired; its files are gone",
            EnvironmentStatus::Failed => "has failed; it has no files",
            _ => return Ok(Disk::new(&self.folder(id))),
        };
        Err(Refusal::invalid(format!("Environment {id} {why}.")))
    }
}

/// Whether so many bytes more, and a file with every folder above it, are within what the environment may use. While a
/// sandbox runs, it is measured too.
pub(crate) async fn make_room(disk: &Disk, environment: &Environment, place: &Place, more: u64) -> Result<(), Refusal> {
    let limits = plan::size(environment.settings.container_size).limits();
    let used = disk.size().await.map_err(|error| refusal(environment, &error))?;
    if !fits(used, place, more, Most { bytes: limits.disk, entries: limits.files }) {
        let message = format!("The disk of environment {} has no room for it.", environment.settings.id);
        return Err(Refusal::invalid(message));
    }
    Ok(())
}

fn fits(used: Most, place: &Place, more: u64, most: Most) -> bool {
    let entries = place.relative().split('/').count() as u64;
    used.bytes.saturating_add(more) <= most.bytes && used.entries.saturating_add(entries) <= most.entries
}

fn read_token(token: &str) -> Result<String, Refusal> {
    let path = BASE64.decode(token).ok().and_then(|path| String::from_utf8(path).ok());
    path.ok_or_else(|| Refusal::invalid("page is not a token of this list").at("page"))
}

fn too_large(size: u64, most: u64) -> Refusal {
    Refusal::invalid(format!("The file has {size} bytes. Expected at most {most} bytes."))
}

fn refusal(environment: &Environment, error: &Error) -> Refusal {
    let id = environment.settings.id.as_str();
    match error {
        Error::Link => Refusal::invalid("path must not lead through a symbolic link").at("path"),
        Error::NotFolder => Refusal::invalid("path leads through a file").at("path"),
        Error::IsFolder => Refusal::invalid("path is a directory").at("path"),
        Error::TooDeep => Refusal::invalid("path is too long").at("path"),
        // It was there a moment ago.
        Error::NotFound => Refusal::invalid(format!("Environment {id} has no files now.")),
        error => {
            tracing::error!(environment = id, %error, "the disk of an environment cannot be used");
            Refusal::new(RefusalKind::Unavailable, "The server cannot take this now. Try again shortly.")
        }
    }
}

#[cfg(test)]
mod tests;
