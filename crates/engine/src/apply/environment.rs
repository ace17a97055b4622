//! The session's environment, and the turn that waits for it.

use crate::state::{Held, State};
use crate::view::session_view;
use std::sync::Arc;
use types::{EnvironmentChanged, EventBody, RequiredAction, SessionStatus, SessionView, TurnHeld};

/// What is told of a session that begins; its environment is pending from then on, and its initial input waits for it.
pub(super) fn created(state: &State, mut view: SessionView) -> Vec<EventBody> {
    let Some(known) = &state.environment else { return vec![EventBody::SessionCreated(view)] };
    if view.head.status == SessionStatus::InProgress && state.settings.environment.hosted().is_none() {
        let head = Arc::make_mut(&mut view.head);
        head.status = SessionStatus::RequiresAction;
        head.required_actions = vec![RequiredAction::EnvironmentConnection { environment: known.id.clone() }];
    }
    vec![EventBody::SessionCreated(view.clone()), EventBody::Environment(view)]
}

pub(super) fn changed(state: &mut State, changed: &EnvironmentChanged) -> Vec<EventBody> {
    let Some(known) = &mut state.environment else { return Vec::new() };
    let is_news = (known.status, &known.error) != (changed.status, &changed.error);
    known.status = changed.status;
    known.error = changed.error.clone();
    let mut events = Vec::new();
    if let Some(count) = changed.reset {
        known.resets = count;
        events.push(EventBody::EnvironmentReset { environment: known.id.clone(), count });
    }
    if is_news || changed.reset.is_none() {
        events.push(EventBody::Environment(session_view(state)));
    }
    events
}

/// The first time it is told; then only its time has changed. Who brings the environment decides what the session is
/// meanwhile: where it is the client, something is required of it.
pub(super) fn held(state: &mut State, record: &TurnHeld) -> Vec<EventBody> {
    let is_hosted = state.settings.environment.hosted().is_some();
    let Some(turn) = &mut state.turn else { return Vec::new() };
    let was_held = turn.held.is_some();
    turn.held = Some(Held { until: record.until, initial: record.initial });
    state.status = if is_hosted { SessionStatus::InProgress } else { SessionStatus::RequiresAction };
    match (was_held, is_hosted) {
        (true, _) => Vec::new(),
        (false, true) => vec![EventBody::SessionInProgress(session_view(state))],
        (false, false) => vec![EventBody::SessionRequiresAction(session_view(state))],
    }
}
