//! The blob folder: `blobs/<project>/<aa>/<hash>`, one file a body. A file is whole and durable before anything names
//! it: written under another name, synced, renamed, and its folder synced. Files that nothing names any more are removed,
//! and what a crash left of them is swept when a server opens the data. A backup keeps all that it goes through.

use super::health::Health;
use crate::chain::{self, Hash};
use crate::{BlobHash, Error};
use rusqlite::{Connection, params};
use std::collections::BTreeSet;
use std::fs::{self, DirEntry, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use types::ProjectId;

/// A file younger than this may be on its way into a record.
const ORPHAN_AGE: Duration = Duration::from_secs(3600);

/// Beside the folder.
const GUARD: &str = "blobs.lock";

/// Folder names are kept below what file systems take (255 bytes).
const NAME_BYTES: usize = 200;

pub(super) struct Folder {
    root: PathBuf,
    /// Folders known to be durable.
    made: Mutex<BTreeSet<PathBuf>>,
    temporary: AtomicU64,
    health: Arc<Health>,
}

impl Folder {
    pub(super) fn new(data: &Path, health: Arc<Health>) -> Self {
        Self {
            root: data.join("blobs"),
            made: Mutex::new(BTreeSet::from([data.to_owned()])),
            temporary: AtomicU64::new(0),
            health,
        }
    }

    /// Durable when it returns. A file that is there already is only read, and written anew where it was damaged.
    pub(super) fn put(&self, project: &ProjectId, hash: &Hash, body: &[u8]) -> Result<(), Error> {
        let path = self.path(project, &chain::hex(hash));
        let Some(folder) = path.parent() else { return Err(Error::Failed("a blob without a folder".to_owned())) };
        self.make(folder)?;
        if fs::read(&path).is_ok_and(|there| chain::of_body(&there) == *hash) {
            // Whoever wrote it may not have synced the folder yet.
            return self.sync(folder);
        }
        let number = self.temporary.fetch_add(1, Ordering::Relaxed);
        let temporary = path.with_extension(format!("{}-{number}.tmp", std::process::id()));
        self.write(&temporary, body).inspect_err(|_| {
            // What stays behind is swept later.
            let _ = fs::remove_file(&temporary);
        })?;
        types::failpoint!(BlobBeforeRename);
        fs::rename(&temporary, &path).map_err(|error| failed(&path, &error))?;
        types::failpoint!(BlobBeforeFolderSync);
        self.sync(folder)?;
        types::failpoint!(BlobAfter);
        Ok(())
    }

    /// Unchecked: whoever asks knows the hash.
    pub(super) fn get(&self, project: &ProjectId, hash: &str) -> Result<Option<Vec<u8>>, Error> {
        if hash.len() != 64 || !hash.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) {
            return Ok(None);
        }
        let path = self.path(project, hash);
        match fs::read(&path) {
            Ok(body) => Ok(Some(body)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&path, &error)),
        }
    }

    /// Err where the file does not hold what it is named after.
    pub(super) fn checked(&self, project: &ProjectId, hash: &BlobHash) -> Result<Option<Vec<u8>>, Error> {
        let body = self.get(project, &hash.0)?;
        if body.as_ref().is_some_and(|body| chain::hex(&chain::of_body(body)) != hash.0) {
            return Err(Error::Failed(format!("blob {} is damaged", hash.0)));
        }
        Ok(body)
    }

    /// Removes files that nothing names any more, unless a backup runs, which may have seen their names: then they are
    /// left to the sweep.
    pub(super) fn remove(&self, project: &ProjectId, hashes: &[BlobHash]) -> Result<(), Error> {
        let Some(_guard) = self.guard(File::try_lock)? else { return Ok(()) };
        for hash in hashes.iter().filter(|hash| chain::of_hex(&hash.0).is_some()) {
            let path = self.path(project, &hash.0);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(&path, &error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// While it lives, no file is removed by any process.
    pub(super) fn hold(&self) -> Result<Option<File>, Error> {
        self.guard(|file| file.lock_shared().map_err(TryLockError::Error))
    }

    /// The file that removing and copying exclude each other by; None where the other is at work.
    fn guard(&self, lock: impl Fn(&File) -> Result<(), TryLockError>) -> Result<Option<File>, Error> {
        let path = self.root.with_file_name(GUARD);
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| failed(&path, &error))?;
        match lock(&file) {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed(&path, &error)),
        }
    }

    /// Removes old files that no record and no row names. Only while nothing is appended: a file that is about to
    /// be named again would be lost. Costs a look-up a file, at every start.
    pub(super) fn sweep(&self, connection: &Connection) -> Result<(), Error> {
        let Some(_guard) = self.guard(File::try_lock)? else { return Ok(()) };
        for project in entries(&self.root)? {
            let folder = project.file_name();
            for shelf in entries(&project.path())? {
                for file in entries(&shelf.path())? {
                    let name = file.file_name();
                    let is_named = match (folder.to_str(), name.to_str()) {
                        (Some(folder), Some(name)) => is_named(connection, folder, name)?,
                        // Not of our making.
                        _ => true,
                    };
                    if !is_named && is_old(&file) {
                        let path = file.path();
                        fs::remove_file(&path).map_err(|error| failed(&path, &error))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn path(&self, project: &ProjectId, hash: &str) -> PathBuf {
        let shelf = hash.get(..2).unwrap_or(hash);
        self.root.join(folder_name(project.as_str())).join(shelf).join(hash)
    }

    /// Makes a folder and those above it, each synced into its parent.
    fn make(&self, folder: &Path) -> Result<(), Error> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let missing: Vec<&Path> = folder.ancestors().take_while(|folder| !made.contains(*folder)).collect();
        for folder in missing.into_iter().rev() {
            match fs::create_dir(folder) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(failed(folder, &error)),
                _ => {}
            }
            if let Some(parent) = folder.parent() {
                self.sync(parent)?;
            }
            made.insert(folder.to_owned());
        }
        Ok(())
    }

    fn write(&self, path: &Path, body: &[u8]) -> Result<(), Error> {
        let mut file = File::create_new(path).map_err(|error| failed(path, &error))?;
        file.write_all(body).map_err(|error| failed(path, &error))?;
        types::failpoint!(BlobBeforeSync);
        file.sync_all().map_err(|error| self.unsynced(path, &error))
    }

    fn sync(&self, folder: &Path) -> Result<(), Error> {
        let file = File::open(folder).map_err(|error| failed(folder, &error))?;
        file.sync_all().map_err(|error| self.unsynced(folder, &error))
    }

    /// The kernel may have dropped what it could not write: nobody may ask again and be told that all is well.
    fn unsynced(&self, path: &Path, error: &std::io::Error) -> Error {
        let why = format!("{} could not be synced: {error}", path.display());
        self.health.stop(why.clone());
        Error::Stopped(why)
    }
}

/// Keeps a blob that a row names from being swept.
pub(super) fn keep(
    connection: &Connection,
    project: &ProjectId,
    hash: &BlobHash,
    size: u64,
) -> Result<(), rusqlite::Error> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO blobs (hash, project, size) VALUES (?1, ?2, ?3)")?
        .execute(params![hash.0, project.as_str(), i64::try_from(size).unwrap_or(i64::MAX)])
        .map(|_| ())
}

/// A project's name as one that is safe in a file system: it may hold slashes or dots, and some systems do not tell
/// `A` from `a`.
fn folder_name(project: &str) -> String {
    let mut name = String::with_capacity(project.len());
    for byte in project.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            other => name.push_str(&format!("%{other:02X}")),
        }
    }
    if name.is_empty() || name.len() > NAME_BYTES {
        return format!("={}", chain::hex(&chain::of_body(project.as_bytes())));
    }
    name
}

