//! The client of one executor: requests by number, processes by their notifications, and one session that outlives the
//! lines it is spoken over. [`Client`] is a [`Machine`](crate::machine::Machine).
//!
//! A line that is lost is somebody else's to replace ([`Client::attach`]); until then requests wait. It never starts
//! anything twice: what may have happened and cannot be asked for ends in `Fault::Lost`.

mod call;
mod connection;
mod heard;
mod machine;
mod process;
mod words;

pub use words::plain;

use crate::line::Line;
use crate::machine::{Fault, Info};
use process::Process;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use types::{BoxFuture, Clock, Entropy, Spawn};
use wire::executor::Failure;

/// Requests that may be under way at once. An executor ends a connection whose queue is full.
const UNDER_WAY: usize = 32;

#[derive(Clone)]
pub struct World {
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub spawn: Arc<dyn Spawn>,
}

#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a request waits for a line.
    pub patience: Duration,
    /// How long an answer may take.
    pub answer: Duration,
    /// After so long a silence the executor is asked whether it is there; after three times that, the line is given up.
    pub silence: Duration,
    /// Output kept of each process, in bytes.
    pub output: usize,
    /// Processes that are known at once.
    pub processes: usize,
    /// Whether a command gets those of the executor's variables too whose names speak of keys and tokens. Where the
    /// executor has a credential of its own, it does not.
    pub all_variables: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(60),
            answer: Duration::from_secs(120),
            silence: Duration::from_secs(30),
            output: 1024 * 1024,
            processes: 256,
            all_variables: false,
        }
    }
}

/// Who wants to know whether the executor is there, and what its commands are given.
pub trait Listener: Send + Sync + 'static {
    /// A session is begun or resumed, and will be used as soon as this returns. It is the one to resume later, by this
    /// client or by one after a restart. `false`: it could not be kept, and is not used.
    fn begun<'a>(&'a self, session: &'a str) -> BoxFuture<'a, bool>;
    /// Called in turn with `disconnected`; neither may wait or call back.
    fn connected(&self);
    fn disconnected(&self);

    /// Variables for a command that starts now, beside the executor's own. What a command brings itself counts more.
    fn variables(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
}

pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    world: World,
    settings: Settings,
    listener: Arc<dyn Listener>,
    state: Mutex<State>,
    /// Moves on with every change of `state` for which somebody may wait.
    changes: watch::Sender<u64>,
    places: Semaphore,
}

struct State {
    session: Option<String>,
    /// Counts the executor's sessions: what was asked in an earlier one is not asked again.
    era: u64,
    info: Option<Info>,
    /// Counts the lines that were attached.
    lines: u64,
    /// The line that can be used.
    open: Option<Open>,
    /// Dropped, it ends the newest line.
    stop: Option<oneshot::Sender<()>>,
    /// No other line will come.
    abandoned: bool,
    /// Since when there is no line to use.
    down: Duration,
    next_request: i64,
    waiting: BTreeMap<i64, Waiting>,
    processes: BTreeMap<String, Process>,
}

/// What the executor said, in its own bytes.
type Said = Result<Box<RawValue>, Failure>;

/// A request that has no answer yet.
struct Waiting {
    answer: oneshot::Sender<Said>,
    /// The longest answer, in bytes.
    room: usize,
}

impl Waiting {
    fn room(&self) -> usize {
        self.room
    }
}

#[derive(Clone)]
struct Open {
    line: u64,
    era: u64,
    outgoing: mpsc::Sender<Vec<u8>>,
}

impl Client {
    /// A client without a line yet. `session` is one of an earlier client, to be resumed.
    pub fn new(world: World, settings: Settings, listener: Arc<dyn Listener>, session: Option<String>) -> Self {
        let state = State {
            session,
            era: 0,
            info: None,
            lines: 0,
            open: None,
            stop: None,
            abandoned: false,
            down: world.clock.monotonic(),
            next_request: 1,
            waiting: BTreeMap::new(),
            processes: BTreeMap::new(),
        };
        let (changes, places) = (watch::Sender::new(0), Semaphore::new(UNDER_WAY));
        Self { shared: Arc::new(Shared { world, settings, listener, state: Mutex::new(state), changes, places }) }
    }

    /// Goes on over this line; an older one is closed.
    pub fn attach(&self, line: Line) {
        let (stop, stopped) = oneshot::channel();
        let number = {
            let mut state = self.shared.state();
            self.shared.close(&mut state);
            state.lines += 1;
            state.stop = Some(stop);
            state.lines
        };
        let task = connection::run(self.shared.clone(), number, line, stopped);
        self.shared.world.spawn.spawn("executor", Box::pin(task));
    }

    /// Closes the line, if there is one. Another may be attached later.
    pub fn detach(&self) {
        let mut state = self.shared.state();
        state.stop = None;
        self.shared.close(&mut state);
    }

    /// The executor is gone, and no line will lead to it again: whoever waits for one, or for a process, learns that now.
    pub fn abandon(&self) {
        self.detach();
        self.shared.state().abandoned = true;
        self.shared.forget_session();
    }

    pub fn is_connected(&self) -> bool {
        self.shared.state().open.is_some()
    }

    /// Whether a process runs that this client has heard of.
    pub fn is_busy(&self) -> bool {
        self.shared.state().processes.values().any(|process| !process.is_over())
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.detach();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Without a line: who waits for an answer learns that none will come.
    fn close(&self, state: &mut State) {
        if state.open.take().is_some() {
            state.down = self.world.clock.monotonic();
            state.waiting.clear();
            self.listener.disconnected();
            self.changed();
        }
    }

    fn open(&self, number: u64, session: String, outgoing: mpsc::Sender<Vec<u8>>) -> bool {
        let mut state = self.state();
        if state.lines != number || state.stop.is_none() {
            return false;
        }
        if state.session.as_ref() != Some(&session) {
            state.processes.values_mut().for_each(Process::lose);
            state.era += 1;
        }
        state.processes.values_mut().for_each(Process::interrupted);
        state.open = Some(Open { line: number, era: state.era, outgoing });
        self.listener.connected();
        state.session = Some(session);
        self.changed();
        true
    }

    /// The session cannot be resumed: its processes are lost.
    fn forget_session(&self) {
        let mut state = self.state();
        state.session = None;
        state.processes.values_mut().for_each(Process::lose);
        self.changed();
    }

    /// Room for one more process, at the cost of one that is over.
    fn admit(&self, state: &mut State, process: &str, stale: bool) -> Result<(), Fault> {
        if state.processes.len() >= self.settings.processes {
            let over = state.processes.iter().find(|(_, process)| process.is_over()).map(|(id, _)| id.clone());
            let Some(over) = over else {
                let text = format!("at most {} processes run at once", self.settings.processes);
                return Err(Fault::Refused(text));
            };
            state.processes.remove(&over);
        }
        state.processes.insert(process.to_owned(), Process::new(self.settings.output, stale));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
