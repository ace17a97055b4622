//! The face: what doors, tools and the server ask of hosted environments.

use crate::record::{Artifact, Environment, Template};
use crate::wanted::{Claim, TemplateChange, Wanted};
use environments::workbench::Station;
use runtime::{Files, Handle, Listed, Page};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use types::{Clock, Entropy, HostedSettings, ProjectId, Refusal, SessionId, Spawn, TurnId};

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
    #[expect(dead_code, reason = "scaffolding")]
    inner: Arc<Inner>,
}

struct Inner {
    #[expect(dead_code, reason = "scaffolding")]
    settings: Settings,
    #[expect(dead_code, reason = "scaffolding")]
    around: Around,
}

fn unavailable<T>() -> Result<T, Refusal> {
    Err(Refusal::new(types::RefusalKind::Unavailable, "Hosted environments are not there yet."))
}

impl Hosting {
    pub fn new(settings: Settings, around: Around) -> Self {
        Self { inner: Arc::new(Inner { settings, around }) }
    }

    /// Takes up what an earlier server left: adopts its sandboxes, goes on with setups, drops claims without a session.
    /// From now on sessions are told, and what is idle is suspended and expires.
    pub async fn begin(&self, _handle: Handle, _files: Files) -> Result<(), Refusal> {
        unavailable()
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

    pub async fn environment(&self, _project: &ProjectId, _id: &str) -> Result<Environment, Refusal> {
        unavailable()
    }

    pub async fn environments(&self, _project: &ProjectId, _page: Page) -> Result<Listed<Environment>, Refusal> {
        unavailable()
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
