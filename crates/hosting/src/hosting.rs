//! The face: hosted environments of all projects, and what all of its parts share. What it does is in the parts: whose
//! an environment is (`claims`), its use (`raise`), its rest (`idle`), its files, its artifacts, templates.

use crate::crowd::Crowd;
use crate::guests::Guests;
use crate::interpreters::Pythons;
use crate::record::Environment;
use crate::rows::{Rows, home, is_set_apart};
use crate::seat::Seats;
use crate::secrets::OfEnvironment;
use crate::start::Trust;
use runtime::{Files, Handle, Telling};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;
use store::Store;
use tokio::sync::{Semaphore, watch};
use types::{Clock, Entropy, EnvironmentId, ProjectId, Refusal, RefusalKind, SessionId, Spawn};

/// Sandboxes that run at one time, from the beginning of their setup on. Where one more is needed, the one that was idle
/// for longest makes room.
pub(crate) const MOST: usize = 256;
/// Connections out of all environments together.
const WAYS: usize = 2048;
/// Files that environments have open at most: two for each way out, one for each way in, and those of each that runs.
pub const FILES: usize = 2 * WAYS + 8 * MOST + WAYS_IN;
/// Connections into all sandboxes together.
const WAYS_IN: usize = 1024;
/// Sandboxes that are started at one time: more would only wait for each other.
const STARTS: usize = 4;
/// Disks that are copied at one time.
const COPIES: usize = 2;
const TURNS: usize = 64;

/// What a server says of its hosted environments.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where disks are: `DATA/environments`.
    pub folder: PathBuf,
    /// A prepared tree instead of this machine's `/usr`.
    pub base: Option<PathBuf>,
    pub allow_weak_sandbox: bool,
    /// Without work for so long, the processes are ended.
    pub suspend_after: Duration,
    /// A command in the background keeps its environment awake for so long after its last turn.
    pub background_after: Duration,
    /// Without work for so long, the disk is removed.
    pub expire_after: Duration,
    /// This program: keeper and executor of each sandbox.
    pub program: PathBuf,
    /// Files that all environments may have open, [`FILES`] at most: with fewer, fewer connections go out at a time.
    pub files: usize,
    pub agents: AgentSettings,
}

/// What a server says of the agents that it hosts for their authors.
#[derive(Clone, Debug)]
pub struct AgentSettings {
    /// Where their code is unpacked: `DATA/runtimes`.
    pub folder: PathBuf,
    /// A folder of this machine below which their code may lie.
    pub code: Option<PathBuf>,
    /// Without an invocation for so long, a session's program is ended, where its runtime says nothing else.
    pub idle_after: Duration,
    /// The longest that it runs at a stretch, likewise.
    pub lifetime: Duration,
}

/// The world.
#[derive(Clone)]
pub struct Around {
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub spawn: Arc<dyn Spawn>,
    pub store: Arc<dyn Store>,
    pub driver: Arc<dyn sandbox::Driver>,
    pub telling: Telling,
    /// Whose secrets environments are given. None: nobody's.
    pub vaults: Option<vaults::Vaults>,
}

/// Hosted environments of all projects. Cheap to clone.
#[derive(Clone)]
pub struct Hosting {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) around: Around,
    pub(crate) rows: Rows,
    pub(crate) seats: Seats,
    pub(crate) trust: Trust,
    pub(crate) lookups: egress::Lookups,
    /// Where connections out of environments may be.
    pub(crate) ways: Arc<Semaphore>,
    pub(crate) crowd: Crowd,
    pub(crate) guests: Guests,
    pub(crate) pythons: Pythons,
    /// Connections into sandboxes.
    pub(crate) ways_in: Arc<Semaphore>,
    /// Whoever changes a runtime.
    pub(crate) runtimes: tokio::sync::Mutex<()>,
    /// Where sandboxes may run.
    pub(crate) places: Arc<Semaphore>,
    /// Who may start a sandbox now.
    pub(crate) starts: Semaphore,
    /// Who may copy a disk now.
    pub(crate) copies: Semaphore,
    /// Whoever reads a row to write it has the one of its id.
    turns: [tokio::sync::Mutex<()>; TURNS],
    /// Sessions whose artifacts are being changed.
    pub(crate) queues: crate::artifacts::Queues,
    /// Of sessions whose environment was there before them.
    owners: Mutex<BTreeMap<SessionId, String>>,
    /// How many ended turns of a session have not been published yet.
    owed: Mutex<BTreeMap<SessionId, usize>>,
    /// Of environments that run, by id.
    pub(crate) secrets: Mutex<BTreeMap<String, Weak<OfEnvironment>>>,
    /// From `begin` on.
    served: OnceLock<Served>,
    begun: watch::Sender<bool>,
    ending: AtomicBool,
    closed: AtomicBool,
}

struct Served {
    handle: Handle,
    files: Files,
}

fn not_yet() -> Refusal {
    Refusal::new(RefusalKind::Unavailable, "The server is not ready yet. Try again shortly.")
}

impl Inner {
    /// The folder of an environment; its disk is `disk` in it.
    pub(crate) fn folder(&self, id: &str) -> PathBuf {
        self.settings.folder.join(id)
    }

    pub(crate) fn handle(&self) -> Result<&Handle, Refusal> {
        self.served.get().map(|served| &served.handle).ok_or_else(not_yet)
    }

