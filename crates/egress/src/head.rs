//! The heads of HTTP/1.1 messages, read strictly: what two readers could read in two ways is refused, not repaired, so
//! nothing can be smuggled past the proxy in a form that the server behind it reads differently. Pure.

use crate::host::{Malformed, Target};
use crate::refusal::Refusal;

/// How many headers a message may have.
pub const HEADERS: usize = 128;

pub type Header = (String, Vec<u8>);

/// How long a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    None,
    Length(u64),
    Chunked,
    /// Until the server closes: answers only.
    Close,
}

/// The head of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    pub target: String,
    /// The minor version: 0 or 1.
    pub minor: u8,
    pub headers: Vec<Header>,
}

/// The head of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub reason: String,
    pub minor: u8,
    pub headers: Vec<Header>,
}

impl Request {
    /// Reads a head with the empty line at its end.
    pub fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        lines(bytes).map_err(Refusal::Request)?;
        let mut room = [httparse::EMPTY_HEADER; HEADERS];
        let mut parsed = httparse::Request::new(&mut room);
        match parsed.parse(bytes) {
            Ok(httparse::Status::Complete(end)) if end == bytes.len() => {}
            Err(httparse::Error::Version) => return Err(Refusal::Version),
            Err(httparse::Error::TooManyHeaders) => return Err(Refusal::Large(bytes.len())),
            _ => return Err(Refusal::Request("no HTTP/1.1")),
        }
        Ok(Self {
            method: parsed.method.unwrap_or_default().to_owned(),
            target: parsed.path.unwrap_or_default().to_owned(),
            minor: parsed.version.unwrap_or_default(),
            headers: owned(parsed.headers),
        })
    }

    pub fn framing(&self) -> Result<Framing, Refusal> {
        Ok(declared(&self.headers, self.minor).map_err(Refusal::Request)?.unwrap_or(Framing::None))
    }

    /// Where a request in absolute form goes, with its path and query. Only `http`: for TLS there is CONNECT.
    pub fn absolute(&self) -> Result<(Target, String), Refusal> {
        const WANTED: Refusal = Refusal::Request("a proxy is asked with CONNECT, or for an http:// address");
        let (scheme, rest) = self.target.split_once("://").ok_or(WANTED)?;
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(WANTED);
        }
        if rest.contains('#') {
            return Err(Refusal::Request("a fragment"));
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok((Target::parse(authority, Some(80))?, path))
    }

    /// Whether the `Host` header leads to this target. One that is missing or doubled never does.
    pub fn is_for(&self, target: &Target, default: u16) -> Result<bool, Malformed> {
        let mut hosts = self.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("host"));
        let (Some((_, host)), None) = (hosts.next(), hosts.next()) else { return Ok(false) };
        let host = std::str::from_utf8(host).map_err(|_| Malformed::Host)?;
        Ok(Target::parse(host, Some(default))? == *target)
    }
}

impl Answer {
    /// Reads a head with the empty line at its end.
    pub fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        lines(bytes).map_err(Refusal::Answer)?;
        let mut room = [httparse::EMPTY_HEADER; HEADERS];
        let mut parsed = httparse::Response::new(&mut room);
        match parsed.parse(bytes) {
            Ok(httparse::Status::Complete(end)) if end == bytes.len() => {}
            _ => return Err(Refusal::Answer("no HTTP/1.1")),
        }
        Ok(Self {
            status: parsed.code.unwrap_or_default(),
            reason: parsed.reason.unwrap_or_default().to_owned(),
            minor: parsed.version.unwrap_or_default(),
            headers: owned(parsed.headers),
        })
    }

    /// An answer to HEAD has no body, whatever it declares.
    pub fn framing(&self, to_head: bool) -> Result<Framing, Refusal> {
        let declared = declared(&self.headers, self.minor).map_err(Refusal::Answer)?;
        if to_head || self.status < 200 || matches!(self.status, 204 | 304) {
            return Ok(Framing::None);
        }
        Ok(declared.unwrap_or(Framing::Close))
    }
}

/// Whether a message's sender keeps the connection after it.
#[must_use]
pub fn keeps(headers: &[Header], minor: u8) -> bool {
    minor == 1 && !tokens(headers, "connection").any(|token| token == "close")
}

/// The headers that belong to the message, not to the connection that it came by, nor to its framing.
pub fn lasting(headers: &[Header]) -> impl Iterator<Item = &Header> {
    const OWN: [&str; 12] = [
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
    ];
    let named: Vec<String> = tokens(headers, "connection").collect();
    headers.iter().filter(move |(name, _)| {
        let name = name.to_ascii_lowercase();
        !OWN.contains(&name.as_str()) && !named.contains(&name)
    })
}

/// What a `Content-Length` says of an answer without a body: it is passed on as it is.
#[must_use]
pub fn length(headers: &[Header]) -> Option<&Header> {
    headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
}

fn tokens<'a>(headers: &'a [Header], wanted: &'a str) -> impl Iterator<Item = String> + 'a {
    headers
        .iter()
        .filter(move |(name, _)| name.eq_ignore_ascii_case(wanted))
        .flat_map(|(_, value)| value.split(|b| *b == b','))
        .map(|token| String::from_utf8_lossy(token.trim_ascii()).to_ascii_lowercase())
}

/// Every line ends with CR LF, neither stands anywhere else, and none begins with a space (a folded header).
fn lines(bytes: &[u8]) -> Result<(), &'static str> {
    let Some(text) = bytes.strip_suffix(b"\r\n\r\n") else { return Err("no end of the head") };
    if text.is_empty() || text.starts_with(b"\r\n") {
        return Err("an empty line at the beginning");
    }
    let mut rest = text;
    while let Some(at) = rest.iter().position(|b| matches!(b, b'\r' | b'\n' | 0)) {
        match rest.get(at..) {
            Some([b'\r', b'\n', b' ' | b'\t', ..]) => return Err("a folded header"),
            Some([b'\r', b'\n', tail @ ..]) => rest = tail,
            _ => return Err("a line that does not end with CR LF"),
        }
    }
    Ok(())
}

fn owned(headers: &[httparse::Header<'_>]) -> Vec<Header> {
    headers.iter().map(|header| (header.name.to_owned(), header.value.to_vec())).collect()
}

fn declared(headers: &[Header], minor: u8) -> Result<Option<Framing>, &'static str> {
    let all = |wanted: &'static str| headers.iter().filter(move |(name, _)| name.eq_ignore_ascii_case(wanted));
    let coding: Vec<&Header> = all("transfer-encoding").collect();
    let length: Vec<&Header> = all("content-length").collect();
    match (coding.as_slice(), length.as_slice()) {
        ([], []) => Ok(None),
        ([_, ..], [_, ..]) => Err("both Transfer-Encoding and Content-Length"),
        ([(_, value)], []) if minor == 1 && value.eq_ignore_ascii_case(b"chunked") => Ok(Some(Framing::Chunked)),
        ([_, ..], []) => Err("a Transfer-Encoding other than chunked"),
        ([], [(_, value)]) => {
            let plain = (1..=18).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
            let number = std::str::from_utf8(value).ok().filter(|_| plain).and_then(|text| text.parse().ok());
            number.map(|length| Some(Framing::Length(length))).ok_or("a Content-Length that is no number")
        }
        ([], [_, _, ..]) => Err("more than one Content-Length"),
    }
}

#[cfg(test)]
mod tests;
