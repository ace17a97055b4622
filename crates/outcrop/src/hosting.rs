//! Hosted environments of this server: whether this machine can have them, and of what they are made.

use crate::configuration::Configuration;
use crate::data::DataFolder;
use anyhow::Context;
use hosting::{Around, Hosting, Settings};
use runtime::{Files, Handle, Telling};
use std::sync::Arc;
use store::Store;
use types::{Clock, Entropy, Spawn};

/// The world, as far as environments need it. Cheap to clone.
#[derive(Clone)]
pub struct World {
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub spawn: Arc<dyn Spawn>,
    pub store: Arc<dyn Store>,
    pub telling: Telling,
}

/// None where there are none, with the reason.
pub fn prepare(configuration: &Configuration, data: &DataFolder, world: &World) -> (Option<Hosting>, Arc<str>) {
    match make(configuration, data, world.clone()) {
        Ok(hosting) => (Some(hosting), Arc::default()),
        Err(why) => {
            tracing::warn!("{why}");
            (None, why.into())
        }
    }
}

/// What an earlier server left is taken up.
pub async fn begin(hosting: Option<&Hosting>, handle: &Handle, files: &Files) -> anyhow::Result<()> {
    let Some(hosting) = hosting else { return Ok(()) };
    let begun = hosting.begin(handle.clone(), files.clone()).await;
    begun.context("the hosted environments cannot be looked at")
}

/// What runs is suspended, or left to the next server.
pub async fn stop(hosting: Option<&Hosting>) {
    if let Some(hosting) = hosting {
        hosting.stop().await;
    }
}

/// Or why there are none, in a sentence.
fn make(configuration: &Configuration, data: &DataFolder, world: World) -> Result<Hosting, String> {
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
        expire_after: wanted.expire_after,
        program,
    };
    let World { clock, entropy, spawn, store, telling } = world;
    Ok(Hosting::new(settings, Around { clock, entropy, spawn, store, driver, telling }))
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
