//! The root key of a server, from which the secrets of its access keys are derived: so none of them is stored, and who
//! reads the store has none.

use crate::mac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

pub const ROOT_BYTES: usize = 32;

/// As many as make 40 characters: those of a secret of AWS.
const SECRET_BYTES: usize = 30;

#[derive(Clone)]
pub struct RootKey([u8; ROOT_BYTES]);

impl RootKey {
    pub fn new(bytes: [u8; ROOT_BYTES]) -> Self {
        Self(bytes)
    }

    /// The secret of an access key, 40 characters. It never changes.
    pub fn secret(&self, access_key: &str) -> String {
        let whole = mac::of(&self.0, format!("aws access key{access_key}").as_bytes());
        STANDARD.encode(&whole[..SECRET_BYTES])
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("RootKey")
    }
}
