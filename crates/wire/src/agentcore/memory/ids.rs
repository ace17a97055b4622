//! The forms of ids. What has another form is nobody's id, and is told so before anything is looked for.

use crate::error::{Fault, clip};

/// A memory's id, as it stands in a path: a name, a hyphen, ten letters and digits.
pub fn memory_id(text: &str) -> Result<(), Fault> {
    let fits = text.len() >= 12
        && text.rsplit_once('-').is_some_and(|(name, end)| {
            end.len() == 10
                && end.bytes().all(|byte| byte.is_ascii_alphanumeric())
                && name.len() <= 100
                && name.starts_with(|first: char| first.is_ascii_alphabetic())
                && name.bytes().all(is_word)
        });
    told(fits, "memoryId", text)
}

/// Letters, digits, `-`, `_`, `/` and single colons within, at most 255.
pub fn actor_id(text: &str) -> Result<(), Fault> {
    let fits = (1..=255).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(|byte| is_word(byte) || byte == b'/' || byte == b':')
        && !text.contains("::")
        && !text.ends_with(':');
    told(fits, "actorId", text)
}

/// Letters, digits, `-` and `_`, at most 100.
pub fn session_id(text: &str) -> Result<(), Fault> {
    told(is_name(text), "sessionId", text)
}

/// Digits, `#`, hex digits.
pub fn event_id(text: &str) -> Result<(), Fault> {
    told(is_event(text), "eventId", text)
}

pub(super) fn is_event(text: &str) -> bool {
    text.len() <= 128
        && text.split_once('#').is_some_and(|(at, rest)| {
            !at.is_empty()
                && at.bytes().all(|byte| byte.is_ascii_digit())
                && !rest.is_empty()
                && rest.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
}

/// A session's id, a branch's name.
pub(super) fn is_name(text: &str) -> bool {
    (1..=100).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.bytes().all(is_word)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

fn told(fits: bool, what: &'static str, text: &str) -> Result<(), Fault> {
    if fits { Ok(()) } else { Err(misshapen(what, text)) }
}

pub(super) fn misshapen(path: &str, text: &str) -> Fault {
    Fault::at(path, format!("Invalid '{path}': '{}' does not have the form that is asked for.", clip(text)))
}
