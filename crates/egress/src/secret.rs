//! What a sandbox holds in place of a secret, and who knows the secret. Nothing here prints a value.

use crate::host::Host;
use std::fmt;

/// Bounds, in bytes. A placeholder is long enough never to stand in a text by chance; a value that is shorter than
/// [`SHOWN`] is not looked for in answers, where it would hit ordinary words.
pub const PLACEHOLDER: std::ops::RangeInclusive<usize> = 16..=256;
pub const VALUE: usize = 64 * 1024;
pub const SHOWN: usize = 8;

/// A placeholder and the value that takes its place.
#[derive(Clone, PartialEq, Eq)]
pub struct Substitution {
    placeholder: String,
    value: String,
}

/// Why a pair cannot be used. Never says the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    #[error("a placeholder has 16 to 256 letters, digits, `-`, `_` or `.`")]
    Placeholder,
    #[error("a secret has 1 to 65536 bytes and no control characters")]
    Value,
}

impl Substitution {
    /// A placeholder is made of characters that mean themselves in a header, a path and a query.
    pub fn new(placeholder: impl Into<String>, value: impl Into<String>) -> Result<Self, Unusable> {
        let (placeholder, value) = (placeholder.into(), value.into());
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if !PLACEHOLDER.contains(&placeholder.len()) || !placeholder.bytes().all(plain) {
            return Err(Unusable::Placeholder);
        }
        if !(1..=VALUE).contains(&value.len()) || value.bytes().any(|b| b.is_ascii_control()) {
            return Err(Unusable::Value);
        }
        Ok(Self { placeholder, value })
    }

    pub(crate) fn placeholder(&self) -> &str {
        &self.placeholder
    }

    pub(crate) fn value(&self) -> &str {
        &self.value
    }
}

impl fmt::Debug for Substitution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Substitution").field("placeholder", &self.placeholder).finish_non_exhaustive()
    }
}

/// Who knows which secrets may go to which host. Asked when a connection is opened (is there any?) and again for each
/// request, so a value that was rotated or withdrawn counts at once.
pub trait Secrets: Send + Sync + 'static {
    /// What is put in for requests to this host; nothing where the host may see no secret.
    fn of(&self, host: &Host) -> Vec<Substitution>;
}

/// An environment without secrets.
pub struct NoSecrets;

impl Secrets for NoSecrets {
    fn of(&self, _host: &Host) -> Vec<Substitution> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_that_could_break_a_request_is_refused() {
        let good = "outcrop-secret-0001";
        for (placeholder, value, expected) in [
            (good, "s3cret", Ok(())),
            (good, "späte Worte + / = %", Ok(())),
            ("short", "s3cret", Err(Unusable::Placeholder)),
            ("outcrop secret 0001", "s3cret", Err(Unusable::Placeholder)),
            ("outcrop%secret%0001", "s3cret", Err(Unusable::Placeholder)),
            (good, "", Err(Unusable::Value)),
            (good, "a\r\nX-Evil: 1", Err(Unusable::Value)),
            (good, "a\0b", Err(Unusable::Value)),
        ] {
            assert_eq!(Substitution::new(placeholder, value).map(|_| ()), expected, "{placeholder} {value:?}");
        }
        assert!(Substitution::new("p".repeat(257), "v").is_err());
        assert!(Substitution::new(good, "v".repeat(VALUE + 1)).is_err());
    }

    #[test]
    fn a_value_is_never_printed() {
        let pair = Substitution::new("outcrop-secret-0001", "s3cret").unwrap();
        assert!(!format!("{pair:?}").contains("s3cret"));
    }
}
