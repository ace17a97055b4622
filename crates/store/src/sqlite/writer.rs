//! The one thread that writes. It takes every write that waits into one transaction and answers after the commit, so
//! that many writers share the cost of one fsync (group commit). Each write has a savepoint of its own: one that is
//! refused leaves nothing behind and does not spoil the others.
//!
//! When it stops. After a failed commit nobody knows what is on the disk, and a second fsync would say yes without
//! having written: the store stops for good, everybody in the batch is told so, and the process should end; the next
//! one reads what the disk really holds. The same holds for a checkpoint that fails and for an I/O error that ends the
//! transaction. A full disk that SQLite notices before the commit, or another process's lock, is different: nothing
//! was written and nothing was synced, so the batch is refused and the store goes on.

use super::fault::Fault;
use super::health::Health;
use crate::Error;
use rusqlite::{Connection, ErrorCode};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Writes that may share a transaction. More would make the first of them wait too long for its answer.
const BATCH: usize = 512;

/// Changed rows before the write-ahead log is copied into the database, or
const CHECKPOINT_ROWS: u64 = 8192;
/// bytes by which its file has grown.
const CHECKPOINT_BYTES: u64 = 32 << 20;

/// The writing thread and the queue before it.
pub(super) struct Writer {
    queue: Option<Sender<Box<dyn Write>>>,
    thread: Option<JoinHandle<()>>,
    health: Arc<Health>,
}

impl Writer {
    pub(super) fn start(connection: Connection, log: PathBuf, health: Arc<Health>) -> Result<Self, Error> {
        let (queue, writes) = channel();
        let seen = health.clone();
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                let _guard = Guard(&seen);
                serve(&connection, &writes, Frames::new(log), &seen);
            })
            .map_err(|error| Error::Failed(format!("no thread for the writer: {error}")))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), health })
    }

    /// Does `work` inside a transaction; what it returns is durable when this does. The work is done whether or not
    /// anybody still waits for it.
    pub(super) async fn write<T, E>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault<E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.health.check()?;
        let (tell, hear) = oneshot::channel();
        let waiting = Waiting { work: Some(work), result: None, tell };
        let queue = self.queue.as_ref().ok_or_else(ended)?;
        queue.send(Box::new(waiting)).map_err(|_| ended())?;
        hear.await.map_err(|_| ended())?
    }
}

impl Drop for Writer {
    /// Ends the queue and waits until everything in it is written.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn ended() -> Error {
    Error::Stopped("its writer has ended".to_owned())
}

/// A writer that dies of a defect must not look healthy.
struct Guard<'a>(&'a Health);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop("the writer died".to_owned());
        }
    }
}

/// What became of a batch.
enum Fate {
    Committed,
    /// Nothing was written; the store goes on.
    Refused(String),
    Stopped(String),
}

/// One write in a batch.
trait Write: Send {
    /// Err says what SQLite had against it, if it was SQLite.
    fn apply(&mut self, connection: &Connection) -> Result<(), Option<ErrorCode>>;
    fn answer(self: Box<Self>, fate: &Fate);
}

struct Waiting<W, T, E> {
    work: Option<W>,
    result: Option<Result<T, Fault<E>>>,
    tell: oneshot::Sender<Result<T, E>>,
}

impl<W, T, E> Write for Waiting<W, T, E>
where
    W: FnOnce(&Connection) -> Result<T, Fault<E>> + Send,
    T: Send,
    E: From<Error> + Send,
{
    fn apply(&mut self, connection: &Connection) -> Result<(), Option<ErrorCode>> {
        let Some(work) = self.work.take() else { return Ok(()) };
        match self.result.insert(work(connection)) {
            Ok(_) => Ok(()),
            Err(Fault::Refused(_)) => Err(None),
            Err(Fault::Sqlite(error)) => Err(error.sqlite_error_code()),
        }
    }

    /// A refusal stands on what the batch's earlier writes did: where the batch is lost, so is the refusal.
    fn answer(self: Box<Self>, fate: &Fate) {
        let answer = match (fate, self.result) {
            (Fate::Committed, Some(Ok(value))) => Ok(value),
            (Fate::Committed, Some(Err(Fault::Refused(refusal)))) => Err(refusal),
            (Fate::Committed, Some(Err(Fault::Sqlite(error)))) => Err(Error::from(error).into()),
            (Fate::Committed, None) => Err(ended().into()),
            (Fate::Refused(why), _) => Err(Error::Failed(why.clone()).into()),
            (Fate::Stopped(why), _) => Err(Error::Stopped(why.clone()).into()),
        };
        // Nobody waiting is nobody's fault.
        let _ = self.tell.send(answer);
    }
}

