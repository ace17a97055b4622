//! The store of one machine: a SQLite file and a folder of blobs. One thread writes and shares each fsync among all who
//! wait (`writer`), a few read beside it (`workers`). It works on any executor: answers come through channels.
//!
//! `DATA/outcrop.db` is the database, `DATA/lock` makes a second server impossible, `DATA/blobs` holds large bodies.

mod append;
mod backlog;
mod backup;
mod batch;
mod blobs;
mod check;
mod checkpoint;
mod conversion;
mod fault;
mod health;
mod idempotency;
mod keys;
mod lineage;
mod lock;
mod log;
mod money;
mod restore;
mod rows;
mod rows_change;
mod schema;
mod seal;
mod session_list;
mod sessions;
mod settings;
mod store;
#[cfg(test)]
mod tests;
mod timers;
mod workers;
mod writer;

pub use self::backup::{Copied, CopyError};
pub use self::check::Damage;
pub use self::restore::Present;

use self::backlog::Backlog;
use self::blobs::Folder;
use self::health::Health;
use self::lock::Lock;
use self::settings::KnownSettings;
use self::workers::Workers;
use self::writer::Writer;
use crate::Error;
use rusqlite::Connection;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Threads that read. SQLite's readers do not wait for each other, but more than a few only fight for processors.
const READERS: usize = 4;

/// Threads that write blobs; each mostly waits for the disk.
const BLOB_WRITERS: usize = 2;

/// [`Store`](crate::Store) on SQLite. Dropping it ends its threads after everything that waits is written.
pub struct Sqlite {
    // Dropped in this order; the lock must be the last.
    files: Workers<()>,
    readers: Workers<Connection>,
    writer: Writer,
    folder: Arc<Folder>,
    backlog: Arc<Backlog>,
    settings: Arc<KnownSettings>,
    health: Arc<Health>,
    lock: Option<Lock>,
}

impl Sqlite {
    /// Opens the data of a server, alone: makes the folder and the database where they are not, brings an older database
    /// to the newest form, sweeps blobs that nothing names. Blocks for as long as that takes.
    ///
    /// Errors: `Failed`, with a text for people: another server has the folder, a newer outcrop wrote the database,
    /// the file is not ours.
    pub fn open(data: &Path) -> Result<Self, Error> {
        make_folder(data)?;
        let lock = Lock::take(data)?;
        restore::finish(data)?;
        let connection = schema::open(&data.join("outcrop.db"), || Ok(()))?;
        schema::settle(&connection)?;
        let store = Self::start(data, connection, Some(lock))?;
        let connection = schema::open_reader(&data.join("outcrop.db"))?;
        store.folder.sweep(&connection)?;
        Ok(store)
    }

    /// Opens the data beside a server that may be running: for keys, rows and reads. It never appends: `append`,
    /// `delete_session`, `put_blob` and `begin_epoch` answer `Failed`. A database that does not have the newest form is
    /// brought to it only while no server runs.
    pub fn open_shared(data: &Path) -> Result<Self, Error> {
        make_folder(data)?;
        if restore::is_pending(data) {
            let _lock = Lock::take(data)?;
            restore::finish(data)?;
        }
        let mut lock = None;
        let connection = schema::open(&data.join("outcrop.db"), || {
            lock = Some(Lock::take(data)?);
            Ok(())
        })?;
        drop(lock);
        Self::start(data, connection, None)
    }

    /// Copies the log of the database into it and empties it, so that what was deleted is in no file any more: for a server
    /// that ends. Whoever has the store open still may go on with it.
    pub fn settle(data: &Path) -> Result<(), Error> {
        schema::settle(&schema::open_copier(&data.join("outcrop.db"))?)
    }

    /// Transactions that were committed since it was opened. Writes that waited together share one.
    pub fn commits(&self) -> u64 {
        self.health.commits()
    }

    fn start(data: &Path, connection: Connection, lock: Option<Lock>) -> Result<Self, Error> {
        let file = data.join("outcrop.db");
        let health = Arc::new(Health::default());
        let readers = (0..READERS).map(|_| schema::open_reader(&file)).collect::<Result<_, _>>()?;
        Ok(Self {
            files: Workers::start("store-blobs", vec![(); BLOB_WRITERS])?,
            readers: Workers::start("store-reader", readers)?,
            writer: Writer::start(connection, &file, health.clone())?,
            folder: Arc::new(Folder::new(data, health.clone())),
            backlog: Arc::default(),
            settings: Arc::default(),
            health,
            lock,
        })
    }

    /// Err where it was opened beside a server.
    fn check_alone(&self) -> Result<(), Error> {
        match self.lock {
            Some(_) => Ok(()),
            None => Err(Error::Failed("this store was opened beside a server and does not append".to_owned())),
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &Folder) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.health.check()?;
        let folder = self.folder.clone();
        self.readers.run(move |connection| work(connection, &folder)).await
    }
}

/// What agents were told and what they said is nobody else's to read.
fn make_folder(data: &Path) -> Result<(), Error> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(data).map_err(|error| Error::Failed(format!("{}: {error}", data.display())))
}
