//! Which sessions are in memory: their actors' mailboxes and their tails. A session that sleeps and has no reader has
//! no entry.

use crate::World;
use crate::actor::{Actor, Command, Errands};
use crate::context::Transcript;
use crate::retries::Retries;
use crate::slots::Slots;
use crate::tail::Tail;
use crate::waits::Waits;
use engine::State;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::{mpsc, watch};
use types::{Epoch, Input, ProjectId, Seq, SessionId, Usage};

/// Commands that may wait for one session.
const MAILBOX: usize = 64;

pub(crate) struct Registry {
    world: World,
    epoch: Epoch,
    pub(crate) slots: Slots,
    pub(crate) waits: Waits,
    pub(crate) retries: Retries,
    entries: Mutex<BTreeMap<(ProjectId, SessionId), Entry>>,
    draining: watch::Sender<bool>,
    counters: Mutex<BTreeMap<String, ModelCounters>>,
}

struct Entry {
    tail: Weak<Hold>,
    mailbox: Option<mpsc::Sender<Command>>,
}

/// A session's tail, held by its actor and its readers; the last of them takes the entry out.
pub(crate) struct Hold {
    registry: Arc<Registry>,
    project: ProjectId,
    tail: Tail,
}

impl Deref for Hold {
    type Target = Tail;
    fn deref(&self) -> &Tail {
        &self.tail
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // Nobody can take hold of it again: an `Arc` that is being dropped is upgraded no more.
        self.registry.forget(&self.project, &self.tail.session);
    }
}

/// What one model entry was asked since the start of the process.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct ModelCounters {
    pub answered: u64,
    pub failed: u64,
    pub usage: Usage,
}

