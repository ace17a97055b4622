//! The start of a node: its epoch, the sessions that were left unfinished, the timers.

use crate::registry::Registry;
use crate::{Catalog, Handle, World};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use store::{Direction, Error, LogQuery};
use tokio::sync::Semaphore;
use types::{ProjectId, Seq, SessionId};

/// Recoveries that start at a time.
const RECOVERIES: usize = 32;
/// Recoveries without any progress after which a session may be what kills the node.
const SUSPECT: usize = 2;
/// How long such a session is waited for before the next is woken, how long all of them are, and how often one is looked
/// at. A node that died of something else may leave a thousand of them.
const PROBATION: Duration = Duration::from_secs(10);
const PROBATIONS: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(100);
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
    let recovering = Arc::new(AtomicBool::new(true));
    let recovery = recover(world.clone(), handle.clone(), unfinished, recovering.clone());
    world.spawn.spawn("recovery", Box::pin(recovery));
    world.spawn.spawn("timers", Box::pin(timers(world.clone(), handle.clone(), registry, recovering)));
    Ok((handle, Catalog::new(world)))
}

/// One of them may be what kills the node, and those beside it must not be taken for it: who was recovered before and
/// said nothing since is woken after the others, alone.
async fn recover(world: World, handle: Handle, unfinished: Vec<(ProjectId, SessionId)>, recovering: Arc<AtomicBool>) {
    let places = Arc::new(Semaphore::new(RECOVERIES));
    let mut suspects = Vec::new();
    for (project, session) in unfinished {
        let recovered = recoveries(&world, &project, &session).await;
        if recovered >= SUSPECT {
            suspects.push((recovered, project, session));
            continue;
        }
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let handle = handle.clone();
        let wake = async move {
            handle.wake(&project, &session).await;
            drop(place);
        };
        world.spawn.spawn("recovery of a session", Box::pin(wake));
    }
    suspects.sort();
    let probation = PROBATION.min(PROBATIONS / u32::try_from(suspects.len().max(1)).unwrap_or(u32::MAX));
    for (_, project, session) in suspects {
        tracing::warn!(%session, "recovered before without any progress; it is woken alone");
        handle.wake(&project, &session).await;
        let end = world.clock.monotonic() + probation;
        while world.clock.monotonic() < end && recoveries(&world, &project, &session).await > 0 {
            world.clock.sleep(LOOK_EVERY.min(probation)).await;
        }
    }
    recovering.store(false, Ordering::Relaxed);
}

/// How often the session was recovered since it last said anything new. What cannot be read counts as innocent.
async fn recoveries(world: &World, project: &ProjectId, session: &SessionId) -> usize {
    const NEWEST: usize = 64;
    const IDLE: [&str; 8] =
        ["recovered", "abandoned", "intended", "tools_offered", "restored", "late", "clock_set", "environment_changed"];
    let query = LogQuery { direction: Direction::Descending, limit: NEWEST, ..LogQuery::after(Seq(0)) };
    let newest = world.store.log(project, session, query).await.unwrap_or_default();
    let kinds = newest.iter().map(|stored| stored.record.kind.as_str());
    let idle = kinds.take_while(|kind| IDLE.contains(kind));
    idle.filter(|kind| *kind == "recovered").count()
}

async fn timers(world: World, handle: Handle, registry: Arc<Registry>, recovering: Arc<AtomicBool>) {
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
        if next_sweep <= now && !recovering.load(Ordering::Relaxed) {
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
