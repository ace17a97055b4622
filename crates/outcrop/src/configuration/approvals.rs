//! `[approvals]`: how long a person's consent to a call is waited for, and which model reviews calls in a person's place.

use super::complaint::{Complaint, Text};
use super::resolve::span;
use super::{ModelEntry, raw};
use std::time::Duration;

/// People go on holiday.
const LONGEST: Duration = Duration::from_secs(400 * 24 * 3600);

pub struct Approvals {
    pub time: Duration,
    pub reviewer: Option<String>,
}

pub fn resolve(
    raw: &raw::Approvals,
    models: &[ModelEntry],
    default: Duration,
    text: &Text<'_>,
) -> Result<Approvals, Complaint> {
    if let Some(reviewer) = &raw.reviewer
        && !models.iter().any(|entry| entry.name == *reviewer.get_ref())
    {
        let message = format!("reviewer names no model of this file: `{}`", reviewer.get_ref());
        return Err(text.complain(reviewer.span(), message));
    }
    let reviewer = raw.reviewer.as_ref().map(|reviewer| reviewer.get_ref().clone());
    Ok(Approvals { time: span(raw.expires.as_ref(), default, LONGEST, text)?, reviewer })
}
