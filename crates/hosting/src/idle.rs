//! What nobody uses: first its processes end, then its disk goes; of what never was a session's, everything.

use crate::disk::Disk;
use crate::hosting::Hosting;
use crate::life::{self, Idle};
use crate::record::Environment;
use crate::rows::{is_code_session, is_guest};
use crate::seat::Seat;
use std::sync::Arc;
use std::time::Duration;
use types::{EnvironmentStatus, Refusal};

/// How often it is looked, at least and at most.
const SELDOM: Duration = Duration::from_secs(15);
const OFTEN: Duration = Duration::from_millis(50);

impl Hosting {
    /// For ever.
    pub(crate) async fn look_after(self) {
        let (suspend_after, expire_after) = (self.inner.settings.suspend_after, self.inner.settings.expire_after);
        let pause =
            (suspend_after.min(expire_after).min(self.inner.settings.agents.idle_after) / 4).clamp(OFTEN, SELDOM);
        let clock = &self.inner.around.clock;
        while !self.inner.is_closed() {
            clock.sleep(pause).await;
            for seat in self.inner.seats.list() {
                if is_guest(&seat.id) && seat.live().is_some() {
                    self.look_after_guest(&seat).await;
                    continue;
                }
                if is_code_session(&seat.id) {
                    self.look_after_code_session(&seat).await;
                    continue;
                }
                let idle = seat.idle(clock.monotonic());
                match life::idle(seat.live().is_some(), idle, suspend_after, expire_after) {
                    Idle::Suspend => {
                        self.suspend(&seat, suspend_after).await;
                    }
                    Idle::Expire if !seat.rests() => self.expire(&seat, expire_after).await,
                    Idle::Expire | Idle::Keep => {}
                }
            }
        }
    }

    /// Ends its processes, unless something is under way or it was used within that time. Whether it did.
    pub(crate) async fn suspend(&self, seat: &Arc<Seat>, unused: Duration) -> bool {
        let Ok(_turn) = seat.turn.try_lock() else { return false };
        match self.suspended(seat, unused).await {
            Ok(suspended) => suspended,
            Err(refusal) => {
                tracing::warn!(environment = seat.id, %refusal, "an environment is not suspended");
                false
            }
        }
    }

    async fn suspended(&self, seat: &Arc<Seat>, unused: Duration) -> Result<bool, Refusal> {
        let uses = seat.uses();
        if seat.live().is_none() {
            return Ok(false);
        }
        let row = self.inner.environment(&seat.project, &seat.id).await?;
        if self.is_busy(seat, &row).await? || seat.idle(self.inner.around.clock.monotonic()) < unused {
            return Ok(false);
        }
        if let Some(session) = &row.session {
            self.publish(&seat.project, session).await?;
        }
        // That took its time: whoever came meanwhile has it.
        let Some(live) = seat.take_if_unused_since(uses) else { return Ok(false) };
        live.end().await;
        self.became(seat, EnvironmentStatus::Suspended, None).await?;
        Ok(true)
    }

    /// Whether a turn is open, or a command of it runs that was not left alone for too long. What is busy was used just now.
    async fn is_busy(&self, seat: &Seat, row: &Environment) -> Result<bool, Refusal> {
        if row.guest.is_some() {
            return Ok(self.inner.guests.is_visited(&seat.id));
        }
        if row.code_session.is_some() {
            // What it has in memory is promised until its time is over.
            let runs = seat.live().is_some_and(|live| live.client.is_busy());
            return Ok(runs || self.inner.guests.is_visited(&seat.id));
        }
        let turn = match &row.session {
            Some(session) => self.inner.handle()?.has_open_turn(&seat.project, session).await?,
            None => false,
        };
        let now = self.inner.around.clock.monotonic();
        if turn {
            seat.used(now);
            return Ok(true);
        }
        let runs = seat.live().is_some_and(|live| live.client.is_busy());
        Ok(runs && seat.runs_on(now, self.inner.settings.background_after))
    }

    pub(crate) async fn expire(&self, seat: &Arc<Seat>, unused: Duration) {
        let Ok(_turn) = seat.turn.try_lock() else { return };
        if let Err(refusal) = self.expired(seat, unused).await {
            tracing::warn!(environment = seat.id, %refusal, "an environment does not expire");
        }
    }

    async fn expired(&self, seat: &Arc<Seat>, unused: Duration) -> Result<(), Refusal> {
        let uses = seat.uses();
        let row = self.inner.environment(&seat.project, &seat.id).await?;
        let is_used = seat.live().is_some() || seat.idle(self.inner.around.clock.monotonic()) < unused;
        if is_used || self.is_busy(seat, &row).await? {
            return Ok(());
        }
        if row.session.is_none() && row.status != EnvironmentStatus::Pending {
            // Nobody would ever remove it.
            return self.remove_nobodys(&seat.project, &seat.id).await.map(|_| ());
        }
        if life::has_disk(row.status) {
            if let Some(session) = &row.session {
                // Where that cannot be done now, the disk stays.
                self.publish(&seat.project, session).await?;
            }
            if seat.uses() != uses {
                return Ok(());
            }
            // First the word, then the disk: one that is gone is never taken for one that is there.
            self.became(seat, EnvironmentStatus::Expired, Some(life::idle_for_long())).await?;
        }
        self.clear_disk(seat).await;
        seat.rest();
        Ok(())
    }

    /// The disk of one that has none any more. The caller has its turn.
    pub(crate) async fn clear_disk(&self, seat: &Seat) {
        if let Err(error) = Disk::new(&self.inner.folder(&seat.id)).remove().await {
            tracing::warn!(environment = seat.id, %error, "the disk of an environment is not removed");
        }
    }

    /// The server was asked to end, and what runs may go on for a while: a setup that is cut off now is left to the next
    /// server, since whoever ends a server may end its sandboxes with it.
    pub fn begin_ending(&self) {
        self.inner.note_ending();
    }

    /// The server ends: sandboxes in which nothing is under way are suspended, the others left to the next server.
    pub async fn stop(&self) {
        self.inner.close();
        let seats = self.inner.seats.list();
        let suspended = seats.iter().map(|seat| self.suspend(seat, Duration::ZERO));
        futures_util::future::join_all(suspended).await;
        self.leave();
    }

    /// Whatever runs is left to the next server.
    pub fn leave(&self) {
        self.inner.close();
        for seat in self.inner.seats.list() {
            if let Some(live) = seat.live() {
                live.leave();
            }
        }
    }
}
