//! Hosts as clients write them, brought into one form: lower case, no dot at the end, IDN as punycode, an address in
//! any notation as that address. Never resolves anything.

use std::fmt;
use std::net::IpAddr;

/// The longest name that DNS carries, and the longest label in it.
const NAME: usize = 253;
const LABEL: usize = 63;

/// A host in its one form: equal hosts are equal values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    Name(String),
    Address(IpAddr),
}

/// Why a text names no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("the host is empty")]
    Empty,
    #[error("the host is too long")]
    Long,
    #[error("the host is no valid name or address")]
    Host,
    #[error("the port is missing or no number between 1 and 65535")]
    Port,
}

impl Host {
    /// Reads `example.com`, `EXAMPLE.com.`, `bücher.example`, `127.1`, `0x7f000001`, `2130706433`, `[::1]`. IPv6 needs
    /// its brackets; a zone id, percent-encoding, a user or a wildcard is no host.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        if text.is_empty() {
            return Err(Malformed::Empty);
        }
        // A unicode name may be longer than its punycode; this bounds the work alone.
        if text.len() > 4 * NAME {
            return Err(Malformed::Long);
        }
        if text.bytes().any(|b| b <= b' ' || matches!(b, b'%' | b'@' | b'/' | b'\\' | b'?' | b'#' | b'*' | 0x7f)) {
            return Err(Malformed::Host);
        }
        match url::Host::parse(text).map_err(|_| Malformed::Host)? {
            url::Host::Ipv4(address) => Ok(Self::Address(address.into())),
            url::Host::Ipv6(address) => Ok(Self::Address(crate::address::plain(address.into()))),
            url::Host::Domain(name) => Self::name(&name),
        }
    }

    fn name(text: &str) -> Result<Self, Malformed> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() {
            return Err(Malformed::Empty);
        }
        if text.len() > NAME {
            return Err(Malformed::Long);
        }
        let good = |label: &str| {
            (1..=LABEL).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
        };
        if text.split('.').all(good) { Ok(Self::Name(text.to_owned())) } else { Err(Malformed::Host) }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// Where a client wants to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub host: Host,
    pub port: u16,
}

impl Target {
    /// Reads `host:port`, or `host` alone where a default port is given.
    pub fn parse(text: &str, default: Option<u16>) -> Result<Self, Malformed> {
        let bracket = if text.starts_with('[') { text.find(']').ok_or(Malformed::Host)? } else { 0 };
        let (host, port) = match text[bracket..].rfind(':') {
            Some(colon) => (&text[..bracket + colon], Some(&text[bracket + colon + 1..])),
            None => (text, None),
        };
        let port = match port {
            Some(digits) => Some(number(digits).ok_or(Malformed::Port)?),
            None => default,
        };
        Ok(Self { host: Host::parse(host)?, port: port.ok_or(Malformed::Port)? })
    }

    /// The value of a `Host` header that leads here.
    #[must_use]
    pub fn authority(&self, default: u16) -> String {
        if self.port == default { self.host.to_string() } else { self.to_string() }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

fn number(digits: &str) -> Option<u16> {
    let plain = (1..=5).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if plain { digits.parse().ok().filter(|port| *port != 0) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, Malformed>) {
        assert_eq!(Host::parse(text).map(|host| host.to_string()).as_deref().map_err(|e| *e), expected, "{text:?}");
    }

    #[test]
    fn names_have_one_form() {
        for text in ["example.com", "EXAMPLE.com", "example.com.", "ExAmPlE.CoM."] {
            check(text, Ok("example.com"));
        }
        check("bücher.example", Ok("xn--bcher-kva.example"));
        check("BÜCHER.example.", Ok("xn--bcher-kva.example"));
        check("xn--bcher-kva.example", Ok("xn--bcher-kva.example"));
        // Full-width letters and the ideographic full stop are the letters and the dot.
        check("ｅｘａｍｐｌｅ。com", Ok("example.com"));
        check("_srv.example.com", Ok("_srv.example.com"));
        check("localhost", Ok("localhost"));
    }

    #[test]
    fn addresses_have_one_form() {
        for text in [
            "127.0.0.1",
            "127.1",
            "0x7f.1",
            "0x7f000001",
            "2130706433",
            "0177.0.0.1",
            "017700000001",
            "127.0.0.1.",
            "[::ffff:127.0.0.1]",
            "[::FFFF:7F00:1]",
            "１２７.0.0.1",
        ] {
            check(text, Ok("127.0.0.1"));
        }
        check("2852039166", Ok("169.254.169.254"));
        check("0251.0376.0251.0376", Ok("169.254.169.254"));
        check("0xA9FEA9FE", Ok("169.254.169.254"));
        check("0", Ok("0.0.0.0"));
        check("[0:0:0:0:0:0:0:1]", Ok("[::1]"));
        check("[FD00:EC2::254]", Ok("[fd00:ec2::254]"));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        check("", Err(Malformed::Empty));
        check(".", Err(Malformed::Empty));
        for text in [
            "::1",
            "[::1",
            "[fe80::1%25eth0]",
            "[fe80::1%eth0]",
            "1.2.3.4.5",
            "256.256.256.256",
            "0x100000000",
            "a..b",
            ".a",
            "a..",
            "a b",
            "a%2eb",
            "evil@127.0.0.1",
            "*.example.com",
            "a/b",
            "a\\b",
            "a\r\nb",
            "a\0b",
            "a:b",
            "a,b",
            "a!b",
            "xn--a",
            "foo.0x",
        ] {
            assert!(Host::parse(text).is_err(), "{text:?} is {:?}", Host::parse(text));
        }
        check(&"a".repeat(5000), Err(Malformed::Long));
        assert!(Host::parse(&format!("{}.com", "a".repeat(64))).is_err());
        assert!(Host::parse(&["a"; 127].join(".")).is_ok());
        assert!(Host::parse(&["a"; 128].join(".")).is_err());
    }

    #[test]
    fn ports() {
        let check = |text: &str, default: Option<u16>| Target::parse(text, default).map(|t| t.to_string()).ok();
        assert_eq!(check("a:443", None).as_deref(), Some("a:443"));
        assert_eq!(check("[::1]:80", None).as_deref(), Some("[::1]:80"));
        assert_eq!(check("a", Some(80)).as_deref(), Some("a:80"));
        assert_eq!(check("[::1]", Some(80)).as_deref(), Some("[::1]:80"));
        for text in ["a", "a:", "a:0", "a:65536", "a:+80", "a:-1", "a: 80", "a:80:80", ":80", "a:443443", "[::1]80"] {
            assert_eq!(check(text, None), None, "{text}");
        }
        assert_eq!(Target::parse("A:443", None).unwrap().authority(443), "a");
        assert_eq!(Target::parse("A:8443", None).unwrap().authority(443), "a:8443");
    }
}
