//! Consent: who must be asked about a call is asked before anything else is done for it, and where a model decides, it is
//! asked here. A review is a model call of its own, beside the tool calls of the session and under their place.

use super::errands::Due;
use super::{Actor, Within};
use crate::call;
use crate::review::{Shown, request};
use types::{Answer, BoxFuture, Consent, Effect, Input, ModelError, ModelErrorKind, ModelEvent, Origin, Verdict};

/// One review under way.
pub(super) struct Reviewing {
    pub(super) origin: Origin,
    pub(super) outcome: BoxFuture<'static, Input>,
}

impl Actor {
    /// Asks about the calls that nobody was asked about yet. None of them needs a place for that. Whether anything came
    /// of it.
    pub(super) async fn ask_consent(&mut self, due: &[Due]) -> Result<bool, String> {
        let (context, before) = (self.state.seq, self.state.seq);
        let standing = engine::standing(&self.state, &self.world.rules);
        let unasked = due
            .iter()
            .filter(|due| matches!(due.effect, Effect::ToolCall { consent: Consent::Missing, .. }) && !due.attach);
        let verdicts: Vec<_> = unasked
            .map(|due| {
                let Origin { effect, attempt } = due.origin;
                let verdict = gate::decide(&self.world.rules, &standing, &due.effect);
                Input::Verdict { effect, attempt, context, verdict }
            })
            .collect();
        if verdicts.is_empty() {
            return Ok(false);
        }
        types::failpoint!(BeforeIntent);
        self.insist(verdicts).await?;
        Ok(self.state.seq != before)
    }

    /// Through the gate, the intent durable where it costs, then asked. Whether it came to nothing before that.
    pub(super) async fn send_review(&mut self, due: &Due) -> Result<bool, String> {
        let Origin { effect, attempt } = due.origin;
        let context = self.state.seq;
        let standing = engine::standing(&self.state, &self.world.rules);
        let verdict = gate::decide(&self.world.rules, &standing, &due.effect);
        let free = matches!(&verdict, Verdict::Permit { reserve } if reserve.is_empty());
        if !free {
            types::failpoint!(BeforeIntent);
            let permitted = matches!(verdict, Verdict::Permit { .. });
            match self.insist_within_budget(vec![Input::Verdict { effect, attempt, context, verdict }]).await? {
                Within::Yes if permitted => {}
                Within::Yes => return Ok(true),
                Within::No => {
                    self.insist(vec![Input::OverBudget { effect, attempt }]).await?;
                    return Ok(true);
                }
            }
        }
        self.prove().await?;
        types::failpoint!(BeforeDispatch);
        self.review(due.origin);
        Ok(false)
    }

    fn review(&mut self, origin: Origin) {
        let Some(turn) = &self.state.turn else { return };
        let under_review =
            turn.reviews().find(|(_, call)| call.effect == origin.effect && call.attempt == origin.attempt);
        let Some((open, call)) = under_review else { return };
        let entry = self.world.models.entry(&call.model).cloned();
        if call.tried == 0 {
            let name = self.world.models.entry_name(&call.model);
            self.registry.retries.asked(name, self.world.clock.monotonic());
        }
        let newest = engine::review_context(&self.state);
        let offered = self.state.offered.tools.iter();
        let shown = Shown {
            session: &self.session,
            call: &open.call,
            tool: offered.clone().find(|tool| tool.name == open.call.name),
            changed: open.request.as_ref().is_some_and(|request| request.changed),
            instructions: self.state.settings.agent.instructions.as_deref(),
            messages: newest.iter().filter_map(|seq| self.items.get(seq)).map(|item| &**item).collect(),
            upstream_model: entry.as_ref().and_then(|entry| entry.upstream_model.as_deref()).unwrap_or(&call.model),
            max_output_tokens: self.reserved_bound(&call.model),
        };
        let request = request(&shown);
        let (world, not_before, context) = (self.world.clone(), call.not_before, self.state.seq);
        let longest = self.world.rules.limits.retry_pause_max;
        let outcome = Box::pin(async move {
            if let Some(at) = not_before {
                world.clock.sleep(world.clock.now().until(at).min(longest)).await;
            }
            let Origin { effect, attempt } = origin;
            let mut answer = Answer::default();
            let result = match &entry {
                Some(entry) => {
                    let mut say = |event: ModelEvent| answer.push(event);
                    call::ask(&world, entry, &request, &mut say).await
                }
                None => Err(ModelError::new(ModelErrorKind::NotFound, call::NOT_CONFIGURED)),
            };
            match result {
                Ok(finish) => Input::ModelDone { effect, attempt, context, answer, finish },
                Err(error) => {
                    let spoke = answer.has_spoken();
                    Input::ModelFailed { effect, attempt, context, error, spoke, retry: true }
                }
            }
        });
        self.errands.reviews.push(Reviewing { origin, outcome });
    }

    /// What a review came to.
    pub(super) async fn heard(&mut self, mut outcome: Input) -> Result<(), String> {
        self.registry.count(&self.state, &outcome);
        self.hold_to_budget(&mut outcome);
        types::failpoint!(BeforeOutcome);
        self.insist(vec![outcome]).await?;
        types::failpoint!(AfterOutcome);
        Ok(())
    }
}
