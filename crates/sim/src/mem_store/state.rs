//! What a store holds, in ordered maps: the same seed walks them in the same order.

use std::collections::BTreeMap;
use store::chain::{self, GENESIS, Hash};
use store::{
    Account, AppendError, BlobHash, Direction, DueTimer, Error, HeadRow, Idempotency, KeyRow, LogQuery, Row, RowsChange,
    Stored,
};
use types::{Epoch, KeyId, MicroUsd, ProjectId, Seq, SessionId, Timestamp};

#[derive(Default)]
pub(super) struct State {
    pub(super) epoch: Epoch,
    pub(super) sessions: BTreeMap<(ProjectId, SessionId), Session>,
    /// Orders what was created at the same moment.
    pub(super) insertions: u64,
    pub(super) idempotency: BTreeMap<RequestName, (Idempotency, Timestamp)>,
    pub(super) accounts: BTreeMap<AccountName, Account>,
    pub(super) reservations: BTreeMap<(AccountName, String), Reservation>,
    pub(super) timers: BTreeMap<(ProjectId, SessionId), Timestamp>,
    pub(super) rows: BTreeMap<(ProjectId, String, String), RowEntry>,
    pub(super) keys: Vec<KeyRow>,
    pub(super) blobs: BTreeMap<(ProjectId, BlobHash), Vec<u8>>,
    /// Appends that should have been refused: whose, by which epoch, and which was the newest.
    pub(super) taken_from_old_nodes: Vec<(SessionId, Epoch, Epoch)>,
    /// How many were refused.
    pub(super) refused_to_old_nodes: u64,
}

/// Project, route, session, key.
pub(super) type RequestName = (ProjectId, String, SessionId, String);
pub(super) type AccountName = (ProjectId, String);
/// Creation, then insertion.
pub(super) type Place = (Timestamp, u64);

#[derive(Clone, Copy)]
pub(super) struct Reservation {
    pub(super) amount: MicroUsd,
    pub(super) settled: bool,
}

pub(super) struct Session {
    pub(super) place: Place,
    pub(super) row: HeadRow,
    pub(super) deleted: bool,
    pub(super) seq: Seq,
    pub(super) hash: Hash,
    pub(super) records: Vec<Stored>,
}

pub(super) struct RowEntry {
    pub(super) place: Place,
    pub(super) row: Row,
    pub(super) deleted: bool,
}

impl State {
    /// A session that is not deleted.
    pub(super) fn live(&self, project: &ProjectId, session: &SessionId) -> Option<&Session> {
        self.sessions.get(&(project.clone(), session.clone())).filter(|session| !session.deleted)
    }

    pub(super) fn place(&mut self, created_at: Timestamp) -> Place {
        self.insertions += 1;
        (created_at, self.insertions)
    }

    pub(super) fn begin_epoch(&mut self) -> Epoch {
        self.epoch = Epoch(self.epoch.0 + 1);
        self.epoch
    }

    pub(super) fn log(&self, project: &ProjectId, session: &SessionId, query: &LogQuery) -> Vec<Stored> {
        let Some(session) = self.live(project, session) else { return Vec::new() };
        let start = usize::try_from(query.after.0).unwrap_or(usize::MAX).min(session.records.len());
        let matches = session.records[start..].iter().filter(|stored| {
            let record = &stored.record;
            query.before.is_none_or(|before| stored.seq < before)
                && (query.kinds.is_empty() || query.kinds.contains(&record.kind.as_str()))
                && (query.turn.is_none() || query.turn == record.turn)
                && (!query.listed_items || record.item.is_some())
        });
        match query.direction {
            Direction::Ascending => matches.take(query.limit).cloned().collect(),
            Direction::Descending => matches.rev().take(query.limit).cloned().collect(),
        }
    }

    /// The first record of a session that fits.
    pub(super) fn seq_of(
        &self,
        project: &ProjectId,
        session: &SessionId,
        fits: impl Fn(&types::Encoded) -> bool,
    ) -> Option<Seq> {
        let records = &self.live(project, session)?.records;
        records.iter().find(|stored| fits(&stored.record)).map(|stored| stored.seq)
    }

