//! A store in memory: for what need not outlive the process. It keeps the contract of the one on disk in all but that,
//! and gives back what is deleted: a deleted session's records, answers, bookings and timer are gone at once, unless a
//! fork stands on them; of the session itself a tombstone stays for a while.
//!
//! [`Memory`] is what is kept, without locks, time or tasks; [`Access`] how one comes to it, and every `Access` is a
//! [`Store`](crate::Store). [`MemoryStore`] comes to it at once; `sim` takes its time, and fails.

mod access;
mod append;
mod lists;
mod log;
mod restore;
mod rows;
mod sessions;
#[cfg(test)]
mod tests;

pub use access::Access;

use self::rows::RowEntry;
use self::sessions::{Place, Session, Tombs};
use crate::{Account, BlobHash, Error, HeadRow, Idempotency, KeyRow, Stored};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use types::{Epoch, MicroUsd, ProjectId, Seq, SessionId, Timestamp};

/// A [`Store`](crate::Store) that is there as long as this value is.
pub struct MemoryStore {
    memory: Mutex<Memory>,
}

impl MemoryStore {
    /// One that takes about so many bytes and then refuses what would add to them, until something is deleted.
    pub fn new(bytes: usize) -> Self {
        Self { memory: Mutex::new(Memory::bounded(Bounds { bytes, tombstones: TOMBSTONES })) }
    }

    /// What is kept now, in bytes, as it is counted against the bound.
    pub fn bytes(&self) -> usize {
        self.memory().bytes
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Access for MemoryStore {
    async fn write<T, E>(&self, work: impl FnOnce(&mut Memory) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        work(&mut self.memory())
    }

    async fn read<T: Send>(&self, work: impl FnOnce(&Memory) -> Result<T, Error> + Send) -> Result<T, Error> {
        work(&self.memory())
    }

    fn is_healthy(&self) -> bool {
        true
    }
}

/// Deleted sessions and rows that are remembered, so that a second delete and a page that begins there find them.
const TOMBSTONES: usize = 4096;

/// How much is kept.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    bytes: usize,
    tombstones: usize,
}

/// Project, route, session, key.
type RequestName = (ProjectId, String, SessionId, String);
type AccountName = (ProjectId, String);
type SessionName = (ProjectId, SessionId);
type RowName = (ProjectId, String, String);

/// What is kept, in ordered maps: whoever walks it does so in the same order each time.
#[derive(Clone, Default)]
pub struct Memory {
    /// None keeps everything, what is deleted too.
    bounds: Option<Bounds>,
    bytes: usize,
    epoch: Epoch,
    sessions: BTreeMap<SessionName, Session>,
    tombs: Tombs,
    /// Orders what was created at the same moment.
    insertions: u64,
    answers: BTreeMap<RequestName, (Idempotency, Timestamp)>,
    /// The same, by when they expire.
    expiries: BTreeSet<(Timestamp, RequestName)>,
    accounts: BTreeMap<AccountName, Booked>,
    reservations: BTreeMap<(AccountName, String), Reservation>,
    timers: BTreeMap<SessionName, Timestamp>,
    rows: BTreeMap<RowName, RowEntry>,
    keys: Vec<KeyRow>,
    blobs: BTreeMap<(ProjectId, BlobHash), Vec<u8>>,
    /// How many sessions' records name each of them, where any does.
    named: BTreeMap<(ProjectId, BlobHash), usize>,
    taken_from_old_nodes: Vec<(SessionId, Epoch, Epoch)>,
    refused_to_old_nodes: u64,
}

/// An account, and how many of the sessions that are there have booked on it: it goes with the last of them.
#[derive(Clone, Copy, Default)]
struct Booked {
    account: Account,
    sessions: usize,
}

#[derive(Clone, Copy)]
struct Reservation {
    amount: MicroUsd,
    settled: bool,
}

/// A session as it is kept.
pub struct Kept<'a> {
    pub project: &'a ProjectId,
    pub session: &'a SessionId,
    pub row: &'a HeadRow,
    pub deleted: bool,
    /// What a fork stands on.
    pub base: Option<(&'a SessionId, Seq)>,
    /// Its own records, without those that it shares.
    pub own: &'a [Stored],
}

impl Memory {
    fn bounded(bounds: Bounds) -> Self {
        Self { bounds: Some(bounds), ..Self::default() }
    }

    fn place(&mut self, created_at: Timestamp) -> Place {
        self.insertions += 1;
        (created_at, self.insertions)
    }

    fn begin_epoch(&mut self) -> Epoch {
        self.epoch = Epoch(self.epoch.0 + 1);
        self.epoch
    }

    /// Err where so much more would be too much. What has begun may have the last eighth, so that it can end.
    fn make_room(&self, bytes: usize, is_new: bool) -> Result<(), Error> {
        let Some(bounds) = self.bounds else { return Ok(()) };
        let most = if is_new { bounds.bytes - bounds.bytes / 8 } else { bounds.bytes };
        if self.bytes.saturating_add(bytes) <= most {
            return Ok(());
        }
        Err(Error::Failed("the store in memory is full for now".to_owned()))
    }

    // ---- for those who look at all of it

    /// Every session, deleted ones too where they are kept.
    pub fn kept(&self) -> impl Iterator<Item = Kept<'_>> {
        self.sessions.iter().map(|((project, session), kept)| Kept {
            project,
            session,
            row: &kept.row,
            deleted: kept.deleted,
            base: kept.base.as_ref().map(|base| (&base.session, base.seq)),
            own: &kept.records,
        })
    }

    pub fn account(&self, project: &ProjectId, account: &str) -> Option<Account> {
        self.accounts.get(&(project.clone(), account.to_owned())).map(|booked| booked.account)
    }

    /// Reservations that were never settled: account and amount.
    pub fn unsettled(&self) -> impl Iterator<Item = (&str, MicroUsd)> {
        let open = self.reservations.iter().filter(|(_, reservation)| !reservation.settled);
        open.map(|(((_, account), _), reservation)| (account.as_str(), reservation.amount))
    }

    /// Appends that were taken from a node that was not the newest: its epoch and the newest one. There is none, unless the
    /// check for it is broken.
    pub fn taken_from_old_nodes(&self) -> &[(SessionId, Epoch, Epoch)] {
        &self.taken_from_old_nodes
    }

    /// Appends that were refused because a newer node had begun.
    pub fn refused_to_old_nodes(&self) -> u64 {
        self.refused_to_old_nodes
    }
}