impl Registry {
    pub(crate) fn new(world: World, epoch: Epoch) -> Self {
        let (slots, waits) = (Slots::new(&world.rules.limits), Waits::new(&world.rules.limits));
        let (entries, counters, retries) = (Mutex::default(), Mutex::default(), Retries::default());
        Self { world, epoch, slots, waits, retries, entries, draining: watch::Sender::new(false), counters }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(ProjectId, SessionId), Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The mailbox of the session's actor; starts one if there is none.
    pub(crate) fn mailbox(self: &Arc<Self>, project: &ProjectId, session: &SessionId) -> mpsc::Sender<Command> {
        let mut entries = self.lock();
        let entry = entry(&mut entries, project, session);
        if let Some(mailbox) = entry.mailbox.as_ref().filter(|mailbox| !mailbox.is_closed()) {
            return mailbox.clone();
        }
        let tail = self.hold(entry, project, session);
        let (sender, mailbox) = mpsc::channel(MAILBOX);
        entry.mailbox = Some(sender.clone());
        drop(entries);
        let actor = Actor {
            world: self.world.clone(),
            registry: self.clone(),
            project: project.clone(),
            session: session.clone(),
            epoch: self.epoch,
            tail,
            mailbox,
            state: State::new(session.clone()),
            base: None,
            items: BTreeMap::new(),
            weight: 0,
            transcript: Transcript::default(),
            toolset: None,
            flight: None,
            deadline: None,
            wait: None,
            errands: Errands::new(),
            unproven: false,
        };
        self.world.spawn.spawn("session", Box::pin(actor.run()));
        sender
    }

    /// Whether the session has an actor: then it was there a moment ago.
    pub(crate) fn is_active(&self, project: &ProjectId, session: &SessionId) -> bool {
        let key = (project.clone(), session.clone());
        self.lock().get(&key).is_some_and(|entry| entry.mailbox.as_ref().is_some_and(|mailbox| !mailbox.is_closed()))
    }

    /// The tail of a session whose actor has read the log and goes on: the session is there.
    pub(crate) fn tail_of_active(&self, project: &ProjectId, session: &SessionId) -> Option<Arc<Hold>> {
        let key = (project.clone(), session.clone());
        let tail = {
            let entries = self.lock();
            let entry = entries.get(&key).filter(|entry| entry.mailbox.as_ref().is_some_and(|to| !to.is_closed()))?;
            entry.tail.upgrade()?
        };
        let is_known = {
            let inner = tail.lock();
            inner.published > Seq(0) && !inner.ended
        };
        is_known.then_some(tail)
    }

    /// The session's tail; makes one if nobody holds it.
    pub(crate) fn tail(self: &Arc<Self>, project: &ProjectId, session: &SessionId) -> Arc<Hold> {
        let mut entries = self.lock();
        self.hold(entry(&mut entries, project, session), project, session)
    }

    fn hold(self: &Arc<Self>, entry: &mut Entry, project: &ProjectId, session: &SessionId) -> Arc<Hold> {
        entry.tail.upgrade().unwrap_or_else(|| {
            let (registry, project) = (self.clone(), project.clone());
            let hold = Arc::new(Hold { registry, project, tail: Tail::new(session.clone()) });
            entry.tail = Arc::downgrade(&hold);
            hold
        })
    }

    /// Takes the session's actor out, if `may` still holds under the lock.
    pub(crate) fn retire(&self, project: &ProjectId, session: &SessionId, may: impl FnOnce() -> bool) -> bool {
        let mut entries = self.lock();
        let may = may();
        if let (true, Some(entry)) = (may, entries.get_mut(&(project.clone(), session.clone()))) {
            entry.mailbox = None;
        }
        may
    }

    /// Nobody holds the session's tail any more.
    fn forget(&self, project: &ProjectId, session: &SessionId) {
        let mut entries = self.lock();
        let key = (project.clone(), session.clone());
        let unused = |entry: &Entry| {
            entry.mailbox.as_ref().is_none_or(mpsc::Sender::is_closed) && entry.tail.strong_count() == 0
        };
        if entries.get(&key).is_some_and(unused) {
            entries.remove(&key);
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    pub(crate) fn start_draining(&self) {
        self.draining.send_replace(true);
    }

    /// Says when that is so.
    pub(crate) fn draining(&self) -> watch::Receiver<bool> {
        self.draining.subscribe()
    }

    /// Ends every reader's stream.
    pub(crate) fn end_tails(&self) {
        let tails: Vec<_> = self.lock().values().filter_map(|entry| entry.tail.upgrade()).collect();
        for tail in tails {
            tail.end();
        }
    }

    /// Sessions whose actors are in memory.
    pub(crate) fn active(&self) -> usize {
        self.lock().values().filter(|entry| entry.mailbox.is_some()).count()
    }

    /// Counts the outcome of a model call.
    pub(crate) fn count(&self, state: &State, outcome: &Input) {
        let (Input::ModelDone { effect, .. } | Input::ModelFailed { effect, .. }) = outcome else { return };
        let Some(call) = state.model_call(*effect) else { return };
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let counters = counters.entry(self.world.models.entry_name(&call.model).to_owned()).or_default();
        match outcome {
            Input::ModelDone { finish, .. } => {
                counters.answered += 1;
                counters.usage = counters.usage.plus(finish.usage.unwrap_or_default());
            }
            _ => counters.failed += 1,
        }
    }

    /// Counts a model call that belongs to no session; `usage` is that of one that was answered.
    pub(crate) fn count_call(&self, entry: &str, usage: Option<Usage>) {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let counters = counters.entry(entry.to_owned()).or_default();
        match usage {
            Some(usage) => {
                counters.answered += 1;
                counters.usage = counters.usage.plus(usage);
            }
            None => counters.failed += 1,
        }
    }

    pub(crate) fn counters(&self) -> BTreeMap<String, ModelCounters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn entry<'a>(
    entries: &'a mut BTreeMap<(ProjectId, SessionId), Entry>,
    project: &ProjectId,
    session: &SessionId,
) -> &'a mut Entry {
    entries.entry((project.clone(), session.clone())).or_insert_with(|| Entry { tail: Weak::new(), mailbox: None })
}
