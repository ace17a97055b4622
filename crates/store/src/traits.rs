//! The contract of a store. Every method that touches a tenant's data takes the project first; there is no query
//! without it, and a foreign id and a missing one give the same answer. The exceptions are named: `begin_epoch`,
//! `unfinished`, `due_timers` and `key_by_hash`, which the server itself asks.
//!
//! Answers come after the commit: whatever a method returned as done survives a crash of the machine.

use crate::RowsChange;
use std::sync::Arc;
use types::{
    BoxFuture, Door, Encoded, Epoch, Head, ItemId, KeyId, MicroUsd, ProjectId, Seq, SessionId, SessionSettings,
    Timestamp, TurnId,
};

/// Where everything is kept.
pub trait Store: Send + Sync + 'static {
    /// Takes the next epoch for this node. From here on, appends that carry an older one are refused.
    fn begin_epoch(&self) -> BoxFuture<'_, Result<Epoch, Error>>;

    /// Appends records and makes the side writes, all or nothing. `expected` is the seq of the last record that the
    /// caller knows (0 for a session that does not exist yet); records get the numbers after it.
    ///
    /// The first append of a session brings its head and settings. The time against which an idempotency key expires is
    /// the newest that the records carry, else the head's `last_active_at`.
    ///
    /// Checks, in this order: the epoch (any but the newest: `Fenced`), `Deleted`, `Moved`, the base (`NoBase`,
    /// `TooDeep`), then the side writes as they stand (`IdempotencyTaken`, `OverBudget`).
    ///
    /// Waiting appends of different sessions may share a transaction; one that is refused does not spoil the others.
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Seq, AppendError>>;

    /// Records of a session in order of their seq, each checked against its body's hash (`Damaged`); of a fork, the shared
    /// ones before its own. None for a session that is deleted, like for one that never was; so do `turn_seq` and
    /// `item_seq`.
    fn log(
        &self,
        project: &ProjectId,
        session: &SessionId,
        query: LogQuery,
    ) -> BoxFuture<'_, Result<Vec<Stored>, Error>>;

    /// The seq of the record that introduced a turn (`turn_created`) or a listed item, for cursors.
    fn turn_seq(
        &self,
        project: &ProjectId,
        session: &SessionId,
        turn: &TurnId,
    ) -> BoxFuture<'_, Result<Option<Seq>, Error>>;
    fn item_seq(
        &self,
        project: &ProjectId,
        session: &SessionId,
        item: &ItemId,
    ) -> BoxFuture<'_, Result<Option<Seq>, Error>>;

    /// A session's head; None where it never was or is deleted. Settings may hold megabytes of tools: whoever does not want
    /// them does not ask for them.
    fn head(&self, project: &ProjectId, session: &SessionId) -> BoxFuture<'_, Result<Option<Head>, Error>>;

    /// A session's head and settings; None where it never was or is deleted.
    fn session(&self, project: &ProjectId, session: &SessionId) -> BoxFuture<'_, Result<Option<HeadRow>, Error>>;

    /// Sessions of a project by their creation. `Page::after` names a session, deleted ones too.
    /// `Err(Error::NoSuchCursor)` where it never was.
    fn sessions(
        &self,
        project: &ProjectId,
        filter: SessionFilter,
        page: Page,
    ) -> BoxFuture<'_, Result<(Vec<HeadRow>, bool), Error>>;

    /// Marks a session as deleted (a tombstone row stays), if its head is still at `expected`. True where it is deleted
    /// now or was before; false where it never was. `AppendError::Moved` where the head moved. Its forks keep the records
    /// that they share with it.
    fn delete_session(
        &self,
        project: &ProjectId,
        session: &SessionId,
        expected: Seq,
        epoch: Epoch,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<bool, AppendError>>;

    /// Whether the session was deleted (as against never having been).
    fn is_deleted(&self, project: &ProjectId, session: &SessionId) -> BoxFuture<'_, Result<bool, Error>>;

    /// Every session whose head says `needs_work`, all projects: what start-up goes through.
    fn unfinished(&self) -> BoxFuture<'_, Result<Vec<(ProjectId, SessionId)>, Error>>;

    /// The remembered answer to an Idempotency-Key, if it has not expired.
    fn idempotency(
        &self,
        project: &ProjectId,
        route: &str,
        session: &SessionId,
        key: &str,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Option<Idempotency>, Error>>;

    /// An account's standing; None where nothing was ever booked and no limit set.
    fn account(&self, project: &ProjectId, account: &str) -> BoxFuture<'_, Result<Option<Account>, Error>>;

    /// Writes a row of a collection (agents, later vaults, templates, …). `insert` refuses to replace
    /// (`Exists`). A row keeps its first `created_at`. The id of a deleted row is used up: `Exists` with and without
    /// `insert`, so that an update that lost the race against a delete brings nothing back.
    fn put_row(&self, project: &ProjectId, row: Row, insert: bool) -> BoxFuture<'_, Result<(), Error>>;
    /// A row that is not deleted.
    fn row(&self, project: &ProjectId, collection: &str, id: &str) -> BoxFuture<'_, Result<Option<Row>, Error>>;
    /// Rows by creation. `Page::after` names a row, deleted ones too; `Err(Error::NoSuchCursor)` where it never was.
    fn rows(&self, project: &ProjectId, collection: &str, page: Page)
    -> BoxFuture<'_, Result<(Vec<Row>, bool), Error>>;
    /// Deletes a row, leaving a tombstone. False where there was none.
    fn delete_row(
        &self,
        project: &ProjectId,
        collection: &str,
        id: &str,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<bool, Error>>;

    /// Changes rows and what blobs they name, all or nothing. `Exists` as at `put_row`; a row to delete that is not there is
    /// passed over. The bodies of forgotten blobs go, unless a record names them: nobody else may be about to name them.
    fn change_rows(&self, project: &ProjectId, change: RowsChange) -> BoxFuture<'_, Result<(), Error>>;

    /// The key with this hash, revoked or not. It tells the project, so it cannot take one.
    fn key_by_hash(&self, hash: &str) -> BoxFuture<'_, Result<Option<KeyRow>, Error>>;
    /// `Err(Exists)` where the id or the hash is taken.
    fn put_key(&self, key: KeyRow) -> BoxFuture<'_, Result<(), Error>>;
    /// All projects, by creation.
    fn keys(&self) -> BoxFuture<'_, Result<Vec<KeyRow>, Error>>;
    /// False where there is no such key. A key is revoked once: its first moment stays.
    fn revoke_key(&self, id: &KeyId, at: Timestamp) -> BoxFuture<'_, Result<bool, Error>>;

    /// Timers that are due, all projects, oldest first.
    fn due_timers(&self, now: Timestamp) -> BoxFuture<'_, Result<Vec<DueTimer>, Error>>;

    /// Keeps a body under its content hash, durable before it returns. Writing it again costs nothing. One that no row
    /// (`change_rows`) and no record (`SideWrite::Blob`) comes to name may be gone after the next start.
    fn put_blob(&self, project: &ProjectId, body: Vec<u8>) -> BoxFuture<'_, Result<BlobHash, Error>>;
    fn blob(&self, project: &ProjectId, hash: &BlobHash) -> BoxFuture<'_, Result<Option<Vec<u8>>, Error>>;

    /// Walks a session's log and checks its hash chain against every body, of a deleted session too. The seq of the last
    /// record; 0 for a session that never was. `Err(Damaged)` names the first record that does not fit.
    fn verify(&self, project: &ProjectId, session: &SessionId) -> BoxFuture<'_, Result<Seq, Error>>;

    /// Whether the store can still write: false for ever after a failed commit or fsync, which is never retried.
    fn is_healthy(&self) -> bool;
}

/// Whose timer, and when it was due.
pub type DueTimer = (ProjectId, SessionId, Timestamp);

/// One append.
#[derive(Clone, PartialEq, Debug)]
pub struct Append {
    pub project: ProjectId,
    pub session: SessionId,
    pub epoch: Epoch,
    /// Its moment: what idempotency keys expire by. The store has no clock.
    pub at: Timestamp,
    pub expected: Seq,
    /// Only with a session's first append: it is a fork of this session of the same project, whose records up to the seq
    /// are its own too and stand before its first one. `expected` is then that seq.
    pub base: Option<(SessionId, Seq)>,
    pub records: Vec<Encoded>,
    pub side: Vec<SideWrite>,
}

/// What is written in the same transaction as the records.
#[derive(Clone, PartialEq, Debug)]
pub enum SideWrite {
    /// The session's head after these records; `settings` only where they changed (always with the first).
    Head { head: Box<Head>, settings: Option<Box<SessionSettings>> },
    /// The answer to remember under a key until `expires`. Refused with `AppendError::IdempotencyTaken` where another is
    /// remembered.
    Idempotency { route: String, key: String, answer: Idempotency, expires: Timestamp },
    /// Conditional: `spent + reserved + amount <= limit`. Idempotent by `key`.
    Reserve { account: String, key: String, amount: MicroUsd },
    /// Ends a reservation (if there is one under `key`) and books what was really spent. Idempotent by `key`.
    Settle { account: String, key: String, spent: MicroUsd },
    /// Sets or removes an account's limit.
    Limit { account: String, limit: Option<MicroUsd> },
    /// One wake-up a session: replaces the one before; None removes it.
    Timer { at: Option<Timestamp> },
    /// A blob (`put_blob`) that these records name: it stays as long as they do, and is in every backup.
    Blob { hash: BlobHash },
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogQuery {
    /// Exclusive.
    pub after: Seq,
    /// Exclusive; None for no bound.
    pub before: Option<Seq>,
    pub direction: Direction,
    /// At most this many.
    pub limit: usize,
    /// Only these kinds; empty for all.
    pub kinds: Vec<&'static str>,
    pub turn: Option<TurnId>,
    /// Only records of items that lists show.
    pub listed_items: bool,
}

impl LogQuery {
    /// Everything after `after`, in order.
    pub fn after(after: Seq) -> Self {
        Self {
            after,
            before: None,
            direction: Direction::Ascending,
            limit: usize::MAX,
            kinds: Vec::new(),
            turn: None,
            listed_items: false,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    Ascending,
    Descending,
}

/// A record with its place and its link in the hash chain (SHA-256, hex).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stored {
    pub seq: Seq,
    pub record: Encoded,
    pub hash: String,
}

/// Part of a list; the answer says whether more follows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// Exclusive, in the direction of the list.
    pub after: Option<String>,
    pub limit: usize,
    pub direction: Direction,
}

#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct SessionFilter {
    /// Only sessions of this door.
    pub door: Door,
    pub agent_id: Option<String>,
    /// All pairs must match.
    pub metadata: Vec<(String, String)>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct HeadRow {
    pub head: Head,
    pub settings: Arc<SessionSettings>,
}

/// The remembered answer to a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Idempotency {
    /// SHA-256 of the request's body, hex.
    pub body_hash: String,
    pub status: u16,
    pub body: Vec<u8>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Account {
    pub spent: MicroUsd,
    pub reserved: MicroUsd,
    pub limit: Option<MicroUsd>,
}

/// A row of a collection: an id and a JSON body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    pub collection: String,
    pub id: String,
    pub created_at: Timestamp,
    pub body: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyRow {
    pub id: KeyId,
    pub project: ProjectId,
    /// SHA-256 of the key, hex. The key itself is nowhere.
    pub hash: String,
    /// The first characters of the key, for lists.
    pub hint: String,
    /// Empty for all scopes.
    pub scopes: Vec<String>,
    pub created_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
}

/// SHA-256 of a body, hex.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct BlobHash(pub String);

#[derive(thiserror::Error, Debug)]
pub enum Error {
    /// The store stopped after a failed commit or fsync; the process should answer 503 and exit.
    #[error("the store has stopped: {0}")]
    Stopped(String),
    #[error("the store failed: {0}")]
    Failed(String),
    /// The cursor names nothing that ever was.
    #[error("no such cursor")]
    NoSuchCursor,
    /// A row with that id is there already.
    #[error("already there")]
    Exists,
    /// What is stored is not what was written.
    #[error("record {seq} of the session is damaged: {what}")]
    Damaged { seq: Seq, what: String },
}

#[derive(thiserror::Error, Debug)]
pub enum AppendError {
    /// The head is elsewhere: another writer was here.
    #[error("the head is at {head}")]
    Moved { head: Seq },
    /// A newer node has taken over.
    #[error("this node's epoch has passed")]
    Fenced,
    #[error("account {account} has no room")]
    OverBudget { account: String },
    #[error("the idempotency key is taken")]
    IdempotencyTaken,
    #[error("the session is deleted")]
    Deleted,
    /// What a fork would stand on is not there: the session never was or is deleted, or no record of it has that seq.
    #[error("session {session} has no such record to stand on")]
    NoBase { session: SessionId },
    /// The log would have more than [`MAX_SEGMENTS`](crate::MAX_SEGMENTS) segments.
    #[error("the chain of forks is too long")]
    TooDeep,
    #[error(transparent)]
    Store(#[from] Error),
}
