//! The one thread that writes. It takes every write that waits into one transaction and answers after the commit, so
//! that many writers share the cost of one fsync (group commit). One that is refused leaves nothing behind and does not
//! spoil the others: where one had changed something before it was refused, which is rare, the batch is undone and done
//! again with a savepoint for each. With every batch that would be dear: a savepoint makes SQLite keep a copy of each page
//! that is touched after it.
//!
//! When it stops. After a failed fsync nobody knows what is on the disk, and a second fsync would say yes without
//! having written: the store stops for good, everybody in the batch is told so, and the process should end; the next
//! one reads what the disk really holds. The same holds for every error that is not known to be harmless. Two kinds are:
//! a write that the disk did not take (it is full, a quota is, it is read-only), for a commit syncs only what it has
//! written as a whole; and another process's lock. Then nothing is true that was not true before: the batch is refused,
//! or the checkpoint put off, and the store goes on, because there may be room again.

use super::checkpoint::Checkpoints;
use super::fault::Fault;
use super::health::Health;
use crate::Error;
use rusqlite::{Connection, ErrorCode};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Writes that may share a transaction. More would make the first of them wait too long for its answer.
const BATCH: usize = 512;

/// The writing thread and the queue before it.
pub(super) struct Writer {
    queue: Option<Sender<Box<dyn Write>>>,
    thread: Option<JoinHandle<()>>,
    health: Arc<Health>,
}

impl Writer {
    /// `connection` is to the database in `file`.
    pub(super) fn start(connection: Connection, file: &Path, health: Arc<Health>) -> Result<Self, Error> {
        let checkpoints = Checkpoints::start(file, health.clone())?;
        let (queue, writes) = channel();
        let seen = health.clone();
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                let _guard = Guard(&seen);
                serve(&connection, &writes, checkpoints, &seen);
            })
            .map_err(|error| Error::Failed(format!("no thread for the writer: {error}")))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), health })
    }

    /// Does `work` inside a transaction; what it returns is durable when this does. The work is done whether or not
    /// anybody still waits for it, and done again where the first transaction was undone.
    pub(super) async fn write<T, E>(
        &self,
        work: impl FnMut(&Connection) -> Result<T, Fault<E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.health.check()?;
        let (tell, hear) = oneshot::channel();
        let waiting = Waiting { work, result: None, tell };
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
    fn apply(&mut self, connection: &Connection) -> Result<(), Option<rusqlite::ffi::Error>>;
    fn answer(self: Box<Self>, fate: &Fate);
}

struct Waiting<W, T, E> {
    work: W,
    result: Option<Result<T, Fault<E>>>,
    tell: oneshot::Sender<Result<T, E>>,
}

impl<W, T, E> Write for Waiting<W, T, E>
where
    W: FnMut(&Connection) -> Result<T, Fault<E>> + Send,
    T: Send,
    E: From<Error> + Send,
{
    fn apply(&mut self, connection: &Connection) -> Result<(), Option<rusqlite::ffi::Error>> {
        match self.result.insert((self.work)(connection)) {
            Ok(_) => Ok(()),
            Err(Fault::Refused(_)) => Err(None),
            Err(Fault::Sqlite(error)) => Err(error.sqlite_error().copied()),
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

fn serve(connection: &Connection, writes: &Receiver<Box<dyn Write>>, mut checkpoints: Checkpoints, health: &Health) {
    let mut batch = Vec::with_capacity(BATCH);
    while let Ok(first) = writes.recv() {
        batch.push(first);
        batch.extend(writes.try_iter().take(BATCH - 1));
        if batch.len() > 1 {
            // Where several write at a time, those whose threads wait for a processor come along: a larger batch touches
            // the same pages once. On an idle machine this costs nothing.
            std::thread::yield_now();
            batch.extend(writes.try_iter().take(BATCH - batch.len()));
        }
        let fate = match health.check() {
            Ok(()) => commit(connection, &mut batch, health),
            Err(stopped) => Fate::Stopped(stopped.to_string()),
        };
        for write in batch.drain(..) {
            write.answer(&fate);
        }
        if matches!(fate, Fate::Committed) {
            checkpoints.committed(connection, health);
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
        if is_unwritten(&error) || is_locked(&error) {
            Fate::Refused(format!("nothing was written: {error}"))
        } else {
            stopped(health, format!("a transaction was lost: {error}"))
        }
    };
    types::failpoint!(BeforeTransaction);
    if let Err(error) = execute(connection, "BEGIN IMMEDIATE") {
        return before_commit(error);
    }
    if !is_sound(connection, batch)
        && let Err(error) = apply_one_by_one(connection, batch)
    {
        return before_commit(error);
    }
    types::failpoint!(BeforeCommit);
    match execute(connection, "COMMIT") {
        Ok(()) => {
            types::failpoint!(AfterCommit);
            health.committed();
            Fate::Committed
        }
        Err(error) if is_unwritten(&error) => before_commit(error),
        Err(error) => stopped(health, format!("a commit failed: {error}")),
    }
}

/// Whether it is a write that the disk did not take, and no fsync.
pub(super) fn is_unwritten(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi::{SQLITE_FULL, SQLITE_IOERR_WRITE};
    let code = error.sqlite_error().map(|error| error.extended_code);
    code == Some(SQLITE_FULL) || code == Some(SQLITE_IOERR_WRITE)
}

fn is_locked(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn stopped(health: &Health, why: String) -> Fate {
    health.stop(why.clone());
    Fate::Stopped(why)
}

/// Applies a batch; false where one had changed something before it was refused, or failed.
fn is_sound(connection: &Connection, batch: &mut [Box<dyn Write>]) -> bool {
    batch.iter_mut().all(|write| {
        let changes = connection.total_changes();
        match write.apply(connection) {
            Ok(()) => true,
            Err(None) => connection.total_changes() == changes,
            Err(Some(_)) => false,
        }
    })
}

fn apply_one_by_one(connection: &Connection, batch: &mut [Box<dyn Write>]) -> Result<(), rusqlite::Error> {
    if !connection.is_autocommit() {
        execute(connection, "ROLLBACK")?;
    }
    execute(connection, "BEGIN IMMEDIATE")?;
    batch.iter_mut().try_for_each(|write| apply(connection, write.as_mut()))
}

/// Err where the whole transaction is lost.
fn apply(connection: &Connection, write: &mut dyn Write) -> Result<(), rusqlite::Error> {
    execute(connection, "SAVEPOINT one")?;
    if let Err(error) = write.apply(connection) {
        if connection.is_autocommit() {
            // SQLite has undone everything, not only this write.
            let error = error.unwrap_or_else(|| rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR));
            return Err(rusqlite::Error::SqliteFailure(error, None));
        }
        execute(connection, "ROLLBACK TO one")?;
    }
    execute(connection, "RELEASE one")
}

fn execute(connection: &Connection, sql: &str) -> Result<(), rusqlite::Error> {
    connection.prepare_cached(sql)?.execute([]).map(|_| ())
}
