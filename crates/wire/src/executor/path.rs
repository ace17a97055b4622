//! Paths, which travel as `file://` URIs in both directions. The bytes of a path are percent-encoded one by one, so that
//! a name which is no UTF-8 travels too.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::ffi::OsString;
use std::fmt::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// An absolute path. Read from a URI it has no `.` and `..` any more: in a URI they are taken away as text, before
/// anybody looks at a disk.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileUri(PathBuf);

/// Why a text is no file URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadUri {
    /// A bare path, or anything else without a scheme.
    Relative,
    /// Another scheme, or a host that is not this machine.
    Foreign,
    /// A NUL byte, which no path may have.
    Nul,
}

impl fmt::Display for BadUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Relative => "invalid URI: relative URL without a base",
            Self::Foreign => "invalid URI: expected file:///, a path of this machine",
            Self::Nul => "invalid URI: a path has no NUL byte",
        })
    }
}

impl std::error::Error for BadUri {}

impl FileUri {
    /// A path of this machine; `None` if it is relative.
    pub fn from_path(path: impl Into<PathBuf>) -> Option<Self> {
        let path = path.into();
        path.is_absolute().then_some(Self(path))
    }

    /// # Errors
    /// The text is no absolute `file://` URI of this machine.
    pub fn read(text: &str) -> Result<Self, BadUri> {
        let scheme = text.split_once(':').map(|(scheme, _)| scheme).filter(|scheme| is_scheme(scheme));
        let Some(scheme) = scheme else { return Err(BadUri::Relative) };
        if !scheme.eq_ignore_ascii_case("file") {
            return Err(BadUri::Foreign);
        }
        let rest = &text[scheme.len() + 1..];
        let rest = rest.strip_prefix("//").ok_or(BadUri::Foreign)?;
        let (host, path) = rest.split_at(rest.find('/').ok_or(BadUri::Foreign)?);
        if !host.is_empty() && !host.eq_ignore_ascii_case("localhost") {
            return Err(BadUri::Foreign);
        }
        let path = path.split(['?', '#']).next().unwrap_or(path);
        let bytes = decode(path);
        if bytes.contains(&0) {
            return Err(BadUri::Nul);
        }
        Ok(Self(PathBuf::from(OsString::from_vec(without_dots(&bytes)))))
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    #[must_use]
    pub fn into_path(self) -> PathBuf {
        self.0
    }
}

impl fmt::Display for FileUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("file://")?;
        for &byte in self.0.as_os_str().as_bytes() {
            // What a path within a URI may hold as it is: unreserved characters, sub-delimiters, `:`, `@` and `/`.
            if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte) {
                f.write_char(char::from(byte))?;
            } else {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// A `%` that no two hexadecimal digits follow stands for itself.
fn decode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = (first == b'%').then(|| Some((hexadecimal(*after.first()?)?, hexadecimal(*after.get(1)?)?)));
        if let Some(Some((high, low))) = digits {
            bytes.push(high << 4 | low);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    bytes
}

fn hexadecimal(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn without_dots(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    for part in path.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                kept.pop();
            }
            part => kept.push(part),
        }
    }
    let mut bytes = vec![b'/'];
    bytes.extend(kept.join(&b'/'));
    bytes
}

impl Serialize for FileUri {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FileUri {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::read(&text).map_err(serde::de::Error::custom)
    }
}
