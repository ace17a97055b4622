//! The URL of an MCP server, brought into one form: two that lead to the same server are equal. Resolves nothing. Pure.
//!
//! Equal are scheme, host, port and path, and the query where there is one. The host's case and the scheme's do not count,
//! nor does a port that is the scheme's own, nor slashes at the end of the path. The case of the path counts.

use crate::limits;
use std::fmt;
use std::net::IpAddr;
use url::{Host, Url};

/// In its one form.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ServerUrl(String);

/// Why a text is no URL that is sent a secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WrongUrl {
    #[error("it is no absolute URL")]
    Malformed,
    #[error("it is too long")]
    Long,
    #[error("it must begin with https://")]
    Scheme,
    #[error("it must not have a user or a password")]
    User,
    #[error("it must not have a fragment")]
    Fragment,
}

impl ServerUrl {
    /// HTTPS alone, except for this machine itself: a secret must not cross a network in the open.
    pub fn parse(text: &str) -> Result<Self, WrongUrl> {
        let url = checked(text)?;
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let (host, path) = (url.host_str().unwrap_or_default().trim_end_matches('.'), url.path().trim_end_matches('/'));
        Ok(Self(format!("{}://{host}{port}{path}{query}", url.scheme())))
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a secret may be sent, as far as the text alone says it.
pub(crate) fn checked(text: &str) -> Result<Url, WrongUrl> {
    if text.len() > limits::TEXT {
        return Err(WrongUrl::Long);
    }
    let url = Url::parse(text).map_err(|_| WrongUrl::Malformed)?;
    match (url.scheme(), url.host()) {
        (_, None) => return Err(WrongUrl::Malformed),
        ("https", Some(_)) => {}
        ("http", Some(host)) if is_this_machine(&host) => {}
        _ => return Err(WrongUrl::Scheme),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(WrongUrl::User);
    }
    if url.fragment().is_some() {
        return Err(WrongUrl::Fragment);
    }
    Ok(url)
}

fn is_this_machine(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => IpAddr::V4(*address).is_loopback(),
        Host::Ipv6(address) => IpAddr::V6(*address).is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_to_the_same_server_is_equal() {
        let same = |a: &str, b: &str| ServerUrl::parse(a).unwrap() == ServerUrl::parse(b).unwrap();
        for (a, b) in [
            ("https://mcp.example.com/mcp", "HTTPS://MCP.Example.COM/mcp/"),
            ("https://mcp.example.com", "https://mcp.example.com:443//"),
            ("https://mcp.example.com./a", "https://mcp.example.com/a"),
            ("https://bücher.example/a", "https://xn--bcher-kva.example/a"),
            ("https://example.com/a/../b", "https://example.com/b"),
        ] {
            assert!(same(a, b), "{a} {b}");
        }
        for other in [
            "https://mcp.example.com/MCP",
            "https://mcp.example.com:8443/mcp",
            "https://mcp.example.com/mcp/v2",
            "https://mcp.example.com/mcp?tenant=1",
            "https://mcp.example.com.evil.test/mcp",
            "https://a.mcp.example.com/mcp",
        ] {
            assert!(!same("https://mcp.example.com/mcp", other), "{other}");
        }
    }

    #[test]
    fn a_secret_does_not_cross_a_network_in_the_open() {
        for good in ["http://127.0.0.1:9000/mcp", "http://localhost/mcp", "http://[::1]:1/", "https://10.0.0.1/"] {
            assert!(ServerUrl::parse(good).is_ok(), "{good}");
        }
        for (wrong, why) in [
            ("", WrongUrl::Malformed),
            ("mcp.example.com", WrongUrl::Malformed),
            ("http://mcp.example.com", WrongUrl::Scheme),
            ("http://localhost.evil.test", WrongUrl::Scheme),
            ("http://10.0.0.1/", WrongUrl::Scheme),
            ("ftp://127.0.0.1/", WrongUrl::Scheme),
            ("file:///etc/passwd", WrongUrl::Malformed),
            ("https://u:p@mcp.example.com", WrongUrl::User),
            ("https://mcp.example.com/#x", WrongUrl::Fragment),
        ] {
            assert_eq!(ServerUrl::parse(wrong), Err(why), "{wrong}");
        }
        assert_eq!(ServerUrl::parse(&format!("https://a.test/{}", "x".repeat(5000))), Err(WrongUrl::Long));
    }
}
