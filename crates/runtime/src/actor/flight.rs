//! What is pending: the model call that is due. First it waits for its time, for what the session is offered and for a
//! place, then it passes the gate, its intent is made durable where it must be, and it is asked.

use super::batch::Batch;
use super::{Actor, Failure, STORE_PAUSE, Within};
use crate::call::ModelCall;
use crate::context::{Asked, Toolset, request};
use crate::slots::Slot;
use engine::Turn;
use std::sync::Arc;
use std::time::Duration;
use types::{BoxFuture, Effect, Input, Offer, Origin, Seq, SessionSettings, TurnError, Verdict};

/// How long the world is asked what tools it offers. Then the last offer stays.
const OFFER_TIME: Duration = Duration::from_secs(30);

/// The model call that is due: first it waits for its time and a place, then it is asked.
pub(crate) struct Flight {
    origin: Origin,
    pub(super) future: BoxFuture<'static, Landed>,
    slot: Option<Slot>,
}

impl Flight {
    pub(super) fn is_of(&self, origin: Origin) -> bool {
        self.origin == origin
    }
}

pub(super) enum Landed {
    Ready(Box<Ready>),
    Outcome(Box<Input>),
}

/// What a model call waited for.
pub(super) struct Ready {
    slot: Option<Slot>,
    /// The settings for which tools were asked.
    settings: Arc<SessionSettings>,
    /// None where the world did not say in time.
    offered: Option<Result<Offer, TurnError>>,
}

impl Actor {
    /// Starts the model call that is due, if none is under way.
    pub(super) async fn take_off(&mut self) -> Result<(), String> {
        let due = engine::pending(&self.state, &self.world.rules.limits).into_iter().find_map(|effect| match effect {
            Effect::ModelCall { id, attempt, not_before, .. } => Some((Origin { effect: id, attempt }, not_before)),
            Effect::ToolCall { .. } | Effect::Review { .. } | Effect::TurnDeadline { .. } => None,
        });
        let Some((origin, not_before)) = due else {
            self.flight = None;
            return Ok(());
        };
        if self.flight.as_ref().is_some_and(|flight| flight.origin == origin) || self.registry.is_draining() {
            return Ok(());
        }
        // Whatever flew before was abandoned in the log; dropping it cancels it.
        let (clock, slots, project) = (self.world.clock.clone(), self.registry.slots.clone(), self.project.clone());
        let (tools, session, settings) = (self.world.tools.clone(), self.session.clone(), self.state.settings.clone());
        let (last, longest) = (self.state.offered.clone(), self.world.rules.limits.retry_pause_max);
        let future = Box::pin(async move {
            if let Some(at) = not_before {
                // A clock that was set back must not hold it up for hours.
                clock.sleep(clock.now().until(at).min(longest)).await;
            }
            let offered = tokio::select! {
                biased;
                offered = tools.offered(&project, &session, &settings, &last) => Some(offered),
                () = clock.sleep(OFFER_TIME) => None,
            };
            let slot = slots.take(&project).await;
            Landed::Ready(Box::new(Ready { slot, settings, offered }))
        });
        self.flight = Some(Flight { origin, future, slot: None });
        Ok(())
    }

    pub(super) async fn land(&mut self, landed: Landed) -> Result<(), String> {
        let Some(flight) = self.flight.take() else { return Ok(()) };
        match landed {
            // Changed settings are asked about again, with the next flight.
            Landed::Ready(ready)
                if self.registry.is_draining() || !Arc::ptr_eq(&ready.settings, &self.state.settings) =>
            {
                drop(ready);
                Ok(())
            }
            Landed::Ready(ready) => {
                let Ready { slot, offered, .. } = *ready;
                match offered {
                    Some(Ok(offered)) if offered != *self.state.offered => {
                        self.insist(vec![Input::Offer(offered)]).await?;
                    }
                    Some(Err(error)) => {
                        return self.insist(vec![Input::NoOffer(error)]).await;
                    }
                    Some(Ok(_)) | None => {}
                }
                self.depart(flight.origin, slot).await
            }
            Landed::Outcome(mut input) => {
                self.registry.count(&self.state, &input);
                self.hold_to_budget(&mut input);
                types::failpoint!(BeforeOutcome);
                let taken = self.insist(vec![*input]).await;
                types::failpoint!(AfterOutcome);
                // Given back only now: a server that drains waits for the answer to be in the log.
                drop(flight.slot);
                taken
            }
        }
    }

