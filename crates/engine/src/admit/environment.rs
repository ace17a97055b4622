//! The session's environment: what becomes of its connection, and turns that cannot begin before it is there.
//!
//! A turn that is asked for while the environment is away is recorded whole and held. It begins by itself when the
//! environment comes; where it does not come in time, or never will, the turn fails. One that has begun goes on without
//! it: its commands say that they could not be run.

use super::ending::end;
use crate::state::{Held, State, Turn};
use std::time::Duration;
use types::{
    Cause, Ending, EnvironmentChange, EnvironmentChanged, EnvironmentError, EnvironmentSettings, EnvironmentStatus,
    RecordBody, Refusal, Rules, SessionStatus, Timestamp, TurnHeld, TurnId,
};

/// How long a turn waits for its environment.
pub const ENVIRONMENT_PATIENCE: Duration = Duration::from_secs(300);
const TIMEOUT: &str = "environment_connection_timeout";
/// The turn error for whatever an environment did not do.
const SANDBOX: &str = "sandbox_error";

/// The last record of a turn's beginning: it runs, or it is held. `initial` says that the session begins with it.
pub(super) fn begin(settings: &EnvironmentSettings, state: &State, turn: TurnId, at: Timestamp) -> RecordBody {
    let initial = state.seq.0 == 0;
    let is_there = *settings == EnvironmentSettings::None || is_connected(state);
    if is_there {
        return RecordBody::TurnStarted { turn };
    }
    RecordBody::TurnHeld(TurnHeld { turn, until: at.after(ENVIRONMENT_PATIENCE), initial })
}

fn is_connected(state: &State) -> bool {
    state.environment.as_ref().is_some_and(|known| known.status == EnvironmentStatus::Connected)
}

pub(super) fn change(state: &State, rules: &Rules, change: EnvironmentChange) -> Result<Vec<RecordBody>, Refusal> {
    let Some(known) = &state.environment else {
        return Err(Refusal::invalid("The session has no environment."));
    };
    let EnvironmentChange { status, error, .. } = change;
    if known.status == status && known.error == error {
        return Ok(Vec::new());
    }
    if state.status == SessionStatus::Failed || known.status == EnvironmentStatus::Failed {
        let message = "The session's environment has failed and cannot be used again. Create a new session.";
        return Err(Refusal::conflict(message));
    }
    let held = state.turn.as_ref().and_then(|turn| Some((turn, turn.held.as_ref()?)));
    let mut records = vec![RecordBody::EnvironmentChanged(EnvironmentChanged { status, error: error.clone() })];
    match (status, held) {
        (EnvironmentStatus::Connected, Some((turn, _))) => {
            records.push(RecordBody::TurnStarted { turn: turn.id.clone() });
        }
        (EnvironmentStatus::Failed, Some((turn, held))) => {
            let error = error.unwrap_or_else(|| EnvironmentError {
                code: "environment_connection_failed".to_owned(),
                message: "The session's environment failed.".to_owned(),
            });
            records.extend(fail(state, rules, turn, held, error));
        }
        _ => {}
    }
    Ok(records)
}

/// The environment did not come in time. Without its initial input a session is none; any other turn may be asked for
/// again when the environment is there.
pub(super) fn overdue(state: &State, rules: &Rules, turn: &Turn, held: &Held) -> Vec<RecordBody> {
    let minutes = ENVIRONMENT_PATIENCE.as_secs() / 60;
    let message = format!("The session's environment was not connected within {minutes} minutes ({TIMEOUT}).");
    let error = EnvironmentError { code: TIMEOUT.to_owned(), message };
    let mut records = Vec::new();
    if held.initial {
        let (status, error) = (EnvironmentStatus::Failed, Some(error.clone()));
        records.push(RecordBody::EnvironmentChanged(EnvironmentChanged { status, error }));
    }
    records.extend(fail(state, rules, turn, held, error));
    records
}

/// The turn will never begin.
fn fail(state: &State, rules: &Rules, turn: &Turn, held: &Held, error: EnvironmentError) -> Vec<RecordBody> {
    let EnvironmentError { code, message } = error;
    let ending = Ending::Failed { code: SANDBOX.to_owned(), message: message.clone() };
    let session = if held.initial { SessionStatus::Failed } else { SessionStatus::Idle };
    let why = (Cause::SessionFailed, "the environment was not there");
    let mut records = end(state, rules, turn, why, ending, session);
    if held.initial {
        records.push(RecordBody::SessionFailed { code, message });
    }
    records
}
