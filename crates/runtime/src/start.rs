//! The start of a node: its epoch, the sessions that were left unfinished, the timers.

use crate::registry::Registry;
use crate::{Catalog, Handle, World};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use store::Error;
use tokio::sync::Semaphore;
use types::{ProjectId, SessionId};

/// Recoveries that start at a time.
const RECOVERIES: usize = 32;
/// How often timers are looked at: a deadline is late by no more than this.
const TICK: Duration = Duration::from_secs(1);

/// How often unfinished sessions are looked for that nobody works on: an actor may have died of a defect.
const SWEEP: Duration = Duration::from_secs(30);
/// How long a session that could not be woken is left alone.
const PUT_OFF: Duration = Duration::from_secs(60);

/// Takes an epoch and starts. Unfinished sessions go on by themselves; the server may serve while they do.
pub async fn start(world: World) -> Result<(Handle, Catalog), Error> {
    types::failpoint!(BeforeEpoch);
    let epoch = world.store.begin_epoch().await?;
    types::failpoint!(AfterEpoch);
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

async fn recover(world: World, handle: Handle, unfinished: Vec<(ProjectId, SessionId)>) {
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
    let mut put_off: BTreeMap<(ProjectId, SessionId), Duration> = BTreeMap::new();
    let mut next_sweep = world.clock.monotonic() + SWEEP;
    while !registry.is_draining() && world.store.is_healthy() {
        world.clock.sleep(TICK).await;
        let now = world.clock.monotonic();
        put_off.retain(|_, until| *until > now);
        let mut due = match world.store.due_timers(world.clock.now()).await {
            Ok(due) => due.into_iter().map(|(project, session, _)| (project, session)).collect(),
            Err(error) => {
                tracing::warn!(%error, "timers cannot be read");
                Vec::new()
            }
        };
        if next_sweep <= now {
            next_sweep = now + SWEEP;
            let unfinished = world.store.unfinished().await.unwrap_or_default();
            due.extend(unfinished.into_iter().filter(|(project, session)| !registry.is_active(project, session)));
        }
        due.retain(|key| !put_off.contains_key(key));
        for (project, session) in due {
            if !handle.wake(&project, &session).await {
                put_off.insert((project, session), now + PUT_OFF);
            }
        }
    }
}
