//! HMAC-SHA256, and the key that it makes of a secret for one day, region and service.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

const BLOCK: usize = 64;

/// A key longer than a block is its hash, as HMAC defines it.
pub fn begin(key: &[u8]) -> Hmac<Sha256> {
    let mut block = [0_u8; BLOCK];
    if key.len() > BLOCK {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    <Hmac<Sha256> as hmac::digest::KeyInit>::new(&block.into())
}

pub fn of(key: &[u8], message: &[u8]) -> [u8; 32] {
    begin(key).chain_update(message).finalize().into_bytes().into()
}

pub fn signing_key(secret: &str, date: &str, region: &str, service: &str) -> [u8; 32] {
    let first = of(format!("AWS4{secret}").as_bytes(), date.as_bytes());
    [region, service, "aws4_request"].iter().fold(first, |key, part| of(&key, part.as_bytes()))
}
