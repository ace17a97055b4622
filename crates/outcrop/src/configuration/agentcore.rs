//! `[agentcore]`: agents that their authors wrote as programs, hosted in sessions.

use super::complaint::{Complaint, Text};
use super::resolve::{DAY, span};
use super::{AgentCore, defaults, raw};
use std::path::PathBuf;

/// As long as AWS lets a session live.
const MOST_DAYS: u32 = 14;

pub fn resolve(raw: &raw::AgentCore, text: &Text<'_>) -> Result<AgentCore, Complaint> {
    let lifetime = span(raw.lifetime.as_ref(), defaults::AGENT_LIFETIME, MOST_DAYS * DAY, text)?;
    let idle_after = span(raw.idle_after.as_ref(), defaults::AGENT_IDLE_AFTER.min(lifetime), MOST_DAYS * DAY, text)?;
    if let Some(said) = &raw.idle_after
        && idle_after > lifetime
    {
        return Err(text.complain(said.span(), "idle_after is not longer than lifetime"));
    }
    let code = raw.code.as_ref().map(|said| {
        let path = PathBuf::from(said.get_ref());
        if path.is_absolute() {
            Ok(path)
        } else {
            Err(text.complain(said.span(), "code is the absolute path of a folder"))
        }
    });
    Ok(AgentCore { code: code.transpose()?, idle_after, lifetime })
}
