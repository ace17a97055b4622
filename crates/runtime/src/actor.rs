//! One task for each active session: the only writer of its log. It takes inputs from its mailbox, lets the engine
//! decide, appends, and performs what is pending: one model call at a time, or the tool calls of one. With nothing to do
//! it retires, and the session is only rows in the store again.
//!
//! Records are applied before they are appended and shown to nobody until they are durable. Where the append fails, or
//! a later input of the same request is refused, State is thrown away and read again: that is rare, a copy of State
//! for every append would not be.

mod batch;
mod command;
mod deadline;
mod errands;
mod flight;
mod fork;
mod request;
mod reviews;

use crate::World;
use crate::context::{Toolset, Transcript};
use crate::handle::RequestKey;
use crate::registry::{Hold, Registry};
use crate::tail::Speakers;
use crate::waits::Wait;
use batch::Batch;
pub(crate) use command::{Command, Reply};
use deadline::Deadline;
use engine::State;
pub(crate) use errands::Errands;
use errands::Report;
use flight::{Flight, Landed};
use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use store::{AppendError, LogQuery};
use tokio::sync::mpsc;
use types::{
    Door, Epoch, Input, Item, Origin, ProjectId, Record, RecordBody, Refusal, RefusalKind, Seq, SessionId, SessionView,
    Stamp,
};

/// How long a session without work stays in memory.
const RETIRE_AFTER: Duration = Duration::from_secs(10);
/// One of a chat: nobody comes back to it, but for whoever deletes it.
const CHAT_RETIRES_AFTER: Duration = Duration::from_millis(250);
/// One with more than this in its items, bytes, goes at once: memory is for many.
const HEAVY: usize = 1 << 20;
/// Pause before an append that the store could not take is tried again.
const STORE_PAUSE: Duration = Duration::from_secs(1);

pub(crate) struct Actor {
    pub(crate) world: World,
    pub(crate) registry: Arc<Registry>,
    pub(crate) project: ProjectId,
    pub(crate) session: SessionId,
    pub(crate) epoch: Epoch,
    pub(crate) tail: Arc<Hold>,
    pub(crate) mailbox: mpsc::Receiver<Command>,
    pub(crate) state: State,
    /// What the first append of a fork says that it stands on.
    pub(crate) base: Option<(SessionId, Seq)>,
    /// Bodies of the transcript's items, while the session is active.
    pub(crate) items: BTreeMap<Seq, Arc<Item>>,
    /// Their bytes, all together.
    pub(crate) weight: usize,
    pub(crate) transcript: Transcript,
    pub(crate) toolset: Option<Toolset>,
    pub(crate) flight: Option<Flight>,
    pub(crate) deadline: Option<Deadline>,
    /// While its turn waits for its environment.
    pub(crate) wait: Option<Wait>,
    pub(crate) errands: Errands,
    /// Read anew after an append that failed: a newer node may have written what the log holds.
    pub(crate) unproven: bool,
}

enum Woken {
    Landed(Landed),
    Report(Report),
    Command(Command),
    /// The turn's time is over.
    Overdue,
    Nothing,
}

/// Why a commit did not happen.
enum Failure {
    Refused(Refusal),
    OverBudget,
    /// The store may take it later.
    Later,
    /// This node may not write any more.
    Lost(String),
}

impl Actor {
    pub(crate) async fn run(mut self) {
        let mut first = match self.wake(RETIRE_AFTER).await {
            Woken::Command(command) => Some(command),
            _ => None,
        };
        if let Err(refusal) = self.begin(first.as_ref()).await {
            self.registry.retire(&self.project, &self.session, || true);
            if let Some(command) = first {
                command.answer(Reply::Refused(refusal.clone()));
            }
            return self.refuse_all(&refusal).await;
        }
        if self.state.needs_work() && self.recover().await.is_err() {
            if let Some(command) = first {
                command.answer(Reply::Refused(unavailable()));
            }
            return self.leave().await;
        }
        loop {
            if let Err(lost) = self.start_what_is_due().await {
                tracing::error!(session = %self.session, %lost, "the session cannot go on on this node");
                return self.leave().await;
            }
            let woken = match first.take() {
                Some(command) => Woken::Command(command),
                None => self.wake(self.stay()).await,
            };
            let done = match woken {
                Woken::Landed(landed) => self.land(landed).await,
                Woken::Report(report) => self.report(report).await,
                Woken::Command(command) => self.obey(command).await,
                Woken::Overdue => self.check_deadline().await,
                Woken::Nothing if self.retire().await => return,
                Woken::Nothing => Ok(()),
            };
            if let Err(lost) = done {
                tracing::error!(session = %self.session, %lost, "the session cannot go on on this node");
                return self.leave().await;
            }
        }
    }

