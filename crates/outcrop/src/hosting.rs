//! Environments of this server, of both kinds: those that dial in, and those that it makes itself where this machine can.

use crate::configuration::Configuration;
use crate::data::DataFolder;
use crate::rendezvous::Executors;
use crate::world::{KernelEntropy, TokioClock, TokioSpawn};
use ::hosting::{AgentSettings, Around, Hosting, Settings};
use anyhow::Context;
use environments::rendezvous::Rendezvous;
use environments::workbench::{Machines, Workbench};
use models::Models;
use runtime::{Files, Handle, Telling};
use std::sync::Arc;
use store::Store;
use types::{Clock, Entropy, Rules, Spawn, Tools};
use vaults::Vaults;

/// The world, as far as environments need it. Cheap to clone.
#[derive(Clone)]
pub struct World {
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub spawn: Arc<dyn Spawn>,
    pub store: Arc<dyn Store>,
}

impl World {
    /// This machine's own time and chance.
    pub fn real(store: Arc<dyn Store>) -> Self {
        Self {
            clock: Arc::new(TokioClock::start()),
            entropy: Arc::new(KernelEntropy),
            spawn: Arc::new(TokioSpawn),
            store,
        }
    }
}

pub struct Environments {
    pub rendezvous: Arc<Rendezvous>,
    pub hosting: Option<Hosting>,
    /// Why there is none, in a sentence.
    pub no_hosting: Arc<str>,
    executors: Executors,
    telling: Telling,
    world: World,
}

impl Environments {
    /// `files` is how many of them hosted environments may have open.
    pub fn prepare(
        configuration: &Configuration,
        data: &DataFolder,
        world: World,
        files: usize,
        vaults: Vaults,
    ) -> Self {
        let telling = Telling::new(world.clock.clone(), world.spawn.clone());
        let executors = Executors::new(&world, telling.clone());
        let (hosting, no_hosting) = match make(configuration, data, &world, telling.clone(), files, vaults) {
            Ok(hosting) => (Some(hosting), Arc::default()),
            Err(why) => {
                tracing::warn!("{why}");
                (None, why.into())
            }
        };
        Self { rendezvous: executors.rendezvous.clone(), hosting, no_hosting, executors, telling, world }
    }

    /// Where sessions' commands run, and the agents' tools there.
    pub fn bench(&self) -> (Arc<dyn Machines>, Workbench) {
        let World { clock, spawn, .. } = self.world.clone();
        let machines = self.executors.machines(self.hosting.clone(), clock.clone());
        (machines.clone(), self.executors.workbench(machines, clock, spawn))
    }

    /// What the runtime is given of the world.
    pub fn world(&self, models: Models, rules: Rules, tools: Arc<dyn Tools>) -> runtime::World {
        let World { clock, entropy, spawn, store } = self.world.clone();
        runtime::World { clock, entropy, spawn, store, models: Arc::new(models), tools, rules: Arc::new(rules) }
    }

    /// What an earlier server left is taken up, and sessions are told from now on.
    pub async fn begin(&self, handle: &Handle, files: &Files) -> anyhow::Result<()> {
        self.executors.begin(handle).await.context("the environments cannot be looked at")?;
        self.telling.begin(handle.clone());
        let Some(hosting) = &self.hosting else { return Ok(()) };
        let begun = hosting.begin(handle.clone(), files.clone()).await;
        begun.context("the hosted environments cannot be looked at")
    }

    /// What runs in an environment goes on without this server.
    pub fn leave(&self) {
        if let Some(hosting) = &self.hosting {
            hosting.leave();
        }
    }

    /// The server was asked to end, and goes on for a while.
    pub fn begin_ending(&self) {
        if let Some(hosting) = &self.hosting {
            hosting.begin_ending();
        }
    }

    /// What runs is suspended, or left to the next server.
    pub async fn stop(&self) {
        if let Some(hosting) = &self.hosting {
            hosting.stop().await;
        }
    }
}

/// Or why there are none, in a sentence.
fn make(
    configuration: &Configuration,
    data: &DataFolder,
    world: &World,
    telling: Telling,
    files: usize,
    vaults: Vaults,
) -> Result<Hosting, String> {
    let wanted = &configuration.environments;
    if !wanted.hosted {
        return Err("This server is configured to have no hosted environments (`environments.driver`).".to_owned());
    }
    let program = std::env::current_exe().map_err(|error| cannot(&format!("this program is not found ({error})")))?;
    let driver = driver(wanted.allow_weak_sandbox)?;
    let data = std::fs::canonicalize(data.path()).map_err(|error| cannot(&format!("the data folder: {error}")))?;
    let settings = Settings {
        folder: data.join("environments"),
        base: wanted.base.clone(),
        allow_weak_sandbox: wanted.allow_weak_sandbox,
        suspend_after: wanted.suspend_after,
        background_after: wanted.background_after,
        expire_after: wanted.expire_after,
        program,
        files,
        agents: AgentSettings {
            folder: data.join("runtimes"),
            code: configuration.agentcore.code.clone(),
            idle_after: configuration.agentcore.idle_after,
            lifetime: configuration.agentcore.lifetime,
        },
    };
    let World { clock, entropy, spawn, store } = world.clone();
    Ok(Hosting::new(settings, Around { clock, entropy, spawn, store, driver, telling, vaults: Some(vaults) }))
}

#[cfg(not(target_os = "linux"))]
fn driver(_allow_weak: bool) -> Result<Arc<dyn sandbox::Driver>, String> {
    Err(cannot("they need Linux"))
}

#[cfg(target_os = "linux")]
fn driver(allow_weak: bool) -> Result<Arc<dyn sandbox::Driver>, String> {
    use crate::doctor::sandbox::KEEPER;
    use sandbox::{Driver as _, Keeper, Namespaces};
    // Also where the file was replaced by another version since.
    let keeper = Keeper { program: "/proc/self/exe".into(), arguments: vec![KEEPER.to_owned()] };
    let driver = Namespaces::new(keeper).map_err(|error| cannot(&error.to_string()))?;
    let missing: Vec<&str> = driver.ability().missing().map(|finding| finding.layer.word()).collect();
    if !missing.is_empty() && !allow_weak {
        let missing = missing.join(", ");
        return Err(cannot(&format!("it lacks {missing}; `environments.allow_weak_sandbox` would do without")));
    }
    Ok(Arc::new(driver))
}

fn cannot(why: &str) -> String {
    format!("This machine cannot have hosted environments: {why}. See `outcrop doctor`.")
}