/// Whether a record or a row of the project names the blob.
pub(super) fn is_named_in(connection: &Connection, project: &ProjectId, hash: &BlobHash) -> Result<bool, Error> {
    is_named(connection, &folder_name(project.as_str()), &hash.0)
}

fn is_named(connection: &Connection, folder: &str, file: &str) -> Result<bool, Error> {
    let Some(hash) = chain::of_hex(file) else { return Ok(!file.ends_with(".tmp")) };
    let mut statement = connection.prepare_cached(
        "SELECT s.project FROM record_blobs b JOIN sessions s ON s.ord = b.session WHERE b.hash = ?1
         UNION SELECT project FROM blobs WHERE hash = ?2",
    )?;
    let mut projects = statement.query(params![hash, file])?;
    while let Some(row) = projects.next()? {
        if folder_name(row.get_ref(0)?.as_str().unwrap_or_default()) == folder {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A clock that was set back makes files young: they are swept another time.
fn is_old(file: &DirEntry) -> bool {
    let modified = file.metadata().and_then(|file| file.modified());
    modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > ORPHAN_AGE))
}

fn entries(folder: &Path) -> Result<Vec<DirEntry>, Error> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.collect::<Result<_, _>>().map_err(|error| failed(folder, &error)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(Vec::new()),
        Err(error) => Err(failed(folder, &error)),
    }
}

pub(super) fn failed(path: &Path, error: &std::io::Error) -> Error {
    Error::Failed(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::folder_name;

    #[test]
    fn a_folder_name_stays_inside() {
        assert_eq!(folder_name("default"), "default");
        assert_eq!(folder_name("../a"), "%2E%2E%2Fa");
        assert_ne!(folder_name("A"), folder_name("a"));
        assert_eq!(folder_name("").len(), 65);
        assert_eq!(folder_name(&"x".repeat(201)).len(), 65);
    }
}
