//! A restore: a backup's file becomes the data of a server, whole or not at all.
//!
//! What happened after the backup may have been seen by clients and may have touched the world, and nobody knows what it
//! was. So a restored store begins anew where it can be told apart: its epochs lie beyond every one that was given, and
//! each session gets a record `restored`, whose seq lies beyond every place that a client can have been handed. An old
//! node can write nothing, an old event's id names nothing, and the log itself says where it was cut.
//!
//! Steps. All is made and checked in `DATA/restore.new`. Renaming that to `DATA/restore.ready` is the moment: before it
//! the old data are untouched, after it [`finish`] goes on wherever a crash stopped it, before anything else opens the
//! folder. The old data stay, in `DATA/before-restore-N`.

use super::append;
use super::backup::{Copied, CopyError, counted, sync_parent};
use super::batch::{self, Entry, Owner};
use super::blobs::{Folder, failed};
use super::check::{self, check};
use super::health::Health;
use super::lock::Lock;
use super::sessions::{self, HeadColumns};
use super::{Sqlite, make_folder, schema};
use crate::Error;
use crate::chain;
use crate::restored::Marks;
use rusqlite::Connection;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use types::{Epoch, ProjectId, Seq, SessionId, Timestamp};

const NEW: &str = "restore.new";
const READY: &str = "restore.ready";
/// Within `READY`: what was there before.
const OLD: &str = "old";
const DATABASE: &str = "outcrop.db";
const BLOBS: &str = "blobs";

/// What a restore does about data that are there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Present {
    Refused,
    /// They are kept beside the new ones.
    SetAside,
}

impl Sqlite {
    /// Makes the backup in `file` the data of the folder, which no server may be using.
    ///
    /// Errors: `Damaged` names all that is not as it was written; the folder is as it was.
    pub fn restore(file: &Path, data: &Path, present: Present, now: Timestamp) -> Result<Copied, CopyError> {
        make_folder(data)?;
        let _lock = Lock::take(data)?;
        finish(data)?;
        if present == Present::Refused && data.join(DATABASE).exists() {
            let text = format!("{} has a store already; it would have to be set aside", data.display());
            return Err(Error::Failed(text).into());
        }
        let new = data.join(NEW);
        let copied = build(file, data, &new, now).inspect_err(|_| {
            // What stays behind goes with the next start.
            let _ = fs::remove_dir_all(&new);
        })?;
        let ready = data.join(READY);
        fs::rename(&new, &ready).map_err(|error| failed(&ready, &error))?;
        sync_parent(&ready)?;
        finish(data)?;
        Ok(copied)
    }
}

/// Whether a restore was stopped after its moment and before its end.
pub(super) fn is_pending(data: &Path) -> bool {
    data.join(READY).exists()
}

/// Brings a restore to its end, and takes away one that never came to its moment. Only under the folder's lock. Each
/// step may be the first: the new database is placed last of all, and as long as it is not, what has its name is old.
pub(super) fn finish(data: &Path) -> Result<(), Error> {
    let (new, ready) = (data.join(NEW), data.join(READY));
    if new.exists() {
        fs::remove_dir_all(&new).map_err(|error| failed(&new, &error))?;
    }
    if !ready.exists() {
        return Ok(());
    }
    let old = ready.join(OLD);
    if ready.join(DATABASE).exists() {
        fs::create_dir_all(&old).map_err(|error| failed(&old, &error))?;
        for name in ["outcrop.db-wal", "outcrop.db-shm", DATABASE] {
            shift(&data.join(name), &old.join(name))?;
        }
        if ready.join(BLOBS).exists() {
            shift(&data.join(BLOBS), &old.join(BLOBS))?;
            shift(&ready.join(BLOBS), &data.join(BLOBS))?;
        }
        sync(&old)?;
        sync(data)?;
        shift(&ready.join(DATABASE), &data.join(DATABASE))?;
        sync(data)?;
    }
    if fs::remove_dir(&old).is_err() && old.exists() {
        let aside = (1..).map(|number: u32| data.join(format!("before-restore-{number}"))).find(|path| !path.exists());
        if let Some(aside) = aside {
            shift(&old, &aside)?;
        }
    }
    fs::remove_dir_all(&ready).map_err(|error| failed(&ready, &error))?;
    sync(data)
}

/// Renames what is there.
fn shift(from: &Path, to: &Path) -> Result<(), Error> {
    if !from.exists() {
        return Ok(());
    }
    fs::rename(from, to).map_err(|error| failed(from, &error))
}

fn sync(folder: &Path) -> Result<(), Error> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| failed(folder, &error))
}

