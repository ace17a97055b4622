//! What of a rendezvous must outlive the process: which executor an environment has, and what opens its line. Tokens are
//! known by their hash alone.

use super::Site;
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
    Noise { x25519: Vec<u8>, mlkem768: Vec<u8> },
    Direct {
        /// It was asked for with a signature, and its socket is too: the token alone does not open it.
        #[serde(default)]
        signed: bool,
    },
}

impl Registration {
    /// Of the keys, which an executor has for as long as it runs.
    pub(super) fn fingerprint(&self) -> Option<String> {
        match &self.transport {
            Transport::Noise { x25519, mlkem768 } => {
                Some(types::hex(&Sha256::new().chain_update(x25519).chain_update(mlkem768).finalize()[..16]))
            }
            Transport::Direct { .. } => None,
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
    fn put<'a>(&'a self, site: &'a Site, token: TokenHash, registration: Registration) -> Keep<'a, ()>;
    fn get<'a>(&'a self, site: &'a Site, token: &'a TokenHash) -> Keep<'a, Option<Registration>>;
    fn newest<'a>(&'a self, site: &'a Site) -> Keep<'a, Option<Registration>>;
    /// The session of an environment's newest registration.
    fn keep_session<'a>(&'a self, site: &'a Site, session: &'a str) -> Keep<'a, ()>;
    /// All of an environment.
    fn remove<'a>(&'a self, site: &'a Site) -> Keep<'a, ()>;
}

/// The registrations of one environment, the newest last: what a store keeps of it.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Roll(Vec<(TokenHash, Registration)>);

/// Tokens that are told from others, for each environment.
const TOKENS: usize = 16;

impl Roll {
    pub fn put(&mut self, token: TokenHash, registration: Registration) {
        self.0.push((token, registration));
        if self.0.len() > TOKENS {
            self.0.remove(0);
        }
    }

    pub fn get(&self, token: &TokenHash) -> Option<&Registration> {
        self.0.iter().find(|(known, _)| known == token).map(|(_, registration)| registration)
    }

    pub fn newest(&self) -> Option<&Registration> {
        self.0.last().map(|(_, registration)| registration)
    }

    pub fn keep_session(&mut self, session: &str) {
        if let Some((_, registration)) = self.0.last_mut() {
            registration.session = Some(session.to_owned());
        }
    }
}

/// Registrations that last as long as this value.
#[derive(Default)]
pub struct Memory {
    rolls: Mutex<BTreeMap<Site, Roll>>,
}

impl Memory {
    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<Site, Roll>) -> T) -> T {
        act(&mut self.rolls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Registrations for Memory {
    fn put<'a>(&'a self, site: &'a Site, token: TokenHash, registration: Registration) -> Keep<'a, ()> {
        self.with(|rolls| rolls.entry(site.clone()).or_default().put(token, registration));
        Box::pin(async { Ok(()) })
    }

    fn get<'a>(&'a self, site: &'a Site, token: &'a TokenHash) -> Keep<'a, Option<Registration>> {
        let found = self.with(|rolls| rolls.get(site)?.get(token).cloned());
        Box::pin(async { Ok(found) })
    }

    fn newest<'a>(&'a self, site: &'a Site) -> Keep<'a, Option<Registration>> {
        let found = self.with(|rolls| rolls.get(site)?.newest().cloned());
        Box::pin(async { Ok(found) })
    }

    fn keep_session<'a>(&'a self, site: &'a Site, session: &'a str) -> Keep<'a, ()> {
        self.with(|rolls| {
            if let Some(roll) = rolls.get_mut(site) {
                roll.keep_session(session);
            }
        });
        Box::pin(async { Ok(()) })
    }

    fn remove<'a>(&'a self, site: &'a Site) -> Keep<'a, ()> {
        self.with(|rolls| rolls.remove(site));
        Box::pin(async { Ok(()) })
    }
}
