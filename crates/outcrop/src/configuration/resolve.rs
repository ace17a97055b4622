//! The second step: raw values, variables and flags become one configuration, or one complaint.

use super::complaint::{Complaint, Text};
use super::{
    Configuration, Flags, Secret, Variables, agentcore, approvals, aws, defaults, environments, hint, mcp, model, raw,
    units, vaults, web_search,
};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;
use types::Limits;

/// `file` is its name and its text.
pub fn resolve(file: Option<(&Path, &str)>, flags: &Flags, variables: &Variables) -> Result<Configuration, Complaint> {
    let text = Text {
        file: file.map_or(Path::new(super::DEFAULT_FILE), |(name, _)| name),
        content: file.map_or("", |(_, content)| content),
    };
    let raw: raw::File = toml::from_str(text.content).map_err(|error| text.translate(&error))?;
    refuse_later_values(&raw, &text)?;
    store(raw.server.store.as_ref(), flags, variables, &text)?;
    let listen = listen(raw.server.listen.as_ref(), flags, variables, &text)?;
    let api_key = api_key(variables)?;
    if !listen.ip().is_loopback() && api_key.is_none() {
        return Err(Complaint::general(format!(
            "{listen} can be reached from other machines, and no key is configured; set OUTCROP_API_KEY, or listen on a \
             loopback address such as {}",
            defaults::LISTEN
        )));
    }
    let models = match file {
        Some(_) => model::resolve(&raw.model, variables, &text)?,
        None => defaults::models(variables),
    };
    let approvals = approvals::resolve(&raw.approvals, &models, Limits::default().approval_time, &text)?;
    Ok(Configuration {
        file: file.map(|(name, _)| name.to_owned()),
        listen,
        public_url: public_url(raw.server.public_url.as_ref(), &text)?,
        data: data(raw.server.data.as_ref(), flags, variables, &text)?,
        api_key,
        models,
        limits: Limits { approval_time: approvals.time, ..limits(&raw.limits, &text)? },
        reviewer: approvals.reviewer,
        consent: approvals.policy,
        environments: environments::resolve(&raw.environments, &text)?,
        mcp: mcp::resolve(&raw.mcp, &text)?,
        aws: aws::resolve(&raw.aws, &text)?,
        agentcore: agentcore::resolve(&raw.agentcore, &text)?,
        web_search: web_search::resolve(raw.web_search.as_ref(), variables, &text)?,
        vaults: vaults::resolve(&raw.vaults, variables, &text)?,
        body: body(raw.limits.body.as_ref(), &text)?,
        journal: raw.server.journal.unwrap_or(true),
        unjournaled: unjournaled(raw.limits.unjournaled.as_ref(), &text)?,
        drain: span(raw.server.drain.as_ref(), defaults::DRAIN, DAY, &text)?,
    })
}

/// What the file may say one day, and this version does not do: an error, because ignoring it would look like doing it.
fn refuse_later_values(raw: &raw::File, text: &Text<'_>) -> Result<(), Complaint> {
    if let Some(blobs) = &raw.server.blobs
        && blobs.get_ref() != "file"
    {
        let value = blobs.get_ref();
        let message = match scheme(value) {
            Some(scheme @ ("s3" | "gs" | "az")) => {
                format!("blobs in {scheme}:// are not served by this version; use \"file\"")
            }
            _ => format!("unknown place for blobs; {}", hint(value, ["file"])),
        };
        return Err(text.complain(blobs.span(), message));
    }
    Ok(())
}

fn scheme(url: &str) -> Option<&str> {
    url.split_once("://").map(|(scheme, _)| scheme)
}

