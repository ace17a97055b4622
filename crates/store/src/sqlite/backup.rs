//! A backup: one file that holds everything that the store holds at one moment, blobs included. It is a database of the
//! same form with the blobs in a table, under a mark of its own, so that no server takes it for its data by mistake.
//!
//! It reads in one transaction beside whoever writes, and holds nobody up: the write-ahead log only grows meanwhile.

use super::blobs::{Folder, failed};
use super::check::{Damage, check};
use super::health::Health;
use super::timers::column;
use super::{Sqlite, schema};
use crate::Error;
use crate::chain::{self, Hash};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, params};
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use types::{ProjectId, Timestamp};

/// Beside the store's own tables. The names are for ever: old backups have them.
const TABLES: &str = "
CREATE TABLE backup (one INTEGER PRIMARY KEY CHECK (one = 1), at INTEGER NOT NULL) STRICT;
CREATE TABLE backup_blobs (project TEXT NOT NULL, hash TEXT NOT NULL, body BLOB NOT NULL) STRICT;
";

/// How long a step that finds the database locked waits, and how often it tries.
const PAUSE: Duration = Duration::from_millis(50);
const TRIES: u32 = 200;

/// What a backup or a restore went through.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Copied {
    pub sessions: u64,
    pub records: u64,
    pub blobs: u64,
    /// Of the backup's file.
    pub bytes: u64,
    /// When the backup was made.
    pub at: Timestamp,
}

/// Why there is no copy. Nothing was changed where it should be.
#[derive(thiserror::Error, Debug)]
pub enum CopyError {
    #[error(transparent)]
    Store(#[from] Error),
    /// What would be copied is not what was written.
    #[error("{}", list(.0))]
    Damaged(Vec<Damage>),
}

impl From<rusqlite::Error> for CopyError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

fn list(damage: &[Damage]) -> String {
    let lines: Vec<String> = damage.iter().map(|damage| format!("\n  {damage}")).collect();
    format!("what is stored is damaged:{}", lines.concat())
}

impl Sqlite {
    /// Writes a backup of a data folder, beside a server that may be using it. `file` must not be there yet; it appears
    /// whole and durable, or not at all. Blocks for as long as that takes.
    ///
    /// Errors: `Damaged` names all that is not as it was written.
    pub fn backup(data: &Path, file: &Path, at: Timestamp) -> Result<Copied, CopyError> {
        if file.exists() {
            return Err(Error::Failed(format!("{} is there already", file.display())).into());
        }
        let database = data.join("outcrop.db");
        if !database.is_file() {
            return Err(Error::Failed(format!("there is no store in {}", data.display())).into());
        }
        let unfinished = Unfinished::new(file)?;
        // In the newest form, where no server says otherwise.
        drop(Self::open_shared(data)?);
        let folder = Folder::new(data, Arc::new(Health::default()));
        // What the copy names must be there until it was read.
        let _held = folder.hold()?;
        let source = schema::open_reader(&database)?;
        copy(&source, &unfinished.path)?;
        drop(source);
        let mut copied = complete(&unfinished.path, &folder, at)?;
        let written = File::open(&unfinished.path).map_err(|error| failed(&unfinished.path, &error))?;
        written.sync_all().map_err(|error| failed(&unfinished.path, &error))?;
        copied.bytes = written.metadata().map_err(|error| failed(&unfinished.path, &error))?.len();
        fs::rename(&unfinished.path, file).map_err(|error| failed(file, &error))?;
        sync_parent(file)?;
        Ok(copied)
    }
}

/// A file on its way; what is left of it goes with this value.
struct Unfinished {
    path: PathBuf,
}

impl Unfinished {
    fn new(file: &Path) -> Result<Self, Error> {
        let Some(name) = file.file_name() else {
            return Err(Error::Failed(format!("{} is no file's name", file.display())));
        };
        let mut partial = name.to_owned();
        partial.push(format!(".{}.partial", std::process::id()));
        let path = file.with_file_name(partial);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        // What agents were told and what they said is nobody else's to read.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&path).map_err(|error| failed(&path, &error))?;
        Ok(Self { path })
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm", "-journal"] {
            let mut path = self.path.clone().into_os_string();
            path.push(end);
            // Where it was renamed there is nothing left.
            let _ = fs::remove_file(path);
        }
    }
}

