//! An environment is used: it is found running, or started, or set up anew. What it comes to is a row first, then told.

use crate::disk::Disk;
use crate::hosting::Hosting;
use crate::life::{self, Need};
use crate::live::{Ended, Live, Place};
use crate::noted::AGAIN;
use crate::record::{Environment, Setup};
use crate::rows::SETUPS;
use crate::seat::Seat;
use crate::{plan, setup};
use environments::workbench::Station;
use sandbox::Exit;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use types::{EnvironmentError, EnvironmentStatus, HostedSettings, ProjectId, Refusal, SessionId};

/// The longest that a setup may take, and that a use waits for one.
const SETUP: Duration = Duration::from_secs(30 * 60);
/// How often a setup is begun where the machine fails.
const TRIES: u32 = 3;
/// How soon whoever waits for a place looks again for one that is idle.
const LOOK: Duration = Duration::from_secs(5);

impl Hosting {
    /// The machine of a session's environment, started where it is not running; None where it is not there within
    /// `patience`, or failed. Without any patience nothing is started.
    pub async fn station(
        &self,
        project: &ProjectId,
        session: &SessionId,
        settings: &HostedSettings,
        patience: Duration,
    ) -> Option<Station> {
        let now = self.inner.around.clock.monotonic();
        let seat = self.inner.seats.of(project, settings.id.as_str(), now);
        let live = match seat.use_now(now) {
            Some(live) => live,
            None if patience.is_zero() => return None,
            None => self.raised(&seat, session, patience).await?,
        };
        if let Some(secrets) = self.inner.secrets_now(&seat.id) {
            secrets.look().await;
        }
        // What the last turn left is not changed by this one before it is published.
        if !patience.is_zero() && !self.is_published(project, session).await {
            return None;
        }
        Some(Station {
            machine: live.client.clone(),
            workspace_directory: "/workspace".to_owned(),
            capability_directories: setup::capability_directories(settings),
            confined: true,
        })
    }

    /// Goes on by itself where the patience ends before it is done.
    async fn raised(&self, seat: &Arc<Seat>, session: &SessionId, patience: Duration) -> Option<Arc<Live>> {
        let (told, heard) = oneshot::channel();
        let (hosting, seat, session) = (self.clone(), seat.clone(), session.clone());
        let raised = seat.clone();
        let raising = async move {
            let live = hosting.raise(&raised, Some(&session)).await;
            let live = live.unwrap_or_else(|refusal| {
                tracing::warn!(environment = raised.id, %refusal, "an environment cannot be used");
                None
            });
            let _ = told.send(live);
        };
        self.inner.around.spawn.spawn("environment", Box::pin(raising));
        let clock = &self.inner.around.clock;
        let mut heard = std::pin::pin!(heard);
        tokio::select! {
            biased;
            live = &mut heard => return live.ok().flatten(),
            () = clock.sleep(patience) => {}
        }
        if !seat.is_at_work() {
            return None;
        }
        // Packages take their time, and it is known that something comes of it.
        tokio::select! {
            biased;
            live = heard => live.ok().flatten(),
            () = clock.sleep(SETUP) => None,
        }
    }

    /// None where it cannot be had. `session`: who uses it, where somebody does.
    pub(crate) async fn raise(
        &self,
        seat: &Arc<Seat>,
        session: Option<&SessionId>,
    ) -> Result<Option<Arc<Live>>, Refusal> {
        self.inner.begun().await;
        let _turn = seat.turn.lock().await;
        let row = self.inner.environment(&seat.project, &seat.id).await?;
        if let Some(live) = seat.live() {
            if !life::has_disk(row.status) {
                // It arrived, and that could not be written.
                self.became(seat, EnvironmentStatus::Connected, None).await?;
            }
            return Ok(Some(live));
        }
        if self.inner.is_closed() || session.is_some_and(|session| row.session.as_ref() != Some(session)) {
            return Ok(None);
        }
        match life::need(row.status) {
            Need::Nothing => Ok(None),
            Need::SetUp => self.set_up(seat, &row).await,
            // Somebody else took it away.
            Need::Start if !Disk::new(&self.inner.folder(&seat.id)).is_there() => self.set_up(seat, &row).await,
            Need::Start => self.started(seat, &row).await,
        }
    }

