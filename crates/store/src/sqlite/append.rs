//! One append, inside the writer's transaction: what it says is checked against what is there, then written.
//!
//! What costs time and needs no transaction (hashes, JSON) is done before, on the caller's thread: [`Prepared`].

use super::fault::Fault;
use super::sessions::{self, Found, HeadColumns};
use super::{idempotency, money, timers};
use crate::chain::{self, GENESIS, Hash};
use crate::{Append, AppendError, BLOB_BYTES, Error, SideWrite};
use rusqlite::{Connection, params};
use types::{Encoded, Epoch, ProjectId, Seq, SessionId, Timestamp};

/// An append that is ready for the writer.
pub(super) struct Prepared {
    project: ProjectId,
    session: SessionId,
    epoch: Epoch,
    expected: Seq,
    at: Timestamp,
    records: Vec<Ready>,
    head: Option<HeadColumns>,
    side: Vec<SideWrite>,
}

struct Ready {
    record: Encoded,
    body_hash: Hash,
    /// Where the body stands in the blob folder.
    blob_size: Option<i64>,
}

impl Prepared {
    /// Err where a head cannot be written as JSON.
    pub(super) fn new(append: Append) -> Result<Self, Error> {
        let Append { project, session, epoch, at, expected, records, side } = append;
        let records = records
            .into_iter()
            .map(|record| Ready { body_hash: chain::of_body(&record.body), record, blob_size: None })
            .collect();
        let mut columns = None;
        let mut rest = Vec::with_capacity(side.len());
        for write in side {
            match write {
                SideWrite::Head { head, settings } => columns = Some(HeadColumns::new(&head, settings.as_deref())?),
                other => rest.push(other),
            }
        }
        Ok(Self { project, session, epoch, expected, at, records, head: columns, side: rest })
    }

    /// The bodies that must be in the blob folder before the record names them; they leave the append here.
    pub(super) fn take_blobs(&mut self) -> Vec<(Hash, Vec<u8>)> {
        let mut blobs = Vec::new();
        for ready in &mut self.records {
            if ready.blob_size.is_none() && ready.record.body.len() >= BLOB_BYTES {
                ready.blob_size = i64::try_from(ready.record.body.len()).ok();
                blobs.push((ready.body_hash, std::mem::take(&mut ready.record.body)));
            }
        }
        blobs
    }

    pub(super) fn project(&self) -> &ProjectId {
        &self.project
    }

    pub(super) fn write(self, connection: &Connection) -> Result<Seq, Fault<AppendError>> {
        check_epoch(connection, self.epoch)?;
        let found = sessions::find(connection, &self.project, &self.session)?;
        let (head, mut hash) = match &found {
            Some(found) if found.deleted => return Err(AppendError::Deleted.into()),
            Some(found) => (found.seq, found.hash),
            None => (Seq(0), GENESIS),
        };
        if head != self.expected {
            return Err(AppendError::Moved { head }.into());
        }
        for write in &self.side {
            self.write_side(connection, write)?;
        }
        let mut seq = head;
        for ready in &self.records {
            seq = seq.next();
            hash = chain::link(&hash, &self.project, &self.session, seq, &ready.record, &ready.body_hash);
            ready.insert(connection, &self.project, &self.session, seq, &hash)?;
        }
        self.write_head(connection, found.as_ref(), seq, &hash)?;
        Ok(seq)
    }

    fn write_side(&self, connection: &Connection, write: &SideWrite) -> Result<(), Fault<AppendError>> {
        let Self { project, session, at, .. } = self;
        match write {
            SideWrite::Head { .. } => Ok(()),
            SideWrite::Idempotency { route, key, answer, expires } => {
                idempotency::remember(connection, project, route, session, key, answer, *expires, *at)
            }
            SideWrite::Reserve { account, key, amount } => money::reserve(connection, project, account, key, *amount),
            SideWrite::Settle { account, key, spent } => Ok(money::settle(connection, project, account, key, *spent)?),
            SideWrite::Limit { account, limit } => Ok(money::limit(connection, project, account, *limit)?),
            SideWrite::Timer { at } => Ok(timers::set(connection, project, session, *at)?),
        }
    }

    fn write_head(
        &self,
        connection: &Connection,
        found: Option<&Found>,
        seq: Seq,
        hash: &Hash,
    ) -> Result<(), Fault<AppendError>> {
        match (found, &self.head) {
            (Some(found), Some(head)) => Ok(sessions::update(connection, &self.project, found, head, seq, hash)?),
            (Some(_), None) if self.records.is_empty() => Ok(()),
            (Some(found), None) => Ok(sessions::advance(connection, found, seq, hash)?),
            (None, Some(head)) => sessions::insert(connection, &self.project, &self.session, head, seq, hash),
            (None, None) if self.records.is_empty() => Ok(()),
            (None, None) => Err(AppendError::from(Error::Failed(format!(
                "session {} is not there, and its first records came without a head",
                self.session
            )))
            .into()),
        }
    }
}

impl Ready {
    fn insert(
        &self,
        connection: &Connection,
        project: &ProjectId,
        session: &SessionId,
        seq: Seq,
        hash: &Hash,
    ) -> Result<(), rusqlite::Error> {
        let record = &self.record;
        let body = self.blob_size.is_none().then_some(record.body.as_slice());
        connection
            .prepare_cached(
                "INSERT INTO records (project, session, seq, v, kind, turn_id, item_id, at, body, blob_size, body_hash, hash)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?
            .execute(params![
                project.as_str(),
                session.as_str(),
                seq.0.cast_signed(),
                record.v,
                record.kind,
                record.turn.as_ref().map(|turn| turn.as_str()),
                record.item.as_ref().map(|item| item.as_str()),
                record.at.0.cast_signed(),
                body,
                self.blob_size,
                self.body_hash,
                hash,
            ])
            .map(|_| ())
    }
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
