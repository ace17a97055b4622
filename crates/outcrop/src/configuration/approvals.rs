//! `[approvals]`: which calls need consent whatever their agent says, how long a person's is waited for, and which model
//! reviews calls in a person's place.

use super::complaint::{Complaint, Text};
use super::resolve::span;
use super::{ModelEntry, hint, mcp, raw};
use std::time::Duration;
use tools::{Policy, Word};

/// People go on holiday.
const LONGEST: Duration = Duration::from_secs(400 * 24 * 3600);

pub struct Approvals {
    pub time: Duration,
    pub reviewer: Option<String>,
    pub policy: Policy,
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
    let words = raw.rule.iter().map(|rule| word(rule, text)).collect::<Result<_, _>>()?;
    Ok(Approvals { time: span(raw.expires.as_ref(), default, LONGEST, text)?, reviewer, policy: Policy(words) })
}

fn word(raw: &raw::ApprovalRule, text: &Text<'_>) -> Result<Word, Complaint> {
    let host = if raw.host.get_ref() == "*" { None } else { Some(mcp::host(&raw.host, text)?) };
    let asks = match raw.calls.get_ref().as_str() {
        "always" => true,
        "never" => false,
        other => {
            let message = format!("unknown word `{other}`; {}", hint(other, ["always", "never"]));
            return Err(text.complain(raw.calls.span(), message));
        }
    };
    Ok(Word { host, tools: raw.tools.clone(), asks })
}