    /// One that has its disk. A sandbox that an earlier server left is taken over.
    async fn started(&self, seat: &Arc<Seat>, row: &Environment) -> Result<Option<Arc<Live>>, Refusal> {
        let Some(place) = self.place(seat).await else { return Ok(None) };
        let live = match self.find(seat, row, place.clone()).await {
            Some(live) => live,
            None => {
                let rules = plan::rules(&row.settings.network).unwrap_or_default();
                match self.start(seat, row, rules, place).await {
                    Ok(live) => live,
                    Err(why) => {
                        self.became(seat, EnvironmentStatus::Disconnected, Some(life::failure(why))).await?;
                        return Ok(None);
                    }
                }
            }
        };
        self.arrive(seat, &live).await?;
        Ok(Some(live))
    }

    /// A fresh disk, and all that belongs on it. What was begun and cut off before begins anew.
    async fn set_up(&self, seat: &Arc<Seat>, row: &Environment) -> Result<Option<Arc<Live>>, Refusal> {
        let Some(place) = self.place(seat).await else { return Ok(None) };
        let work = seat.begin_work();
        let fresh = self.fresh_at_last(seat, row, &place).await;
        drop(work);
        match fresh {
            Ok(live) => {
                let is_reset = row.status != EnvironmentStatus::Pending;
                self.change_at_last(seat, |row| row.resets += u64::from(is_reset)).await?;
                self.arrive(seat, &live).await?;
                Ok(Some(live))
            }
            // The next server begins it anew.
            Err(failed) if self.inner.is_closed() || (failed.is_the_machines && self.inner.is_ending()) => Ok(None),
            Err(Failed { error, .. }) => {
                let _ = Disk::new(&self.inner.folder(&seat.id)).remove().await;
                self.became(seat, EnvironmentStatus::Failed, Some(error)).await?;
                // It is for good: what it was to be made of is of no use any more.
                self.delete(&seat.project, &seat.id, &[SETUPS]).await?;
                Ok(None)
            }
        }
    }

    /// What the machine could not do, it may do another time: a sandbox that was killed says nothing of what was to be set
    /// up in it. What the setup itself came to is final.
    async fn fresh_at_last(&self, seat: &Seat, row: &Environment, place: &Place) -> Result<Arc<Live>, Failed> {
        let mut tries = 1;
        loop {
            let failed = match self.fresh(seat, row, place.clone()).await {
                Err(failed) if failed.is_the_machines && tries < TRIES => failed,
                done => return done,
            };
            tracing::warn!(environment = seat.id, why = failed.error.message, tries, "a setup begins anew");
            tries += 1;
            // Whatever ended it may be about to end this server too.
            self.inner.around.clock.sleep(AGAIN).await;
            if self.inner.is_ending() {
                return Err(failed);
            }
        }
    }

    async fn fresh(&self, seat: &Seat, row: &Environment, place: Place) -> Result<Arc<Live>, Failed> {
        let folder = self.inner.folder(&seat.id);
        self.end_left(&folder).await;
        let disk = Disk::new(&folder);
        disk.create().await.map_err(|error| Failed::machine(format!("its disk could not be made: {error}")))?;
        let live = self.start(seat, row, plan::open(), place).await.map_err(Failed::machine)?;
        let done = self.furnished(seat, &live, &disk, row).await;
        let rules =
            done.and_then(|()| plan::rules(&row.settings.network).map_err(|bad| Failed::setup(bad.to_string())));
        match rules {
            Ok(rules) => {
                live.proxy.change(rules);
                Ok(live)
            }
            Err(error) => {
                live.end().await;
                Err(error)
            }
        }
    }

    /// Its setup, as long as there is anything in which it can take place, and that somebody wants it, and no longer than
    /// its time.
    async fn furnished(&self, seat: &Seat, live: &Live, disk: &Disk, row: &Environment) -> Result<(), Failed> {
        tokio::select! {
            biased;
            ended = live.ended() => Err(Failed::ended(ended)),
            () = seat.doomed() => Err(Failed::setup("its session was deleted")),
            () = self.inner.around.clock.sleep(SETUP) => {
                Err(Failed::setup(format!("its setup did not end within {} minutes", SETUP.as_secs() / 60)))
            }
            done = self.prepared(seat, live, disk, row) => done,
        }
    }