    pub(super) fn verify(&self, project: &ProjectId, session: &SessionId) -> Result<Seq, Error> {
        let Some(found) = self.sessions.get(&(project.clone(), session.clone())) else { return Ok(Seq(0)) };
        let (mut at, mut hash) = (Seq(0), GENESIS);
        for stored in &found.records {
            at = at.next();
            hash = chain::link(&hash, project, session, at, &stored.record, &chain::of_body(&stored.record.body));
            if stored.seq != at || stored.hash != chain::hex(&hash) {
                return Err(Error::Damaged { seq: at, what: "its link does not fit".to_owned() });
            }
        }
        if at != found.seq || hash != found.hash {
            return Err(Error::Damaged { seq: at, what: "it is not where the session ends".to_owned() });
        }
        Ok(at)
    }

    pub(super) fn delete_session(
        &mut self,
        project: &ProjectId,
        session: &SessionId,
        expected: Seq,
        epoch: Epoch,
    ) -> Result<bool, AppendError> {
        if epoch != self.epoch {
            return Err(AppendError::Fenced);
        }
        let name = (project.clone(), session.clone());
        let Some(found) = self.sessions.get_mut(&name) else { return Ok(false) };
        if found.deleted {
            return Ok(true);
        }
        if found.seq != expected {
            return Err(AppendError::Moved { head: found.seq });
        }
        found.deleted = true;
        self.timers.remove(&name);
        Ok(true)
    }

    /// In the order in which they were created in the store.
    pub(super) fn unfinished(&self) -> Vec<(ProjectId, SessionId)> {
        let mut found: Vec<_> = self
            .sessions
            .iter()
            .filter(|(_, session)| !session.deleted && session.row.head.needs_work)
            .map(|(name, session)| (session.place.1, name.clone()))
            .collect();
        found.sort();
        found.into_iter().map(|(_, name)| name).collect()
    }

    pub(super) fn due_timers(&self, now: Timestamp) -> Vec<DueTimer> {
        let due = self.timers.iter().filter(|(_, at)| **at <= now);
        let mut due: Vec<_> = due.map(|((project, session), at)| (project.clone(), session.clone(), *at)).collect();
        due.sort_by_key(|(_, _, at)| *at);
        due
    }

    pub(super) fn put_row(&mut self, project: ProjectId, row: Row, insert: bool) -> Result<(), Error> {
        let name = (project, row.collection.clone(), row.id.clone());
        match self.rows.get_mut(&name) {
            Some(entry) if entry.deleted || insert => Err(Error::Exists),
            Some(entry) => {
                entry.row.body = row.body;
                Ok(())
            }
            None => {
                let place = self.place(row.created_at);
                self.rows.insert(name, RowEntry { place, row, deleted: false });
                Ok(())
            }
        }
    }

    pub(super) fn change_rows(&mut self, project: &ProjectId, change: RowsChange) -> Result<(), Error> {
        let name = |row: &Row| (project.clone(), row.collection.clone(), row.id.clone());
        let taken = |(row, insert): &(Row, bool)| {
            self.rows.get(&name(row)).is_some_and(|entry| entry.deleted || *insert)
        };
        if change.puts.iter().any(taken) {
            return Err(Error::Exists);
        }
        for (row, insert) in change.puts {
            self.put_row(project.clone(), row, insert)?;
        }
        for (collection, id) in change.deletes {
            if let Some(entry) = self.rows.get_mut(&(project.clone(), collection, id)) {
                entry.deleted = true;
            }
        }
        for hash in change.forgets {
            self.blobs.remove(&(project.clone(), hash));
        }
        Ok(())
    }

    pub(super) fn put_key(&mut self, key: KeyRow) -> Result<(), Error> {
        if self.keys.iter().any(|other| other.id == key.id || other.hash == key.hash) {
            return Err(Error::Exists);
        }
        self.keys.push(key);
        // Stable: keys of the same moment stay as they came.
        self.keys.sort_by_key(|key| key.created_at);
        Ok(())
    }

    pub(super) fn revoke_key(&mut self, id: &KeyId, at: Timestamp) -> bool {
        let Some(key) = self.keys.iter_mut().find(|key| key.id == *id) else { return false };
        key.revoked_at.get_or_insert(at);
        true
    }
}
