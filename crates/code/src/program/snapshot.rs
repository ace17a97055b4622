//! A paused program as bytes: a version, our own state, and the interpreter's. Bytes of another version are not read: the
//! interpreter's change with each of its releases, without a way from one to the next.

use super::{FILE, state::State};
use monty::{Dump, RunProgress, Session, SessionRef, dump};
use monty_types::MONTY_VERSION;

/// Goes up with every change of `State`.
const FORM: u8 = 1;
const MARK: &[u8] = b"outcrop program ";

/// Why a snapshot is not gone on from.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    Stale,
    Damaged(&'static str),
}

/// The first line: what must be equal.
fn header() -> Vec<u8> {
    let mut header = MARK.to_vec();
    header.extend_from_slice(format!("{FORM} {MONTY_VERSION}\n").as_bytes());
    header
}

pub fn write(state: &State, progress: &RunProgress) -> Result<Vec<u8>, String> {
    let own = serde_json::to_vec(state).map_err(|error| error.to_string())?;
    let inner = dump(FILE, None, SessionRef::Running(progress)).map_err(|error| error.to_string())?;
    let mut bytes = header();
    let length = u32::try_from(own.len()).map_err(|error| error.to_string())?;
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&own);
    bytes.extend_from_slice(&inner);
    Ok(bytes)
}

pub fn read(bytes: &[u8]) -> Result<(State, RunProgress), Refused> {
    let Some(rest) = bytes.strip_prefix(header().as_slice()) else {
        let ours = bytes.starts_with(MARK);
        return Err(if ours { Refused::Stale } else { Refused::Damaged("its snapshot is none") });
    };
    const TORN: Refused = Refused::Damaged("its snapshot is torn");
    let (length, rest) = rest.split_first_chunk::<4>().ok_or(TORN)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| TORN)?;
    let (own, inner) = rest.split_at_checked(length).ok_or(TORN)?;
    let state = serde_json::from_slice(own).map_err(|_| TORN)?;
    match Dump::load(inner).map_err(|_| TORN)?.state {
        Session::Running(progress) => Ok((state, *progress)),
        Session::Idle(_) | Session::Suspended(_) => Err(TORN),
    }
}