    async fn start_what_is_due(&mut self) -> Result<(), String> {
        while self.run_errands().await? {}
        self.watch_deadline();
        self.note_wait();
        self.take_off().await
    }

    fn watch_deadline(&mut self) {
        let (known, limits) = (self.deadline.take(), &self.world.rules.limits);
        self.deadline = Deadline::of(&self.state, limits, known, &*self.world.clock);
    }

    /// That it waits for its environment, or does not any more.
    fn note_wait(&mut self) {
        match (self.state.is_held(), &self.wait) {
            (true, None) => self.wait = Some(self.registry.waits.begin(&self.project)),
            (false, Some(_)) => self.wait = None,
            _ => {}
        }
    }

    /// How long it stays, if nothing comes.
    fn stay(&self) -> Duration {
        match self.state.settings.door {
            // Deleted, or never made.
            _ if self.state.seq == Seq(0) || self.weight > HEAVY => Duration::ZERO,
            Door::Chat => CHAT_RETIRES_AFTER,
            _ => RETIRE_AFTER,
        }
    }

    /// What comes next; `Nothing` after `stay` without work.
    async fn wake(&mut self, stay: Duration) -> Woken {
        let overdue = async {
            match &mut self.deadline {
                Some(deadline) => (&mut deadline.timer).await,
                None => pending().await,
            }
        };
        match &mut self.flight {
            Some(flight) => tokio::select! {
                biased;
                landed = &mut flight.future => Woken::Landed(landed),
                () = overdue => Woken::Overdue,
                Some(command) = self.mailbox.recv() => Woken::Command(command),
            },
            None if self.errands.are_under_way() => tokio::select! {
                biased;
                report = self.errands.next() => Woken::Report(report),
                () = overdue => Woken::Overdue,
                Some(command) = self.mailbox.recv() => Woken::Command(command),
            },
            // Its environment is waited for, but not for ever.
            None if self.state.is_held() => tokio::select! {
                biased;
                () = overdue => Woken::Overdue,
                Some(command) = self.mailbox.recv() => Woken::Command(command),
            },
            None => {
                let rest = self.world.clock.sleep(stay);
                tokio::select! {
                    biased;
                    command = self.mailbox.recv() => command.map_or(Woken::Nothing, Woken::Command),
                    () = rest => Woken::Nothing,
                }
            }
        }
    }

    /// Leaves the registry, unless a command came meanwhile.
    async fn retire(&mut self) -> bool {
        let mailbox = &mut self.mailbox;
        let retired = self.registry.retire(&self.project, &self.session, || mailbox.is_empty());
        if retired {
            self.mailbox.close();
            // To the end of the channel: a sender may hold its place in it without having filled it.
            while let Some(command) = self.mailbox.recv().await {
                command.answer(Reply::Retired);
            }
        }
        retired
    }

    /// Leaves whatever waits: this node cannot write for the session any more.
    async fn leave(&mut self) {
        self.registry.retire(&self.project, &self.session, || true);
        self.tail.end();
        self.refuse_all(&unavailable()).await;
    }

    async fn refuse_all(&mut self, refusal: &Refusal) {
        self.mailbox.close();
        while let Some(command) = self.mailbox.recv().await {
            command.answer(Reply::Refused(refusal.clone()));
        }
    }

    // ---- what the session is

    /// A session that is being made under an id that was drawn for it has no log to be read. The append knows best.
    async fn begin(&mut self, first: Option<&Command>) -> Result<(), Refusal> {
        if first.is_some_and(Command::makes_a_session) {
            self.tail.begin(Seq(0), &Speakers::default());
            return Ok(());
        }
        self.load().await
    }

