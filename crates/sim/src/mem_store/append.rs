//! One append, all or nothing: the side writes are tried on a copy of what they touch, and nothing is changed before all
//! of them hold.

use super::state::{AccountName, RequestName, Reservation, Session, State};
use std::collections::BTreeMap;
use store::chain::{self, GENESIS};
use store::{Account, Append, AppendError, Error, HeadRow, Idempotency, SideWrite, Stored};
use types::{Head, MicroUsd, Seq, SessionSettings, Timestamp};

/// What the side writes would change.
#[derive(Default)]
struct Draft {
    accounts: BTreeMap<AccountName, Account>,
    reservations: BTreeMap<(AccountName, String), Reservation>,
    idempotency: BTreeMap<RequestName, (Idempotency, Timestamp)>,
    timer: Option<Option<Timestamp>>,
    head: Option<(Head, Option<SessionSettings>)>,
}

impl State {
    pub(super) fn append(&mut self, append: Append) -> Result<Seq, AppendError> {
        if append.epoch != self.epoch {
            self.refused_to_old_nodes += 1;
            return Err(AppendError::Fenced);
        }
        let name = (append.project.clone(), append.session.clone());
        let found = self.sessions.get(&name);
        if found.is_some_and(|session| session.deleted) {
            return Err(AppendError::Deleted);
        }
        let head = found.map_or(Seq(0), |session| session.seq);
        if head != append.expected {
            return Err(AppendError::Moved { head });
        }
        let is_new = found.is_none();
        let at = append.at;
        let mut draft = Draft::default();
        for write in append.side {
            self.draft(&mut draft, &name, write, at)?;
        }
        let is_whole = match &draft.head {
            Some((_, settings)) => !is_new || settings.is_some(),
            None => !is_new || append.records.is_empty(),
        };
        if !is_whole {
            return Err(Error::Failed("a new session came without its head and settings".to_owned()).into());
        }

        self.accounts.append(&mut draft.accounts);
        self.reservations.append(&mut draft.reservations);
        self.idempotency.append(&mut draft.idempotency);
        match draft.timer {
            Some(Some(at)) => drop(self.timers.insert(name.clone(), at)),
            Some(None) => drop(self.timers.remove(&name)),
            None => {}
        }
        if let Some((head, settings)) = draft.head {
            self.put_head(&name, head, settings);
        }
        if append.epoch < self.epoch {
            self.taken_from_old_nodes.push((append.session, append.epoch, self.epoch));
        }
        let Some(session) = self.sessions.get_mut(&name) else { return Ok(head) };
        for record in append.records {
            session.seq = session.seq.next();
            let body = chain::of_body(&record.body);
            session.hash = chain::link(&session.hash, &name.0, &name.1, session.seq, &record, &body);
            session.records.push(Stored { seq: session.seq, record, hash: chain::hex(&session.hash) });
        }
        Ok(session.seq)
    }

    fn draft(
        &self,
        draft: &mut Draft,
        (project, session): &(types::ProjectId, types::SessionId),
        write: SideWrite,
        now: Timestamp,
    ) -> Result<(), AppendError> {
        match write {
            SideWrite::Head { head, settings } => draft.head = Some((*head, settings.map(|settings| *settings))),
            SideWrite::Timer { at } => draft.timer = Some(at),
            SideWrite::Idempotency { route, key, answer, expires } => {
                let name = (project.clone(), route, session.clone(), key);
                let other = draft.idempotency.get(&name).or_else(|| self.idempotency.get(&name));
                if other.is_some_and(|(_, expires)| *expires > now) {
                    return Err(AppendError::IdempotencyTaken);
                }
                draft.idempotency.insert(name, (answer, expires));
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
        draft.accounts.get(name).or_else(|| self.accounts.get(name)).copied().unwrap_or_default()
    }

    fn reservation(&self, draft: &Draft, name: &(AccountName, String)) -> Option<Reservation> {
        draft.reservations.get(name).or_else(|| self.reservations.get(name)).copied()
    }

    fn put_head(&mut self, name: &(types::ProjectId, types::SessionId), head: Head, settings: Option<SessionSettings>) {
        if let Some(session) = self.sessions.get_mut(name) {
            session.row.head = head;
            if let Some(settings) = settings {
                session.row.settings = settings;
            }
        } else if let Some(settings) = settings {
            let place = self.place(head.created_at);
            let row = HeadRow { head, settings };
            let new = Session { place, row, deleted: false, seq: Seq(0), hash: GENESIS, records: Vec::new() };
            self.sessions.insert(name.clone(), new);
        }
    }
}
