//! The start of a node: its epoch, the sessions that were left unfinished, the timers.

use crate::registry::Registry;
use crate::{Catalog, Handle, World};
use std::sync::Arc;
use std::time::Duration;
use store::Error;
use tokio::sync::Semaphore;

/// Recoveries that start at a time.
const RECOVERIES: usize = 32;
/// How often timers are looked at: a deadline is late by no more than this.
const TICK: Duration = Duration::from_secs(1);

/// Takes an epoch and starts. Unfinished sessions go on by themselves; the server may serve while they do.
pub async fn start(world: World) -> Result<(Handle, Catalog), Error> {
    let epoch = world.store.begin_epoch().await?;
    let unfinished = world.store.unfinished().await?;
    let registry = Arc::new(Registry::new(world.clone(), epoch));
    let handle = Handle::new(world.clone(), registry.clone());
    if !unfinished.is_empty() {
        tracing::info!(sessions = unfinished.len(), "recovering unfinished sessions");
    }
    let recovery = recover(world.clone(), handle.clone(), unfinished);
    world.spawn.spawn("recovery", Box::pin(recovery));
    world.spawn.spawn("timers", Box::pin(timers(world.clone(), handle.clone(), registry)));
    Ok((handle, Catalog::new(world)))
}

async fn recover(world: World, handle: Handle, unfinished: Vec<(types::ProjectId, types::SessionId)>) {
    let places = Arc::new(Semaphore::new(RECOVERIES));
    for (project, session) in unfinished {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let handle = handle.clone();
        let wake = async move {
            handle.wake(&project, &session).await;
            drop(place);
        };
        world.spawn.spawn("recovery of a session", Box::pin(wake));
    }
}

async fn timers(world: World, handle: Handle, registry: Arc<Registry>) {
    while !registry.is_draining() {
        world.clock.sleep(TICK).await;
        match world.store.due_timers(world.clock.now()).await {
            Ok(due) => {
                for (project, session, _) in due {
                    handle.wake(&project, &session).await;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "timers cannot be read");
                if !world.store.is_healthy() {
                    return;
                }
            }
        }
    }
}
