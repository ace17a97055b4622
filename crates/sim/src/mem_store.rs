//! A store in memory, with faults. It keeps the contract of the one on disk, and it can do what disks do: take time, fail
//! a commit, and lose or keep what was on its way when the power went.
//!
//! A write has three moments: it is asked for, it is committed, it is answered; between them lies a time that the seed
//! draws. A crash in the first interval loses the write or keeps it, in the second it keeps it and loses the answer.

mod append;
mod lists;
mod methods;
mod state;

use self::state::State;
use crate::Sim;
use crate::random::Random;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::Error;
use tokio::sync::oneshot;
use types::Clock;

/// The longest that a write takes to its commit, and from there to its answer.
const WRITE: Duration = Duration::from_millis(10);
/// The longest that a read takes before it looks and after.
const READ: Duration = Duration::from_millis(1);

/// A [`Store`](store::Store) in memory.
pub struct MemStore {
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
}

struct Inner {
    state: State,
    random: Random,
    /// Asked for and not committed, in order.
    in_flight: BTreeMap<u64, Write>,
    numbers: u64,
    /// Counts crashes: whoever began before one gets no answer after it.
    life: u64,
    fail_next_commit: bool,
    stopped: Option<String>,
}

/// Changes the state and puts the answer where its caller finds it.
type Write = Box<dyn FnOnce(&mut State) + Send>;

impl MemStore {
    /// An empty store in this world; its times and faults come from the world's seed.
    pub fn new(sim: &Sim) -> Arc<Self> {
        let inner = Inner {
            state: State::default(),
            random: sim.random(),
            in_flight: BTreeMap::new(),
            numbers: 0,
            life: 0,
            fail_next_commit: false,
            stopped: None,
        };
        Arc::new(Self { clock: sim.clock(), inner: Mutex::new(inner) })
    }

    /// The next commit fails: its write is kept or lost, and the store stops until it crashes.
    pub fn fail_next_commit(&self) {
        self.inner().fail_next_commit = true;
    }

    /// The power goes and comes back: the oldest writes in flight are kept and the others are lost, how many is the
    /// seed's choice, and nobody who waits gets an answer. A process that dies with the store is ended after this
    /// ([`Sim::kill`]), for a write whose caller merely goes away is made all the same.
    pub fn crash(&self) {
        let inner = &mut *self.inner();
        inner.life += 1;
        inner.fail_next_commit = false;
        if inner.stopped.take().is_none() {
            let kept = inner.random.below(inner.in_flight.len() as u64 + 1);
            for _ in 0..kept {
                if let Some((_, write)) = inner.in_flight.pop_first() {
                    write(&mut inner.state);
                }
            }
        }
        inner.in_flight.clear();
    }

    /// Writes that were asked for and are not committed yet.
    pub fn in_flight(&self) -> usize {
        self.inner().in_flight.len()
    }

    async fn write<T, E>(&self, work: impl FnOnce(&mut State) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (tell, mut hear) = oneshot::channel();
        let write: Write = Box::new(move |state| {
            // Nobody waiting is nobody's fault.
            let _ = tell.send(work(state));
        });
        let flight = self.begin(write)?;
        self.pause(WRITE).await;
        let life = flight.life;
        flight.land();
        self.check(life)?;
        self.pause(WRITE).await;
        self.check(life)?;
        hear.try_recv().map_err(|_| lost())?
    }

    async fn read<T>(&self, work: impl FnOnce(&State) -> Result<T, Error>) -> Result<T, Error> {
        let life = self.inner().life;
        self.check(life)?;
        self.pause(READ).await;
        self.check(life)?;
        let found = work(&self.inner().state);
        self.pause(READ).await;
        self.check(life)?;
        found
    }

    fn begin(&self, write: Write) -> Result<Flight<'_>, Error> {
        let mut inner = self.inner();
        if let Some(why) = &inner.stopped {
            return Err(Error::Stopped(why.clone()));
        }
        inner.numbers += 1;
        let number = inner.numbers;
        inner.in_flight.insert(number, write);
        Ok(Flight { store: self, number, life: inner.life })
    }

    /// Err where the store has crashed since `life`, or has stopped.
    fn check(&self, life: u64) -> Result<(), Error> {
        let inner = self.inner();
        match &inner.stopped {
            _ if inner.life != life => Err(lost()),
            Some(why) => Err(Error::Stopped(why.clone())),
            None => Ok(()),
        }
    }

    async fn pause(&self, longest: Duration) {
        let micros = self.inner().random.below(longest.as_micros() as u64 + 1);
        self.clock.sleep(Duration::from_micros(micros)).await;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A write on its way. It lands, be it that its caller went away.
struct Flight<'a> {
    store: &'a MemStore,
    number: u64,
    life: u64,
}

impl Flight<'_> {
    fn land(self) {
        drop(self);
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let inner = &mut *self.store.inner();
        // Gone where a crash has decided about it.
        let Some(write) = inner.in_flight.remove(&self.number) else { return };
        if std::mem::take(&mut inner.fail_next_commit) {
            inner.stopped = Some("a commit failed, as it was told to".to_owned());
            // Nobody knows what a failed commit has written.
            if inner.random.below(2) == 0 {
                write(&mut inner.state);
            }
            inner.in_flight.clear();
            return;
        }
        write(&mut inner.state);
    }
}

fn lost() -> Error {
    Error::Stopped("the store crashed".to_owned())
}
