//! When the write-ahead log is copied into the database, and by whom. A thread with a connection of its own copies the
//! bulk, so that no write waits for the database's fsync; what was written in the meantime, a few pages, the writer copies
//! between two of its transactions. Only then is everything copied, and the log begins anew: a log that is always written
//! to would otherwise grow for ever.

use super::health::Health;
use super::schema;
use super::writer::is_unwritten;
use crate::Error;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// Changed rows before the write-ahead log is copied into the database, or
const ROWS: u64 = 8192;
/// bytes by which its file has grown.
const BYTES: u64 = 32 << 20;

/// Belongs to the writer.
pub(super) struct Checkpoints {
    /// Asking SQLite for the length of the log costs a lock; changed rows and the size of the file are a fair measure, and a
    /// checkpoint that comes early or late does no harm.
    log: PathBuf,
    changes: u64,
    bytes: u64,
    copier: Copier,
    is_copying: bool,
}

/// The thread, and what is said to it and by it.
struct Copier {
    orders: Option<Sender<()>>,
    done: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// Of the database in `file`.
    pub(super) fn start(file: &Path, health: Arc<Health>) -> Result<Self, Error> {
        let connection = schema::open_copier(file)?;
        let (orders, ordered) = channel();
        let (tell, done) = channel();
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || {
                while ordered.recv().is_ok() {
                    types::failpoint!(BeforeCheckpoint);
                    copy(&connection, &health);
                    types::failpoint!(AfterCheckpoint);
                    if tell.send(()).is_err() {
                        break;
                    }
                }
            })
            .map_err(|error| Error::Failed(format!("no thread for checkpoints: {error}")))?;
        let copier = Copier { orders: Some(orders), done, thread: Some(thread) };
        let log = file.with_extension("db-wal");
        Ok(Self { log, changes: 0, bytes: 0, copier, is_copying: false })
    }

    /// After each transaction; `connection` is the writer's.
    pub(super) fn committed(&mut self, connection: &Connection, health: &Health) {
        if self.is_copying {
            if self.copier.done.try_recv().is_ok() {
                self.is_copying = false;
                // An fsync that failed is never asked for again.
                if health.check().is_ok() {
                    copy(connection, health);
                }
            }
            return;
        }
        let changes = connection.total_changes();
        let bytes = std::fs::metadata(&self.log).map_or(0, |file| file.len());
        if changes.saturating_sub(self.changes) < ROWS && bytes.saturating_sub(self.bytes) < BYTES {
            return;
        }
        self.changes = changes;
        self.bytes = bytes;
        self.is_copying = self.copier.orders.as_ref().is_some_and(|orders| orders.send(()).is_ok());
    }
}

impl Drop for Copier {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Busy is no failure: a reader was in the way, and the next one copies more. After a failed fsync nobody knows what is on
/// the disk.
fn copy(connection: &Connection, health: &Health) {
    match connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
        Ok(()) => {}
        Err(error) if is_unwritten(&error) => {
            tracing::warn!(%error, "a checkpoint is put off: the disk takes no more");
        }
        Err(error) => health.stop(format!("a checkpoint failed: {error}")),
    }
}
