//! Sealing: XChaCha20-Poly1305 under the data key of a vault, a fresh nonce each time. What is sealed is bound to its
//! project, vault, credential and field, so that a sealed text that was moved to another place does not open. Pure.

use crate::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{Key, KeyInit, XChaCha20Poly1305, XNonce};
use types::{Entropy, ProjectId};
use zeroize::Zeroizing;

pub(crate) const KEY: usize = 32;
const NONCE: usize = 24;

/// It was sealed under another key or for another place, or it was changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Unopened;

/// 32 bytes that seal something.
#[derive(Clone)]
pub(crate) struct SealingKey(Zeroizing<[u8; KEY]>);

impl SealingKey {
    pub(crate) fn new(bytes: [u8; KEY]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(crate) fn draw(entropy: &dyn Entropy) -> Self {
        let mut bytes = Zeroizing::new([0; KEY]);
        entropy.fill(&mut *bytes);
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8; KEY] {
        &self.0
    }

    /// The nonce, then what is sealed; base64. None where it is longer than can be sealed.
    pub(crate) fn seal(&self, entropy: &dyn Entropy, place: &[u8], text: &[u8]) -> Option<String> {
        let mut nonce = [0; NONCE];
        entropy.fill(&mut nonce);
        let payload = Payload { msg: text, aad: place };
        let sealed = self.cipher().encrypt(XNonce::from_slice(&nonce), payload).ok()?;
        Some(BASE64.encode([&nonce[..], &sealed].concat()))
    }

    pub(crate) fn open(&self, place: &[u8], sealed: &str) -> Result<Zeroizing<Vec<u8>>, Unopened> {
        let bytes = BASE64.decode(sealed).map_err(|_| Unopened)?;
        let (nonce, text) = bytes.split_at_checked(NONCE).ok_or(Unopened)?;
        let payload = Payload { msg: text, aad: place };
        self.cipher().decrypt(XNonce::from_slice(nonce), payload).map(Zeroizing::new).map_err(|_| Unopened)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(Key::from_slice(&*self.0))
    }
}

/// Where a secret belongs.
pub(crate) struct Place<'a> {
    pub(crate) project: &'a ProjectId,
    pub(crate) vault: &'a str,
    pub(crate) credential: &'a str,
}

impl Place<'_> {
    pub(crate) fn seal(&self, key: &SealingKey, entropy: &dyn Entropy, field: &str, secret: &Secret) -> Option<String> {
        key.seal(entropy, &self.of(field), secret.reveal().as_bytes())
    }

    pub(crate) fn open(&self, key: &SealingKey, field: &str, sealed: &str) -> Result<Secret, Unopened> {
        let text = key.open(&self.of(field), sealed)?;
        std::str::from_utf8(&text).map(Secret::new).map_err(|_| Unopened)
    }

    fn of(&self, field: &str) -> Vec<u8> {
        joined(&["outcrop credential 1", self.project.as_str(), self.vault, self.credential, field])
    }
}

/// Parts with their lengths: no two lists come to the same bytes.
pub(crate) fn joined(parts: &[&str]) -> Vec<u8> {
    let mut all = Vec::new();
    for part in parts {
        all.extend((part.len() as u64).to_be_bytes());
        all.extend(part.as_bytes());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::Counting;

    #[test]
    fn what_is_sealed_opens_in_its_place_alone() {
        let (entropy, project, other) = (Counting::default(), ProjectId::from("a"), ProjectId::from("b"));
        let (key, wrong) = (SealingKey::draw(&entropy), SealingKey::draw(&entropy));
        let place = Place { project: &project, vault: "v", credential: "c" };
        let secret = Secret::new("s3cret");
        let sealed = place.seal(&key, &entropy, "token", &secret).unwrap();
        assert_ne!(place.seal(&key, &entropy, "token", &secret).unwrap(), sealed, "no nonce is used again");
        assert_eq!(place.open(&key, "token", &sealed), Ok(secret));
        assert_eq!(place.open(&wrong, "token", &sealed), Err(Unopened));
        for (place, field) in [
            (Place { project: &other, ..place }, "token"),
            (Place { vault: "w", ..place }, "token"),
            (Place { credential: "d", ..place }, "token"),
            (Place { vault: "vc", credential: "", ..place }, "token"),
            (Place { ..place }, "other"),
        ] {
            assert_eq!(place.open(&key, field, &sealed), Err(Unopened));
        }
    }

    #[test]
    fn what_was_changed_does_not_open() {
        let (entropy, project) = (Counting::default(), ProjectId::from("a"));
        let key = SealingKey::draw(&entropy);
        let place = Place { project: &project, vault: "v", credential: "c" };
        let sealed = place.seal(&key, &entropy, "token", &Secret::new("s3cret")).unwrap();
        let bytes = BASE64.decode(&sealed).unwrap();
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            assert_eq!(place.open(&key, "token", &BASE64.encode(changed)), Err(Unopened), "byte {index}");
        }
        for cut in ["", "AAAA", "not base64", &sealed[..sealed.len() - 4]] {
            assert_eq!(place.open(&key, "token", cut), Err(Unopened), "{cut}");
        }
    }
}
