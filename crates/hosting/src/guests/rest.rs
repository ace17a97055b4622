//! The rest of a session, and its end: after so long without an invocation, unless its program says that it is busy; after
//! the longest that it may run, whatever it does; and when it is told to. Its disk stays until it expires.

use super::{Call, Unserved};
use crate::hosting::Hosting;
use crate::seat::Seat;
use std::sync::Arc;
use std::time::Duration;
use types::{EnvironmentStatus, ProjectId, Refusal, RefusalKind};

impl Hosting {
    /// Ends what a session has running, where something runs. `NotFound`: there is no such session.
    pub async fn stop_session(&self, project: &ProjectId, call: Call) -> Result<String, Unserved> {
        let session = call.session.clone().unwrap_or_default();
        let runtime = self.runtime_row(project, &call.runtime).await?;
        let seat = self.seat_of(project, &call, &session).await;
        let seat = match (runtime.endpoint(&call.qualifier), seat) {
            (Some(_), Ok(seat)) => seat,
            (Some(_), Err(refusal)) if refusal.kind != RefusalKind::NotFound => return Err(refusal.into()),
            _ => {
                return Err(
                    Refusal::new(RefusalKind::NotFound, "There is no such session of that agent runtime.").into()
                );
            }
        };
        let (hosting, seat) = (self.clone(), seat.clone());
        let stopping = async move { hosting.end_guest(&seat).await };
        self.to_its_end((), stopping).await.map_err(Unserved::Refused)??;
        Ok(session)
    }

    /// One that runs: whether it is to run on.
    pub(crate) async fn look_after_guest(&self, seat: &Arc<Seat>) {
        if let Err(refusal) = self.looked_after(seat).await {
            tracing::warn!(session = seat.id, %refusal, "the session of a runtime is not looked after");
        }
    }

    async fn looked_after(&self, seat: &Arc<Seat>) -> Result<(), Refusal> {
        let clock = &self.inner.around.clock;
        let row = self.inner.environment(&seat.project, &seat.id).await?;
        let Some(guest) = row.guest else { return Ok(()) };
        if guest.started_at.until(clock.now()) >= Duration::from_secs(guest.lifetime.into()) {
            tracing::info!(session = seat.id, "the session of a runtime has run for as long as it may");
            return self.end_guest(seat).await;
        }
        let idle = Duration::from_secs(guest.idle.into());
        if self.inner.guests.is_visited(&seat.id) {
            seat.used(clock.monotonic());
        } else if seat.idle(clock.monotonic()) >= idle {
            if self.ping(&seat.id).await == Some(true) {
                seat.used(clock.monotonic());
            } else {
                self.suspend(seat, idle).await;
            }
        }
        Ok(())
    }

    /// Whatever it does.
    async fn end_guest(&self, seat: &Arc<Seat>) -> Result<(), Refusal> {
        let host = self.inner.guests.of(&seat.id);
        let _host = host.turn.lock().await;
        let _turn = seat.turn.lock().await;
        let Some(live) = seat.take() else { return Ok(()) };
        live.end().await;
        self.became(seat, EnvironmentStatus::Suspended, None).await?;
        seat.used(self.inner.around.clock.monotonic());
        Ok(())
    }
}
