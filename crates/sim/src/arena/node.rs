//! One process: its runtime, its view of the disk, and its death.

use super::{Arena, Boundary};
use crate::Group;
use crate::mem_store::{MemStore, Moment, Moments};
use crate::model::FakeModel;
use crate::plan::{MODEL, SPARE};
use crate::tools::FakeTools;
use models::{Entry, Models};
use runtime::{Handle, World};
use std::collections::BTreeMap;
use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;
use store::{Error, Store};
use tokio::sync::watch;
use types::BoxFuture;

/// How long a model may be silent before it speaks, and while it does.
const FIRST_BYTE: Duration = Duration::from_secs(20);
const STALL: Duration = Duration::from_secs(10);

/// A process that serves.
pub(crate) struct Node {
    pub(crate) handle: Handle,
    pub(crate) life: Arc<Life>,
}

/// Whether a process lives, and what it crosses.
pub(crate) struct Life {
    pub(crate) arena: Arc<Arena>,
    pub(crate) number: u32,
    dead: AtomicBool,
    died: watch::Sender<bool>,
    store: OnceLock<Weak<MemStore>>,
}

impl Node {
    /// Starts a process on the disk. None where it died before it served.
    pub(crate) async fn start(arena: &Arc<Arena>) -> Option<Arc<Self>> {
        let number = arena.next_number();
        let life = Arc::new(Life {
            arena: arena.clone(),
            number,
            dead: AtomicBool::new(false),
            died: watch::Sender::new(false),
            store: OnceLock::new(),
        });
        let store = arena.disk.reopen(&arena.fate, Some(Arc::new(LifeOf(life.clone()))));
        let _ = life.store.set(Arc::downgrade(&store));
        arena.trace(format!("node {number} starts"));
        let started = tokio::select! {
            biased;
            () = life.death() => return None,
            started = runtime::start(life.world(store)) => started,
        };
        match started {
            Ok((handle, _)) => {
                life.exit_when_fenced(&handle);
                Some(Arc::new(Self { handle, life }))
            }
            Err(error) => {
                arena.trace(format!("node {number} cannot start: {error}"));
                life.die();
                None
            }
        }
    }
}

impl Life {
    fn group(&self) -> Group {
        Group(self.number)
    }

    fn world(self: &Arc<Self>, store: Arc<MemStore>) -> World {
        let entry = |name: &'static str| {
            let model = Arc::new(FakeModel::new(self.clone(), name));
            (name.to_owned(), Entry { model, upstream_model: None, first_byte: FIRST_BYTE, stall: STALL })
        };
        let entries = BTreeMap::from([entry(MODEL), entry(SPARE)]);
        World {
            clock: self.arena.clock.clone(),
            entropy: self.arena.entropy.clone(),
            spawn: self.arena.fate.spawn_in(self.group()),
            store,
            models: Arc::new(Models { entries }),
            tools: Arc::new(FakeTools::new(self.clone())),
            rules: self.arena.rules.clone(),
        }
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// Resolves when the process dies.
    pub(crate) async fn death(&self) {
        let mut died = self.died.subscribe();
        // The sender lives as long as `self`.
        let _ = died.wait_for(|died| *died).await;
    }

    /// The process dies here and now: its writes under way are kept or lost, and none of its tasks takes another step.
    pub(crate) fn die(&self) {
        if self.dead.swap(true, Ordering::Relaxed) {
            return;
        }
        self.arena.trace(format!("node {} DIES", self.number));
        if let Some(store) = self.store.get().and_then(Weak::upgrade) {
            store.crash();
        }
        self.arena.fate.doom(self.group());
        self.died.send_replace(true);
        self.arena.tell();
    }

    /// Crosses a boundary. A process that dies there never comes back from it.
    pub(crate) async fn cross(&self, boundary: Boundary) {
        if !self.is_dead() && self.arena.is_last(boundary) {
            self.arena.trace(format!("node {}: {}", self.number, boundary.name()));
            self.die();
        }
        if self.is_dead() {
            pending::<()>().await;
        }
    }

    /// A newer node took the epoch: this one serves nobody any more, and ends as its process would. What it has begun goes
    /// on for a while.
    fn exit_when_fenced(self: &Arc<Self>, handle: &Handle) {
        let (fenced, life) = (handle.draining(), self.clone());
        self.arena.fate.spawn_in(self.group()).spawn(
            "exit",
            Box::pin(async move {
                fenced.await;
                life.arena.pause(Duration::from_secs(10)).await;
                life.die();
            }),
        );
    }

    /// The next commit fails. A store that has stopped answers nothing any more, and its process exits soon.
    fn fail_commit(self: &Arc<Self>) {
        let Some(store) = self.store.get().and_then(Weak::upgrade) else { return };
        self.arena.count("store: a commit failed");
        store.fail_next_commit();
        let life = self.clone();
        self.arena.send_in("exit", async move {
            while store.is_healthy() && !life.is_dead() {
                life.arena.clock.sleep(Duration::from_millis(100)).await;
            }
            life.arena.pause(Duration::from_millis(500)).await;
            life.die();
        });
    }

    async fn hold_up(&self) {
        if self.arena.chance(self.arena.plan.faults.slow) {
            self.arena.count("store: slow");
            self.arena.pause(Duration::from_secs(5)).await;
        }
    }
}

impl Moments for LifeOf {
    fn pass(&self, moment: Moment) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.0.moment(moment))
    }
}

/// A life as its store knows it.
struct LifeOf(Arc<Life>);

impl Life {
    async fn moment(self: &Arc<Self>, moment: Moment) -> Result<(), Error> {
        let faults = &self.arena.plan.faults;
        match moment {
            Moment::Read => {
                if self.is_dead() {
                    pending::<()>().await;
                }
                self.hold_up().await;
            }
            Moment::Asked => {
                self.cross(Boundary::WriteAsked).await;
                self.hold_up().await;
                if self.arena.is_full() {
                    return Err(Error::Failed("no space left".to_owned()));
                }
                if self.arena.chance(faults.fsync) {
                    self.fail_commit();
                }
            }
            Moment::UnderWay => self.cross(Boundary::WriteUnderWay).await,
            Moment::Committed => {
                self.cross(Boundary::WriteCommitted).await;
                if self.arena.chance(faults.torn) {
                    self.arena.count("store: kept, and reported as failed");
                    return Err(Error::Failed("the answer was lost".to_owned()));
                }
            }
            Moment::Answered => self.cross(Boundary::WriteAnswered).await,
        }
        Ok(())
    }
}