    pub(crate) fn files(&self) -> Result<&Files, Refusal> {
        self.served.get().map(|served| &served.files).ok_or_else(not_yet)
    }

    /// `NotFound`: none of this project's.
    pub(crate) async fn environment(&self, project: &ProjectId, id: &str) -> Result<Environment, Refusal> {
        let row = if self.seats.is_doomed(id) { None } else { self.rows.read(project, home(id), id).await? };
        row.ok_or_else(|| Refusal::not_found("environment", id))
    }

    /// The same of one that a client names: what runs for a runtime or an interpreter is none.
    pub(crate) async fn clients_environment(&self, project: &ProjectId, id: &str) -> Result<Environment, Refusal> {
        if is_set_apart(id) { Err(Refusal::not_found("environment", id)) } else { self.environment(project, id).await }
    }

    /// Changes the row of an environment; changes of one are made one after the other. The row as it is then.
    pub(crate) async fn change(
        &self,
        project: &ProjectId,
        id: &str,
        change: impl FnOnce(&mut Environment) + Send,
    ) -> Result<Environment, Refusal> {
        let _one_at_a_time = self.one_at_a_time(id).await;
        let mut row = self.environment(project, id).await?;
        let before = row.clone();
        change(&mut row);
        if row != before {
            self.rows.write(project, (home(id), id), &row, false).await?;
        }
        self.crowd.note(project, &row);
        Ok(row)
    }

    /// Whoever has it may read a row and write it.
    pub(crate) async fn one_at_a_time(&self, id: &str) -> tokio::sync::MutexGuard<'_, ()> {
        let turn = id.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % TURNS;
        self.turns[turn].lock().await
    }

    /// The environment of a session that has a hosted one.
    pub(crate) fn id_of(&self, session: &SessionId) -> String {
        self.owners().get(session).cloned().unwrap_or_else(|| EnvironmentId::of(session).to_string())
    }

    /// Notes whose it is, where its id does not say so.
    pub(crate) fn own(&self, session: &SessionId, id: &str) {
        if EnvironmentId::of(session).as_str() != id {
            self.owners().insert(session.clone(), id.to_owned());
        }
    }

    pub(crate) fn owners(&self) -> MutexGuard<'_, BTreeMap<SessionId, String>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn owed(&self) -> MutexGuard<'_, BTreeMap<SessionId, usize>> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A turn has ended, and its outputs are to be published before anybody changes them. Whether nothing was owed before.
    pub(crate) fn owe(&self, session: &SessionId) -> bool {
        let mut owed = self.owed();
        let count = owed.entry(session.clone()).or_default();
        *count += 1;
        *count == 1
    }

    pub(crate) fn owed_now(&self, session: &SessionId) -> usize {
        self.owed().get(session).copied().unwrap_or_default()
    }

    /// So many of the ends that were owed have been seen to.
    pub(crate) fn owe_no_more(&self, session: &SessionId, seen_to: usize) {
        let mut owed = self.owed();
        if let Some(count) = owed.get_mut(session) {
            *count = count.saturating_sub(seen_to);
            if *count == 0 {
                owed.remove(session);
            }
        }
    }

    pub(crate) fn owes(&self, session: &SessionId) -> bool {
        self.owed().contains_key(session)
    }

    pub(crate) fn serve(&self, handle: Handle, files: Files) {
        let _ = self.served.set(Served { handle, files });
    }

    pub(crate) fn begin(&self) {
        self.begun.send_replace(true);
    }

    /// Returns when what an earlier server left is known.
    pub(crate) async fn begun(&self) {
        let _ = self.begun.subscribe().wait_for(|begun| *begun).await;
    }

    /// The server is to end: what ends from now on may have been ended with it.
    pub(crate) fn note_ending(&self) {
        self.ending.store(true, Relaxed);
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Relaxed)
    }

    /// Nothing is started any more.
    pub(crate) fn close(&self) {
        self.note_ending();
        self.closed.store(true, Relaxed);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Relaxed)
    }
}

impl Hosting {
    pub fn new(settings: Settings, around: Around) -> Self {
        let rows = Rows::new(around.store.clone(), around.clock.clone());
        // Where files are short, ways and sandboxes have the same part of them as where they are not.
        let files = settings.files.min(FILES);
        let (ways, ways_in) = ((files / 3).clamp(1, WAYS), (files / 8).clamp(1, WAYS_IN));
        let inner = Inner {
            settings,
            around,
            rows,
            seats: Seats::default(),
            trust: Trust::default(),
            lookups: egress::Lookups::default(),
            ways: Arc::new(Semaphore::new(ways)),
            crowd: Crowd::default(),
            guests: Guests::default(),
            pythons: Pythons::default(),
            ways_in: Arc::new(Semaphore::new(ways_in)),
            runtimes: tokio::sync::Mutex::default(),
            places: Arc::new(Semaphore::new(MOST)),
            starts: Semaphore::new(STARTS),
            copies: Semaphore::new(COPIES),
            turns: [(); TURNS].map(|()| tokio::sync::Mutex::default()),
            queues: Default::default(),
            owners: Mutex::default(),
            owed: Mutex::default(),
            secrets: Mutex::default(),
            served: OnceLock::new(),
            begun: watch::Sender::new(false),
            ending: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        };
        Self { inner: Arc::new(inner) }
    }
}
