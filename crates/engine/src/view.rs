//! What others see of State: the head row, the turn, the session's public form.

use crate::state::{OpenTool, State, Turn};
use std::sync::Arc;
use types::{Head, RequiredAction, Seq, SessionStatus, SessionView, Timestamp, TurnError, TurnStatus, TurnView};

/// The head row after the records that State includes.
pub fn head(state: &State) -> Head {
    let measured = state.turn.is_none() && !state.unmeasured;
    Head {
        session: state.session.clone(),
        seq: state.seq,
        base: (state.base > Seq(0)).then_some(state.base),
        status: state.status,
        required_actions: required_actions(state),
        turn: state.turn.as_ref().map(|turn| running_view(state, turn)),
        usage: measured.then_some(state.usage),
        spent: state.spent,
        error: state.error.clone(),
        created_at: state.created_at,
        last_active_at: state.last_active_at,
        needs_work: state.needs_work(),
        has_gaps: state.has_gaps,
        environment: state.environment.clone(),
    }
}

fn required_actions(state: &State) -> Vec<RequiredAction> {
    let Some(turn) = &state.turn else { return Vec::new() };
    let is_hosted = state.settings.environment.hosted().is_some();
    let awaited = state.environment.iter().filter(|_| turn.held.is_some() && !is_hosted);
    let awaited = awaited.map(|known| RequiredAction::EnvironmentConnection { environment: known.id.clone() });
    turn.open
        .iter()
        .map(|call| RequiredAction::FunctionCall {
            turn: turn.id.clone(),
            call_id: call.call_id.clone(),
            name: call.name.clone(),
            arguments: call.arguments.clone(),
        })
        .chain(turn.tools.iter().filter_map(|open| approval(turn, open)))
        .chain(awaited)
        .collect()
}

/// The request for consent to a call, as people are told of it.
fn approval(turn: &Turn, open: &OpenTool) -> Option<RequiredAction> {
    let request = open.request.as_ref().filter(|_| open.waits_for_person())?;
    let call = &open.call;
    let on = if call.server_label.is_empty() { String::new() } else { format!(" of {}", plain(&call.server_label)) };
    let mut message = format!("The agent asks to call {}{on}.", plain(call.shown_name()));
    if request.changed {
        message.push_str(" What the server says of this tool has changed since this session last relied on it.");
    }
    Some(RequiredAction::McpApproval {
        turn: turn.id.clone(),
        request: request.id.clone(),
        server_label: call.server_label.clone(),
        name: call.shown_name().to_owned(),
        arguments: call.arguments.clone(),
        message,
    })
}

/// A name as nobody can mistake it for another one: what is not ASCII is escaped.
fn plain(name: &str) -> String {
    if name.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return name.to_owned();
    }
    format!("\"{}\"", name.escape_default())
}

/// The session as events carry it.
pub(crate) fn session_view(state: &State) -> SessionView {
    SessionView { head: Arc::new(head(state)), settings: state.settings.clone() }
}

/// The same, but under another status: for the moment before the records that bring it about.
pub(crate) fn session_view_as(state: &State, status: SessionStatus) -> SessionView {
    let head = Head { status, usage: None, ..head(state) };
    SessionView { head: Arc::new(head), settings: state.settings.clone() }
}

pub(crate) fn running_view(state: &State, turn: &Turn) -> TurnView {
    let status = match (turn.started_at, turn.waits()) {
        (None, _) => TurnStatus::Queued,
        (Some(_), false) => TurnStatus::InProgress,
        (Some(_), true) => TurnStatus::Waiting,
    };
    turn_view(state, turn, status, None, None)
}

/// A turn under a status. Its usage is shown only once it has ended and is known whole.
pub fn turn_view(
    state: &State,
    turn: &Turn,
    status: TurnStatus,
    error: Option<TurnError>,
    completed_at: Option<Timestamp>,
) -> TurnView {
    TurnView {
        id: turn.id.clone(),
        agent_id: state.settings.agent_id.clone(),
        status,
        error,
        usage: (completed_at.is_some() && !turn.unmeasured).then_some(turn.usage),
        prompt_cache: turn.prompt_cache,
        created_at: turn.created_at,
        started_at: turn.started_at,
        completed_at,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_that_look_like_others_are_escaped() {
        assert_eq!(super::plain("list-issues_2"), "list-issues_2");
        assert_eq!(super::plain("p\u{430}y"), "\"p\\u{430}y\"");
        assert_eq!(super::plain("a\u{202e}b"), "\"a\\u{202e}b\"");
    }
}
