//! Root keys that AWS KMS keeps: data keys are wrapped by its `Encrypt` and opened by its `Decrypt`, so no root key is ever
//! here. Project and vault are the encryption context, which KMS holds to and writes into its own log.
//!
//! Data keys that were opened are kept for a while, so that not every use asks and a moment's trouble of KMS is none.
//! Several who need one that is not there share one question, which goes on where nobody waits any more.
//!
//! KMS is asked again where it says that this may help, and else not. What it answers is looked at: the key that it names
//! is the one that was meant, and what was wrapped is opened again before it counts. It opens no connection itself.

mod answer;
mod key;
mod opened;
mod request;
pub(crate) mod service;
#[cfg(test)]
mod tests;

use crate::owner::Owner;
use crate::root::{Fresh, KeyError, RootKey, Wrapped};
use crate::seal::{KEY, SealingKey};
use answer::Said;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
pub use key::{KmsKey, is_kms};
use opened::{Name, Opened};
use request::{Action, Opening, Wrapping};
use service::{Access, KeyService, ServiceRequest, Unanswered};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use types::{BoxFuture, Clock, Entropy, Spawn};
use zeroize::Zeroizing;

/// All that one question may take, with every repetition.
const PATIENCE: Duration = Duration::from_secs(10);
/// Before each repetition; as much again by chance.
const PAUSES: [Duration; 3] = [Duration::from_millis(100), Duration::from_millis(400), Duration::from_millis(1200)];
/// Questions under way.
const AT_ONCE: usize = 32;
/// Bytes of a wrapped data key: KMS makes fewer than 300 of 32.
const WRAPPED: usize = 6144;

/// The world of a key service.
#[derive(Clone)]
pub struct KmsWorld {
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub spawn: Arc<dyn Spawn>,
    pub service: Arc<dyn KeyService>,
}

/// Cheap to clone; all clones share what is opened.
#[derive(Clone)]
pub struct Kms {
    inner: Arc<Inner>,
}

struct Inner {
    keys: Vec<KmsKey>,
    /// Instead of AWS's own, for every key: scheme and host, with a port where it needs one.
    endpoint: Option<String>,
    access: Access,
    world: KmsWorld,
    places: Semaphore,
    opened: Opened,
    flights: Mutex<BTreeMap<Name, Heard>>,
}

type Heard = watch::Receiver<Option<Result<SealingKey, KeyError>>>;

impl Kms {
    /// The first of the keys wraps, all open.
    pub fn new(keys: Vec<KmsKey>, endpoint: Option<String>, access: Access, world: KmsWorld) -> Self {
        let (places, opened, flights) = (Semaphore::new(AT_ONCE), Opened::default(), Mutex::default());
        Self { inner: Arc::new(Inner { keys, endpoint, access, world, places, opened, flights }) }
    }
}

impl RootKey for Kms {
    fn ids(&self) -> BoxFuture<'_, Result<Vec<String>, KeyError>> {
        Box::pin(async { Ok(self.inner.keys.iter().map(KmsKey::id).collect()) })
    }

    fn wrap<'a>(&'a self, data_key: &'a [u8; KEY], owner: Owner<'a>) -> BoxFuture<'a, Result<Fresh, KeyError>> {
        Box::pin(async move { Ok(Fresh { wrapped: self.inner.wrap(data_key, owner).await?, hold: None }) })
    }

    fn unwrap<'a>(
        &'a self,
        wrapped: &'a Wrapped,
        owner: Owner<'a>,
    ) -> BoxFuture<'a, Result<Zeroizing<[u8; KEY]>, KeyError>> {
        Box::pin(async move {
            let opened = self.inner.shared(wrapped, owner).await?;
            Ok(Zeroizing::new(*opened.bytes()))
        })
    }
}

impl Inner {
    async fn wrap(&self, data_key: &[u8; KEY], owner: Owner<'_>) -> Result<Wrapped, KeyError> {
        let none = || KeyError::Missing("no key of a key service is configured".to_owned());
        let key = self.keys.first().ok_or_else(none)?;
        let plain = Zeroizing::new(BASE64.encode(data_key));
        let said = self.ask(key, &Action::Wrap(Wrapping::new(key, &plain, owner))).await?;
        let odd = |why: &str| KeyError::Odd { root: key.id(), why: why.to_owned() };
        let blob = said.ciphertext.ok_or_else(|| odd("it has no wrapped key"))?;
        if !BASE64.decode(&blob).is_ok_and(|bytes| (1..=WRAPPED).contains(&bytes.len())) {
            return Err(odd("its wrapped key cannot be read"));
        }
        let wrapped = Wrapped { root: key.id(), key: blob };
        // What does not open now never will, and with it every secret of the vault.
        let again = match self.open(&wrapped, owner).await {
            Err(KeyError::Damaged(_)) => return Err(odd("it does not open what it has just wrapped")),
            again => again?,
        };
        if again.bytes() != data_key {
            return Err(odd("what it has just wrapped opens as something else"));
        }
        Ok(wrapped)
    }

