//! When a running turn's time is over, by the clock that cannot jump. The log holds deadlines in wall time, which may be
//! set an hour on or back at any moment, or stand still; what is left of a turn's time is measured once, when its
//! deadline is first seen, and from then on by monotonic time. Only a restart has to believe the wall.

use super::Actor;
use engine::State;
use std::time::Duration;
use types::{BoxFuture, Clock, Effect, Input, Limits, Timestamp, TurnId};

/// The two clocks may differ by so much without having been set.
const DRIFT: Duration = Duration::from_secs(1);

pub(crate) struct Deadline {
    turn: TurnId,
    /// As the log says.
    at: Timestamp,
    /// Monotonic.
    due: Duration,
    /// Resolves when it has passed.
    pub(super) timer: BoxFuture<'static, ()>,
}

impl Deadline {
    /// The deadline of the turn that runs; `known` where it is that one still.
    pub(super) fn of(state: &State, limits: &Limits, known: Option<Self>, clock: &dyn Clock) -> Option<Self> {
        let (turn, at) = engine::pending(state, limits).into_iter().find_map(|effect| match effect {
            Effect::TurnDeadline { turn, at } => Some((turn, at)),
            _ => None,
        })?;
        let is_known = |known: &Self| known.turn == turn && known.at == at;
        known.filter(is_known).or_else(|| {
            let longest = match &state.settings.environment {
                environment if state.is_held() => engine::environment_patience(environment),
                _ => limits.turn_time,
            };
            let left = clock.now().until(at).min(longest);
            Some(Self { turn, at, due: clock.monotonic() + left, timer: clock.sleep(left) })
        })
    }

    /// The turn, if its time is over.
    pub(super) fn passed(&self, clock: &dyn Clock) -> Option<TurnId> {
        self.left(clock).is_zero().then(|| self.turn.clone())
    }

    /// In wall time, as it is now.
    pub(super) fn wall(&self, clock: &dyn Clock) -> Timestamp {
        clock.now().after(self.left(clock))
    }

    fn left(&self, clock: &dyn Clock) -> Duration {
        self.due.saturating_sub(clock.monotonic())
    }
}

impl Actor {
    /// That wall time was set, if it was and the log does not say so: before anything else is written, or the log would
    /// count the jump as work.
    pub(super) fn jump(&self) -> Option<Input> {
        let (known, clock) = (self.deadline.as_ref()?, &*self.world.clock);
        let (ends, said) = (known.wall(clock), deadline(&self.state, &self.world.rules.limits)?);
        let has_jumped = known.passed(clock).is_none() && ends.until(said).max(said.until(ends)) > DRIFT;
        has_jumped.then(|| Input::ClockSet { turn: known.turn.clone(), ends })
    }
}

/// When the running turn's time is over, as the log says.
fn deadline(state: &State, limits: &Limits) -> Option<Timestamp> {
    engine::pending(state, limits).into_iter().find_map(|effect| match effect {
        Effect::TurnDeadline { at, .. } => Some(at),
        Effect::ModelCall { .. } | Effect::ToolCall { .. } | Effect::Review { .. } => None,
    })
}