fn serve(connection: &Connection, writes: &Receiver<Box<dyn Write>>, mut frames: Frames, health: &Health) {
    let mut batch = Vec::with_capacity(BATCH);
    while let Ok(first) = writes.recv() {
        batch.push(first);
        batch.extend(writes.try_iter().take(BATCH - 1));
        let fate = match health.check() {
            Ok(()) => commit(connection, &mut batch, health),
            Err(stopped) => Fate::Stopped(stopped.to_string()),
        };
        for write in batch.drain(..) {
            write.answer(&fate);
        }
        if matches!(fate, Fate::Committed)
            && let Err(error) = frames.checkpoint(connection)
        {
            health.stop(format!("a checkpoint failed: {error}"));
        }
    }
}

/// Runs a batch as one transaction.
fn commit(connection: &Connection, batch: &mut [Box<dyn Write>], health: &Health) -> Fate {
    let before_commit = |error: rusqlite::Error| {
        if !connection.is_autocommit()
            && let Err(error) = execute(connection, "ROLLBACK")
        {
            return stopped(health, format!("a transaction could not be undone: {error}"));
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Fate::Refused(format!("nothing was written: {error}"))
            }
            _ => stopped(health, format!("a transaction was lost: {error}")),
        }
    };
    if let Err(error) = execute(connection, "BEGIN IMMEDIATE") {
        return before_commit(error);
    }
    for write in batch {
        if let Err(error) = apply(connection, write.as_mut()) {
            return before_commit(error);
        }
    }
    match execute(connection, "COMMIT") {
        Ok(()) => {
            health.committed();
            Fate::Committed
        }
        Err(error) => stopped(health, format!("a commit failed: {error}")),
    }
}

fn stopped(health: &Health, why: String) -> Fate {
    health.stop(why.clone());
    Fate::Stopped(why)
}

/// Err where the whole transaction is lost.
fn apply(connection: &Connection, write: &mut dyn Write) -> Result<(), rusqlite::Error> {
    execute(connection, "SAVEPOINT one")?;
    if let Err(code) = write.apply(connection) {
        if connection.is_autocommit() {
            // SQLite has undone everything, not only this write.
            let code = code.map_or(rusqlite::ffi::SQLITE_IOERR, primary);
            return Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None));
        }
        execute(connection, "ROLLBACK TO one")?;
    }
    execute(connection, "RELEASE one")
}

/// Only a full disk is told from the rest: see the head of this file.
fn primary(code: ErrorCode) -> i32 {
    match code {
        ErrorCode::DiskFull => rusqlite::ffi::SQLITE_FULL,
        _ => rusqlite::ffi::SQLITE_IOERR,
    }
}

fn execute(connection: &Connection, sql: &str) -> Result<(), rusqlite::Error> {
    connection.prepare_cached(sql)?.execute([]).map(|_| ())
}

/// When the write-ahead log is copied into the database. Asking SQLite for the length of the log costs a lock; changed
/// rows and the size of the file are a fair measure, and a checkpoint that comes early or late does no harm.
struct Frames {
    log: PathBuf,
    changes: u64,
    bytes: u64,
}

impl Frames {
    fn new(log: PathBuf) -> Self {
        Self { log, changes: 0, bytes: 0 }
    }

    fn checkpoint(&mut self, connection: &Connection) -> Result<(), rusqlite::Error> {
        let changes = connection.total_changes();
        let bytes = std::fs::metadata(&self.log).map_or(0, |file| file.len());
        if changes.saturating_sub(self.changes) < CHECKPOINT_ROWS && bytes.saturating_sub(self.bytes) < CHECKPOINT_BYTES
        {
            return Ok(());
        }
        self.changes = changes;
        self.bytes = bytes;
        // Busy is no failure: a reader was in the way, and the next one copies more.
        connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
    }
}