/// The new data, durable and checked, in a folder of their own.
fn build(file: &Path, data: &Path, new: &Path, now: Timestamp) -> Result<Copied, CopyError> {
    let bytes = fs::metadata(file).map_err(|error| failed(file, &error))?.len();
    fs::create_dir(new).map_err(|error| failed(new, &error))?;
    let database = new.join(DATABASE);
    fs::copy(file, &database).map_err(|error| failed(&database, &error))?;
    let folder = Folder::new(new, Arc::new(Health::default()));
    let blobs = new.join(BLOBS);
    fs::create_dir(&blobs).map_err(|error| failed(&blobs, &error))?;
    let (at, blobs) = unpack(&database, &folder, file)?;
    let mut connection = schema::open(&database, || Ok(()))?;
    mark(&mut connection, &marks(data, at, now))?;
    let damage = check(&connection, &folder);
    if !damage.is_empty() {
        return Err(CopyError::Damaged(damage));
    }
    let copied = counted(&connection)?;
    connection.execute_batch("PRAGMA incremental_vacuum;")?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    // The last connection takes its write-ahead log with it.
    connection.close().map_err(|(_, error)| error)?;
    File::open(&database).and_then(|file| file.sync_all()).map_err(|error| failed(&database, &error))?;
    sync(new)?;
    Ok(Copied { blobs, bytes, at, ..copied })
}

/// Makes a backup's file a store again, with its blobs in their folder.
fn unpack(database: &Path, folder: &Folder, file: &Path) -> Result<(Timestamp, u64), CopyError> {
    let mut connection = Connection::open(database)?;
    schema::refuse_no_backup(&connection, file)?;
    let at: i64 = connection.query_row("SELECT at FROM backup", [], |row| row.get(0))?;
    let mut blobs = 0;
    {
        let mut statement = connection.prepare("SELECT project, hash, body FROM backup_blobs")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let project = ProjectId::new(row.get::<_, String>(0)?);
            let (hash, body): (String, Vec<u8>) = (row.get(1)?, row.get(2)?);
            let found = chain::of_body(&body);
            if chain::hex(&found) != hash {
                let what = format!("blob {hash} of {project} is damaged");
                return Err(CopyError::Damaged(vec![check::Damage { session: None, what }]));
            }
            folder.put(&project, &found, &body)?;
            blobs += 1;
        }
    }
    let transaction = connection.transaction()?;
    transaction.execute_batch("DROP TABLE backup; DROP TABLE backup_blobs;")?;
    transaction.pragma_update(None, "application_id", schema::APPLICATION)?;
    transaction.commit()?;
    connection.close().map_err(|(_, error)| error)?;
    Ok((Timestamp(at.cast_unsigned()), blobs))
}

/// Beyond what is there now, as far as it can be read.
fn marks(data: &Path, backup: Timestamp, now: Timestamp) -> Marks {
    let known = schema::open_reader(&data.join(DATABASE)).map_err(drop).and_then(|old| {
        let epoch = old.query_row("SELECT epoch FROM node", [], |row| row.get::<_, i64>(0));
        let seq = old.query_row("SELECT coalesce(max(seq), 0) FROM sessions", [], |row| row.get::<_, i64>(0));
        epoch.and_then(|epoch| Ok((epoch.cast_unsigned(), seq?.cast_unsigned()))).map_err(drop)
    });
    // Data that are too damaged to be read are one reason to restore: then the clock alone tells the numbers.
    let (epoch, seq) = known.unwrap_or_default();
    Marks { backup, now, epoch: Epoch(epoch), seq: Seq(seq) }
}

/// Takes an epoch that nobody has, and marks every session that is not deleted.
fn mark(connection: &mut Connection, marks: &Marks) -> Result<(), CopyError> {
    let transaction = connection.transaction()?;
    let epoch: i64 = transaction.query_row("SELECT epoch FROM node", [], |row| row.get(0))?;
    let epoch = marks.epoch(Epoch(epoch.cast_unsigned()));
    transaction.execute("UPDATE node SET epoch = ?1", [epoch.0.cast_signed()])?;
    for (project, session) in check::sessions(&transaction)? {
        mark_session(&transaction, &project, &session, marks, epoch)?;
    }
    transaction.commit()?;
    Ok(())
}

fn mark_session(
    connection: &Connection,
    project: &ProjectId,
    session: &SessionId,
    marks: &Marks,
    epoch: Epoch,
) -> Result<(), CopyError> {
    let Some(found) = sessions::find(connection, project, session)? else { return Ok(()) };
    let Some(head) = sessions::read_head(connection, project, session)? else { return Ok(()) };
    let (seq, record) = marks.record(&head, found.seq, epoch);
    let mut entries = [Entry::new(record.encode())];
    let mut data = batch::pack(session, &mut entries);
    let hash = Owner { project, session }.link(found.hash, seq, &entries, &mut data);
    append::insert(connection, found.ord, seq, &hash, &entries, &data)?;
    let head = types::Head { seq, ..head };
    Ok(sessions::update(connection, project, &found, &HeadColumns::new(&head, None)?, seq, &hash)?)
}
