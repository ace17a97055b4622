//! The store in memory, with faults. It keeps the contract of the one on disk, and it can do what disks do: take time, fail
//! a commit, and lose or keep what was on its way when the power went. What is kept is a [`Memory`] that forgets nothing.
//!
//! A write has four moments: it is asked for, it is under way, it is committed, it is answered; between them lies a time
//! that the seed draws. A crash in the first interval loses the write, in the second it loses it or keeps it, in the third
//! it keeps it and loses the answer. Whoever wants to be there passes a [`Moments`].

use crate::random::Random;
use crate::{Fate, Sim};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::memory::{Access, Memory};
use store::{Account, Error, HeadRow, Stored};
use tokio::sync::oneshot;
use types::{
    BoxFuture, Class, Clock, Epoch, ItemBody, MicroUsd, ProjectId, Record, RecordBody, Seq, SessionId, Timestamp,
};

/// The longest that a write takes to its commit, and from there to its answer.
const WRITE: Duration = Duration::from_millis(10);
/// The longest that a read takes before it looks and after.
const READ: Duration = Duration::from_millis(1);

/// A [`Store`](store::Store) in memory, as one process has it open.
pub struct MemStore {
    clock: Arc<dyn Clock>,
    disk: Arc<Mutex<Memory>>,
    inner: Mutex<Inner>,
    moments: Option<Arc<dyn Moments>>,
}

/// What an access goes through.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Moment {
    /// A read is asked for.
    Read,
    /// A write is asked for; nothing of it has left the process.
    Asked,
    /// It is on its way: kept or lost, by chance.
    UnderWay,
    /// It is kept; nobody was told.
    Committed,
    /// It is about to be told.
    Answered,
}

/// Somebody who is there at each moment: may hold it up, end the process, or let the store fail for now. At `Committed`
/// that is a write that is kept and reported as failed; errors at `UnderWay` and `Answered` are not heard.
pub trait Moments: Send + Sync + 'static {
    fn pass(&self, moment: Moment) -> BoxFuture<'_, Result<(), Error>>;
}

/// What this process has asked of the disk.
struct Inner {
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
type Write = Box<dyn FnOnce(&mut Memory) + Send>;

/// What was on a disk at one moment.
#[derive(Clone)]
pub struct Backup {
    memory: Memory,
    at: Timestamp,
}

impl Backup {
    /// The last record of a session; None where there was no such session.
    pub fn end(&self, project: &ProjectId, session: &SessionId) -> Option<Seq> {
        let mut sessions = self.memory.kept();
        let kept = sessions.find(|kept| kept.project == project && kept.session == session)?;
        Some(kept.row.head.seq)
    }
}

/// A session as the disk has it.
#[derive(Clone, Debug)]
pub struct Kept {
    pub project: ProjectId,
    pub row: HeadRow,
    pub deleted: bool,
    /// What a fork stands on.
    pub base: Option<(SessionId, Seq)>,
    pub records: Vec<Stored>,
}

impl MemStore {
    /// An empty store in this world; its times and faults come from the world's seed.
    pub fn new(sim: &Sim) -> Arc<Self> {
        Self::over(sim.clock(), sim.random(), Arc::default(), None)
    }

    /// The same disk, opened by another process.
    pub fn reopen(&self, fate: &Fate, moments: Option<Arc<dyn Moments>>) -> Arc<Self> {
        Self::over(self.clock.clone(), fate.random(), self.disk.clone(), moments)
    }

    fn over(
        clock: Arc<dyn Clock>,
        random: Random,
        disk: Arc<Mutex<Memory>>,
        moments: Option<Arc<dyn Moments>>,
    ) -> Arc<Self> {
        let inner =
            Inner { random, in_flight: BTreeMap::new(), numbers: 0, life: 0, fail_next_commit: false, stopped: None };
        Arc::new(Self { clock, disk, inner: Mutex::new(inner), moments })
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
            let mut disk = self.disk();
            for _ in 0..kept {
                if let Some((_, write)) = inner.in_flight.pop_first() {
                    write(&mut disk);
                }
            }
        }
        inner.in_flight.clear();
    }

    /// Writes that were asked for and are not committed yet.
    pub fn in_flight(&self) -> usize {
        self.inner().in_flight.len()
    }

    /// All that is on the disk now.
    pub fn backup(&self) -> Backup {
        Backup { memory: self.disk().clone(), at: self.clock.now() }
    }

    /// Puts the disk back to where a backup has it. No process may have it open.
    pub fn restore(&self, backup: Backup) {
        self.disk().restore(backup.memory, backup.at, self.clock.now());
    }

    // ---- what is on the disk, for those who check it: it takes no time and passes no moment

