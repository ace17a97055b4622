//! The database file: its settings, its tables, and the way from an older form to the newest. Forward only: a database
//! that a newer outcrop has touched is refused.

use super::conversion;
use crate::Error;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use std::path::Path;
use std::time::Duration;

/// One step a version; the number of steps taken is the file's `user_version`. Only ever added to.
const MIGRATIONS: [&str; 3] = [FIRST, SECOND, THIRD];

/// Marks the file as ours: "outc".
pub(super) const APPLICATION: i64 = 0x6f75_7463;

/// Marks a backup of ours: "outb".
pub(super) const BACKUP: i64 = 0x6f75_7462;

/// How long a connection waits for another process's transaction.
const PATIENCE: Duration = Duration::from_secs(10);

/// `sessions.ord` and `rows.ord` are the order of insertion; tombstones stay, so that numbers are never used again.
/// Settings stand beside the head, because a rewritten head would otherwise drag megabytes of tools along.
pub(super) const FIRST: &str = "
CREATE TABLE node (one INTEGER PRIMARY KEY CHECK (one = 1), epoch INTEGER NOT NULL) STRICT;
INSERT INTO node VALUES (1, 0);

CREATE TABLE records (
  project TEXT NOT NULL, session TEXT NOT NULL, seq INTEGER NOT NULL,
  v INTEGER NOT NULL, kind TEXT NOT NULL, turn_id TEXT, item_id TEXT, at INTEGER NOT NULL,
  body BLOB, blob_size INTEGER, body_hash BLOB NOT NULL, hash BLOB NOT NULL,
  PRIMARY KEY (project, session, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX records_turn ON records (project, session, turn_id, seq) WHERE turn_id IS NOT NULL;
CREATE INDEX records_item ON records (project, session, item_id, seq) WHERE item_id IS NOT NULL;
CREATE INDEX records_listed ON records (project, session, seq) WHERE item_id IS NOT NULL;
CREATE INDEX records_created_turns ON records (project, session, seq) WHERE kind = 'turn_created';
CREATE INDEX records_blob ON records (body_hash, project) WHERE blob_size IS NOT NULL;

CREATE TABLE sessions (
  ord INTEGER PRIMARY KEY, project TEXT NOT NULL, id TEXT NOT NULL, created_at INTEGER NOT NULL,
  agent_id TEXT NOT NULL, needs_work INTEGER NOT NULL, deleted_at INTEGER,
  seq INTEGER NOT NULL, hash BLOB NOT NULL, head BLOB NOT NULL,
  UNIQUE (project, id)
) STRICT;
CREATE INDEX sessions_created ON sessions (project, created_at, ord) WHERE deleted_at IS NULL;
CREATE INDEX sessions_agent ON sessions (project, agent_id, created_at, ord) WHERE deleted_at IS NULL;
CREATE INDEX sessions_work ON sessions (ord) WHERE needs_work = 1;
CREATE TABLE session_settings (session INTEGER PRIMARY KEY, settings BLOB NOT NULL) STRICT;
CREATE TABLE session_metadata (
  session INTEGER NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, project TEXT NOT NULL, created_at INTEGER NOT NULL,
  PRIMARY KEY (session, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX session_metadata_value ON session_metadata (project, key, value, created_at, session);

CREATE TABLE idempotency (
  project TEXT NOT NULL, route TEXT NOT NULL, session TEXT NOT NULL, key TEXT NOT NULL,
  body_hash TEXT NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL, expires INTEGER NOT NULL,
  UNIQUE (project, route, session, key)
) STRICT;
CREATE INDEX idempotency_expires ON idempotency (expires);

CREATE TABLE accounts (
  project TEXT NOT NULL, account TEXT NOT NULL,
  spent INTEGER NOT NULL, reserved INTEGER NOT NULL, \"limit\" INTEGER,
  PRIMARY KEY (project, account)
) STRICT, WITHOUT ROWID;
CREATE TABLE reservations (
  project TEXT NOT NULL, account TEXT NOT NULL, key TEXT NOT NULL, amount INTEGER NOT NULL, settled INTEGER,
  PRIMARY KEY (project, account, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE timers (
  project TEXT NOT NULL, session TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (project, session)
) STRICT, WITHOUT ROWID;
CREATE INDEX timers_at ON timers (at);

CREATE TABLE rows (
  ord INTEGER PRIMARY KEY, project TEXT NOT NULL, collection TEXT NOT NULL, id TEXT NOT NULL,
  created_at INTEGER NOT NULL, deleted_at INTEGER, body BLOB NOT NULL,
  UNIQUE (project, collection, id)
) STRICT;
CREATE INDEX rows_created ON rows (project, collection, created_at, ord) WHERE deleted_at IS NULL;

CREATE TABLE keys (
  ord INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, project TEXT NOT NULL, hash TEXT NOT NULL UNIQUE,
  hint TEXT NOT NULL, scopes TEXT NOT NULL, created_at INTEGER NOT NULL, revoked_at INTEGER
) STRICT;

CREATE TABLE blobs (
  hash TEXT NOT NULL, project TEXT NOT NULL, size INTEGER NOT NULL,
  PRIMARY KEY (hash, project)
) STRICT, WITHOUT ROWID;
";

/// A log as rows of many records, in the order of their writing, so that pages stay full; by their session's number, so
/// that its name is not repeated. `conversion` fills them and takes the older tables away.
const SECOND: &str = "
CREATE TABLE batches (
  ord INTEGER PRIMARY KEY, session INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL,
  hash BLOB NOT NULL, data BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX batches_place ON batches (session, last);
CREATE TABLE marks (
  session INTEGER NOT NULL, mark INTEGER NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (session, mark, last)
) STRICT, WITHOUT ROWID;
CREATE TABLE record_blobs (
  hash BLOB NOT NULL, session INTEGER NOT NULL, PRIMARY KEY (hash, session)
) STRICT, WITHOUT ROWID;
CREATE TABLE answers (
  ord INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, body_hash BLOB NOT NULL, status INTEGER NOT NULL,
  body BLOB NOT NULL, expires INTEGER NOT NULL
) STRICT;
";

/// Forks: whose records a session's log begins with, up to which seq, the link there, and how many segments lie below its
/// own. And whose door a session belongs to: lists are of one.
const THIRD: &str = "
ALTER TABLE sessions ADD COLUMN base INTEGER;
ALTER TABLE sessions ADD COLUMN base_seq INTEGER;
ALTER TABLE sessions ADD COLUMN base_hash BLOB;
ALTER TABLE sessions ADD COLUMN depth INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN door TEXT NOT NULL DEFAULT 'agents';
DROP INDEX sessions_created;
DROP INDEX sessions_agent;
CREATE INDEX sessions_created ON sessions (project, door, created_at, ord) WHERE deleted_at IS NULL;
CREATE INDEX sessions_agent ON sessions (project, door, agent_id, created_at, ord) WHERE deleted_at IS NULL;
";

/// Opens the file for writing, makes it if it is not there, and brings it to the newest form. `may_migrate` is asked
/// only where the form would change.
pub(super) fn open(file: &Path, may_migrate: impl FnOnce() -> Result<(), Error>) -> Result<Connection, Error> {
    let mut connection = Connection::open(file)?;
    connection.busy_timeout(PATIENCE)?;
    refuse_foreign(&connection, file)?;
    // Page size and vacuum mode are fixed by the first table; on a database that has one these do nothing.
    connection.execute_batch("PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL;")?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))?;
    // Checkpoints are ours (`checkpoint`): SQLite's own would hide a failed fsync and try it again.
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -65536; PRAGMA journal_size_limit = 67108864;",
    )?;
    migrate(&mut connection, file, may_migrate)?;
    prepare_once(&connection)?;
    Ok(connection)
}

/// Copies all of the write-ahead log into the database and empties it. The process before may have ended because an
/// fsync of the log failed: the kernel then shows frames that the disk does not have, takes them for clean, and would
/// never write them; whatever were appended behind them would be lost with the power. The database's own pages are
/// written anew here, and synced.
pub(super) fn settle(connection: &Connection) -> Result<(), Error> {
    if connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))? {
        tracing::warn!("another process reads the database for long: its log could not be emptied");
    }
    Ok(())
}

/// Statements are kept, and planned without a look at what is bound to them: otherwise some would be planned anew with
/// every value.
fn prepare_once(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.set_prepared_statement_cache_capacity(96);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(|_| ())
}

/// The connection that copies the write-ahead log into the database. The file must have been opened for writing before.
pub(super) fn open_copier(file: &Path) -> Result<Connection, Error> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(PATIENCE)?;
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;")?;
    Ok(connection)
}

/// A connection that only reads. The file must have been opened for writing before.
pub(super) fn open_reader(file: &Path) -> Result<Connection, Error> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.busy_timeout(PATIENCE)?;
    connection.execute_batch("PRAGMA query_only = 1; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384;")?;
    prepare_once(&connection)?;
    Ok(connection)
}

