//! One append, all or nothing: the side writes are tried on a copy of what they touch, and nothing is changed before all
//! of them hold.

use super::sessions::{Base, Session};
use super::{AccountName, Memory, RequestName, Reservation, SessionName};
use crate::chain;
use crate::{Account, Append, AppendError, BlobHash, Error, HeadRow, Idempotency, SideWrite, Stored};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use types::{Encoded, Head, MicroUsd, Seq, SessionSettings, Timestamp};

/// What a session, a record and a side write are counted with, beside what they say.
const SESSION: usize = 1024;
const RECORD: usize = 256;
const SIDE: usize = 256;
/// Expired answers that one new one takes away: two, so that they become fewer faster than more.
const SWEEP: usize = 2;

/// What the side writes would change.
#[derive(Default)]
struct Draft {
    accounts: BTreeMap<AccountName, Account>,
    reservations: BTreeMap<(AccountName, String), Reservation>,
    answers: BTreeMap<RequestName, (Idempotency, Timestamp)>,
    timer: Option<Option<Timestamp>>,
    head: Option<(Head, Option<SessionSettings>)>,
    blobs: Vec<BlobHash>,
}

impl Memory {
    pub(super) fn append(&mut self, append: Append) -> Result<Seq, AppendError> {
        if append.epoch != self.epoch {
            self.refused_to_old_nodes += 1;
            return Err(AppendError::Fenced);
        }
        if self.is_deleted(&append.project, &append.session) {
            return Err(AppendError::Deleted);
        }
        let name = (append.project, append.session);
        let (is_new, head) = match (self.sessions.get(&name), &append.base) {
            (Some(session), _) => (false, session.seq),
            (None, Some((_, seq))) => (true, *seq),
            (None, None) => (true, Seq(0)),
        };
        if head != append.expected || (!is_new && append.base.is_some()) {
            return Err(AppendError::Moved { head });
        }
        let base = match &append.base {
            Some((parent, seq)) => Some(self.base_at(&name.0, parent, *seq)?),
            None => None,
        };
        let mut draft = Draft::default();
        for write in append.side {
            self.draft(&mut draft, &name, write, append.at)?;
        }
        let is_whole = match &draft.head {
            Some((_, settings)) => !is_new || settings.is_some(),
            None => !is_new || append.records.is_empty(),
        };
        if !is_whole {
            return Err(Error::Failed("a new session came without its head and settings".to_owned()).into());
        }
        let bytes = append.records.iter().map(weight).sum::<usize>() + draft.weight(is_new);
        self.make_room(bytes, is_new)?;
        if append.epoch < self.epoch {
            self.taken_from_old_nodes.push((name.1.clone(), append.epoch, self.epoch));
        }
        Ok(self.keep(&name, draft, base, append.records, append.at, bytes).unwrap_or(head))
    }

    /// Makes what was drafted true. The session's newest seq; None where there is no session.
    fn keep(
        &mut self,
        name: &SessionName,
        mut draft: Draft,
        base: Option<Base>,
        records: Vec<Encoded>,
        now: Timestamp,
        bytes: usize,
    ) -> Option<Seq> {
        match draft.timer {
            Some(Some(at)) => drop(self.timers.insert(name.clone(), at)),
            Some(None) => drop(self.timers.remove(name)),
            None => {}
        }
        if let Some((head, settings)) = draft.head.take() {
            self.put_head(name, base, head, settings);
        }
        if let Some(session) = self.sessions.get_mut(name) {
            session.bytes += bytes;
            self.bytes += bytes;
            session.reservations.extend(draft.reservations.keys().cloned());
            session.answers.extend(draft.answers.keys().cloned());
            for hash in draft.blobs {
                if session.blobs.insert(hash.clone()) {
                    *self.named.entry((name.0.clone(), hash)).or_default() += 1;
                }
            }
        }
        self.reservations.append(&mut draft.reservations);
        self.remember(draft.answers, now);
        self.book(name, draft.accounts);
        let session = self.sessions.get_mut(name)?;
        for record in records {
            session.seq = session.seq.next();
            let body = chain::of_body(&record.body);
            session.hash = chain::link(&session.hash, &name.0, &name.1, session.seq, &record, &body);
            session.records.push(Stored { seq: session.seq, record, hash: chain::hex(&session.hash) });
        }
        Some(session.seq)
    }

