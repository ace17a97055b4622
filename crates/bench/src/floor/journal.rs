//! Lines in SQLite, written by one thread that takes all that wait into one transaction: WAL, `synchronous=FULL`.

use anyhow::{Result, anyhow};
use rusqlite::{Connection, params};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Pages in the write-ahead log before it is copied into the database.
const CHECKPOINT: u32 = 4096;

pub struct Line {
    pub session: String,
    pub seq: u64,
    pub body: String,
}

type Job = (Line, oneshot::Sender<bool>);

pub struct Journal {
    queue: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Journal {
    pub fn open(data: &Path) -> Result<Self> {
        std::fs::create_dir_all(data)?;
        let connection = Connection::open(data.join("floor.db"))?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.execute_batch(&format!(
            "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = {CHECKPOINT};
             CREATE TABLE IF NOT EXISTS lines (session TEXT NOT NULL, seq INTEGER NOT NULL, body TEXT NOT NULL);
             CREATE UNIQUE INDEX IF NOT EXISTS lines_place ON lines (session, seq);"
        ))?;
        let (queue, jobs) = channel();
        let thread = std::thread::spawn(move || {
            while let Ok(first) = jobs.recv() {
                serve(&connection, first, &jobs);
            }
        });
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Durable when it returns.
    pub async fn append(&self, line: Line) -> Result<()> {
        let (tell, hear) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(|| anyhow!("the writer has ended"))?;
        queue.send((line, tell)).map_err(|_| anyhow!("the writer has ended"))?;
        anyhow::ensure!(hear.await?, "the batch was lost");
        Ok(())
    }
}

impl Drop for Journal {
    /// Writes what waits, and copies the log into the database.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(connection: &Connection, first: Job, jobs: &Receiver<Job>) {
    let mut batch = vec![first];
    batch.extend(jobs.try_iter().take(511));
    let written = write(connection, &batch).is_ok();
    for (_, tell) in batch {
        // Nobody waiting is nobody's fault.
        let _ = tell.send(written);
    }
}

fn write(connection: &Connection, batch: &[Job]) -> Result<(), rusqlite::Error> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let mut insert = connection.prepare_cached("INSERT INTO lines (session, seq, body) VALUES (?1, ?2, ?3)")?;
    for (line, _) in batch {
        insert.execute(params![line.session, line.seq.cast_signed(), line.body])?;
    }
    drop(insert);
    connection.prepare_cached("COMMIT")?.execute([])?;
    Ok(())
}
