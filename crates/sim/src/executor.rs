//! One thread, many tasks; the seed picks which of those that are ready goes next. When nobody is ready, time jumps to
//! the next timer. Whatever wakes a task must come from inside the simulation.

use crate::random::Random;
use crate::world::{SimClock, SimEntropy, SimSpawn};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use types::{Clock, Entropy, Spawn, Task};

/// The future that [`Sim::run`] was given.
const MAIN: u64 = 0;

/// Polls after which a run counts as endless.
const STEPS: u64 = 100_000_000;

/// A simulated world.
pub struct Sim {
    core: Arc<Core>,
    steps: u64,
}

/// Tasks that live and die together, as those of one process do.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Group(pub u32);

/// Why a run did not end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stuck {
    /// Nobody is ready and no timer is set. The names of the tasks that wait.
    Deadlock { waiting: Vec<&'static str> },
    /// Too many steps: tasks wake each other for ever.
    Endless,
}

/// A fingerprint of a schedule: how many steps it had, and a hash over who went when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trace {
    pub steps: u64,
    pub digest: u64,
}

impl Sim {
    pub fn new(seed: u64) -> Self {
        let mut root = Random::new(seed);
        let state = State {
            schedule: root.fork(),
            entropy: root.fork(),
            others: root.fork(),
            now: Duration::ZERO,
            skew: 0,
            doomed: Vec::new(),
            numbers: MAIN,
            tasks: BTreeMap::new(),
            ready: BTreeSet::new(),
            timers: BTreeMap::new(),
            trace: Trace { steps: 0, digest: 0 },
        };
        Self { core: Arc::new(Core { state: Mutex::new(state) }), steps: STEPS }
    }

    /// Counts a run as endless after so many polls.
    #[must_use]
    pub fn with_steps(mut self, steps: u64) -> Self {
        self.steps = steps;
        self
    }

    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SimClock(self.core.clone()))
    }

    pub fn entropy(&self) -> Arc<dyn Entropy> {
        Arc::new(SimEntropy(self.core.clone()))
    }

    pub fn spawn(&self) -> Arc<dyn Spawn> {
        self.spawn_in(Group::default())
    }

    /// Starts tasks of one group.
    pub fn spawn_in(&self, group: Group) -> Arc<dyn Spawn> {
        Arc::new(SimSpawn(self.core.clone(), group))
    }

    /// What ends groups of tasks and sets the clock, for those who live in the world.
    pub fn fate(&self) -> Fate {
        Fate(self.core.clone())
    }

    /// Runs until `future` is done; tasks that it started and that are not done wait for the next run.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> Result<T, Stuck> {
        let mut main = pin!(future);
        let waker = self.core.waker(MAIN);
        self.core.wake(MAIN);
        loop {
            match self.core.pick() {
                Some(_) if self.trace().steps > self.steps => return Err(Stuck::Endless),
                Some(MAIN) => {
                    if let Poll::Ready(value) = main.as_mut().poll(&mut Context::from_waker(&waker)) {
                        return Ok(value);
                    }
                }
                Some(task) => self.core.poll(task),
                None if self.core.jump() => {}
                None => return Err(Stuck::Deadlock { waiting: self.core.names() }),
            }
            self.core.bury();
        }
    }

    /// Ends every task where it stands, as the death of a process does. A store crashes before: see
    /// [`MemStore::crash`](crate::MemStore::crash).
    pub fn kill(&self) {
        let tasks = std::mem::take(&mut self.core.state().tasks);
        // Outside of the lock: what a task holds may start or wake others when it goes.
        drop(tasks);
    }

    pub fn trace(&self) -> Trace {
        self.core.state().trace
    }

    /// Chance for a fault injector; each call gives another stream.
    pub(crate) fn random(&self) -> Random {
        self.core.state().others.fork()
    }
}

impl Drop for Sim {
    /// Tasks hold the world that holds them.
    fn drop(&mut self) {
        self.kill();
    }
}

/// The power over a world from inside of it.
#[derive(Clone)]
pub struct Fate(Arc<Core>);

impl Fate {
    /// Ends a group of tasks where they stand, before any other task goes on.
    pub fn doom(&self, group: Group) {
        self.0.state().doomed.push(group);
    }

    /// Sets the wall clock forward or back; the monotonic one goes on as it did.
    pub fn jump_clock(&self, millis: i64) {
        let mut state = self.0.state();
        state.skew = state.skew.saturating_add(millis);
    }

    /// Starts tasks of one group.
    pub fn spawn_in(&self, group: Group) -> Arc<dyn Spawn> {
        Arc::new(SimSpawn(self.0.clone(), group))
    }

    /// Chance for a fault injector; each call gives another stream.
    pub(crate) fn random(&self) -> Random {
        self.0.state().others.fork()
    }
}

