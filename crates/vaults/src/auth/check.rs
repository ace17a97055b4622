//! What the parts of a credential may be. No complaint repeats a secret.

use super::{Networking, wrong};
use crate::secret::Secret;
use crate::{address, limits, moment};
use std::collections::BTreeSet;
use types::Refusal;
use url::Host;

/// Variables by which the sandbox's commands find the way out and whom they believe.
const MANAGED: [&str; 16] = [
    "PATH",
    "HOME",
    "USER",
    "SHELL",
    "TMPDIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
    "PIP_CERT",
];
const VARIABLE: usize = 256;

pub(super) fn url(text: &str, at: &str) -> Result<(), Refusal> {
    address::checked(text).map(|_| ()).map_err(|why| wrong(format!("Invalid '{at}': {why}."), at))
}

pub(super) fn text(text: &str, at: &str) -> Result<(), Refusal> {
    bounded(text, limits::TEXT, at)?;
    if text.chars().any(char::is_control) {
        return Err(wrong(format!("Invalid '{at}': it must not contain control characters."), at));
    }
    Ok(())
}

pub(super) fn secret(secret: &Secret, at: &str) -> Result<(), Refusal> {
    bounded(secret.reveal(), limits::SECRET, at)
}

/// It is sent in a header.
pub(super) fn token(token: &Secret, at: &str) -> Result<(), Refusal> {
    secret(token, at)?;
    if token.reveal().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(wrong(format!("Invalid '{at}': a token has visible ASCII characters alone, and no spaces."), at))
}

pub(super) fn value(value: &Secret) -> Result<(), Refusal> {
    let at = "auth.secret_value";
    secret(value, at)?;
    if value.reveal().bytes().any(|byte| byte.is_ascii_control()) {
        return Err(wrong(format!("Invalid '{at}': it must not contain control characters."), at));
    }
    Ok(())
}

fn bounded(text: &str, most: usize, at: &str) -> Result<(), Refusal> {
    if text.is_empty() {
        return Err(wrong(format!("Invalid '{at}': it must not be empty."), at));
    }
    if text.len() > most {
        return Err(wrong(format!("Invalid '{at}': it must have at most {most} bytes."), at));
    }
    Ok(())
}

pub(super) fn moment(text: Option<&str>) -> Result<(), Refusal> {
    match text {
        Some(text) if moment::read(text).is_none() => {
            let message = "Invalid 'auth.expires_at': expected a moment such as '2030-01-01T00:00:00Z' (RFC 3339).";
            Err(wrong(message, "auth.expires_at"))
        }
        _ => Ok(()),
    }
}

pub(super) fn variable(name: &str) -> Result<(), Refusal> {
    let at = "auth.secret_name";
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_name = name.starts_with(is_first) && name.chars().all(|c| is_first(c) || c.is_ascii_digit());
    if !is_name || name.len() > VARIABLE {
        let message = format!(
            "Invalid '{at}': it must have 1 to {VARIABLE} ASCII letters, digits and underscores, and begin with no digit."
        );
        return Err(wrong(message, at));
    }
    let upper = name.to_ascii_uppercase();
    if upper.starts_with("CODEX_") || MANAGED.contains(&&*upper) {
        return Err(wrong(format!("Invalid '{at}': '{name}' is reserved."), at));
    }
    Ok(())
}

/// With the hosts in lower case.
pub(super) fn networking(networking: Networking) -> Result<Networking, Refusal> {
    let Networking::Limited { allowed_hosts } = networking else { return Ok(networking) };
    let at = "auth.networking.allowed_hosts";
    if !(1..=limits::HOSTS).contains(&allowed_hosts.len()) {
        return Err(wrong(format!("Invalid '{at}': expected 1 to {} hosts.", limits::HOSTS), at));
    }
    let mut known = BTreeSet::new();
    let mut hosts = Vec::new();
    for (index, text) in allowed_hosts.into_iter().enumerate() {
        let at = format!("{at}[{index}]");
        let host = host(&text).ok_or_else(|| {
            let what = "expected a hostname or an IPv4 address, without scheme, port, path or wildcard";
            wrong(format!("Invalid '{at}': {what}."), &at)
        })?;
        if !known.insert(host.clone()) {
            return Err(wrong(format!("Invalid '{at}': the host stands there twice."), &at));
        }
        hosts.push(host);
    }
    Ok(Networking::Limited { allowed_hosts: hosts })
}

fn host(text: &str) -> Option<String> {
    let is_plain = !text.is_empty()
        && text.len() <= 253
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if !is_plain {
        return None;
    }
    match Host::parse(text).ok()? {
        Host::Ipv4(address) => Some(address.to_string()),
        Host::Domain(name) => Some(name.trim_end_matches('.').to_owned()).filter(|name| !name.is_empty()),
        Host::Ipv6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited(hosts: &[&str]) -> Result<Networking, Refusal> {
        networking(Networking::Limited { allowed_hosts: hosts.iter().map(|host| (*host).to_owned()).collect() })
    }

    #[test]
    fn hosts_have_one_form() {
        let hosts = limited(&["API.example.com", "10.0.0.1", "a_b.test."]).unwrap();
        let wanted = ["api.example.com", "10.0.0.1", "a_b.test"].map(str::to_owned).to_vec();
        assert_eq!(hosts, Networking::Limited { allowed_hosts: wanted });
        for wrong in ["", "*.example.com", "https://a.test", "a.test:443", "a.test/x", "[::1]", "::1", "a b", "."] {
            assert_eq!(
                limited(&["ok.test", wrong]).unwrap_err().param.unwrap(),
                "auth.networking.allowed_hosts[1]",
                "{wrong}"
            );
        }
        assert!(limited(&["a.test", "A.TEST"]).unwrap_err().message.contains("twice"));
        assert!(limited(&[]).is_err());
        assert!(limited(&["a.test"; 17]).is_err());
    }

    #[test]
    fn names_that_mean_something_already_are_reserved() {
        for name in ["SERVICE_API_KEY", "_x", "a1"] {
            assert!(variable(name).is_ok(), "{name}");
        }
        for name in ["", "1A", "A-B", "Ä", "CODEX_HOME", "codex_x", "https_proxy", "SSL_CERT_FILE", "PATH", "A=B"] {
            assert!(variable(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_complaint_does_not_repeat_the_secret() {
        for wrong in ["s3cret with space", "s3cret\r\nx", "s3cret\0"] {
            let wrong = Secret::new(wrong);
            assert!(!token(&wrong, "auth.token").unwrap_err().message.contains("s3cret"));
        }
        assert!(!value(&Secret::new("s3cret\n")).unwrap_err().message.contains("s3cret"));
        assert!(value(&Secret::new("mit Umlaut: ä")).is_ok());
        assert!(value(&Secret::new("x".repeat(limits::SECRET + 1))).is_err());
    }
}
