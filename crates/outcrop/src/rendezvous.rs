//! What self-hosted environments need of the server: registrations in the store, the session's log told of who comes and
//! goes, and the way from a session to its machine.

mod presence;
mod registrations;

use crate::configuration::Configuration;
use crate::hosting::World;
use environments::client::{self, Settings};
use environments::rendezvous::{Rendezvous, Site};
use environments::workbench::{Keeper, Machines, Station, Workbench};
use hosting::Hosting;
use presence::Presence;
use registrations::Rows;
use runtime::{Handle, Telling};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use types::{BoxFuture, Clock, EnvironmentSettings, ProjectId, SessionId, Spawn, TurnId};

/// How often it is looked whether an executor has come.
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub struct Executors {
    pub rendezvous: Arc<Rendezvous>,
    store: Arc<dyn Store>,
}

impl Executors {
    pub fn new(world: &World, telling: Telling) -> Self {
        let World { clock, entropy, spawn, store } = world.clone();
        let presence = Arc::new(Presence(telling));
        let rows = Arc::new(Rows::new(store.clone(), clock.clone()));
        let world = client::World { clock, entropy, spawn };
        let rendezvous = Arc::new(Rendezvous::new(world, Settings::default(), rows, presence));
        Self { rendezvous, store }
    }

    /// The machines behind it, and those that this server has itself.
    pub fn machines(&self, hosting: Option<Hosting>, clock: Arc<dyn Clock>) -> Arc<dyn Machines> {
        let (store, rendezvous) = (self.store.clone(), self.rendezvous.clone());
        Arc::new(Stations { store, rendezvous, hosting, clock })
    }

    /// The agents' tools on machines.
    pub fn workbench(&self, machines: Arc<dyn Machines>, clock: Arc<dyn Clock>, spawn: Arc<dyn Spawn>) -> Workbench {
        Workbench::new(machines, Arc::new(Blobs(self.store.clone())), clock, spawn)
    }

    /// What sessions' logs know of connections is of an earlier process, and those are gone with it.
    pub async fn begin(&self, handle: &Handle) -> anyhow::Result<()> {
        registrations::all_disconnected(&self.store, handle).await
    }
}

/// Keeps what is too long for a log beside it.
struct Blobs(Arc<dyn Store>);

impl Keeper for Blobs {
    fn keep<'a>(&'a self, project: &'a ProjectId, bytes: Vec<u8>) -> BoxFuture<'a, Option<String>> {
        Box::pin(async move {
            match self.0.put_blob(project, bytes).await {
                Ok(hash) => Some(hash.0),
                Err(error) => {
                    tracing::warn!(%project, %error, "all that a command printed cannot be kept");
                    None
                }
            }
        })
    }
}

/// The way from a session to the machine that its commands run on.
struct Stations {
    store: Arc<dyn Store>,
    rendezvous: Arc<Rendezvous>,
    hosting: Option<Hosting>,
    clock: Arc<dyn Clock>,
}

impl Machines for Stations {
    fn find<'a>(
        &'a self,
        project: &'a ProjectId,
        session: &'a SessionId,
        patience: Duration,
    ) -> BoxFuture<'a, Option<Station>> {
        Box::pin(async move {
            let row = self.store.session(project, session).await.ok()??;
            let (id, workspace_directory, capability_directories) = match row.settings.environment.clone() {
                EnvironmentSettings::None => return None,
                EnvironmentSettings::OpenaiHosted(settings) => {
                    let station = self.hosting.as_ref()?.station(project, session, &settings, patience).await?;
                    let asked = row.settings.agentcore().and_then(|asked| asked.workspace_directory.clone());
                    let workspace_directory = asked.unwrap_or_else(|| station.workspace_directory.clone());
                    return Some(Station { workspace_directory, ..station });
                }
                EnvironmentSettings::SelfHosted { id, workspace_directory, capability_directories } => {
                    (id, workspace_directory, capability_directories)
                }
            };
            let site = Site { project: project.clone(), environment: id.to_string() };
            let end = self.clock.monotonic() + patience;
            loop {
                // An executor may register for the first time while it is waited for.
                let machine = self.rendezvous.machine(&site).await.ok().flatten();
                if let Some(machine) = machine.filter(|machine| machine.is_connected()) {
                    return Some(Station { machine, workspace_directory, capability_directories, confined: false });
                }
                if self.clock.monotonic() >= end {
                    return None;
                }
                self.clock.sleep(LOOK_EVERY).await;
            }
        })
    }

    fn at_hand<'a>(
        &'a self,
        project: &'a ProjectId,
        session: &'a SessionId,
        patience: Duration,
    ) -> BoxFuture<'a, Option<Station>> {
        Box::pin(async move {
            let row = self.store.session(project, session).await.ok()??;
            let is_hosted = matches!(row.settings.environment, EnvironmentSettings::OpenaiHosted(_));
            self.find(project, session, if is_hosted { patience } else { Duration::ZERO }).await
        })
    }

    fn turn_ended(&self, project: &ProjectId, session: &SessionId, turn: &TurnId) {
        if let Some(hosting) = &self.hosting {
            hosting.turn_ended(project, session, turn);
        }
    }
}

/// Where executors find this server.
pub fn remote_url(configuration: &Configuration, listening: SocketAddr) -> Arc<str> {
    let base = configuration.public_url.clone().unwrap_or_else(|| format!("http://{listening}"));
    format!("{base}/v1/agents/api").into()
}