/// What the executor, the clock and the wakers share. Nothing foreign is called, woken or dropped under the lock.
pub(crate) struct Core {
    state: Mutex<State>,
}

struct State {
    schedule: Random,
    entropy: Random,
    others: Random,
    now: Duration,
    /// Milliseconds by which the wall clock is off.
    skew: i64,
    doomed: Vec<Group>,
    numbers: u64,
    tasks: BTreeMap<u64, Alive>,
    /// By number, not in the order in which they were woken: tokio's channels wake their waiters in an order that is no
    /// function of the seed.
    ready: BTreeSet<u64>,
    timers: BTreeMap<Timer, Waker>,
    trace: Trace,
}

struct Alive {
    name: &'static str,
    group: Group,
    /// None while it is polled.
    task: Option<Task>,
}

/// When, and in which order it was set.
pub(crate) type Timer = (Duration, u64);

impl Core {
    pub(crate) fn spawn(&self, group: Group, name: &'static str, task: Task) {
        let mut state = self.state();
        if state.doomed.contains(&group) {
            // Outside of the lock: what a task holds may start or wake others when it goes.
            drop(state);
            return drop(task);
        }
        state.numbers += 1;
        let number = state.numbers;
        state.tasks.insert(number, Alive { name, group, task: Some(task) });
        state.ready.insert(number);
    }

    pub(crate) fn now(&self) -> Duration {
        self.state().now
    }

    pub(crate) fn skew(&self) -> i64 {
        self.state().skew
    }

    /// Drops the tasks of doomed groups.
    fn bury(&self) {
        loop {
            let mut state = self.state();
            let Some(group) = state.doomed.pop() else { return };
            let numbers: Vec<u64> =
                state.tasks.iter().filter(|(_, alive)| alive.group == group).map(|(number, _)| *number).collect();
            let tasks: Vec<Alive> = numbers.iter().filter_map(|number| state.tasks.remove(number)).collect();
            state.ready.retain(|number| !numbers.contains(number));
            drop(state);
            drop(tasks);
        }
    }

    pub(crate) fn fill(&self, bytes: &mut [u8]) {
        self.state().entropy.fill(bytes);
    }

    pub(crate) fn set_timer(&self, at: Duration, waker: Waker) -> Timer {
        let mut state = self.state();
        state.numbers += 1;
        let timer = (at, state.numbers);
        state.timers.insert(timer, waker);
        timer
    }

    pub(crate) fn stop_timer(&self, timer: Timer) {
        let waker = self.state().timers.remove(&timer);
        drop(waker);
    }

    /// The next one to be polled, and a mark of it in the trace.
    fn pick(&self) -> Option<u64> {
        let mut state = self.state();
        let count = state.ready.len() as u64;
        if count == 0 {
            return None;
        }
        let index = state.schedule.below(count);
        let number = state.ready.iter().nth(usize::try_from(index).unwrap_or(0)).copied()?;
        state.ready.remove(&number);
        let mark = number ^ (state.now.as_nanos() as u64).rotate_left(32);
        state.trace.steps += 1;
        state.trace.digest = Random::new(state.trace.digest ^ mark).next();
        Some(number)
    }

    fn poll(self: &Arc<Self>, number: u64) {
        let Some(mut task) = self.state().tasks.get_mut(&number).and_then(|alive| alive.task.take()) else { return };
        let polled = task.as_mut().poll(&mut Context::from_waker(&self.waker(number)));
        let mut state = self.state();
        if polled.is_pending()
            && let Some(alive) = state.tasks.get_mut(&number)
        {
            alive.task = Some(task);
            return;
        }
        // Done, or killed while it was polled.
        state.tasks.remove(&number);
        drop(state);
        drop(task);
    }

    /// Moves time to the next timer. False where there is none.
    fn jump(&self) -> bool {
        let mut due = Vec::new();
        {
            let mut state = self.state();
            let Some(((at, _), _)) = state.timers.first_key_value() else { return false };
            let at = *at;
            state.now = state.now.max(at);
            let later = state.timers.split_off(&(at, u64::MAX));
            due.extend(std::mem::replace(&mut state.timers, later).into_values());
        }
        for waker in due {
            waker.wake();
        }
        true
    }

    fn wake(&self, number: u64) {
        let mut state = self.state();
        let is_known = number == MAIN || state.tasks.contains_key(&number);
        if is_known {
            state.ready.insert(number);
        }
    }

    fn waker(self: &Arc<Self>, number: u64) -> Waker {
        Waker::from(Arc::new(TaskWaker { core: self.clone(), number }))
    }

    fn names(&self) -> Vec<&'static str> {
        self.state().tasks.values().map(|alive| alive.name).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct TaskWaker {
    core: Arc<Core>,
    number: u64,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.core.wake(self.number);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.core.wake(self.number);
    }
}