    /// What is there, or the end of the one question that asks for it.
    async fn shared(self: &Arc<Self>, wrapped: &Wrapped, owner: Owner<'_>) -> Result<SealingKey, KeyError> {
        let name = (owner.place(), wrapped.root.clone(), wrapped.key.clone());
        if let Some(key) = self.opened.get(&name, self.world.clock.monotonic()) {
            return Ok(key);
        }
        let mut heard = self.flight(name, wrapped, owner);
        match heard.wait_for(Option::is_some).await.map(|outcome| outcome.clone()) {
            Ok(Some(outcome)) => outcome,
            _ => Err(KeyError::Away { root: wrapped.root.clone(), why: "the server ends".to_owned() }),
        }
    }

    fn flight(self: &Arc<Self>, name: Name, wrapped: &Wrapped, owner: Owner<'_>) -> Heard {
        let mut flights = self.flights();
        if let Some(running) = flights.get(&name) {
            return running.clone();
        }
        let (told, heard) = watch::channel(None);
        flights.insert(name.clone(), heard.clone());
        let (inner, wrapped) = (self.clone(), wrapped.clone());
        let (project, vault) = (owner.project.clone(), owner.vault.to_owned());
        let flight = async move {
            let outcome = inner.open(&wrapped, Owner { project: &project, vault: &vault }).await;
            if let Ok(key) = &outcome {
                inner.keep(name.clone(), key.clone());
            }
            inner.flights().remove(&name);
            told.send_replace(Some(outcome));
        };
        self.world.spawn.spawn("data key", Box::pin(flight));
        heard
    }

    fn flights(&self) -> MutexGuard<'_, BTreeMap<Name, Heard>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// And sees to it that it is gone in time, also where nobody comes any more.
    fn keep(self: &Arc<Self>, name: Name, key: SealingKey) {
        let clock = &self.world.clock;
        if !self.opened.put(name, key, clock.monotonic()) {
            return;
        }
        let (weak, clock): (Weak<Self>, _) = (Arc::downgrade(self), clock.clone());
        let sweep = async move {
            let mut pause = opened::KEEP;
            loop {
                clock.sleep(pause).await;
                let next = weak.upgrade().and_then(|inner| inner.opened.sweep(clock.monotonic()));
                match next {
                    Some(next) => pause = next,
                    None => return,
                }
            }
        };
        self.world.spawn.spawn("data keys", Box::pin(sweep));
    }

    async fn open(&self, wrapped: &Wrapped, owner: Owner<'_>) -> Result<SealingKey, KeyError> {
        let key = self.keys.iter().find(|key| key.id() == wrapped.root);
        let key = key.ok_or_else(|| KeyError::Unknown(wrapped.root.clone()))?;
        let said = self.ask(key, &Action::Open(Opening::new(key, &wrapped.key, owner))).await?;
        let odd = || KeyError::Odd { root: key.id(), why: "it is not the key of 32 bytes that was wrapped".to_owned() };
        let text = said.plaintext.ok_or_else(odd)?;
        let mut bytes = Zeroizing::new([0; KEY + 2]);
        match BASE64.decode_slice(text.as_bytes(), &mut *bytes) {
            Ok(KEY) => {}
            _ => return Err(odd()),
        }
        bytes.first_chunk::<KEY>().map(|bytes| SealingKey::new(*bytes)).ok_or_else(odd)
    }

    async fn ask(&self, key: &KmsKey, action: &Action<'_>) -> Result<Said, KeyError> {
        let said = tokio::select! {
            biased;
            said = self.repeated(key, action) => said?,
            () = self.world.clock.sleep(PATIENCE) => {
                let why = format!("no answer within {} s", PATIENCE.as_secs());
                return Err(KeyError::Away { root: key.id(), why });
            }
        };
        if !key.is(&said.key) {
            return Err(KeyError::Odd { root: key.id(), why: "it names another key".to_owned() });
        }
        Ok(said)
    }

    async fn repeated(&self, key: &KmsKey, action: &Action<'_>) -> Result<Said, KeyError> {
        let away = |why: String| KeyError::Away { root: key.id(), why };
        let _place = self.places.acquire().await.map_err(|_| away("the server ends".to_owned()))?;
        let mut pauses = PAUSES.iter();
        loop {
            // Anew each time: a signature has its time in it.
            let request: ServiceRequest =
                request::signed(key, self.endpoint.as_deref(), &self.access, action, self.world.clock.now())
                    .map_err(|why| KeyError::Refused { root: key.id(), why })?;
            let answer = match self.world.service.post(&request).await {
                Ok(answer) => answer,
                Err(Unanswered::Forbidden(why)) => return Err(KeyError::Refused { root: key.id(), why }),
                Err(Unanswered::NotSent(why) | Unanswered::Network(why)) => return Err(away(why)),
            };
            match answer::read(key, action, &answer) {
                Err(KeyError::Away { why, .. }) => match pauses.next() {
                    Some(pause) => self.world.clock.sleep(*pause + self.chance(*pause)).await,
                    None => return Err(away(why)),
                },
                said => return said,
            }
        }
    }

    fn chance(&self, most: Duration) -> Duration {
        let mut byte = [0];
        self.world.entropy.fill(&mut byte);
        most * u32::from(byte[0]) / 256
    }
}