    async fn load(&mut self) -> Result<(), Refusal> {
        let log = loop {
            let query = LogQuery::after(Seq(0));
            match self.world.store.log(&self.project, &self.session, query).await {
                Ok(log) => break log,
                // A file too many, a lock held for a moment: work that is unfinished must not stay so.
                Err(store::Error::Failed(why)) if self.world.store.is_healthy() && !self.registry.is_draining() => {
                    tracing::warn!(session = %self.session, %why, "the log could not be read; again in a moment");
                    self.world.clock.sleep(STORE_PAUSE).await;
                }
                Err(error) => return Err(store_refusal(&error)),
            }
        };
        self.clear();
        for stored in &log {
            let record = Record::decode(&stored.record).map_err(|error| {
                tracing::error!(session = %self.session, %error, "the session cannot be run");
                Refusal::new(RefusalKind::Internal, format!("The session can be read, not run: {error}."))
            })?;
            self.keep(stored.seq, &record);
            engine::apply(&mut self.state, stored.seq, &record);
        }
        let call = self.speaking().filter(|origin| self.flight.as_ref().is_some_and(|of| of.is_of(*origin)));
        self.tail.begin(self.state.seq, &Speakers { call, commands: self.performing() });
        Ok(())
    }

    fn clear(&mut self) {
        self.state = State::new(self.session.clone());
        self.items.clear();
        self.weight = 0;
        self.transcript = Transcript::default();
    }

    fn keep(&mut self, seq: Seq, record: &Record) {
        if let RecordBody::Item(item) = &record.body {
            self.weight += item.body.bytes();
            self.items.insert(seq, item.clone());
        }
    }

    async fn recover(&mut self) -> Result<(), String> {
        types::failpoint!(BeforeRecovered);
        self.insist(vec![Input::Recover { epoch: self.epoch }]).await?;
        types::failpoint!(AfterRecovered);
        Ok(())
    }

    fn view(&self) -> SessionView {
        SessionView { head: Arc::new(engine::head(&self.state)), settings: self.state.settings.clone() }
    }

    // ---- what clients ask

    async fn obey(&mut self, command: Command) -> Result<(), String> {
        match command {
            Command::Submit { inputs, key, reply } => {
                let answer = self.submit(inputs, key).await;
                types::failpoint!(BeforeReply);
                let (reply_with, lost) = self.outcome(answer);
                let _ = reply.send(reply_with);
                lost
            }
            Command::Fork { base, inputs, reply } => {
                let answer = self.fork(base, inputs).await;
                types::failpoint!(BeforeReply);
                let (reply_with, lost) = self.outcome(answer);
                let _ = reply.send(reply_with);
                lost
            }
            Command::Delete { reply } => {
                let answer = self.delete().await;
                let (reply_with, lost) = self.outcome(answer);
                let _ = reply.send(reply_with);
                lost
            }
            Command::Wake { reply } => {
                let lost = self.check_deadline().await;
                let _ = reply.send(Reply::Done(Box::new(self.view())));
                lost
            }
        }
    }

    fn outcome(&self, answer: Result<(), Failure>) -> (Reply, Result<(), String>) {
        match answer {
            Ok(()) => (Reply::Done(Box::new(self.view())), Ok(())),
            Err(Failure::Refused(refusal)) => (Reply::Refused(refusal), Ok(())),
            Err(Failure::OverBudget | Failure::Later) => (Reply::Refused(unavailable()), Ok(())),
            Err(Failure::Lost(why)) => (Reply::Refused(unavailable()), Err(why)),
        }
    }

    /// Ends the turn whose time has come. A turn has a deadline only while this server works on it or waits for its
    /// environment, so its actor is in memory and watches it, and one that died of something is woken for its work.
    /// Requests for consent are waited for without an actor: a timer wakes the session when the first runs out. One that
    /// stands where nothing is waited for is taken away, or it would wake the session for ever.
    async fn check_deadline(&mut self) -> Result<(), String> {
        self.watch_deadline();
        let clock = self.world.clock.clone();
        if let Some(turn) = self.deadline.as_ref().and_then(|deadline| deadline.passed(&*clock)) {
            return self.insist(vec![Input::Deadline { turn }]).await;
        }
        if self.state.seq == Seq(0) {
            return Ok(());
        }
        if self.state.next_expiry().is_some_and(|at| at <= clock.now()) {
            self.insist(vec![Input::Expire]).await?;
        }
        let mut batch = Batch::new(&self.state);
        batch.set_timer();
        match self.append(batch).await {
            Err(Failure::Lost(why)) => Err(why),
            _ => Ok(()),
        }
    }

    // ---- writing

    /// Commits what must not be refused, outcomes above all. A store that is full for the moment is asked again.
    async fn insist(&mut self, inputs: Vec<Input>) -> Result<(), String> {
        self.insist_within_budget(inputs).await.map(|_| ())
    }