/// A store's URL may hold a password, so that its value is never shown.
fn store(
    raw: Option<&Spanned<String>>,
    flags: &Flags,
    variables: &Variables,
    text: &Text<'_>,
) -> Result<(), Complaint> {
    let (value, complain): (&str, Box<dyn Fn(String) -> Complaint>) = if let Some(flag) = &flags.store {
        (flag, Box::new(|message| Complaint::word("--store", message)))
    } else if let Some(variable) = variables.get("OUTCROP_STORE") {
        (variable, Box::new(|message| Complaint::word("OUTCROP_STORE", message)))
    } else if let Some(raw) = raw {
        (raw.get_ref(), Box::new(|message| text.complain(raw.span(), message)))
    } else {
        return Ok(());
    };
    match (value, scheme(value)) {
        ("sqlite", _) => Ok(()),
        (_, Some("postgres" | "postgresql")) => {
            Err(complain("PostgreSQL is not served by this version; use \"sqlite\"".to_owned()))
        }
        (_, Some(scheme)) => Err(complain(format!("unknown kind of store `{scheme}`; {}", hint(scheme, ["sqlite"])))),
        (other, None) => Err(complain(format!("unknown store `{other}`; {}", hint(other, ["sqlite"])))),
    }
}

fn listen(
    raw: Option<&Spanned<String>>,
    flags: &Flags,
    variables: &Variables,
    text: &Text<'_>,
) -> Result<SocketAddr, Complaint> {
    if let Some(flag) = &flags.listen {
        return address(flag).map_err(|message| Complaint::word("--listen", message));
    }
    if let Some(variable) = variables.get("OUTCROP_LISTEN") {
        return address(variable).map_err(|message| Complaint::word("OUTCROP_LISTEN", message));
    }
    match raw {
        Some(raw) => address(raw.get_ref()).map_err(|message| text.complain(raw.span(), message)),
        None => address(defaults::LISTEN).map_err(Complaint::general),
    }
}

/// No names are looked up: what a name means may change between the check for loopback and the socket.
fn address(value: &str) -> Result<SocketAddr, String> {
    if let Some(port) = value.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
        return Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    value.parse().map_err(|_| {
        format!("`{value}` is not an address; write IP:PORT, such as 127.0.0.1:8080, [::1]:8080 or localhost:8080")
    })
}

fn data(
    raw: Option<&Spanned<String>>,
    flags: &Flags,
    variables: &Variables,
    text: &Text<'_>,
) -> Result<PathBuf, Complaint> {
    if let Some(flag) = &flags.data {
        return if flag.as_os_str().is_empty() {
            Err(Complaint::word("--data", "the name of a folder is missing"))
        } else {
            Ok(flag.clone())
        };
    }
    if let Some(variable) = variables.get("OUTCROP_DATA") {
        return Ok(PathBuf::from(variable));
    }
    match raw {
        Some(raw) if raw.get_ref().is_empty() => Err(text.complain(raw.span(), "the name of a folder is missing")),
        Some(raw) => Ok(PathBuf::from(raw.get_ref())),
        None => Ok(PathBuf::from(defaults::DATA)),
    }
}

fn api_key(variables: &Variables) -> Result<Option<Secret>, Complaint> {
    let Some(key) = variables.get("OUTCROP_API_KEY") else { return Ok(None) };
    if key.len() < 8 || !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Complaint::word(
            "OUTCROP_API_KEY",
            "a key has at least 8 characters, all of them visible ASCII (no spaces)",
        ));
    }
    Ok(Some(Secret(key.to_owned())))
}

