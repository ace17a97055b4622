//! The face: what doors, tools and the server ask of hosted environments.

use crate::record::Environment;
use crate::rows::{ENVIRONMENTS, Rows};
use crate::wanted::{Claim, Wanted};
use environments::workbench::Station;
use runtime::{Files, Handle, Listed, Page};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use store::Store;
use types::{Clock, Entropy, HostedSettings, ProjectId, Refusal, RefusalKind, SessionId, Spawn};

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
    /// Without work for so long, the disk is removed.
    pub expire_after: Duration,
    /// This program: keeper and executor of each sandbox.
    pub program: PathBuf,
}

/// The world.
#[derive(Clone)]
pub struct Around {
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub spawn: Arc<dyn Spawn>,
    pub store: Arc<dyn Store>,
    pub driver: Arc<dyn sandbox::Driver>,
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
    /// A row is read, changed and written: one at a time.
    pub(crate) changing: tokio::sync::Mutex<()>,
    /// Sessions whose artifacts are being changed.
    pub(crate) queues: crate::artifacts::Queues,
    /// From `begin` on.
    served: OnceLock<Served>,
}

struct Served {
    handle: Handle,
    files: Files,
}

pub(crate) fn unavailable<T>() -> Result<T, Refusal> {
    Err(Refusal::new(RefusalKind::Unavailable, "Hosted environments are not there yet."))
}

impl Inner {
    /// The folder of an environment; its disk is `disk` in it.
    pub(crate) fn folder(&self, id: &str) -> PathBuf {
        self.settings.folder.join(id)
    }

    pub(crate) fn handle(&self) -> Result<&Handle, Refusal> {
        self.served.get().map(|served| &served.handle).map_or_else(unavailable, Ok)
    }

    pub(crate) fn files(&self) -> Result<&Files, Refusal> {
        self.served.get().map(|served| &served.files).map_or_else(unavailable, Ok)
    }

    /// `NotFound`: none of this project's.
    pub(crate) async fn environment(&self, project: &ProjectId, id: &str) -> Result<Environment, Refusal> {
        let row = self.rows.read(project, ENVIRONMENTS, id).await?;
        row.ok_or_else(|| Refusal::not_found("environment", id))
    }

    /// Changes the row of an environment; changes of one are made one after the other. The row as it is then.
    pub(crate) async fn change(
        &self,
        project: &ProjectId,
        id: &str,
        change: impl FnOnce(&mut Environment) + Send,
    ) -> Result<Environment, Refusal> {
        let _one_at_a_time = self.changing.lock().await;
        let mut row = self.environment(project, id).await?;
        let before = row.clone();
        change(&mut row);
        if row != before {
            self.rows.write(project, (ENVIRONMENTS, id), &row, false).await?;
        }
        Ok(row)
    }
}

impl Hosting {
    pub fn new(settings: Settings, around: Around) -> Self {
        let rows = Rows::new(around.store.clone(), around.clock.clone());
        let (changing, served) = (tokio::sync::Mutex::default(), OnceLock::new());
        Self { inner: Arc::new(Inner { settings, around, rows, changing, queues: Default::default(), served }) }
    }

    /// Takes up what an earlier server left: adopts its sandboxes, goes on with setups, drops claims without a session.
    /// From now on sessions are told, and what is idle is suspended and expires.
    pub async fn begin(&self, handle: Handle, files: Files) -> Result<(), Refusal> {
        let _ = self.inner.served.set(Served { handle, files });
        Ok(())
    }

    /// The server ends: sandboxes in which nothing is under way are suspended, the others left to the next server.
    pub async fn stop(&self) {}

    // Environments.

    /// A prewarmed environment, being set up. `key`: the Idempotency-Key with a hash of the request; the same twice is one
    /// environment, another request under it a `Conflict`.
    pub async fn create(
        &self,
        _project: &ProjectId,
        _wanted: Wanted,
        _key: Option<runtime::RequestKey>,
    ) -> Result<Environment, Refusal> {
        unavailable()
    }

    pub async fn environment(&self, project: &ProjectId, id: &str) -> Result<Environment, Refusal> {
        self.inner.environment(project, id).await
    }

    pub async fn environments(&self, project: &ProjectId, page: Page) -> Result<Listed<Environment>, Refusal> {
        self.inner.rows.list(project, ENVIRONMENTS, "environment", page).await
    }

    /// The environment of a session that is about to be created, to be written into its settings.
    pub async fn claim(
        &self,
        _project: &ProjectId,
        _session: &SessionId,
        _claim: Claim,
    ) -> Result<HostedSettings, Refusal> {
        unavailable()
    }

    /// The session is there: from now on it is told.
    pub async fn begin_session(&self, _project: &ProjectId, _session: &SessionId) {}

    /// The session could not be created: what was claimed for it is dropped, a prewarmed one given back.
    pub async fn drop_claim(&self, _project: &ProjectId, _session: &SessionId) {}

    /// The session is gone: its sandbox ends, its disk, its rows and its artifacts are removed.
    pub async fn forget(&self, _project: &ProjectId, _session: &SessionId) {}

    /// The environment of a fork: a copy of the parent's disk as it is now.
    pub async fn fork(
        &self,
        _project: &ProjectId,
        _parent: &SessionId,
        _fork: &SessionId,
    ) -> Result<HostedSettings, Refusal> {
        unavailable()
    }

    // The agent's tools.

    /// The machine of a session's environment, started where it is not running; None where it is not there within
    /// `patience`, or failed.
    pub async fn station(
        &self,
        _project: &ProjectId,
        _session: &SessionId,
        _settings: &HostedSettings,
        _patience: Duration,
    ) -> Option<Station> {
        None
    }
}