    /// The call's time has come: through the gate, the intent durable where it must be, then out.
    async fn depart(&mut self, origin: Origin, slot: Option<Slot>) -> Result<(), String> {
        let rules = self.world.rules.clone();
        let due = engine::pending(&self.state, &rules.limits)
            .into_iter()
            .find(|effect| matches!(effect, Effect::ModelCall { id, .. } if *id == origin.effect));
        let Some(effect) = due else { return Ok(()) };
        let verdict = gate::decide(&rules, &engine::standing(&self.state, &rules), &effect);
        let Origin { effect, attempt } = origin;
        let context = self.state.seq;
        let free = matches!(&verdict, Verdict::Permit { reserve } if reserve.is_empty());
        if !free {
            types::failpoint!(BeforeIntent);
            let denied = matches!(verdict, Verdict::Deny { .. });
            let input = Input::Verdict { effect, attempt, context, verdict };
            match self.insist_within_budget(vec![input]).await? {
                Within::Yes if denied => return Ok(()),
                Within::Yes => {}
                Within::No => return self.insist(vec![Input::OverBudget { effect, attempt }]).await,
            }
        }
        self.prove().await?;
        if self.speaking() != Some(origin) {
            return Ok(());
        }
        types::failpoint!(BeforeDispatch);
        self.ask(origin, context, slot);
        Ok(())
    }

    /// A free call needs no intent. Where the log was read anew, an append shows that the attempt is this node's to make
    /// and no newer one's, or two would speak under one name.
    pub(super) async fn prove(&mut self) -> Result<(), String> {
        while self.unproven {
            let mut batch = Batch::new(&self.state);
            batch.set_timer();
            match self.append(batch).await {
                Ok(()) => self.unproven = false,
                Err(Failure::Lost(why)) => return Err(why),
                Err(_) => self.world.clock.sleep(STORE_PAUSE).await,
            }
        }
        Ok(())
    }

    fn ask(&mut self, origin: Origin, last_shown: Seq, slot: Option<Slot>) {
        let Some((turn, call)) = self.state.turn.as_ref().and_then(|turn| Some((turn, turn.call.as_ref()?))) else {
            return;
        };
        let entry = self.world.models.entry(&call.model).cloned();
        if call.tried == 0 {
            let name = self.world.models.entry_name(&call.model);
            self.registry.retries.asked(name, self.world.clock.monotonic());
        }
        let upstream_model = entry.as_ref().and_then(|entry| entry.upstream_model.as_deref()).unwrap_or(&call.model);
        let plain = types::TurnRequest::default();
        let asked = Asked {
            session: &self.session,
            settings: &self.state.settings,
            offered: &self.state.offered,
            found: self.state.found(),
            upstream_model,
            effort: turn.effort,
            max_output_tokens: self.output_bound(turn, &call.model),
            turn: turn.request.as_deref().unwrap_or(&plain),
        };
        let shown = engine::context(&self.state, &self.world.rules);
        let may_part = self.state.may_part || shown.len() < self.state.transcript.len() + self.state.steering.len();
        let context = self.transcript.show(&call.model, shown, &self.items, may_part);
        let tools = Toolset::show(&mut self.toolset, &asked);
        let request = request(&asked, context, tools);
        self.tail.open_draft(origin, turn.id.clone(), turn.outputs);
        let (world, tail) = (self.world.clone(), self.tail.clone());
        let call = ModelCall { world, tail, entry, request, origin, context: last_shown };
        let future = Box::pin(async move { Landed::Outcome(Box::new(call.perform().await)) });
        self.flight = Some(Flight { origin, future, slot });
    }

    /// Takes what another try costs from the entry's budget; where nothing is left, there is none.
    pub(super) fn hold_to_budget(&self, outcome: &mut Input) {
        let Input::ModelFailed { effect, error, retry, .. } = outcome else { return };
        let Some(call) = self.state.model_call(*effect) else { return };
        if engine::would_try_again(&self.state, &self.world.rules, *effect, error) {
            let name = self.world.models.entry_name(&call.model);
            *retry = self.registry.retries.take(name, self.world.clock.monotonic());
        }
    }

    /// The bound on the answer: what is left of the turn's own, within the entry's. A session with a spending limit is
    /// held to what was reserved for it.
    fn output_bound(&self, turn: &Turn, model: &str) -> Option<u64> {
        let asked = turn.request.as_ref().and_then(|request| request.max_output_tokens);
        let asked = asked.map(|most| most.saturating_sub(turn.usage.output_tokens).max(1));
        asked.into_iter().chain(self.reserved_bound(model)).min()
    }

    /// The bound of the entry, or what was reserved for it.
    pub(super) fn reserved_bound(&self, model: &str) -> Option<u64> {
        self.world.rules.model(model).and_then(|rules| {
            let must_hold = self.state.settings.spend_limit.is_some() && !rules.price.is_free();
            if must_hold { Some(rules.reserved_output_tokens()) } else { rules.max_output_tokens }
        })
    }
}
