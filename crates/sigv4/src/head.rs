//! A request as it came: its line and its headers, and how large they may be.

use crate::Refusal;

const HEADERS: usize = 128;
/// Names and values together.
const HEADER_BYTES: usize = 64 << 10;
const TARGET_BYTES: usize = 32 << 10;

/// A request without its body. Nothing is decoded in it.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    pub method: &'a str,
    /// With its percents.
    pub path: &'a str,
    /// What is behind the question mark.
    pub query: &'a str,
    /// Names in lower case; `host` has to be among them, wherever it came from.
    pub headers: &'a [(&'a str, &'a [u8])],
}

impl<'a> Head<'a> {
    /// Whether it is signed at all, rightly or not.
    pub fn is_signed(&self) -> bool {
        self.authorizations().any(is_aws) || self.query.split('&').any(|pair| pair.starts_with("X-Amz-Algorithm="))
    }

    pub(crate) fn authorizations(&self) -> impl Iterator<Item = &'a [u8]> {
        self.named("authorization")
    }

    pub(crate) fn named(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.iter().filter(move |(own, _)| *own == name).map(|(_, value)| *value)
    }

    /// The value of a header that stands there once, or not at all.
    pub(crate) fn once(&self, name: &str) -> Result<Option<&'a [u8]>, Refusal> {
        let mut values = self.named(name);
        match (values.next(), values.next()) {
            (first, None) => Ok(first),
            _ => Err(Refusal::Incomplete("a header that is part of it stands there twice")),
        }
    }

    pub(crate) fn check_size(&self) -> Result<(), Refusal> {
        let bytes: usize = self.headers.iter().map(|(name, value)| name.len().saturating_add(value.len())).sum();
        let target = self.path.len().saturating_add(self.query.len());
        if self.headers.len() > HEADERS || bytes > HEADER_BYTES || target > TARGET_BYTES {
            return Err(Refusal::Incomplete("the request's head is too large to be checked"));
        }
        Ok(())
    }
}

pub fn is_aws(authorization: &[u8]) -> bool {
    authorization.trim_ascii_start().starts_with(b"AWS4-")
}
