//! One append, inside the writer's transaction: what it says is checked against what is there, then written.
//!
//! What costs time and needs no transaction (hashes, JSON, packing) is done before, on the caller's thread: [`Prepared`].

use super::batch::{self, Entry, Owner};
use super::fault::Fault;
use super::lineage::{self, Base};
use super::log::{self, mark};
use super::sessions::{self, Found, HeadColumns};
use super::{idempotency, money, timers};
use crate::chain::{self, GENESIS, Hash};
use crate::{Append, AppendError, Error, SideWrite};
use rusqlite::{Connection, params};
use std::collections::BTreeSet;
use types::{Epoch, ProjectId, Seq, SessionId, Timestamp};

/// An append that is ready for the writer.
pub(super) struct Prepared {
    project: ProjectId,
    session: SessionId,
    epoch: Epoch,
    expected: Seq,
    base: Option<(SessionId, Seq)>,
    at: Timestamp,
    entries: Vec<Entry>,
    blobs: Vec<(Hash, Vec<u8>)>,
    /// The entries as a row, without their links.
    data: Vec<u8>,
    head: Option<HeadColumns>,
    side: Vec<SideWrite>,
}

impl Prepared {
    /// Err where a head cannot be written as JSON.
    pub(super) fn new(append: Append) -> Result<Self, Error> {
        let Append { project, session, epoch, at, expected, base, records, side } = append;
        let mut entries: Vec<Entry> = records.into_iter().map(Entry::new).collect();
        let blobs = entries.iter_mut().filter_map(Entry::take_blob).collect();
        let data = batch::pack(&session, &mut entries);
        let mut columns = None;
        let mut rest = Vec::with_capacity(side.len());
        for write in side {
            match write {
                SideWrite::Head { head, settings } => columns = Some(HeadColumns::new(&head, settings.as_deref())?),
                other => rest.push(other),
            }
        }
        Ok(Self { project, session, epoch, expected, base, at, entries, blobs, data, head: columns, side: rest })
    }

    /// The bodies that must be in the blob folder before the records name them.
    pub(super) fn take_blobs(&mut self) -> Vec<(Hash, Vec<u8>)> {
        std::mem::take(&mut self.blobs)
    }

    pub(super) fn project(&self) -> &ProjectId {
        &self.project
    }

    pub(super) fn write(&mut self, connection: &Connection) -> Result<Seq, Fault<AppendError>> {
        check_epoch(connection, self.epoch)?;
        let found = sessions::find(connection, &self.project, &self.session)?;
        let head = match (&found, &self.base) {
            (Some(found), _) if found.deleted => return Err(AppendError::Deleted.into()),
            (Some(found), _) => found.seq,
            (None, Some((_, seq))) => *seq,
            (None, None) => Seq(0),
        };
        if head != self.expected || (found.is_some() && self.base.is_some()) {
            return Err(AppendError::Moved { head }.into());
        }
        let base = match &self.base {
            Some((parent, seq)) => Some(lineage::base_at(connection, &self.project, parent, *seq)?),
            None => None,
        };
        let before = found.as_ref().map(|found| found.hash).or(base.map(|base| base.hash)).unwrap_or(GENESIS);
        for write in &self.side {
            self.write_side(connection, write)?;
        }
        let seq = Seq(head.0 + self.entries.len() as u64);
        let owner = Owner { project: &self.project, session: &self.session };
        let hash = owner.link(before, head.next(), &self.entries, &mut self.data);
        let session = self.write_head(connection, found.as_ref(), base.as_ref(), (seq, &hash))?;
        if let (Some(session), false) = (session, self.entries.is_empty()) {
            insert(connection, session, seq, &hash, &self.entries, &self.data)?;
            self.name_blobs(connection, session)?;
        }
        Ok(seq)
    }

    fn name_blobs(&self, connection: &Connection, session: i64) -> Result<(), Fault<AppendError>> {
        for write in &self.side {
            let SideWrite::Blob { hash } = write else { continue };
            let none = || AppendError::from(Error::Failed(format!("{} names no blob", hash.0)));
            let hash = chain::of_hex(&hash.0).ok_or_else(none)?;
            name_blob(connection, &hash, session)?;
        }
        Ok(())
    }

