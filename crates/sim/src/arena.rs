//! The place where a run happens: the disk, the nodes that live, the clients' notes, the trace. It numbers the boundaries
//! that a node crosses, and decides at each whether the node dies there.
//!
//! Nothing here belongs to a process that may die: it is the world around it.

mod boundary;
mod node;

pub(crate) use boundary::Boundary;
pub(crate) use node::{Life, Node};

use crate::notes::Notes;
use crate::plan::{Crashes, Plan};
use crate::random::Random;
use crate::{Fate, Group, MemStore, Sim};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use types::{Clock, Entropy, ProjectId, Rules, Seq, SessionId, Task};

/// Lines of the trace that are kept for a report.
const TAIL: usize = 120;

/// Where clients and the world live; nodes have groups of their own.
const WORLD: Group = Group(0);

pub(crate) struct Arena {
    pub(crate) plan: Plan,
    pub(crate) rules: Arc<Rules>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) fate: Fate,
    pub(crate) disk: Arc<MemStore>,
    pub(crate) project: ProjectId,
    inner: Mutex<Inner>,
    /// Counts changes of the nodes and of the clients that are at work.
    changed: watch::Sender<u64>,
}

struct Inner {
    random: Random,
    notes: Notes,
    trace: Trace,
    /// Boundaries crossed so far.
    crossed: u64,
    crash_at: Option<u64>,
    crashes_left: u64,
    /// Over: no more faults and no more deaths.
    calm: bool,
    /// Writes fail until then.
    full_until: Duration,
    nodes: Vec<Arc<Node>>,
    numbers: u32,
    marks: u64,
    clients: u64,
}

#[derive(Default)]
struct Trace {
    tail: VecDeque<String>,
    digest: u64,
    lines: u64,
}

