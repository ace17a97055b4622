//! The session's environment, and the turn that waits for it.

use crate::state::{Held, State};
use crate::view::session_view;
use std::sync::Arc;
use types::{EnvironmentChanged, EventBody, RequiredAction, SessionStatus, SessionView, TurnHeld};

/// What is told of a session that begins; its environment is pending from then on, and its initial input waits for it.
pub(super) fn created(state: &State, mut view: SessionView) -> Vec<EventBody> {
    let Some(known) = &state.environment else { return vec![EventBody::SessionCreated(view)] };
    if view.head.status == SessionStatus::InProgress {
        let head = Arc::make_mut(&mut view.head);
        head.status = SessionStatus::RequiresAction;
        head.required_actions = vec![RequiredAction::EnvironmentConnection { environment: known.id.clone() }];
    }
    vec![EventBody::SessionCreated(view.clone()), EventBody::Environment(view)]
}

pub(super) fn changed(state: &mut State, changed: &EnvironmentChanged) -> Vec<EventBody> {
    let Some(known) = &mut state.environment else { return Vec::new() };
    known.status = changed.status;
    known.error = changed.error.clone();
    vec![EventBody::Environment(session_view(state))]
}

/// The first time it is told; then only its time has changed.
pub(super) fn held(state: &mut State, record: &TurnHeld) -> Vec<EventBody> {
    let Some(turn) = &mut state.turn else { return Vec::new() };
    let was_held = turn.held.is_some();
    turn.held = Some(Held { until: record.until, initial: record.initial });
    state.status = SessionStatus::RequiresAction;
    if was_held { Vec::new() } else { vec![EventBody::SessionRequiresAction(session_view(state))] }
}