    fn write_side(&self, connection: &Connection, write: &SideWrite) -> Result<(), Fault<AppendError>> {
        let Self { project, session, at, .. } = self;
        match write {
            // Under the session's number, which a new one has only with its head.
            SideWrite::Head { .. } | SideWrite::Blob { .. } => Ok(()),
            SideWrite::Idempotency { route, key, answer, expires } => {
                idempotency::remember(connection, project, route, session, key, answer, *expires, *at)
            }
            SideWrite::Reserve { account, key, amount } => money::reserve(connection, project, account, key, *amount),
            SideWrite::Settle { account, key, spent } => Ok(money::settle(connection, project, account, key, *spent)?),
            SideWrite::Limit { account, limit } => Ok(money::limit(connection, project, account, *limit)?),
            SideWrite::Timer { at } => Ok(timers::set(connection, project, session, *at)?),
        }
    }

    /// The number of the session's row, where there is one.
    fn write_head(
        &self,
        connection: &Connection,
        found: Option<&Found>,
        base: Option<&Base>,
        (seq, hash): (Seq, &Hash),
    ) -> Result<Option<i64>, Fault<AppendError>> {
        match (found, &self.head) {
            (Some(found), Some(head)) => sessions::update(connection, &self.project, found, head, seq, hash)?,
            (Some(_), None) if self.entries.is_empty() => {}
            (Some(found), None) => sessions::advance(connection, found, seq, hash)?,
            (None, Some(head)) => {
                return sessions::insert(connection, &self.project, &self.session, base, head, (seq, hash)).map(Some);
            }
            (None, None) if self.entries.is_empty() => {}
            (None, None) => {
                let session = &self.session;
                let what = format!("session {session} is not there, and its first records came without a head");
                return Err(AppendError::from(Error::Failed(what)).into());
            }
        }
        Ok(found.map(|found| found.ord))
    }
}

/// Writes a row of a session's log, and where it is found. `data` are packed and linked.
pub(super) fn insert(
    connection: &Connection,
    session: i64,
    last: Seq,
    hash: &Hash,
    entries: &[Entry],
    data: &[u8],
) -> Result<(), rusqlite::Error> {
    let last = last.0.cast_signed();
    connection
        .prepare_cached("INSERT INTO batches (session, last, count, hash, data) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![session, last, entries.len() as i64, hash, data])?;
    let mut marks = BTreeSet::new();
    for Entry { record, body_hash, blob } in entries {
        marks.extend(record.turn.as_ref().map(|turn| mark::of(turn.as_str())));
        marks.extend(record.item.as_ref().map(|item| mark::of(item.as_str())));
        marks.extend((record.kind == log::TURN_CREATED).then_some(mark::TURN_CREATED));
        if blob.is_some() {
            name_blob(connection, body_hash, session)?;
        }
    }
    let mut insert = connection.prepare_cached("INSERT INTO marks (session, mark, last) VALUES (?1, ?2, ?3)")?;
    for mark in marks {
        insert.execute([session, mark, last])?;
    }
    Ok(())
}

/// Keeps a blob for as long as the session's records.
fn name_blob(connection: &Connection, hash: &Hash, session: i64) -> Result<(), rusqlite::Error> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO record_blobs (hash, session) VALUES (?1, ?2)")?
        .execute(params![hash, session])
        .map(|_| ())
}

/// Every number but the newest is refused: an older node was fenced off, and a newer one never was.
pub(super) fn check_epoch(connection: &Connection, epoch: Epoch) -> Result<(), Fault<AppendError>> {
    let current: i64 = connection.prepare_cached("SELECT epoch FROM node")?.query_row([], |row| row.get(0))?;
    if current == epoch.0.cast_signed() { Ok(()) } else { Err(AppendError::Fenced.into()) }
}

/// The next epoch, never given before.
pub(super) fn begin_epoch(connection: &Connection) -> Result<Epoch, Fault<Error>> {
    let epoch: i64 = connection
        .prepare_cached("UPDATE node SET epoch = epoch + 1 RETURNING epoch")?
        .query_row([], |row| row.get(0))?;
    Ok(Epoch(epoch.cast_unsigned()))
}
