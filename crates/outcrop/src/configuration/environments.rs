//! `[environments]`: whether this server starts environments by itself, on what, and how long they are kept.

use super::complaint::{Complaint, Text};
use super::resolve::{DAY, span};
use super::{Environments, defaults, hint, raw};
use std::path::PathBuf;
use toml::Spanned;

const MOST_DAYS: u32 = 365;

pub fn resolve(raw: &raw::Environments, text: &Text<'_>) -> Result<Environments, Complaint> {
    let suspend_after = span(raw.suspend_after.as_ref(), defaults::SUSPEND_AFTER, MOST_DAYS * DAY, text)?;
    let background_after = span(raw.background_after.as_ref(), defaults::BACKGROUND_AFTER, MOST_DAYS * DAY, text)?;
    let expire_after =
        span(raw.expire_after.as_ref(), defaults::EXPIRE_AFTER.max(suspend_after), MOST_DAYS * DAY, text)?;
    if let Some(said) = &raw.expire_after
        && expire_after < suspend_after
    {
        return Err(text.complain(said.span(), "expire_after is not shorter than suspend_after"));
    }
    Ok(Environments {
        hosted: is_local(raw.driver.as_ref(), text)?,
        base: base(raw.base.as_ref(), text)?,
        allow_weak_sandbox: raw.allow_weak_sandbox.unwrap_or(false),
        suspend_after,
        background_after,
        expire_after,
    })
}

fn is_local(raw: Option<&Spanned<String>>, text: &Text<'_>) -> Result<bool, Complaint> {
    let Some(raw) = raw else { return Ok(true) };
    match raw.get_ref().as_str() {
        "local" => Ok(true),
        "none" => Ok(false),
        other => Err(text.complain(raw.span(), format!("unknown driver; {}", hint(other, ["local", "none"])))),
    }
}

/// A sandbox sees the folder under this very path, wherever the server was started.
fn base(raw: Option<&Spanned<String>>, text: &Text<'_>) -> Result<Option<PathBuf>, Complaint> {
    let Some(raw) = raw.filter(|raw| raw.get_ref() != "host") else { return Ok(None) };
    let path = PathBuf::from(raw.get_ref());
    if !path.is_absolute() {
        return Err(text.complain(raw.span(), "a base is \"host\", or the absolute path of a folder"));
    }
    Ok(Some(path))
}
