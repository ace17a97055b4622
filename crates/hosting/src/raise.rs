//! An environment is used: it is found running, or started, or set up anew. What it comes to is a row first, then told.

use crate::disk::Disk;
use crate::hosting::Hosting;
use crate::life::{self, Need};
use crate::live::{Ended, Live};
use crate::record::{Environment, Setup};
use crate::rows::SETUPS;
use crate::seat::Seat;
use crate::{plan, setup};
use environments::workbench::Station;
use sandbox::Exit;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use types::{EnvironmentError, EnvironmentStatus, HostedSettings, ProjectId, Refusal, SessionId, Timestamp};

/// Sandboxes that run at one time. Where one more is needed, the one that was idle for longest makes room.
const MOST: usize = 256;
/// The longest that a use waits for a setup.
const SETUP: Duration = Duration::from_secs(30 * 60);

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
        seat.used(now);
        let live = match seat.live() {
            Some(live) => live,
            None if patience.is_zero() => return None,
            None => self.raised(&seat, session, patience).await?,
        };
        if self.inner.owes(session) && !patience.is_zero() {
            // What the last turn left is not changed by this one before it is published.
            self.publish(project, session).await;
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
        if !seat.is_set_up_now() {
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
        if let Some(live) = seat.live() {
            return Ok(Some(live));
        }
        let row = self.inner.environment(&seat.project, &seat.id).await?;
        if self.inner.is_closed() || session.is_some_and(|session| row.session.as_ref() != Some(session)) {
            return Ok(None);
        }
        match life::need(row.status) {
            Need::Nothing => Ok(None),
            Need::SetUp => self.set_up(seat, &row).await,
            Need::Start => self.started(seat, &row).await,
        }
    }

    /// One that has its disk. A sandbox that an earlier server left is taken over.
    async fn started(&self, seat: &Arc<Seat>, row: &Environment) -> Result<Option<Arc<Live>>, Refusal> {
        if let Some(session) = &row.session {
            // An earlier server may have died over it.
            self.publish(&seat.project, session).await;
        }
        let live = match self.find(seat, row).await {
            Some(live) => live,
            None => {
                self.make_room().await;
                let rules = plan::rules(&row.settings.network).unwrap_or_default();
                match self.start(seat, row, rules).await {
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
        self.make_room().await;
        seat.sets_up(true);
        let fresh = self.fresh(seat, row).await;
        seat.sets_up(false);
        match fresh {
            Ok(live) => {
                let is_reset = row.status == EnvironmentStatus::Expired;
                self.inner.change(&seat.project, &seat.id, |row| row.resets += u64::from(is_reset)).await?;
                self.arrive(seat, &live).await?;
                Ok(Some(live))
            }
            // The next server begins it anew.
            Err(_) if self.inner.is_closed() => Ok(None),
            Err(error) => {
                let _ = Disk::new(&self.inner.folder(&seat.id)).remove().await;
                self.became(seat, EnvironmentStatus::Failed, Some(error)).await?;
                Ok(None)
            }
        }
    }

    async fn fresh(&self, seat: &Seat, row: &Environment) -> Result<Arc<Live>, EnvironmentError> {
        let folder = self.inner.folder(&seat.id);
        self.end_left(&folder).await;
        let disk = Disk::new(&folder);
        disk.create().await.map_err(|error| life::failure(format!("its disk could not be made: {error}")))?;
        let live = self.start(seat, row, plan::open()).await.map_err(life::failure)?;
        let done = tokio::select! {
            biased;
            ended = live.ended() => Err(died(ended)),
            () = seat.doomed() => Err(life::failure("its session was deleted")),
            done = self.prepared(seat, &live, &disk, row) => done,
        };
        let rules =
            done.and_then(|()| plan::rules(&row.settings.network).map_err(|bad| life::failure(bad.to_string())));
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

    async fn prepared(&self, seat: &Seat, live: &Live, disk: &Disk, row: &Environment) -> Result<(), EnvironmentError> {
        let inner = &self.inner;
        let words = |refusal: Refusal| life::failure(refusal.message);
        let setup: Option<Setup> = inner.rows.read(&seat.project, SETUPS, &seat.id).await.map_err(words)?;
        let setup = setup.unwrap_or_default();
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

    /// Writes what became of it, and tells its session. One that is nobody's is ready, whether it runs or not.
    pub(crate) async fn became(
        &self,
        seat: &Seat,
        status: EnvironmentStatus,
        error: Option<EnvironmentError>,
    ) -> Result<Environment, Refusal> {
        let clock = &self.inner.around.clock;
        let idle = u64::try_from(seat.idle(clock.monotonic()).as_millis()).unwrap_or(u64::MAX);
        let used_at = Timestamp(clock.now().0.saturating_sub(idle));
        let change = |row: &mut Environment| {
            row.status =
                if row.session.is_none() && life::has_disk(status) { EnvironmentStatus::Ready } else { status };
            row.error = error;
            row.used_at = used_at;
        };
        let row = self.inner.change(&seat.project, &seat.id, change).await?;
        self.tell(seat, &row);
        Ok(row)
    }

    /// The session as the row says.
    pub(crate) fn tell(&self, seat: &Seat, row: &Environment) {
        if let Some(session) = row.session.as_ref().filter(|_| row.is_told) {
            self.inner.telling.tell(&seat.project, session, life::change(row));
        }
    }

    async fn make_room(&self) {
        if self.inner.seats.running() < MOST {
            return;
        }
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

fn died(ended: Ended) -> EnvironmentError {
    let exit: Option<Exit> = match ended {
        Ended::Exited(exit) => Some(exit),
        Ended::Lost | Ended::Parted => None,
    };
    life::died(exit)
}