fn version(connection: &Connection) -> Result<usize, rusqlite::Error> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}

/// Somebody else's file is not written to, not even a pragma.
fn refuse_foreign(connection: &Connection, file: &Path) -> Result<(), Error> {
    let application: i64 =
        connection.query_row("PRAGMA application_id", [], |row| row.get(0)).map_err(foreign(file))?;
    let objects: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(foreign(file))?;
    if application == APPLICATION || (application == 0 && objects == 0) {
        return Ok(());
    }
    if application == BACKUP {
        return Err(Error::Failed(format!("{} is a backup: `outcrop restore` makes it a store", file.display())));
    }
    Err(Error::Failed(format!("{} is another program's database, not outcrop's", file.display())))
}

/// Err where the file is no backup of a form that this binary knows.
pub(super) fn refuse_no_backup(connection: &Connection, file: &Path) -> Result<(), Error> {
    let application: i64 =
        connection.query_row("PRAGMA application_id", [], |row| row.get(0)).map_err(foreign(file))?;
    if application != BACKUP {
        return Err(Error::Failed(format!("{} is no backup that `outcrop backup` made", file.display())));
    }
    refuse_newer(version(connection).map_err(foreign(file))?, file)
}

fn refuse_newer(version: usize, file: &Path) -> Result<(), Error> {
    if version <= MIGRATIONS.len() {
        return Ok(());
    }
    Err(Error::Failed(format!(
        "{} was written by a newer outcrop (schema {version}; this one knows up to {}): use the newer one",
        file.display(),
        MIGRATIONS.len()
    )))
}

fn foreign(file: &Path) -> impl Fn(rusqlite::Error) -> Error + use<'_> {
    move |error| {
        let why = match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => "cannot be read as a database",
            _ => "cannot be opened; is the disk full or broken?",
        };
        Error::Failed(format!("{} {why}: {error}", file.display()))
    }
}

fn migrate(
    connection: &mut Connection,
    file: &Path,
    may_migrate: impl FnOnce() -> Result<(), Error>,
) -> Result<(), Error> {
    let mut at = version(connection)?;
    if at < MIGRATIONS.len() {
        may_migrate()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process may have been faster.
        at = version(&transaction)?;
        for (done, migration) in MIGRATIONS.iter().enumerate().skip(at) {
            transaction.execute_batch(migration)?;
            if *migration == SECOND {
                conversion::convert(&transaction)?;
            }
            transaction.pragma_update(None, "user_version", done as i64 + 1)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.commit()?;
    }
    refuse_newer(at, file)
}