impl Arena {
    pub(crate) fn new(sim: &Sim, plan: Plan) -> Arc<Self> {
        let mut random = Random::new(plan.seed ^ 0xa7e4a);
        let (crash_at, crashes_left) = match plan.crashes {
            Crashes::Never => (None, 0),
            Crashes::At(first, next) => (Some(first), u64::from(next.is_some())),
            Crashes::Often { within, times } => (Some(random.between(1, within)), times.saturating_sub(1)),
        };
        let inner = Inner {
            random,
            notes: Notes::default(),
            trace: Trace::default(),
            crossed: 0,
            crash_at,
            crashes_left,
            calm: false,
            full_until: Duration::ZERO,
            nodes: Vec::new(),
            numbers: 0,
            marks: 0,
            clients: 0,
        };
        Arc::new(Self {
            rules: Arc::new(plan.rules()),
            plan,
            clock: sim.clock(),
            entropy: sim.entropy(),
            fate: sim.fate(),
            disk: MemStore::new(sim),
            project: ProjectId::new("default"),
            inner: Mutex::new(inner),
            changed: watch::Sender::new(0),
        })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // ---- chance and time

    pub(crate) fn chance(&self, permille: u64) -> bool {
        let mut inner = self.inner();
        !inner.calm && permille > 0 && inner.random.chance(permille)
    }

    pub(crate) fn between(&self, low: u64, high: u64) -> u64 {
        self.inner().random.between(low, high)
    }

    pub(crate) fn random(&self) -> Random {
        self.inner().random.fork()
    }

    pub(crate) async fn pause(&self, longest: Duration) {
        let micros = self.between(0, longest.as_micros() as u64);
        self.clock.sleep(Duration::from_micros(micros)).await;
    }

    /// From here on nothing goes wrong any more.
    pub(crate) fn calm(&self) {
        let mut inner = self.inner();
        inner.calm = true;
        inner.full_until = Duration::ZERO;
    }

    /// Whether the disk takes nothing now; it may begin here.
    pub(crate) fn is_full(&self) -> bool {
        if self.chance(self.plan.faults.full) {
            let until = self.clock.monotonic() + Duration::from_millis(self.between(1, 5000));
            self.count("store: full for a while");
            self.inner().full_until = until;
        }
        self.clock.monotonic() < self.inner().full_until
    }

    // ---- notes

    pub(crate) fn notes<T>(&self, note: impl FnOnce(&mut Notes) -> T) -> T {
        note(&mut self.inner().notes)
    }

    pub(crate) fn count(&self, what: impl Into<String>) {
        self.notes(|notes| notes.count(what));
    }

    pub(crate) fn problem(&self, what: String) {
        self.trace(format!("PROBLEM {what}"));
        self.notes(|notes| notes.problems.push(what));
    }

    pub(crate) fn trace(&self, line: String) {
        let now = self.clock.monotonic();
        let mut inner = self.inner();
        let trace = &mut inner.trace;
        for chunk in line.as_bytes().chunks(8) {
            let word = chunk.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
            trace.digest = Random::new(trace.digest ^ word).next();
        }
        trace.lines += 1;
        trace.tail.push_back(format!("{:>12.6} {line}", now.as_secs_f64()));
        if trace.tail.len() > TAIL {
            trace.tail.pop_front();
        }
    }

    /// A number that no other input of this run has.
    pub(crate) fn mark(&self) -> u64 {
        let mut inner = self.inner();
        inner.marks += 1;
        inner.marks
    }

    /// What was seen, the end of the trace, its digest, and the boundaries that were crossed.
    pub(crate) fn take(&self) -> (Notes, Vec<String>, u64, u64) {
        let mut inner = self.inner();
        let notes = std::mem::take(&mut inner.notes);
        let trace = std::mem::take(&mut inner.trace);
        (notes, trace.tail.into(), trace.digest ^ trace.lines, inner.crossed)
    }

    // ---- the disk, looked at from outside

    /// The last durable record of a session.
    pub(crate) fn durable(&self, session: &SessionId) -> Seq {
        self.disk.look(&self.project, session, |records| records.last().map_or(Seq(0), |stored| stored.seq))
    }

    /// Whether a durable record of a session holds this text in its body.
    pub(crate) fn holds(&self, session: &SessionId, text: &str) -> bool {
        let text = text.as_bytes();
        self.disk.look(&self.project, session, |records| {
            records.iter().rev().any(|stored| stored.record.body.windows(text.len()).any(|window| window == text))
        })
    }

    // ---- nodes and clients

    /// Crosses a boundary; true where the node dies there.
    fn is_last(&self, boundary: Boundary) -> bool {
        let mut inner = self.inner();
        let inner = &mut *inner;
        inner.crossed += 1;
        if inner.calm || inner.crash_at.is_none_or(|at| inner.crossed < at) {
            return false;
        }
        inner.notes.count(format!("crash: {}", boundary.name()));
        inner.crash_at = match self.plan.crashes {
            Crashes::At(_, Some(next)) if inner.crashes_left > 0 => Some(inner.crossed + next),
            Crashes::Often { within, .. } if inner.crashes_left > 0 => {
                Some(inner.crossed + inner.random.between(1, within))
            }
            _ => None,
        };
        inner.crashes_left = inner.crashes_left.saturating_sub(1);
        true
    }

    /// Whether no other node has begun since.
    pub(crate) fn is_newest(&self, number: u32) -> bool {
        self.inner().numbers == number
    }

    pub(crate) fn next_number(&self) -> u32 {
        let mut inner = self.inner();
        inner.numbers += 1;
        inner.numbers
    }

    pub(crate) fn add(&self, node: Arc<Node>) {
        self.inner().nodes.push(node);
        self.tell();
    }

    /// The nodes that live, oldest first.
    pub(crate) fn living(&self) -> Vec<Arc<Node>> {
        self.inner().nodes.iter().filter(|node| !node.life.is_dead()).cloned().collect()
    }

    /// Whether the node that began last has died, or there was none.
    pub(crate) fn newest_is_dead(&self) -> bool {
        let inner = self.inner();
        inner.nodes.iter().max_by_key(|node| node.life.number).is_none_or(|node| node.life.is_dead())
    }

    /// A node to ask: mostly the newest.
    pub(crate) async fn node(&self) -> Arc<Node> {
        let mut changed = self.changed.subscribe();
        loop {
            changed.borrow_and_update();
            let living = self.living();
            let older = living.len() > 1 && self.chance(300);
            if let Some(node) = if older { living.first() } else { living.last() } {
                return node.clone();
            }
            // The sender lives as long as `self`.
            let _ = changed.changed().await;
        }
    }

    /// Starts a task that no crash ends, and that the run waits for.
    pub(crate) fn send_in(self: &Arc<Self>, name: &'static str, client: impl Future<Output = ()> + Send + 'static) {
        self.inner().clients += 1;
        let arena = self.clone();
        let task: Task = Box::pin(async move {
            client.await;
            arena.inner().clients -= 1;
            arena.tell();
        });
        self.fate.spawn_in(WORLD).spawn(name, task);
    }

    pub(crate) fn clients(&self) -> u64 {
        self.inner().clients
    }

    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn tell(&self) {
        self.changed.send_modify(|version| *version += 1);
    }

    /// Lets go of the nodes, which hold the arena.
    pub(crate) fn close(&self) {
        let nodes = std::mem::take(&mut self.inner().nodes);
        drop(nodes);
    }
}