    async fn insist_within_budget(&mut self, inputs: Vec<Input>) -> Result<Within, String> {
        loop {
            match self.commit(inputs.clone(), None).await {
                Ok(()) => return Ok(Within::Yes),
                Err(Failure::OverBudget) => return Ok(Within::No),
                Err(Failure::Refused(refusal)) => return Err(refusal.message),
                Err(Failure::Lost(why)) => return Err(why),
                Err(Failure::Later) => self.world.clock.sleep(STORE_PAUSE).await,
            }
        }
    }

    async fn commit(&mut self, inputs: Vec<Input>, key: Option<RequestKey>) -> Result<(), Failure> {
        let mut batch = Batch::new(&self.state);
        let jump = self.jump();
        // One input is taken or refused before anything changes; of several, the first may be taken back.
        let before = (inputs.len() > 1 || jump.is_some()).then(|| self.state.clone());
        for input in jump.into_iter().chain(inputs) {
            let mut stamp = Stamp::new(self.world.clock.now(), &*self.world.entropy);
            match engine::admit(&self.state, &self.world.rules, input, &mut stamp) {
                Ok(records) => {
                    for mut record in records {
                        self.note_printed(&mut record);
                        let seq = batch.take(&mut self.state, &record);
                        self.keep(seq, &record);
                    }
                }
                Err(refusal) => {
                    if let Some(before) = before {
                        let taken_back = self.items.split_off(&before.seq.next());
                        self.weight -= taken_back.values().map(|item| item.body.bytes()).sum::<usize>();
                        self.state = before;
                    }
                    return Err(Failure::Refused(refusal));
                }
            }
        }
        if batch.is_empty() && key.is_none() {
            return Ok(());
        }
        if let Some(key) = key {
            batch.remember(key, self.world.clock.now());
        }
        self.append(batch).await
    }

    async fn append(&mut self, mut batch: Batch) -> Result<(), Failure> {
        let now = self.world.clock.now();
        let ended = batch.take_ended();
        let (mut append, events) = batch.finish(&self.project, self.epoch, now, &self.state);
        append.base = self.base.take();
        self.tail.fall_behind();
        match self.world.store.append(append).await {
            Ok(_) => {
                types::failpoint!(BeforePublish);
                self.tail.publish(events, &Speakers { call: self.speaking(), commands: self.performing() });
                types::failpoint!(AfterPublish);
                ended.iter().for_each(|turn| self.world.tools.turn_ended(&self.project, &self.session, turn));
                Ok(())
            }
            Err(error) => {
                let failure = self.append_failure(error);
                self.unproven |= matches!(failure, Failure::Later);
                self.reload().await?;
                Err(failure)
            }
        }
    }

    /// Why an append did not happen. A node that a newer one has fenced writes nothing any more, so it serves nobody.
    fn append_failure(&self, error: AppendError) -> Failure {
        match error {
            AppendError::OverBudget { .. } => Failure::OverBudget,
            AppendError::Store(store::Error::Failed(why)) => {
                tracing::warn!(%why, "the store could not take an append");
                Failure::Later
            }
            AppendError::IdempotencyTaken => {
                Failure::Refused(Refusal::conflict("A request with this Idempotency-Key is being worked on."))
            }
            AppendError::Deleted => Failure::Refused(Refusal::not_found("session", self.session.as_str())),
            AppendError::NoBase { session } => Failure::Refused(Refusal::not_found("session", session.as_str())),
            AppendError::TooDeep => {
                let message = format!("A session can be a fork of a fork at most {} times.", store::MAX_SEGMENTS - 1);
                Failure::Refused(Refusal::invalid(message))
            }
            AppendError::Fenced => {
                self.registry.start_draining();
                Failure::Lost(error.to_string())
            }
            AppendError::Moved { .. } | AppendError::Store(_) => Failure::Lost(error.to_string()),
        }
    }

    async fn reload(&mut self) -> Result<(), Failure> {
        self.load().await.map_err(|refusal| Failure::Lost(refusal.message))
    }

    /// The attempt whose draft stays open.
    fn speaking(&self) -> Option<Origin> {
        let call = self.state.turn.as_ref()?.call.as_ref()?;
        Some(Origin { effect: call.effect, attempt: call.attempt })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Yes,
    No,
}

pub(crate) fn unavailable() -> Refusal {
    Refusal::new(RefusalKind::Unavailable, "The server cannot take this now. Try again shortly.")
}

pub(crate) fn store_refusal(error: &store::Error) -> Refusal {
    match error {
        store::Error::Damaged { .. } => Refusal::new(RefusalKind::Internal, error.to_string()),
        _ => {
            tracing::error!(%error, "the store did not answer");
            unavailable()
        }
    }
}