    /// Every session, deleted ones too, each with its whole log: a fork's begins with what it shares.
    pub fn kept(&self) -> Vec<Kept> {
        let disk = self.disk();
        let sessions = disk.kept().map(|kept| Kept {
            project: kept.project.clone(),
            row: kept.row.clone(),
            deleted: kept.deleted,
            base: kept.base.map(|(session, seq)| (session.clone(), seq)),
            records: disk.records(kept.project, kept.session),
        });
        sessions.collect()
    }

    /// The records of a session, deleted or not, newest last, as `look` wants them.
    pub fn look<T>(&self, project: &ProjectId, session: &SessionId, look: impl FnOnce(&[Stored]) -> T) -> T {
        look(&self.disk().records(project, session))
    }

    pub fn kept_account(&self, project: &ProjectId, account: &str) -> Option<Account> {
        self.disk().account(project, account)
    }

    /// Reservations that were never settled: account and amount.
    pub fn unsettled(&self) -> Vec<(String, MicroUsd)> {
        self.disk().unsettled().map(|(account, amount)| (account.to_owned(), amount)).collect()
    }

    /// Whether a session has effects that a node must perform.
    pub fn is_at_work(&self) -> bool {
        self.disk().kept().any(|kept| !kept.deleted && kept.row.head.needs_work)
    }

    /// Whether among the newest that a log says is a call that can be made one time only, and no intent behind it.
    pub fn has_a_call_to_begin(&self) -> bool {
        const NEWEST: usize = 6;
        let is_open = |records: &[Stored]| {
            let newest = records.iter().rev().take(NEWEST).filter_map(|stored| Record::decode(&stored.record).ok());
            let mut behind =
                newest.take_while(|record| !matches!(record.body, RecordBody::Intended(_) | RecordBody::TurnEnded(_)));
            behind.any(|record| match record.body {
                RecordBody::Item(item) => {
                    matches!(&item.body, ItemBody::ToolCall(call) if call.class == Class::Irreversible)
                }
                _ => false,
            })
        };
        self.disk().kept().any(|kept| !kept.deleted && kept.row.head.needs_work && is_open(kept.own))
    }

    /// Appends that were taken from a node that was not the newest: its epoch and the newest one.
    pub fn taken_from_old_nodes(&self) -> Vec<(SessionId, Epoch, Epoch)> {
        self.disk().taken_from_old_nodes().to_vec()
    }

    /// Appends that were refused because a newer node had begun.
    pub fn refused_to_old_nodes(&self) -> u64 {
        self.disk().refused_to_old_nodes()
    }

    // ---- inside

    async fn moment(&self, moment: Moment) -> Result<(), Error> {
        match &self.moments {
            Some(moments) => moments.pass(moment).await,
            None => Ok(()),
        }
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

    /// Locked after `inner`, where both are.
    fn disk(&self) -> MutexGuard<'_, Memory> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Access for MemStore {
    async fn write<T, E>(&self, work: impl FnOnce(&mut Memory) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.moment(Moment::Asked).await?;
        let (tell, mut hear) = oneshot::channel();
        let write: Write = Box::new(move |memory| {
            // Nobody waiting is nobody's fault.
            let _ = tell.send(work(memory));
        });
        let flight = self.begin(write)?;
        let life = flight.life;
        let _ = self.moment(Moment::UnderWay).await;
        self.pause(WRITE).await;
        flight.land();
        self.check(life)?;
        self.moment(Moment::Committed).await?;
        self.pause(WRITE).await;
        self.check(life)?;
        let _ = self.moment(Moment::Answered).await;
        self.check(life)?;
        hear.try_recv().map_err(|_| lost())?
    }

    async fn read<T: Send>(&self, work: impl FnOnce(&Memory) -> Result<T, Error> + Send) -> Result<T, Error> {
        let life = self.inner().life;
        self.check(life)?;
        self.moment(Moment::Read).await?;
        self.pause(READ).await;
        self.check(life)?;
        let found = work(&self.disk());
        self.pause(READ).await;
        self.check(life)?;
        found
    }

    fn is_healthy(&self) -> bool {
        self.inner().stopped.is_none()
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
        let mut disk = self.store.disk();
        if std::mem::take(&mut inner.fail_next_commit) {
            inner.stopped = Some("a commit failed, as it was told to".to_owned());
            // Nobody knows what a failed commit has written.
            if inner.random.below(2) == 0 {
                write(&mut disk);
            }
            inner.in_flight.clear();
            return;
        }
        write(&mut disk);
    }
}

fn lost() -> Error {
    Error::Stopped("the store crashed".to_owned())
}
