//! Sessions: their heads, what is deleted of them, what is left.

use super::{AccountName, Memory, RequestName, SessionName};
use crate::chain::{self, GENESIS, Hash};
use crate::{AppendError, BlobHash, DueTimer, HeadRow, MAX_SEGMENTS, Stored};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use types::{Epoch, ProjectId, Seq, SessionId, Timestamp};

/// Creation, then insertion.
pub(super) type Place = (Timestamp, u64);

#[derive(Clone)]
pub(super) struct Session {
    pub(super) place: Place,
    pub(super) row: HeadRow,
    /// It is here all the same: everything is kept, or a fork stands on it.
    pub(super) deleted: bool,
    pub(super) base: Option<Base>,
    /// How many sessions stand on it.
    pub(super) forks: usize,
    pub(super) seq: Seq,
    pub(super) hash: Hash,
    /// Its own, after its base.
    pub(super) records: Vec<Stored>,
    /// What it was counted with.
    pub(super) bytes: usize,
    pub(super) accounts: BTreeSet<AccountName>,
    pub(super) reservations: Vec<(AccountName, String)>,
    pub(super) answers: Vec<RequestName>,
    /// Those that its records name.
    pub(super) blobs: BTreeSet<BlobHash>,
}

/// The last shared record of a fork. A fork at a place within its parent's own base stands on that base's session, so
/// each segment of a chain holds at least one record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Base {
    pub(super) session: SessionId,
    pub(super) seq: Seq,
    pub(super) hash: Hash,
    /// Segments below the session that stands on this.
    pub(super) depth: usize,
}

impl Session {
    pub(super) fn new(place: Place, row: HeadRow, base: Option<Base>) -> Self {
        let (seq, hash) = base.as_ref().map_or((Seq(0), GENESIS), |base| (base.seq, base.hash));
        Self {
            place,
            row,
            deleted: false,
            base,
            forks: 0,
            seq,
            hash,
            records: Vec::new(),
            bytes: 0,
            accounts: BTreeSet::new(),
            reservations: Vec::new(),
            answers: Vec::new(),
            blobs: BTreeSet::new(),
        }
    }

    pub(super) fn depth(&self) -> usize {
        self.base.as_ref().map_or(0, |base| base.depth)
    }
}

/// What is left of sessions that are gone: where they stood in lists and where their logs ended.
#[derive(Clone, Default)]
pub(super) struct Tombs {
    places: BTreeMap<SessionName, (Place, Seq)>,
    oldest_first: VecDeque<SessionName>,
}

impl Tombs {
    fn put(&mut self, name: SessionName, place: Place, end: Seq, most: usize) {
        self.places.insert(name.clone(), (place, end));
        self.oldest_first.push_back(name);
        while self.oldest_first.len() > most {
            if let Some(oldest) = self.oldest_first.pop_front() {
                self.places.remove(&oldest);
            }
        }
    }

    pub(super) fn place(&self, name: &SessionName) -> Option<Place> {
        self.places.get(name).map(|(place, _)| *place)
    }

    pub(super) fn end(&self, name: &SessionName) -> Option<Seq> {
        self.places.get(name).map(|(_, end)| *end)
    }

    pub(super) fn holds(&self, name: &SessionName) -> bool {
        self.places.contains_key(name)
    }
}

impl Memory {
    /// A session that is not deleted.
    pub(super) fn live(&self, project: &ProjectId, session: &SessionId) -> Option<&Session> {
        self.sessions.get(&(project.clone(), session.clone())).filter(|session| !session.deleted)
    }

    pub(super) fn is_deleted(&self, project: &ProjectId, session: &SessionId) -> bool {
        let name = (project.clone(), session.clone());
        self.tombs.holds(&name) || self.sessions.get(&name).is_some_and(|session| session.deleted)
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
        if self.tombs.holds(&name) {
            return Ok(true);
        }
        let Some(found) = self.sessions.get_mut(&name) else { return Ok(false) };
        if found.deleted {
            return Ok(true);
        }
        if found.seq != expected {
            return Err(AppendError::Moved { head: found.seq });
        }
        found.deleted = true;
        self.timers.remove(&name);
        self.let_go(name);
        Ok(true)
    }

    /// Frees a deleted session, and those below it that were only kept because it stood on them.
    fn let_go(&mut self, name: SessionName) {
        let Some(bounds) = self.bounds else { return };
        let mut next = Some(name);
        while let Some(name) = next.take() {
            if !self.sessions.get(&name).is_some_and(|session| session.deleted && session.forks == 0) {
                return;
            }
            let Some(session) = self.sessions.remove(&name) else { return };
            self.forget_side(&session);
            self.forget_blobs(&name.0, &session.blobs);
            self.bytes = self.bytes.saturating_sub(session.bytes);
            self.tombs.put(name.clone(), session.place, session.seq, bounds.tombstones);
            if let Some(base) = session.base {
                let below = (name.0, base.session);
                if let Some(parent) = self.sessions.get_mut(&below) {
                    parent.forks = parent.forks.saturating_sub(1);
                }
                next = Some(below);
            }
        }
    }

    /// Takes away what stands beside a session's log.
    fn forget_side(&mut self, session: &Session) {
        for name in &session.answers {
            if let Some((_, expires)) = self.answers.remove(name) {
                self.expiries.remove(&(expires, name.clone()));
            }
        }
        for name in &session.reservations {
            self.reservations.remove(name);
        }
        for name in &session.accounts {
            let Some(booked) = self.accounts.get_mut(name) else { continue };
            booked.sessions = booked.sessions.saturating_sub(1);
            if booked.sessions == 0 {
                self.accounts.remove(name);
            }
        }
    }

    /// Takes away the blobs that no other session's records name.
    fn forget_blobs(&mut self, project: &ProjectId, blobs: &BTreeSet<BlobHash>) {
        for hash in blobs {
            let name = (project.clone(), hash.clone());
            let Some(sessions) = self.named.get_mut(&name) else { continue };
            *sessions = sessions.saturating_sub(1);
            if *sessions == 0 {
                self.named.remove(&name);
                self.remove_blob(&name);
            }
        }
    }

    /// Where a fork of this session stands whose last shared record is the one at `seq`.
    pub(super) fn base_at(&self, project: &ProjectId, session: &SessionId, seq: Seq) -> Result<Base, AppendError> {
        let missing = || AppendError::NoBase { session: session.clone() };
        let mut holder = self.live(project, session).filter(|found| seq <= found.seq).ok_or_else(missing)?;
        let mut id = session.clone();
        while let Some(base) = holder.base.as_ref().filter(|base| seq <= base.seq) {
            id = base.session.clone();
            holder = self.sessions.get(&(project.clone(), id.clone())).ok_or_else(missing)?;
        }
        let depth = holder.depth() + 1;
        let place = holder.records.binary_search_by_key(&seq, |stored| stored.seq).map_err(|_| missing())?;
        let hash = holder.records.get(place).and_then(|stored| chain::of_hex(&stored.hash)).ok_or_else(missing)?;
        if depth >= MAX_SEGMENTS {
            return Err(AppendError::TooDeep);
        }
        Ok(Base { session: id, seq, hash, depth })
    }

    /// In the order in which they were created in the store.
    pub(super) fn unfinished(&self) -> Vec<SessionName> {
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
}
