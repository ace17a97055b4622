//! What of a rendezvous must outlive the process: which executor an environment has, and what opens its line. Tokens are
//! known by their hash alone.

use super::hexadecimal;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use types::BoxFuture;

/// SHA-256 of a token, as 64 hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct TokenHash(pub String);

/// One executor that made itself known. Fields are only ever added, with defaults.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Registration {
    pub environment: String,
    /// `execreg_…`
    pub id: String,
    pub transport: Transport,
    /// The session that was last begun with it, to be resumed.
    #[serde(default)]
    pub session: Option<String>,
    /// Fingerprints of the executors that it replaced, the latest first.
    #[serde(default)]
    pub replaced: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Transport {
    /// The executor's public keys.
    Noise {
        x25519: Vec<u8>,
        mlkem768: Vec<u8>,
    },
    Direct,
}

impl Registration {
    /// Of the keys, which an executor has for as long as it runs.
    pub(super) fn fingerprint(&self) -> Option<String> {
        match &self.transport {
            Transport::Noise { x25519, mlkem768 } => {
                Some(hexadecimal(&Sha256::new().chain_update(x25519).chain_update(mlkem768).finalize()[..16]))
            }
            Transport::Direct => None,
        }
    }
}

/// The store did not do it; the executor is asked to come again.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("registrations cannot be read or written: {0}")]
pub struct Trouble(pub String);

pub type Keep<'a, T> = BoxFuture<'a, Result<T, Trouble>>;

/// Registrations, durable when a call has returned.
pub trait Registrations: Send + Sync + 'static {
    /// It is the newest of its environment from now on. An environment's older ones need be kept only so far that their
    /// tokens can be told from those that never were.
    fn put(&self, token: TokenHash, registration: Registration) -> Keep<'_, ()>;
    fn get<'a>(&'a self, token: &'a TokenHash) -> Keep<'a, Option<Registration>>;
    fn newest<'a>(&'a self, environment: &'a str) -> Keep<'a, Option<Registration>>;
    /// The session of an environment's newest registration.
    fn keep_session<'a>(&'a self, environment: &'a str, session: &'a str) -> Keep<'a, ()>;
    /// All of an environment.
    fn remove<'a>(&'a self, environment: &'a str) -> Keep<'a, ()>;
}

/// Registrations that last as long as this value.
#[derive(Default)]
pub struct Memory {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    by_token: BTreeMap<TokenHash, Registration>,
    /// The newest token is the last.
    tokens: BTreeMap<String, Vec<TokenHash>>,
}

/// Tokens that are told from others, for each environment.
const TOKENS: usize = 16;

impl Memory {
    fn with<T>(&self, act: impl FnOnce(&mut Kept) -> T) -> T {
        act(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Registrations for Memory {
    fn put(&self, token: TokenHash, registration: Registration) -> Keep<'_, ()> {
        self.with(|kept| {
            let tokens = kept.tokens.entry(registration.environment.clone()).or_default();
            tokens.push(token.clone());
            if tokens.len() > TOKENS {
                kept.by_token.remove(&tokens.remove(0));
            }
            kept.by_token.insert(token, registration);
        });
        Box::pin(async { Ok(()) })
    }

    fn get<'a>(&'a self, token: &'a TokenHash) -> Keep<'a, Option<Registration>> {
        let found = self.with(|kept| kept.by_token.get(token).cloned());
        Box::pin(async { Ok(found) })
    }

    fn newest<'a>(&'a self, environment: &'a str) -> Keep<'a, Option<Registration>> {
        let found = self.with(|kept| kept.by_token.get(kept.tokens.get(environment)?.last()?).cloned());
        Box::pin(async { Ok(found) })
    }

    fn keep_session<'a>(&'a self, environment: &'a str, session: &'a str) -> Keep<'a, ()> {
        self.with(|kept| {
            let newest = kept.tokens.get(environment).and_then(|tokens| tokens.last());
            if let Some(registration) = newest.and_then(|token| kept.by_token.get_mut(token)) {
                registration.session = Some(session.to_owned());
            }
        });
        Box::pin(async { Ok(()) })
    }

    fn remove<'a>(&'a self, environment: &'a str) -> Keep<'a, ()> {
        self.with(|kept| {
            for token in kept.tokens.remove(environment).unwrap_or_default() {
                kept.by_token.remove(&token);
            }
        });
        Box::pin(async { Ok(()) })
    }
}
