//! AWS Signature Version 4, from the side that checks it: is a request what the holder of an access key signed? And the
//! access keys of this server, whose secrets are derived and kept nowhere.
//!
//! Pure: no clock, no I/O, no chance. It knows no key, no project and no door: who calls it says which services and how
//! old a signature may be, looks the access key up, and brings the hash of the body. It never says what would have been
//! right, and signs only what this server sends itself ([`Signer`]).
//!
//! Both forms are read: the `Authorization` header and the presigned query. Bodies in signed chunks (`STREAMING-…`, which
//! clients of S3 send and none of Bedrock's) and the asymmetric variant (SigV4A) are refused.
//!
//! A signature is good until its time is over, as often as it comes, unless who asks remembers it in [`Used`].
//!
//! A path is taken as it came over the wire and encoded once more, as every service but S3 wants it. It is not made
//! shorter: who signs `/a/b` and sends `/a/./b` has not signed what was sent.

mod canonical;
mod claim;
mod head;
mod mac;
mod moment;
mod query;
mod root;
mod sign;
mod stated;
mod used;

pub use claim::{Claim, Payload};
pub use head::Head;
pub use root::{ROOT_BYTES, RootKey};
pub use sign::{Signer, date};
pub use used::{Use, Used};

use sha2::{Digest, Sha256};

/// How far a signature's time may be from ours, in seconds, in both directions.
pub const SKEW: u64 = 300;

/// What who asks allows.
#[derive(Clone, Copy, Debug)]
pub struct Policy<'a> {
    /// The services that a scope may name. Any region may be.
    pub services: &'a [&'a str],
    /// Whether a body may be left out of the signature (`UNSIGNED-PAYLOAD`).
    pub unsigned_payload: bool,
    /// The longest time in seconds for which a presigned query may be made.
    pub longest: u64,
}

/// SHA-256 of a request's body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BodyHash([u8; 32]);

impl BodyHash {
    pub fn of(body: &[u8]) -> Self {
        Self(Sha256::digest(body).into())
    }
}

impl From<[u8; 32]> for BodyHash {
    /// For a body that was hashed as it came.
    fn from(hash: [u8; 32]) -> Self {
        Self(hash)
    }
}

/// Why a signature does not count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("The request is not signed.")]
    Missing,
    /// A part of the signature is not there, or not as it has to be.
    #[error("The signature is not complete: {0}.")]
    Incomplete(&'static str),
    /// It is complete, and not for this server, or not for now.
    #[error("The signature does not count: {0}.")]
    Invalid(&'static str),
    /// A presigned query whose time is over.
    #[error("The time of the presigned request is over.")]
    Expired,
    /// For callers: nobody has the access key, or a security token came that nobody gave out.
    #[error("The access key or the security token of the request is not known.")]
    Unrecognized,
    /// It was good, and has been used.
    #[error("The signature was used already. Sign the request again.")]
    Replayed,
    #[error("The signature does not match the request. Check the secret access key and how the request is signed.")]
    Mismatch,
}

impl Refusal {
    /// Whether `code` is one of those that [`Self::code`] says.
    pub fn is_code(code: &str) -> bool {
        let all = [
            Self::Missing,
            Self::Incomplete(""),
            Self::Invalid(""),
            Self::Expired,
            Self::Unrecognized,
            Self::Replayed,
            Self::Mismatch,
        ];
        all.iter().any(|one| one.code() == code)
    }

    /// The word by which AWS's clients know it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "MissingAuthenticationToken",
            Self::Incomplete(_) => "IncompleteSignature",
            Self::Invalid(_) | Self::Replayed => "InvalidSignatureException",
            Self::Expired => "ExpiredToken",
            Self::Unrecognized => "UnrecognizedClientException",
            Self::Mismatch => "SignatureDoesNotMatch",
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

#[cfg(test)]
mod tests;
