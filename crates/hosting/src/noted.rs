//! What became of an environment: a row first, then told to its session. A store that cannot take it now is asked again: a
//! session that is not told waits for ever.

use crate::hosting::Hosting;
use crate::life;
use crate::record::Environment;
use crate::seat::Seat;
use std::time::Duration;
use types::{EnvironmentError, EnvironmentStatus, Refusal, RefusalKind, Timestamp};

/// How soon a store is asked again that could not take something.
pub(crate) const AGAIN: Duration = Duration::from_secs(1);

impl Hosting {
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
            row.error.clone_from(&error);
            row.used_at = used_at;
        };
        let row = self.change_at_last(seat, change).await?;
        self.tell(seat, &row);
        Ok(row)
    }

    /// Changes its row, as soon as the store takes it. Errs where that has no sense any more, or the server ends.
    pub(crate) async fn change_at_last(
        &self,
        seat: &Seat,
        change: impl Fn(&mut Environment) + Send + Sync,
    ) -> Result<Environment, Refusal> {
        loop {
            match self.inner.change(&seat.project, &seat.id, &change).await {
                Err(refusal) if self.may_try_again(&refusal) => self.inner.around.clock.sleep(AGAIN).await,
                done => return done,
            }
        }
    }

    /// Whether the store may take it later, and somebody is still there then.
    pub(crate) fn may_try_again(&self, refusal: &Refusal) -> bool {
        refusal.kind == RefusalKind::Unavailable && !self.inner.is_closed()
    }

    /// The session as the row says.
    pub(crate) fn tell(&self, seat: &Seat, row: &Environment) {
        if let Some(session) = row.session.as_ref().filter(|_| row.is_told) {
            self.inner.around.telling.tell(&seat.project, session, life::change(row));
        }
    }
}

#[cfg(test)]
mod tests;
