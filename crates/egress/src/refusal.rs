//! What a client is told when the proxy does not do what it asks: a status, a word for programs, a sentence.

use crate::host::{Host, Malformed};
use crate::rules::Denied;

/// Why the proxy refuses, or could not do, what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{0}")]
    Denied(#[from] Denied),
    #[error("{0}")]
    Host(#[from] Malformed),
    #[error("the request is malformed: {0}")]
    Request(&'static str),
    #[error("this method is not carried")]
    Method,
    #[error("this version of HTTP is not spoken")]
    Version,
    #[error("the head of the request is larger than {0} bytes")]
    Large(usize),
    #[error("the request did not come in time")]
    Slow,
    #[error("the request is for another host than the connection")]
    Misdirected,
    #[error("this environment has too many connections")]
    Busy,
    #[error("the first message of TLS asks for another host than the connection, or for none")]
    ServerName,
    #[error("a connection carries TLS only")]
    NotTls,
    #[error("the first message of TLS is broken")]
    Hello,
    #[error("to a host that is given secrets only HTTP/1.1 is spoken")]
    Protocol,
    #[error("the name {0} was not found")]
    NotFound(Host),
    #[error("no connection to {0}")]
    Unreachable(Host),
    #[error("{0} did not answer in time")]
    Late(Host),
    #[error("no trusted connection to {0}")]
    Untrusted(Host),
    #[error("the server's answer is malformed: {0}")]
    Answer(&'static str),
    #[error("the server ended the connection without an answer")]
    NoAnswer,
    #[error("the proxy's own certificate could not be made")]
    Certificate,
}

impl Refusal {
    /// The HTTP status that goes with it.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Denied(_) | Self::ServerName | Self::NotTls | Self::Protocol => 403,
            Self::Host(_) | Self::Request(_) | Self::Hello => 400,
            Self::Method => 405,
            Self::Slow => 408,
            Self::Misdirected => 421,
            Self::Large(_) => 431,
            Self::Certificate => 500,
            Self::NotFound(_) | Self::Unreachable(_) | Self::Untrusted(_) | Self::Answer(_) | Self::NoAnswer => 502,
            Self::Busy => 503,
            Self::Late(_) => 504,
            Self::Version => 505,
        }
    }

    /// The word in the header `outcrop-egress` and in the log.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Denied(Denied::Disabled) => "network_disabled",
            Self::Denied(Denied::NotAllowed(_)) => "host_not_allowed",
            Self::Denied(Denied::Blocked(_)) => "host_blocked",
            Self::Denied(Denied::Port(_)) => "port_not_allowed",
            Self::Denied(Denied::Address { .. }) => "address_not_allowed",
            Self::Host(_) => "bad_host",
            Self::Request(_) => "bad_request",
            Self::Method => "bad_method",
            Self::Version => "bad_version",
            Self::Large(_) => "head_too_large",
            Self::Slow => "request_timeout",
            Self::Misdirected => "misdirected",
            Self::Busy => "too_many_connections",
            Self::ServerName => "server_name_mismatch",
            Self::NotTls => "not_tls",
            Self::Hello => "bad_tls",
            Self::Protocol => "no_http1",
            Self::NotFound(_) => "name_not_found",
            Self::Unreachable(_) => "unreachable",
            Self::Late(_) => "upstream_timeout",
            Self::Untrusted(_) => "upstream_untrusted",
            Self::Answer(_) => "bad_answer",
            Self::NoAnswer => "no_answer",
            Self::Certificate => "internal",
        }
    }

    /// The whole answer, after which the connection ends.
    #[must_use]
    pub fn answer(&self) -> Vec<u8> {
        let status = self.status();
        let reason = reason(status);
        let code = self.code();
        let text = format!("outcrop: {self}\n");
        let length = text.len();
        format!(
            "HTTP/1.1 {status} {reason}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {length}\r\n\
             outcrop-egress: {code}\r\nconnection: close\r\n\r\n{text}"
        )
        .into_bytes()
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        403 => "Forbidden",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        421 => "Misdirected Request",
        431 => "Request Header Fields Too Large",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Internal Server Error",
    }
}
