//! The first record of a session that goes on where another one stood. State is that one's, as it was then.

use crate::state::{HeadKind, State};
use crate::view::session_view;
use types::{EnvironmentState, EventBody, Forked, MicroUsd, SessionStatus, Timestamp, Usage};

pub(super) fn apply(state: &mut State, forked: &Forked, at: Timestamp) -> Vec<EventBody> {
    state.session = forked.session.clone();
    state.base = forked.at;
    state.ancestors.push(forked.parent.clone());
    super::set_settings(state, &forked.settings);
    state.environment = EnvironmentState::of(&forked.settings.environment);
    state.status = SessionStatus::Idle;
    state.error = None;
    state.created_at = at;
    // What was spent before was the other session's.
    state.usage = Usage::default();
    state.unmeasured = false;
    state.spent = MicroUsd::ZERO;
    state.recoveries = 0;
    // Late words are heard where the calls were made.
    state.doubts.clear();
    if let Some(turn) = &mut state.turn {
        turn.usage = Usage::default();
        turn.unmeasured = false;
        // The call in flight goes on there, too.
        turn.call = None;
        for request in turn.tools.iter_mut().filter_map(|open| open.request.as_mut()) {
            request.review = None;
        }
    }
    // Thoughts that led to something are no use without it, and some providers refuse them.
    while state.transcript.last().is_some_and(|head| head.kind == HeadKind::Reasoning) {
        state.transcript.pop();
    }
    // The turn that was open ends in this very append: to those who look, the session rests from its first record on.
    let turn = state.turn.take();
    let events = super::environment::created(state, session_view(state));
    state.turn = turn;
    events
}
