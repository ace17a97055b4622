//! The records of one append, with what is written beside them in the same transaction.

use super::request::EVENTS_ROUTE;
use crate::handle::RequestKey;
use engine::State;
use std::time::Duration;
use store::{Append, BlobHash, Idempotency, SideWrite};
use types::{
    CommandResult, EffectId, Encoded, Epoch, Event, ItemBody, ProjectId, Record, RecordBody, Reservation, Seq,
    SessionId, Timestamp, ToolOutcome, TurnId, Verdict,
};

/// A day is promised; another is for a wall clock that jumps.
const IDEMPOTENCY_LIFE: Duration = Duration::from_secs(2 * 24 * 3600);

pub(super) struct Batch {
    expected: Seq,
    records: Vec<Encoded>,
    events: Vec<(Seq, Vec<Event>)>,
    side: Vec<SideWrite>,
    settings_changed: bool,
    /// The turns that end with it.
    ended: Vec<TurnId>,
    /// When an open request for consent ran out before, and whether the timer is written although that has not changed.
    expiry: Option<Timestamp>,
    sets_timer: bool,
}

impl Batch {
    pub(super) fn new(state: &State) -> Self {
        let (records, events, side, ended) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self {
            expected: state.seq,
            records,
            events,
            side,
            settings_changed: false,
            ended,
            expiry: state.next_expiry(),
            sets_timer: false,
        }
    }

    /// The timer is to be as the state says, although nothing else may change.
    pub(super) fn set_timer(&mut self) {
        self.sets_timer = true;
    }

    /// The turns that end with it; they are not said a second time.
    pub(super) fn take_ended(&mut self) -> Vec<TurnId> {
        std::mem::take(&mut self.ended)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Applies a record and takes it along; returns its seq.
    pub(super) fn take(&mut self, state: &mut State, record: &Record) -> Seq {
        let seq = Seq(self.expected.0 + self.records.len() as u64 + 1);
        self.book(state, &record.body);
        if let RecordBody::TurnEnded(ended) = &record.body {
            self.ended.push(ended.turn.clone());
        }
        self.events.push((seq, engine::apply(state, seq, record)));
        self.records.push(record.encode());
        seq
    }

    /// Remembers that the request with this key was taken.
    pub(super) fn remember(&mut self, RequestKey { key, body_hash }: RequestKey, now: Timestamp) {
        let answer = Idempotency { body_hash, status: 202, body: Vec::new() };
        let (route, expires) = (EVENTS_ROUTE.to_owned(), now.after(IDEMPOTENCY_LIFE));
        self.side.push(SideWrite::Idempotency { route, key, answer, expires });
    }

    /// Money, and what else changes beside the log. State is as it was before the record.
    fn book(&mut self, state: &State, body: &RecordBody) {
        match body {
            RecordBody::SessionCreated { session, settings, .. } => {
                self.settings_changed = true;
                if settings.spend_limit.is_some() {
                    self.limit(session, settings.spend_limit);
                }
            }
            RecordBody::Forked(forked) => {
                self.settings_changed = true;
                if forked.settings.spend_limit.is_some() {
                    self.limit(&forked.session, forked.settings.spend_limit);
                }
            }
            RecordBody::SessionUpdated { settings } => {
                self.settings_changed = true;
                if settings.spend_limit != state.settings.spend_limit {
                    self.limit(&state.session, settings.spend_limit);
                }
            }
            RecordBody::Intended(intended) => {
                let Verdict::Permit { reserve } = &intended.verdict else { return };
                let key = booking_key(&state.session, intended.effect.0, intended.attempt.0);
                for Reservation { account, amount } in reserve {
                    let (account, amount) = (account.clone(), *amount);
                    self.side.push(SideWrite::Reserve { account, key: key.clone(), amount });
                }
            }
            RecordBody::Abandoned(abandoned) => {
                self.settle(state, abandoned.effect.0, abandoned.attempt.0, abandoned.charged);
            }
            RecordBody::Committed(committed) => {
                self.settle(state, committed.effect.0, committed.attempt.0, committed.charged);
            }
            RecordBody::Item(item) => {
                if let ItemBody::ToolOutcome { outcome, .. } = &item.body {
                    self.name_whole(outcome);
                }
            }
            RecordBody::Late(late) => self.name_whole(&late.outcome),
            _ => {}
        }
    }

    /// What a command printed is kept beside the log, as long as the record that says so.
    fn name_whole(&mut self, outcome: &ToolOutcome) {
        if let ToolOutcome::Ran(CommandResult { whole: Some(whole), .. }) = outcome {
            self.side.push(SideWrite::Blob { hash: BlobHash(whole.blob.clone()) });
        }
    }

    fn limit(&mut self, session: &SessionId, limit: Option<types::MicroUsd>) {
        self.side.push(SideWrite::Limit { account: format!("session:{session}"), limit });
    }

    /// Books what an attempt cost, for every account that it had reserved from.
    fn settle(&mut self, state: &State, effect: u64, attempt: u32, spent: types::MicroUsd) {
        let intent = state.model_call(EffectId(effect)).and_then(|call| call.intent.as_ref());
        for Reservation { account, .. } in intent.iter().flat_map(|intent| &intent.reserve) {
            let key = booking_key(&state.session, effect, attempt);
            self.side.push(SideWrite::Settle { account: account.clone(), key, spent });
        }
    }

    pub(super) fn finish(
        mut self,
        project: &ProjectId,
        epoch: Epoch,
        at: Timestamp,
        state: &State,
    ) -> (Append, Vec<(Seq, Vec<Event>)>) {
        if !self.records.is_empty() {
            let settings = self.settings_changed.then(|| Box::new((*state.settings).clone()));
            self.side.push(SideWrite::Head { head: Box::new(engine::head(state)), settings });
        }
        let expiry = state.next_expiry();
        if self.sets_timer || expiry != self.expiry {
            self.side.push(SideWrite::Timer { at: expiry });
        }
        let append = Append {
            project: project.clone(),
            session: state.session.clone(),
            epoch,
            at,
            expected: self.expected,
            base: None,
            records: self.records,
            side: self.side,
        };
        (append, self.events)
    }
}

fn booking_key(session: &SessionId, effect: u64, attempt: u32) -> String {
    format!("{session}:{effect}:{attempt}")
}