    async fn prepared(&self, seat: &Seat, live: &Live, disk: &Disk, row: &Environment) -> Result<(), Failed> {
        let inner = &self.inner;
        let words = |refusal: Refusal| Failed::machine(refusal.message);
        let setup: Option<Setup> = inner.rows.read(&seat.project, SETUPS, &seat.id).await.map_err(words)?;
        let mut setup = setup.unwrap_or_default();
        if let Some(secrets) = inner.secrets_now(&seat.id) {
            setup.env.extend(secrets.variables());
        }
        let context = setup::Context {
            clock: &*inner.around.clock,
            entropy: &*inner.around.entropy,
            files: inner.files().map_err(words)?,
            project: &seat.project,
            folder: &inner.folder(&seat.id),
            variables: &plan::variables(&setup.env),
        };
        Ok(setup::run(&context, &*live.client, disk, &setup, &row.settings).await?)
    }

    /// It runs, and whoever has it may use it.
    pub(crate) async fn arrive(&self, seat: &Arc<Seat>, live: &Arc<Live>) -> Result<(), Refusal> {
        seat.used(self.inner.around.clock.monotonic());
        seat.put(live.clone());
        let (hosting, watched, running) = (self.clone(), seat.clone(), live.clone());
        let watching = async move {
            let ended = running.ended().await;
            hosting.departed(&watched, &running, ended).await;
        };
        self.inner.around.spawn.spawn("environment's end", Box::pin(watching));
        self.became(seat, EnvironmentStatus::Connected, None).await.map(|_| ())
    }

    /// A sandbox ended. Where that was not wanted, the session is told why.
    async fn departed(&self, seat: &Arc<Seat>, live: &Arc<Live>, ended: Ended) {
        live.close();
        if ended == Ended::Parted {
            return;
        }
        let _turn = seat.turn.lock().await;
        if !seat.take_if(live) {
            return;
        }
        let error = died(ended);
        tracing::warn!(environment = seat.id, why = error.message, "a sandbox ended");
        if let Err(refusal) = self.became(seat, EnvironmentStatus::Disconnected, Some(error)).await {
            tracing::warn!(environment = seat.id, %refusal, "the end of a sandbox is not noted");
        }
    }

    /// A place to run in, as soon as there is one. None: it is not needed any more.
    pub(crate) async fn place(&self, seat: &Seat) -> Option<Place> {
        if let Some(place) = seat.take_place() {
            return Some(place);
        }
        let mut free = std::pin::pin!(self.inner.places.clone().acquire_owned());
        let mut pause = Duration::ZERO;
        while !self.inner.is_closed() {
            tokio::select! {
                biased;
                () = seat.doomed() => return None,
                place = &mut free => return place.ok().map(Arc::new),
                () = self.inner.around.clock.sleep(pause), if !pause.is_zero() => {}
                () = std::future::ready(()), if pause.is_zero() => {}
            }
            self.make_room().await;
            pause = LOOK;
        }
        None
    }

    /// Suspends the one that was idle for longest, if any is.
    async fn make_room(&self) {
        let now = self.inner.around.clock.monotonic();
        let mut seats = self.inner.seats.list();
        seats.retain(|seat| seat.live().is_some());
        seats.sort_by_key(|seat| std::cmp::Reverse(seat.idle(now)));
        for seat in seats {
            if self.suspend(&seat, Duration::ZERO).await {
                return;
            }
        }
    }
}

/// Why there is no fresh environment.
#[derive(Debug)]
struct Failed {
    error: EnvironmentError,
    /// And not that of what was to be set up.
    is_the_machines: bool,
}

impl Failed {
    fn setup(message: impl Into<String>) -> Self {
        Self { error: life::failure(message), is_the_machines: false }
    }

    fn machine(message: impl Into<String>) -> Self {
        Self { error: life::failure(message), is_the_machines: true }
    }

    fn ended(ended: Ended) -> Self {
        // What uses up all that it is given does so the next time too.
        let used_up = matches!(ended, Ended::Exited(exit) if exit.out_of_disk || exit.out_of_memory.unwrap_or(0) > 0);
        Self { error: died(ended), is_the_machines: !used_up }
    }
}

impl From<setup::SetupFailed> for Failed {
    fn from(failed: setup::SetupFailed) -> Self {
        let is_the_machines = failed.is_the_machines();
        Self { error: failed.into(), is_the_machines }
    }
}

fn died(ended: Ended) -> EnvironmentError {
    let exit: Option<Exit> = match ended {
        Ended::Exited(exit) => Some(exit),
        Ended::Lost | Ended::Parted => None,
    };
    life::died(exit)
}

#[cfg(test)]
mod tests;