/// All pages, of one moment: the one step is one read transaction.
fn copy(source: &Connection, file: &Path) -> Result<(), CopyError> {
    let mut target = Connection::open(file)?;
    let backup = Backup::new(source, &mut target)?;
    for _ in 0..TRIES {
        match backup.step(-1)? {
            StepResult::Done => return Ok(()),
            _ => wait(),
        }
    }
    Err(Error::Failed("the database stayed locked".to_owned()).into())
}

#[expect(clippy::disallowed_methods, reason = "blocking by contract, and only while another process holds a lock")]
fn wait() {
    std::thread::sleep(PAUSE);
}

/// Makes the copy of a database a backup: checked, with its blobs, under its own mark.
fn complete(file: &Path, folder: &Folder, at: Timestamp) -> Result<Copied, CopyError> {
    let mut target = Connection::open(file)?;
    // It is synced as a whole at the end.
    target.execute_batch("PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY;")?;
    target.pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get::<_, String>(0))?;
    let damage = check(&target, folder);
    if !damage.is_empty() {
        return Err(CopyError::Damaged(damage));
    }
    let transaction = target.transaction()?;
    transaction.execute_batch(TABLES)?;
    transaction.execute("INSERT INTO backup VALUES (1, ?1)", [column(at)])?;
    let mut copied = counted(&transaction)?;
    let mut damage = Vec::new();
    for (project, hash) in named(&transaction)? {
        match body(folder, &project, &hash)? {
            Ok(body) => {
                transaction.prepare_cached("INSERT INTO backup_blobs VALUES (?1, ?2, ?3)")?.execute(params![
                    project.as_str(),
                    hash,
                    body
                ])?;
                copied.blobs += 1;
            }
            Err(what) => damage.push(Damage { session: None, what: format!("blob {hash} of {project} {what}") }),
        }
    }
    if !damage.is_empty() {
        return Err(CopyError::Damaged(damage));
    }
    transaction.pragma_update(None, "application_id", schema::BACKUP)?;
    transaction.commit()?;
    target.close().map_err(|(_, error)| error)?;
    Ok(Copied { at, ..copied })
}

/// The blobs that records and rows name.
fn named(connection: &Connection) -> Result<Vec<(ProjectId, String)>, rusqlite::Error> {
    let mut statement = connection
        .prepare("SELECT DISTINCT s.project, b.hash FROM record_blobs b JOIN sessions s ON s.ord = b.session")?;
    let of_records = statement
        .query_map([], |row| Ok((ProjectId::new(row.get::<_, String>(0)?), chain::hex(&row.get::<_, Hash>(1)?))))?;
    let mut blobs: Vec<(ProjectId, String)> = of_records.collect::<Result<_, _>>()?;
    let mut statement = connection.prepare("SELECT project, hash FROM blobs")?;
    let kept = statement.query_map([], |row| Ok((ProjectId::new(row.get::<_, String>(0)?), row.get(1)?)))?;
    blobs.extend(kept.collect::<Result<Vec<_>, _>>()?);
    blobs.sort();
    blobs.dedup();
    Ok(blobs)
}

/// The inner error says what is wrong with the blob.
fn body(folder: &Folder, project: &ProjectId, hash: &str) -> Result<Result<Vec<u8>, &'static str>, Error> {
    Ok(match folder.get(project, hash)? {
        None => Err("is missing"),
        Some(body) if chain::hex(&chain::of_body(&body)) != hash => Err("is damaged"),
        Some(body) => Ok(body),
    })
}

/// Sessions that are not deleted, and all records.
pub(super) fn counted(connection: &Connection) -> Result<Copied, rusqlite::Error> {
    let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned);
    Ok(Copied {
        sessions: count("SELECT count(*) FROM sessions WHERE deleted_at IS NULL")?,
        records: count("SELECT coalesce(sum(count), 0) FROM batches")?,
        ..Copied::default()
    })
}

/// A name in a folder is durable when the folder is.
pub(super) fn sync_parent(file: &Path) -> Result<(), Error> {
    let parent = match file.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Ok(()),
    };
    File::open(parent).and_then(|folder| folder.sync_all()).map_err(|error| failed(parent, &error))
}