    fn draft(
        &self,
        draft: &mut Draft,
        (project, session): &SessionName,
        write: SideWrite,
        now: Timestamp,
    ) -> Result<(), AppendError> {
        match write {
            SideWrite::Head { head, settings } => draft.head = Some((*head, settings.map(|settings| *settings))),
            SideWrite::Timer { at } => draft.timer = Some(at),
            SideWrite::Blob { hash } => draft.blobs.push(hash),
            SideWrite::Idempotency { route, key, answer, expires } => {
                let name = (project.clone(), route, session.clone(), key);
                let other = draft.answers.get(&name).or_else(|| self.answers.get(&name));
                if other.is_some_and(|(_, expires)| *expires > now) {
                    return Err(AppendError::IdempotencyTaken);
                }
                draft.answers.insert(name, (answer, expires));
            }
            SideWrite::Limit { account, limit } => {
                let name = (project.clone(), account);
                let standing = Account { limit, ..self.standing(draft, &name) };
                draft.accounts.insert(name, standing);
            }
            SideWrite::Reserve { account, key, amount } => {
                let name = ((project.clone(), account), key);
                if self.reservation(draft, &name).is_some() {
                    return Ok(());
                }
                let mut standing = self.standing(draft, &name.0);
                if !standing.has_room(amount) {
                    return Err(AppendError::OverBudget { account: name.0.1 });
                }
                standing.reserved = standing.reserved.plus(amount);
                draft.accounts.insert(name.0.clone(), standing);
                draft.reservations.insert(name, Reservation { amount, settled: false });
            }
            SideWrite::Settle { account, key, spent } => {
                let name = ((project.clone(), account), key);
                let amount = match self.reservation(draft, &name) {
                    Some(reservation) if reservation.settled => return Ok(()),
                    Some(reservation) => reservation.amount,
                    None => MicroUsd::ZERO,
                };
                let mut standing = self.standing(draft, &name.0);
                standing.reserved = MicroUsd(standing.reserved.0.saturating_sub(amount.0));
                standing.spent = standing.spent.plus(spent);
                draft.accounts.insert(name.0.clone(), standing);
                draft.reservations.insert(name, Reservation { amount, settled: true });
            }
        }
        Ok(())
    }

    fn standing(&self, draft: &Draft, name: &AccountName) -> Account {
        let kept = || self.accounts.get(name).map(|booked| booked.account);
        draft.accounts.get(name).copied().or_else(kept).unwrap_or_default()
    }

    fn reservation(&self, draft: &Draft, name: &(AccountName, String)) -> Option<Reservation> {
        draft.reservations.get(name).or_else(|| self.reservations.get(name)).copied()
    }

    fn put_head(&mut self, name: &SessionName, base: Option<Base>, head: Head, settings: Option<SessionSettings>) {
        if let Some(session) = self.sessions.get_mut(name) {
            session.row.head = head;
            if let Some(settings) = settings {
                session.row.settings = Arc::new(settings);
            }
        } else if let Some(settings) = settings {
            let place = self.place(head.created_at);
            let parent = base.as_ref().map(|base| (name.0.clone(), base.session.clone()));
            if let Some(parent) = parent.and_then(|parent| self.sessions.get_mut(&parent)) {
                parent.forks += 1;
            }
            self.sessions
                .insert(name.clone(), Session::new(place, HeadRow { head, settings: Arc::new(settings) }, base));
        }
    }

    fn remember(&mut self, answers: BTreeMap<RequestName, (Idempotency, Timestamp)>, now: Timestamp) {
        for (name, (answer, expires)) in answers {
            for _ in 0..SWEEP {
                let Some((_, expired)) = self.expiries.first().filter(|(expires, _)| *expires <= now).cloned() else {
                    break;
                };
                self.expiries.pop_first();
                self.answers.remove(&expired);
            }
            if let Some((_, before)) = self.answers.insert(name.clone(), (answer, expires)) {
                self.expiries.remove(&(before, name.clone()));
            }
            self.expiries.insert((expires, name));
        }
    }

    fn book(&mut self, name: &SessionName, accounts: BTreeMap<AccountName, Account>) {
        for (account_name, account) in accounts {
            let session = self.sessions.get_mut(name);
            let first = session.is_some_and(|session| session.accounts.insert(account_name.clone()));
            let booked = self.accounts.entry(account_name).or_default();
            booked.account = account;
            booked.sessions += usize::from(first);
        }
    }
}

impl Draft {
    fn weight(&self, is_new: bool) -> usize {
        let settings = self.head.as_ref().and_then(|(_, settings)| settings.as_ref()).map_or(0, length);
        let answers: usize = self.answers.values().map(|(answer, _)| answer.body.len() + SIDE).sum();
        let session = if is_new { SESSION } else { 0 };
        session + settings + answers + (self.accounts.len() + self.reservations.len()) * SIDE
    }
}

fn weight(record: &Encoded) -> usize {
    RECORD + record.body.len()
}

/// How long the JSON of something is.
fn length(value: &impl serde::Serialize) -> usize {
    struct Count(usize);
    impl Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // What cannot be written is counted as far as it could be.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}
