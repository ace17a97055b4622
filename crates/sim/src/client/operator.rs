//! Whoever looks after the server: says what became of calls of which nobody knows, once, twice, otherwise, or of calls
//! that nobody doubts. And what a client does that finds the disk put back under it.

use super::{Answer, Client, Listener, text_of};
use crate::notes::What;
use runtime::{Direction, EffectKind, EffectState, Page, Start};
use types::{EffectId, EventId, RefusalKind, SessionId, Settlement};

impl Client {
    /// Reads the ledger, and settles some of what it calls unknown.
    pub(super) async fn settle(&mut self, session: &SessionId) {
        let page = Page { after: None, limit: 1000, direction: Direction::Descending };
        let (project, id) = (self.arena.project.clone(), session.clone());
        let ledger =
            self.ask("ledger", |handle| Box::pin(async move { handle.ledger(&project, &id, page).await })).await;
        let Answer::Yes(ledger) = ledger else { return };
        for entry in ledger.data {
            let doubtful = entry.state == EffectState::Unknown && entry.kind != EffectKind::Restore;
            if self.random.chance(if doubtful { 600 } else { 10 }) {
                self.settle_one(session, entry.id).await;
            }
        }
    }

    async fn settle_one(&mut self, session: &SessionId, effect: EffectId) {
        let (mark, outcome) = self.word(session, effect);
        self.resolve(session, mark, effect, &outcome).await;
        if self.random.chance(300) {
            self.resolve(session, mark, effect, &outcome).await;
        }
        if self.random.chance(300) {
            let (mark, other) = self.word(session, effect);
            self.resolve(session, mark, effect, &other).await;
        }
    }

    fn word(&mut self, session: &SessionId, effect: EffectId) -> (u64, Settlement) {
        let mark = self.arena.mark();
        let said = format!("settled {}", text_of(mark));
        let outcome = if self.random.chance(500) { Settlement::Committed(said) } else { Settlement::Failed(said) };
        self.note(mark, Some(session), What::Settle { effect, outcome: outcome.clone() }, false);
        (mark, outcome)
    }

    async fn resolve(&mut self, session: &SessionId, mark: u64, effect: EffectId, outcome: &Settlement) {
        let (project, id, outcome) = (self.arena.project.clone(), session.clone(), outcome.clone());
        let name = runtime::effect_id(session, effect);
        let answer = self
            .ask(&format!("{name}: {outcome:?}"), |handle| {
                Box::pin(
                    async move { handle.resolve(&project, &id, &name, outcome, Some("operator".to_owned())).await },
                )
            })
            .await;
        let told = answer.told();
        self.told(mark, told);
        if matches!(answer, Answer::Yes(())) {
            self.arena.count("outcomes settled");
            if !self.arena.holds(session, &text_of(mark)) {
                self.arena.problem(format!("{session}: effect {} was settled before it was durable", effect.0));
            }
        }
    }

    /// A new ear for a client whose last event a restore took away: that names nothing any more. None where the session is
    /// gone.
    pub(super) async fn hear_again(&mut self, session: &SessionId, listener: Listener) -> Option<Listener> {
        if self.arena.notes(|notes| notes.is_gone(session)) {
            return None;
        }
        let cut = self.arena.notes(|notes| notes.cut_streams.get(&listener.place).copied());
        let Some(lost) = cut else { return Some(listener) };
        self.probe(session, lost).await;
        Some(Listener::new(self, session, Start::Beginning))
    }

    async fn probe(&mut self, session: &SessionId, lost: EventId) {
        let (project, id) = (self.arena.project.clone(), session.clone());
        let line = format!("listen after {}, which is lost", lost.text(session));
        let answer = self
            .ask(&line, |handle| Box::pin(async move { handle.subscribe(&project, &id, Start::After(lost)).await }))
            .await;
        match answer {
            Answer::Yes(_) => self.arena.problem(format!("{session}: {line}, and names something")),
            Answer::No(refusal) if refusal.kind == RefusalKind::NotFound => self.arena.count("lost events asked for"),
            Answer::No(_) | Answer::Nothing => {}
        }
    }
}