fn limits(raw: &raw::Limits, text: &Text<'_>) -> Result<Limits, Complaint> {
    let default = Limits::default();
    let count = |value: &Option<Spanned<i64>>, default: usize| -> Result<usize, Complaint> {
        Ok(match value {
            Some(value) => usize::try_from(number(value, 1, 1_000_000, text)?).unwrap_or(default),
            None => default,
        })
    };
    let calls = |value: &Option<Spanned<i64>>, default: u32| -> Result<u32, Complaint> {
        Ok(match value {
            Some(value) => u32::try_from(number(value, 1, 1_000_000, text)?).unwrap_or(default),
            None => default,
        })
    };
    let per_project = count(&raw.running_sessions_per_project, default.running_sessions_per_project)?;
    Ok(Limits {
        model_calls_per_turn: calls(&raw.model_calls_per_turn, default.model_calls_per_turn)?,
        tool_calls_per_turn: calls(&raw.tool_calls_per_turn, default.tool_calls_per_turn)?,
        turn_time: span(raw.turn_time.as_ref(), default.turn_time, 365 * DAY, text)?,
        function_call_time: match &raw.function_call_time {
            Some(value) => Some(span(Some(value), Duration::ZERO, 400 * DAY, text)?),
            None => default.function_call_time,
        },
        running_sessions_per_project: per_project,
        running_sessions: count(&raw.running_sessions, default.running_sessions.max(per_project))?,
        queued_sessions_per_project: count(&raw.queued_sessions_per_project, default.queued_sessions_per_project)?,
        streams: count(&raw.streams, default.streams)?,
        ..default
    })
}

/// As large as a body may ever be allowed to be: it is held in memory.
const MAX_BODY: u64 = 1 << 30;
/// From what a few requests take to more than a machine has.
const UNJOURNALED: RangeInclusive<u64> = 1 << 20..=1 << 40;

fn public_url(raw: Option<&Spanned<String>>, text: &Text<'_>) -> Result<Option<String>, Complaint> {
    let Some(raw) = raw else { return Ok(None) };
    let url = model::url(raw.get_ref()).filter(|url| !url.contains('?'));
    let complaint = || {
        let message = "public_url begins with http:// or https://, names a host and has no query, such as \"https://agents.example.com\"";
        text.complain(raw.span(), message)
    };
    url.map(|url| Some(url.to_owned())).ok_or_else(complaint)
}

fn body(raw: Option<&Spanned<String>>, text: &Text<'_>) -> Result<usize, Complaint> {
    let range = (1024..=MAX_BODY, "the limit of a body lies between 1KiB and 1GiB");
    size(raw, defaults::BODY, range, text)
}

fn unjournaled(raw: Option<&Spanned<String>>, text: &Text<'_>) -> Result<usize, Complaint> {
    let range = (UNJOURNALED, "the limit of what is not journaled lies between 1MiB and 1024GiB");
    size(raw, defaults::UNJOURNALED, range, text)
}

fn size(
    raw: Option<&Spanned<String>>,
    default: u64,
    (range, outside): (RangeInclusive<u64>, &str),
    text: &Text<'_>,
) -> Result<usize, Complaint> {
    let bytes = match raw {
        Some(raw) => {
            let bytes = units::size(raw.get_ref()).map_err(|message| text.complain(raw.span(), message))?;
            if !range.contains(&bytes) {
                return Err(text.complain(raw.span(), outside));
            }
            bytes
        }
        None => default,
    };
    usize::try_from(bytes).map_err(|_| Complaint::general("a size does not fit this machine's memory"))
}

pub const DAY: Duration = Duration::from_secs(24 * 3600);

/// A duration from 1 ms to `most`.
pub fn span(
    raw: Option<&Spanned<String>>,
    default: Duration,
    most: Duration,
    text: &Text<'_>,
) -> Result<Duration, Complaint> {
    let Some(raw) = raw else { return Ok(default) };
    let value = units::duration(raw.get_ref()).map_err(|message| text.complain(raw.span(), message))?;
    if value.is_zero() || value > most {
        let days = most.as_secs() / DAY.as_secs();
        return Err(text.complain(raw.span(), format!("`{}` is out of range; from 1ms to {days}d", raw.get_ref())));
    }
    Ok(value)
}

/// A whole number between two bounds, both allowed.
pub fn number(raw: &Spanned<i64>, least: u64, most: u64, text: &Text<'_>) -> Result<u64, Complaint> {
    u64::try_from(*raw.get_ref())
        .ok()
        .filter(|value| (least..=most).contains(value))
        .ok_or_else(|| text.complain(raw.span(), format!("{} is out of range; from {least} to {most}", raw.get_ref())))
}
