//! What a client asks of a session: to take inputs, all or none and once for a key, or to be deleted.

use super::{Actor, Failure, store_refusal};
use crate::handle::RequestKey;
use std::time::Duration;
use types::{Input, Refusal, RefusalKind, Seq};

/// The route under which keys of `sessions.events.create` are remembered.
pub(super) const EVENTS_ROUTE: &str = "sessions.events.create";

impl Actor {
    pub(super) async fn submit(&mut self, inputs: Vec<Input>, key: Option<RequestKey>) -> Result<(), Failure> {
        let creates = inputs.iter().any(|input| matches!(input, Input::Create { .. }));
        if self.state.seq == Seq(0) && !creates {
            return Err(Failure::Refused(Refusal::not_found("session", self.session.as_str())));
        }
        self.check_new(&inputs).await?;
        let answer = self.take_in(inputs, key.clone()).await;
        // Whether a key was used is the append's to say. What the session has against a repeated request may be that it
        // was taken the first time.
        match (answer, key) {
            (Err(Failure::Refused(refusal)), Some(key)) => self.repeated(&key, refusal).await,
            (answer, _) => answer,
        }
    }

    /// A turn whose id derives from its request is there once: the request may have come twice at one time.
    async fn check_new(&mut self, inputs: &[Input]) -> Result<(), Failure> {
        for input in inputs {
            let Input::Respond { turn: Some(turn), .. } = input else { continue };
            let known = self.world.store.turn_seq(&self.project, &self.session, turn).await;
            if known.map_err(|error| Failure::Refused(store_refusal(&error)))?.is_some() {
                return Err(Failure::Refused(Refusal::conflict("The request was taken before.")));
            }
        }
        Ok(())
    }

    pub(super) async fn take_in(&mut self, inputs: Vec<Input>, key: Option<RequestKey>) -> Result<(), Failure> {
        let starts = inputs
            .iter()
            .any(|input| matches!(input, Input::Message(_) | Input::Create { .. } | Input::Respond { .. }));
        if starts && self.state.turn.is_none() && self.has_no_room(&inputs) {
            let kind = RefusalKind::Busy { retry_after: Duration::from_secs(1) };
            let message = "Too many sessions of this project wait for their turn. Try again later.";
            return Err(Failure::Refused(Refusal::new(kind, message)));
        }
        types::failpoint!(BeforeInput);
        self.commit(inputs, key).await
    }

    /// Whether too many of the project wait already, for what a turn that began now would wait for.
    fn has_no_room(&self, inputs: &[Input]) -> bool {
        if self.would_wait(inputs) {
            self.registry.waits.is_full(&self.project)
        } else {
            self.registry.slots.is_full(&self.project)
        }
    }

    /// Whether a turn that began now would wait for its environment.
    fn would_wait(&self, inputs: &[Input]) -> bool {
        match inputs.first() {
            Some(Input::Create { settings, input, .. }) => {
                engine::waits_for_environment(&settings.environment, None) && !input.is_empty()
            }
            _ => {
                let status = self.state.environment.as_ref().map(|known| known.status);
                engine::waits_for_environment(&self.state.settings.environment, status)
            }
        }
    }

    /// The answer to a request that was refused: what it was answered before under the same key, else the refusal.
    async fn repeated(&mut self, key: &RequestKey, refusal: Refusal) -> Result<(), Failure> {
        let now = self.world.clock.now();
        let known = self.world.store.idempotency(&self.project, EVENTS_ROUTE, &self.session, &key.key, now).await;
        Err(Failure::Refused(match known {
            Ok(None) => refusal,
            Ok(Some(known)) if known.body_hash == key.body_hash => return Ok(()),
            Ok(Some(_)) => Refusal::conflict("The Idempotency-Key was used before with a different request body."),
            Err(error) => store_refusal(&error),
        }))
    }

    pub(super) async fn delete(&mut self) -> Result<(), Failure> {
        if self.state.turn.is_some() {
            let message = "The session has a turn that has not ended. Cancel it before deleting the session.";
            return Err(Failure::Refused(Refusal::conflict(message)));
        }
        let now = self.world.clock.now();
        let (store, seq) = (&self.world.store, self.state.seq);
        types::failpoint!(BeforeDelete);
        match store.delete_session(&self.project, &self.session, seq, self.epoch, now).await {
            Ok(true) => {
                types::failpoint!(AfterDelete);
                // From here on it is a session that never was.
                self.clear();
                self.tail.end();
                Ok(())
            }
            Ok(false) => Err(Failure::Refused(Refusal::not_found("session", self.session.as_str()))),
            Err(error) => Err(self.append_failure(error)),
        }
    }
}
