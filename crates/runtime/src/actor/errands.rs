//! Tool calls under way: through the gate, the intent durable where it must be, out into the world, and back as an
//! input for the engine.
//!
//! A session has one place (`slots`) for all its tool calls. A call that nobody waits for any more, because its turn
//! ended or its time is over, is told so; what it still says is heard for a while by a task of its own, and goes into
//! the log as `late`.

use super::reviews::Reviewing;
use super::{Actor, Command, Reply, STORE_PAUSE};
use crate::World;
use crate::registry::{Hold, Registry};
use crate::slots::Slot;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use tokio::sync::oneshot;
use types::{
    BoxFuture, Class, Consent, Effect, Input, ItemBody, Origin, Progress, Record, RecordBody, ToolOutcome, ToolRequest,
    Verdict,
};

/// One attempt of a tool call under way.
struct Errand {
    origin: Origin,
    request: Arc<ToolRequest>,
    tool: BoxFuture<'static, ToolOutcome>,
    /// Its time; None once it is over.
    limit: Option<BoxFuture<'static, ()>>,
}

enum Place {
    None,
    Asked(BoxFuture<'static, Option<Slot>>),
    Held(#[expect(dead_code, reason = "given back when dropped")] Option<Slot>),
}

/// The tool calls of one session that are under way.
pub(crate) struct Errands {
    under_way: Vec<Errand>,
    pub(super) reviews: Vec<Reviewing>,
    place: Place,
}

/// What happens next to one of them.
pub(super) enum Report {
    Place(Option<Slot>),
    Outcome(Origin, ToolOutcome),
    Reviewed(Box<Input>),
    Overdue(Origin),
}

/// A tool call that is due, or a review of one.
pub(super) struct Due {
    pub(super) origin: Origin,
    pub(super) effect: Effect,
    class: Class,
    pub(super) attach: bool,
}

impl Errands {
    pub(crate) fn new() -> Self {
        Self { under_way: Vec::new(), reviews: Vec::new(), place: Place::None }
    }

    /// Whether something will be reported.
    pub(super) fn are_under_way(&self) -> bool {
        !self.is_empty() || matches!(self.place, Place::Asked(_))
    }

    fn is_empty(&self) -> bool {
        self.under_way.is_empty() && self.reviews.is_empty()
    }

    /// Waits for the next report; for ever where there is none. Nothing is lost if the future is dropped.
    pub(super) async fn next(&mut self) -> Report {
        poll_fn(|context| {
            if let Place::Asked(asked) = &mut self.place
                && let Poll::Ready(slot) = asked.as_mut().poll(context)
            {
                self.place = Place::None;
                return Poll::Ready(Report::Place(slot));
            }
            for index in 0..self.reviews.len() {
                if let Poll::Ready(input) = self.reviews[index].outcome.as_mut().poll(context) {
                    self.reviews.remove(index);
                    return Poll::Ready(Report::Reviewed(Box::new(input)));
                }
            }
            for index in 0..self.under_way.len() {
                let errand = &mut self.under_way[index];
                if let Poll::Ready(outcome) = errand.tool.as_mut().poll(context) {
                    let Errand { origin, .. } = self.under_way.remove(index);
                    return Poll::Ready(Report::Outcome(origin, outcome));
                }
                if let Some(limit) = &mut errand.limit
                    && limit.as_mut().poll(context).is_ready()
                {
                    errand.limit = None;
                    return Poll::Ready(Report::Overdue(errand.origin));
                }
            }
            Poll::Pending
        })
        .await
    }
}

impl Actor {
    pub(super) async fn report(&mut self, report: Report) -> Result<(), String> {
        match report {
            Report::Place(slot) => {
                self.errands.place = Place::Held(slot);
                Ok(())
            }
            Report::Outcome(Origin { effect, attempt }, outcome) => {
                self.insist(vec![Input::ToolDone { effect, attempt, outcome }]).await
            }
            Report::Reviewed(outcome) => self.heard(*outcome).await,
            Report::Overdue(Origin { effect, attempt }) => {
                self.insist(vec![Input::ToolOverdue { effect, attempt }]).await
            }
        }
    }

    /// Starts the tool calls that are due, and lets go of those that are not any more. Whether it must look again,
    /// because a refusal made others due.
    pub(super) async fn run_errands(&mut self) -> Result<bool, String> {
        if self.errands.is_empty() && matches!(self.errands.place, Place::None) && !self.performs() {
            return Ok(false);
        }
        let mut due = self.due();
        let is_due = |errand: &Errand| due.iter().any(|due| due.origin == errand.origin);
        let (kept, dropped): (Vec<_>, Vec<_>) = self.errands.under_way.drain(..).partition(is_due);
        self.errands.under_way = kept;
        for errand in dropped {
            self.let_go(errand);
        }
        // Whatever is not awaited any more is cancelled by being dropped.
        self.errands.reviews.retain(|review| due.iter().any(|due| due.origin == review.origin));
        due.retain(|due| {
            let of_due = |origin: Origin| origin == due.origin;
            let mut under_way = self.errands.under_way.iter().map(|errand| errand.origin);
            let mut reviews = self.errands.reviews.iter().map(|review| review.origin);
            !under_way.any(of_due) && !reviews.any(of_due)
        });
        if due.is_empty() || self.registry.is_draining() {
            // Given back only when the last outcome is in the log: a server that drains waits for that.
            if self.errands.is_empty() {
                self.errands.place = Place::None;
            }
            return Ok(false);
        }
        if self.ask_consent(&due).await? {
            return Ok(true);
        }
        match &self.errands.place {
            Place::Held(_) => self.send_out(due).await,
            Place::Asked(_) => Ok(false),
            Place::None => {
                let (slots, project) = (self.registry.slots.clone(), self.project.clone());
                self.errands.place = Place::Asked(Box::pin(async move { slots.take(&project).await }));
                Ok(false)
            }
        }
    }

    fn performs(&self) -> bool {
        self.state.turn.as_ref().is_some_and(|turn| turn.tools.iter().any(engine::OpenTool::is_worked_on))
    }

    fn due(&self) -> Vec<Due> {
        let effects = engine::pending(&self.state, &self.world.rules.limits).into_iter();
        effects
            .filter_map(|effect| match effect {
                Effect::ToolCall { id, attempt, class, attach, .. } => {
                    Some(Due { origin: Origin { effect: id, attempt }, effect, class, attach })
                }
                Effect::Review { id, attempt, .. } => {
                    let (origin, class) = (Origin { effect: id, attempt }, Class::Repeatable);
                    Some(Due { origin, effect, class, attach: false })
                }
                Effect::ModelCall { .. } | Effect::TurnDeadline { .. } => None,
            })
            .collect()
    }

    /// Through the gate, with one append for the intents of all, then out. Whether one was refused.
    async fn send_out(&mut self, due: Vec<Due>) -> Result<bool, String> {
        let (reviews, due): (Vec<_>, Vec<_>) =
            due.into_iter().partition(|due| matches!(due.effect, Effect::Review { .. }));
        let mut refused = false;
        for review in reviews {
            refused |= self.send_review(&review).await?;
        }
        let standing = engine::standing(&self.state, &self.world.rules);
        let context = self.state.seq;
        let mut verdicts = Vec::new();
        for Due { origin, effect, class, attach } in &due {
            let verdict = gate::decide(&self.world.rules, &standing, effect);
            let denied = matches!(verdict, Verdict::Deny { .. });
            refused |= denied;
            // What was begun before a crash has its intent; a pure call's travels with its outcome.
            if denied || (*class != Class::Pure && !attach) {
                let Origin { effect, attempt } = *origin;
                verdicts.push(Input::Verdict { effect, attempt, context, verdict });
            }
        }
        if !verdicts.is_empty() {
            types::failpoint!(BeforeIntent);
            self.insist(verdicts).await?;
        }
        // An intent that was found in the log read anew may be a newer node's: then the call is that node's too.
        self.prove().await?;
        types::failpoint!(BeforeDispatch);
        for Due { origin, attach, .. } in due {
            self.dispatch(origin, attach);
        }
        Ok(refused)
    }

    /// Begins an attempt that is open and, save where it needs none, has a durable intent.
    fn dispatch(&mut self, origin: Origin, attach: bool) {
        let Some(open) = self.state.tool(origin.effect).filter(|open| open.attempt == origin.attempt) else { return };
        let begins = open.intended || (open.call.class == Class::Pure && open.consent() != Consent::Missing);
        if !begins {
            return;
        }
        let Some(turn) = self.state.turn.as_ref().map(|turn| turn.id.clone()) else { return };
        let (project, session, call) = (self.project.clone(), self.session.clone(), open.call.clone());
        if call.is_command() {
            let output_index = open.output_index.unwrap_or_default();
            self.tail.open_command(origin, open.item.clone(), turn.clone(), output_index);
        }
        let key = ToolRequest::key_of(&session, &call);
        let (settings, offer) = (self.state.settings.clone(), self.state.offered.clone());
        let attempt = origin.attempt;
        let resume = open.program.as_ref().map(|program| Arc::new(program.resume()));
        let most = self.world.rules.limits.tool_output;
        if let Some(resume) = &resume {
            // The draft of one attempt is all that was printed: it ended with the attempt before.
            self.tail.print(origin, &resume.printed, most);
        }
        let request = ToolRequest { project, session, turn, call, attempt, key, attach, settings, offer, resume };
        let request = Arc::new(request);
        let (tools, asked) = (self.world.tools.clone(), request.clone());
        let drafts = Drafts { tail: self.tail.clone(), origin, most };
        let tool = Box::pin(async move { tools.perform(&asked, &drafts).await });
        let limit = Some(self.world.clock.sleep(self.world.rules.limits.tool_call_time));
        self.errands.under_way.push(Errand { origin, request, tool, limit });
    }

    /// The attempts of tool calls that have no outcome yet.
    pub(super) fn performing(&self) -> Vec<Origin> {
        let open = self.state.turn.iter().flat_map(|turn| &turn.tools);
        open.map(|open| Origin { effect: open.call.effect, attempt: open.attempt }).collect()
    }

    /// A command that comes to nothing is recorded with what clients were shown of it.
    pub(super) fn note_printed(&self, record: &mut Record) {
        let RecordBody::Item(item) = &mut record.body else { return };
        let ItemBody::ToolOutcome { call, attempt, outcome, .. } = &item.body else { return };
        if !matches!(outcome, ToolOutcome::Failed(_) | ToolOutcome::Unknown(_)) {
            return;
        }
        // Of a program that has paused some is said already: what it is printing now goes on from there.
        if let Some(printed) = self.tail.printed(Origin { effect: call.effect, attempt: *attempt })
            && let ItemBody::ToolOutcome { said, .. } = &mut Arc::make_mut(item).body
        {
            *said = Some(printed);
        }
    }

    /// Nobody waits for it any more. A pure call leaves nothing behind, so nothing of it is worth knowing.
    fn let_go(&self, errand: Errand) {
        self.world.tools.cancel(&errand.request);
        if errand.request.call.class != Class::Pure {
            let listening = listen(self.world.clone(), self.registry.clone(), errand);
            self.world.spawn.spawn("a late tool call", Box::pin(listening));
        }
    }
}

/// Where a command's output goes while it runs.
struct Drafts {
    tail: Arc<Hold>,
    origin: Origin,
    most: usize,
}

impl Progress for Drafts {
    fn printed(&self, more: &str) {
        self.tail.print(self.origin, more, self.most);
    }
}

/// Hears a call that was given up, for a while. A server that stops does not wait for it.
async fn listen(world: World, registry: Arc<Registry>, errand: Errand) {
    let Errand { origin: Origin { effect, attempt }, request, tool, .. } = errand;
    let patience = world.clock.sleep(world.rules.limits.tool_late_time);
    let outcome = tokio::select! {
        biased;
        outcome = tool => outcome,
        () = patience => return,
    };
    while world.store.is_healthy() && !registry.is_draining() {
        let inputs = vec![Input::ToolDone { effect, attempt, outcome: outcome.clone() }];
        let (reply, answer) = oneshot::channel();
        let mailbox = registry.mailbox(&request.project, &request.session);
        if mailbox.send(Command::Submit { inputs, key: None, reply }).await.is_err() {
            continue;
        }
        match answer.await {
            Ok(Reply::Retired) => {}
            Ok(Reply::Refused(refusal)) if refusal.kind == types::RefusalKind::Unavailable => {
                world.clock.sleep(STORE_PAUSE).await;
            }
            // Written, or there is no such session any more.
            Ok(Reply::Done(_) | Reply::Refused(_)) | Err(_) => return,
        }
    }
}
