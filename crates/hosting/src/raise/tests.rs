//! Places to run in and the time of a setup, with sandboxes in which nothing runs.

mod again;

use super::*;
use crate::hosting::MOST;
use crate::live::Parts;
use crate::stage::{Stage, settings};
use crate::wanted::Wanted;
use sandbox::{Ability, Driver, Error, Hold, Plan, Running};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use types::{BoxFuture, Clock, NetworkSettings, Timestamp};

/// Says who waits for a place; and what may take half an hour is over at once.
struct Hasty {
    real: Arc<dyn Clock>,
    say: UnboundedSender<&'static str>,
}

impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        self.real.now()
    }

    fn monotonic(&self) -> Duration {
        self.real.monotonic()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        match duration {
            SETUP | AGAIN => Box::pin(std::future::ready(())),
            LOOK => {
                let _ = self.say.send("waits");
                self.real.sleep(duration)
            }
            _ => self.real.sleep(duration),
        }
    }
}

struct Starts {
    ability: Ability,
    say: UnboundedSender<&'static str>,
}

impl Driver for Starts {
    fn ability(&self) -> &Ability {
        &self.ability
    }

    fn start(&self, _: &Plan, _: Option<OwnedFd>) -> Result<Running, Error> {
        let _ = self.say.send("starts");
        Err(Error::Parted)
    }

    fn resume(&self, _: &Path) -> Result<Option<Running>, Error> {
        Ok(None)
    }
}

/// Runs until it is killed.
struct Sleeper {
    end: SyncSender<()>,
    ended: Mutex<Receiver<()>>,
}

impl Hold for Sleeper {
    fn kill(&self) {
        let _ = self.end.try_send(());
    }

    fn wait(&self) -> Result<Exit, Error> {
        let _ = self.ended.lock().unwrap_or_else(PoisonError::into_inner).recv();
        Err(Error::Parted)
    }

    fn news(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn leave(&self) {}

    fn process(&self) -> u32 {
        0
    }
}

fn sleeper() -> Running {
    let (end, ended) = sync_channel(1);
    Running::new(Box::new(Sleeper { end, ended: Mutex::new(ended) }))
}

/// What runs in the place of an environment's sandbox.
async fn live(hosting: &Hosting, seat: &Arc<Seat>) -> Arc<Live> {
    let folder = hosting.inner.folder(&seat.id);
    std::fs::create_dir_all(&folder).unwrap();
    let secrets = hosting.inner.secrets_of(seat, &settings(NetworkSettings::default())).await;
    let proxy = hosting.inner.way_out(plan::open(), &folder, secrets.clone()).unwrap();
    let place = hosting.place(seat).await.unwrap();
    hosting.join(seat, Parts { running: sleeper(), proxy, folder, session: None, secrets, place })
}

#[tokio::test]
async fn a_setup_waits_for_a_place_to_run_in() {
    let (say, mut said) = unbounded_channel();
    let mut stage = Stage::new();
    stage.clock = Arc::new(Hasty { real: stage.clock.clone(), say: say.clone() });
    stage.driver = Arc::new(Starts { ability: Ability { findings: Vec::new() }, say });
    let hosting = stage.hosting().await;
    let all = hosting.inner.places.clone().acquire_many_owned(MOST.try_into().unwrap()).await.unwrap();
    let made = hosting.create(&stage.project, Wanted::default(), None).await.unwrap();
    assert_eq!(said.recv().await, Some("waits"));
    let row = hosting.environment(&stage.project, made.settings.id.as_str()).await.unwrap();
    assert_eq!(row.status, EnvironmentStatus::Pending);
    drop(all);
    let mut next = said.recv().await;
    while next == Some("waits") {
        next = said.recv().await;
    }
    assert_eq!(next, Some("starts"));
}

#[tokio::test]
async fn what_is_not_wanted_any_more_waits_for_no_place() {
    let stage = Stage::new();
    let hosting = stage.hosting().await;
    let _all = hosting.inner.places.clone().acquire_many_owned(MOST.try_into().unwrap()).await.unwrap();
    let seat = hosting.seat(&stage.project, "env_1");
    seat.doom();
    assert!(hosting.place(&seat).await.is_none());
}

#[tokio::test]
async fn what_runs_keeps_its_place_to_its_end() {
    let stage = Stage::new();
    let hosting = stage.hosting().await;
    let seat = hosting.seat(&stage.project, "env_1");
    let live = live(&hosting, &seat).await;
    assert_eq!(hosting.inner.places.available_permits(), MOST - 1);
    live.end().await;
    assert_eq!(hosting.inner.places.available_permits(), MOST);
}

#[tokio::test]
async fn a_setup_has_its_time() {
    let (say, _said) = unbounded_channel();
    let mut stage = Stage::new();
    stage.clock = Arc::new(Hasty { real: stage.clock.clone(), say });
    let hosting = stage.hosting().await;
    let made = hosting.create(&stage.project, Wanted::default(), None).await.unwrap();
    let seat = hosting.seat(&stage.project, made.settings.id.as_str());
    let live = live(&hosting, &seat).await;
    let disk = Disk::new(&hosting.inner.folder(&seat.id));
    let failed = hosting.furnished(&seat, &live, &disk, &made).await.unwrap_err();
    assert_eq!(failed.error.message, "its setup did not end within 30 minutes");
    live.end().await;
}
