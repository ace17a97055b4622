//! What comes next in the life of an environment. Pure: whoever asks has looked, and does it.
//!
//! ```text
//! pending ──> ready ──> connected <──> suspended ──> expired ──> connected (another disk: a reset)
//!    │                      └──> disconnected ──> connected (the same disk)
//!    └──> failed
//! ```

use crate::record::Environment;
use sandbox::Exit;
use std::time::Duration;
use types::{EnvironmentChange, EnvironmentError, EnvironmentStatus};

/// What a use needs, where nothing runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Need {
    /// A fresh disk and its setup.
    SetUp,
    /// A sandbox on the disk that there is.
    Start,
    /// It has failed for good.
    Nothing,
}

pub(crate) fn need(status: EnvironmentStatus) -> Need {
    match status {
        EnvironmentStatus::Pending | EnvironmentStatus::Expired => Need::SetUp,
        EnvironmentStatus::Ready
        | EnvironmentStatus::Connected
        | EnvironmentStatus::Disconnected
        | EnvironmentStatus::Suspended => Need::Start,
        EnvironmentStatus::Failed => Need::Nothing,
    }
}

/// Whether its disk stands, and means something.
pub(crate) fn has_disk(status: EnvironmentStatus) -> bool {
    need(status) == Need::Start
}

/// What to do with one that has not been used for a while.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Idle {
    Suspend,
    Expire,
    Keep,
}

pub(crate) fn idle(runs: bool, for_so_long: Duration, suspend_after: Duration, expire_after: Duration) -> Idle {
    match runs {
        true if for_so_long >= suspend_after => Idle::Suspend,
        false if for_so_long >= expire_after => Idle::Expire,
        _ => Idle::Keep,
    }
}

/// What becomes of one that an earlier server left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Left {
    /// The session that it was made for never came: it goes.
    Drop,
    /// The same of a prewarmed one: it is nobody's again.
    GiveBack,
    /// Its session was deleted.
    Forget,
    /// It was being set up: that begins anew.
    SetUp,
    /// It may still run.
    Find,
    Keep,
}

/// `has_session`: whether the session in the row is there.
pub(crate) fn left(row: &Environment, has_session: bool) -> Left {
    match (&row.session, has_session) {
        (Some(_), false) if row.is_told => Left::Forget,
        (Some(_), false) if row.is_prewarmed => Left::GiveBack,
        (Some(_), false) => Left::Drop,
        _ if row.status == EnvironmentStatus::Pending => Left::SetUp,
        _ if has_disk(row.status) => Left::Find,
        _ => Left::Keep,
    }
}

/// What its session is told of an environment as it is.
pub(crate) fn change(row: &Environment) -> EnvironmentChange {
    let reset = (row.resets > 0 && row.status != EnvironmentStatus::Expired).then_some(row.resets);
    EnvironmentChange { status: row.status, error: row.error.clone(), reset }
}

/// What a sandbox has come to that ended by itself.
pub(crate) fn died(exit: Option<Exit>) -> EnvironmentError {
    let message = match exit {
        None => "the sandbox was lost".to_owned(),
        Some(Exit { out_of_disk: true, .. }) => "the sandbox was ended: its disk was full".to_owned(),
        Some(Exit { out_of_memory: Some(count), .. }) if count > 0 => {
            "the sandbox was ended: its memory was used up".to_owned()
        }
        Some(Exit { signal: Some(signal), .. }) => format!("the sandbox was killed (signal {signal})"),
        Some(Exit { code: Some(code), .. }) => format!("the sandbox ended by itself (exit code {code})"),
        Some(_) => "the sandbox ended by itself".to_owned(),
    };
    failure(message)
}

pub(crate) fn failure(message: impl Into<String>) -> EnvironmentError {
    EnvironmentError { code: "sandbox_error".to_owned(), message: message.into() }
}

pub(crate) fn without_disk() -> EnvironmentError {
    failure("the environment's files are not on this server; a backup does not hold them")
}

pub(crate) fn idle_for_long() -> EnvironmentError {
    let message = "the environment was not used for a long time; its files are gone";
    EnvironmentError { code: "idle_timeout".to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests;
