//! The session's environment: what becomes of it, and turns that cannot begin before it is there.
//!
//! A turn that is asked for while the environment is away is recorded whole and held. It begins by itself when the
//! environment comes; where it does not come in time, or never will, the turn fails. One that has begun goes on without
//! it: its commands say that they could not be run. A hosted environment is away only while it is set up: afterwards it is
//! started when a command needs it.

use super::ending::end;
use crate::state::{Held, State, Turn};
use std::time::Duration;
use types::{
    Cause, Ending, EnvironmentChange, EnvironmentChanged, EnvironmentError, EnvironmentSettings, EnvironmentStatus,
    RecordBody, Refusal, Rules, SessionStatus, Timestamp, TurnHeld, TurnId,
};

/// How long a turn waits for a client's own machine, and for one that this server sets up.
const SELF_HOSTED_PATIENCE: Duration = Duration::from_secs(5 * 60);
const HOSTED_PATIENCE: Duration = Duration::from_secs(30 * 60);
const TIMEOUT: &str = "environment_connection_timeout";
/// The turn error for whatever an environment did not do.
const SANDBOX: &str = "sandbox_error";

/// How long a turn waits for such an environment.
pub fn environment_patience(settings: &EnvironmentSettings) -> Duration {
    if settings.hosted().is_some() { HOSTED_PATIENCE } else { SELF_HOSTED_PATIENCE }
}

/// Whether a turn that begins now waits for its environment. Status None: the session is only made now.
pub fn waits_for_environment(settings: &EnvironmentSettings, status: Option<EnvironmentStatus>) -> bool {
    let status = status.unwrap_or(EnvironmentStatus::Pending);
    match settings {
        EnvironmentSettings::None => false,
        EnvironmentSettings::SelfHosted { .. } => status != EnvironmentStatus::Connected,
        EnvironmentSettings::OpenaiHosted(_) => status == EnvironmentStatus::Pending,
    }
}

/// The last record of a turn's beginning: it runs, or it is held. `initial` says that the session begins with it.
pub(super) fn begin(settings: &EnvironmentSettings, state: &State, turn: TurnId, at: Timestamp) -> RecordBody {
    let initial = state.seq.0 == 0;
    if !waits_for_environment(settings, state.environment.as_ref().map(|known| known.status)) {
        return RecordBody::TurnStarted { turn };
    }
    RecordBody::TurnHeld(TurnHeld { turn, until: at.after(environment_patience(settings)), initial })
}

/// No turn begins where the environment has failed for good: it would wait in vain.
pub(super) fn check_usable(state: &State) -> Result<(), Refusal> {
    match &state.environment {
        Some(known) if known.status == EnvironmentStatus::Failed => Err(failed()),
        _ => Ok(()),
    }
}

fn failed() -> Refusal {
    Refusal::conflict("The session's environment has failed and cannot be used again. Create a new session.")
}

pub(super) fn change(state: &State, rules: &Rules, change: EnvironmentChange) -> Result<Vec<RecordBody>, Refusal> {
    let Some(known) = &state.environment else {
        return Err(Refusal::invalid("The session has no environment."));
    };
    let EnvironmentChange { status, error, reset } = change;
    let reset = reset.filter(|reset| *reset > known.resets);
    if known.status == status && known.error == error && reset.is_none() {
        return Ok(Vec::new());
    }
    if state.status == SessionStatus::Failed || known.status == EnvironmentStatus::Failed {
        return Err(failed());
    }
    let held = state.turn.as_ref().and_then(|turn| Some((turn, turn.held.as_ref()?)));
    let mut records = vec![RecordBody::EnvironmentChanged(EnvironmentChanged { status, error: error.clone(), reset })];
    match (status, held) {
        (EnvironmentStatus::Failed, Some((turn, held))) => {
            let error = error.unwrap_or_else(|| EnvironmentError {
                code: "environment_connection_failed".to_owned(),
                message: "The session's environment failed.".to_owned(),
            });
            records.extend(fail(state, rules, turn, held, error));
        }
        (status, Some((turn, _))) if !waits_for_environment(&state.settings.environment, Some(status)) => {
            records.push(RecordBody::TurnStarted { turn: turn.id.clone() });
        }
        _ => {}
    }
    Ok(records)
}

/// The environment did not come in time. Without its initial input a session is none; any other turn may be asked for
/// again when the environment is there.
pub(super) fn overdue(state: &State, rules: &Rules, turn: &Turn, held: &Held) -> Vec<RecordBody> {
    let settings = &state.settings.environment;
    let minutes = environment_patience(settings).as_secs() / 60;
    let wanted = if settings.hosted().is_some() { "ready" } else { "connected" };
    let message = format!("The session's environment was not {wanted} within {minutes} minutes ({TIMEOUT}).");
    let error = EnvironmentError { code: TIMEOUT.to_owned(), message };
    let mut records = Vec::new();
    if held.initial {
        let (status, error) = (EnvironmentStatus::Failed, Some(error.clone()));
        records.push(RecordBody::EnvironmentChanged(EnvironmentChanged { status, error, reset: None }));
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
