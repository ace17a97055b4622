//! Where executors make themselves known and connect to: registrations, the tokens that open their line, and one client
//! an environment. The HTTP door in front of it authenticates who registers, knows which environments there are, and
//! hands sockets over.
//!
//! The newest registration of an environment counts. Its token stays good as long as it does; what must outlive this
//! process is in [`Registrations`].

mod registrations;
mod seat;

pub use registrations::{Keep, Memory, Registration, Registrations, Roll, TokenHash, Transport, Trouble};

use crate::client::{Client, Settings, World};
use crate::line::Line;
use relay::{FRAME_LIMIT, PublicKeys};
use seat::{Reporter, Seat};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use types::ProjectId;
use wire::executor::{
    DIRECT_TRANSPORT, DirectRegistration, MESSAGE_LIMIT, NOISE_PROFILE, NOISE_SUITE, NoiseRegistration, Validation,
};

/// Executors that were replaced are remembered, so that they do not take an environment back and forth.
const REPLACED: usize = 16;
const ENVIRONMENT_LIMIT: usize = 256;

/// An environment of a project.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Site {
    pub project: ProjectId,
    pub environment: String,
}

/// Who wants to know which executors are there. Called in order for each environment, and must neither wait nor call back.
pub trait Listener: Send + Sync + 'static {
    fn connected(&self, site: &Site);
    fn disconnected(&self, site: &Site);
}

/// What a registration is answered with. The door makes the socket's address of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registered {
    pub registration: String,
    /// Opens the socket.
    pub token: String,
}

/// Why a registration or a socket is not taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    #[error("invalid registration: {0}")]
    Invalid(&'static str),
    /// The executor does not come back for it: it ends.
    #[error("another executor was connected to this environment after this one")]
    Replaced,
    /// An executor registers anew after that.
    #[error("this address is not valid any more")]
    Forgotten,
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl Refusal {
    /// The HTTP status by which executors understand it, at registration and when a socket is opened.
    pub fn status(&self) -> u16 {
        match self {
            Refusal::Invalid(_) => 400,
            Refusal::Replaced => 410,
            Refusal::Forgotten => 409,
            Refusal::Trouble(_) => 503,
        }
    }
}

/// A token that was good: what the socket after it is attached with.
#[derive(Clone, Debug)]
pub struct Admission {
    site: Site,
    registration: Registration,
}

impl Admission {
    /// Whether frames of this socket are text rather than binary.
    pub fn is_text(&self) -> bool {
        matches!(self.registration.transport, Transport::Direct { .. })
    }

    /// Whether its token is only good together with a signature.
    pub fn needs_signature(&self) -> bool {
        matches!(self.registration.transport, Transport::Direct { signed: true })
    }

    /// The largest message of this socket, in bytes.
    pub fn message_limit(&self) -> usize {
        if self.is_text() { MESSAGE_LIMIT } else { FRAME_LIMIT }
    }
}

pub struct Rendezvous {
    shared: Arc<Shared>,
}

struct Shared {
    world: World,
    settings: Settings,
    registrations: Arc<dyn Registrations>,
    listener: Arc<dyn Listener>,
    seats: Mutex<BTreeMap<Site, Arc<Seat>>>,
}

impl Rendezvous {
    pub fn new(
        world: World,
        settings: Settings,
        registrations: Arc<dyn Registrations>,
        listener: Arc<dyn Listener>,
    ) -> Self {
        let seats = Mutex::new(BTreeMap::new());
        Self { shared: Arc::new(Shared { world, settings, registrations, listener, seats }) }
    }

    /// An executor that will speak Noise.
    pub async fn register(&self, site: &Site, body: &NoiseRegistration) -> Result<Registered, Refusal> {
        if body.security_profile != NOISE_PROFILE {
            return Err(Refusal::Invalid("the security profile is not known"));
        }
        let key = &body.executor_public_key;
        if key.suite != NOISE_SUITE {
            return Err(Refusal::Invalid("the suite of the public key is not known"));
        }
        let keys = PublicKeys::new(&key.x25519_public_key.0, &key.mlkem768_public_key.0)
            .map_err(|_| Refusal::Invalid("a public key has the wrong length"))?;
        let transport = Transport::Noise { x25519: keys.x25519().to_vec(), mlkem768: keys.mlkem768().to_vec() };
        self.put(site, transport).await
    }

    /// An executor that will speak plainly. One that `signed` this will sign the socket's request as well.
    pub async fn register_direct(
        &self,
        site: &Site,
        body: &DirectRegistration,
        signed: bool,
    ) -> Result<Registered, Refusal> {
        if body.transport != DIRECT_TRANSPORT {
            return Err(Refusal::Invalid("the transport is not known"));
        }
        self.put(site, Transport::Direct { signed }).await
    }

    async fn put(&self, site: &Site, transport: Transport) -> Result<Registered, Refusal> {
        let environment = &site.environment;
        let named = (1..=ENVIRONMENT_LIMIT).contains(&environment.len())
            && environment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        if !named {
            return Err(Refusal::Invalid("an environment's id has 1 to 256 letters, digits, `_` and `-`"));
        }
        let (id, token) = (self.random(12), self.random(32));
        let mut registration =
            Registration { id: format!("execreg_{id}"), transport, session: None, replaced: Vec::new() };
        match self.shared.registrations.newest(site).await? {
            // The same executor again: its session goes on.
            Some(before) if before.fingerprint() == registration.fingerprint() => {
                registration.session = before.session;
                registration.replaced = before.replaced;
            }
            Some(before) if registration.fingerprint().is_some_and(|own| before.replaced.contains(&own)) => {
                return Err(Refusal::Replaced);
            }
            Some(before) => {
                registration.replaced =
                    before.fingerprint().into_iter().chain(before.replaced).take(REPLACED).collect();
            }
            None => {}
        }
        let id = registration.id.clone();
        self.shared.registrations.put(site, hash(&token), registration).await?;
        // Whoever was there is not the newest any more.
        if let Some(seat) = self.shared.seat_of(site) {
            seat.client.detach();
        }
        Ok(Registered { registration: id, token })
    }

    /// Whether this server is the harness that an executor heard of: the key and the authorization were made for this
    /// stream of this registration, whose handshake is under way.
    pub fn validate(&self, site: &Site, stream: &str, body: &Validation) -> bool {
        let key = &body.harness_public_key;
        let Some(seat) = self.shared.seat_of(site) else { return false };
        let Ok(harness) = PublicKeys::new(&key.x25519_public_key.0, &key.mlkem768_public_key.0) else { return false };
        key.suite == NOISE_SUITE
            && seat.validates(&body.executor_registration_id, stream, &harness, &body.harness_key_authorization)
    }

    /// Before a socket is opened: is the token that of the environment's newest registration?
    pub async fn admit(&self, site: &Site, token: &str) -> Result<Admission, Refusal> {
        let registration = self.shared.registrations.get(site, &hash(token)).await?.ok_or(Refusal::Forgotten)?;
        let newest = self.shared.registrations.newest(site).await?;
        if newest.is_some_and(|newest| newest.id == registration.id) {
            return Ok(Admission { site: site.clone(), registration });
        }
        // One with keys is told when it registers anew; one without would be taken for a new one then.
        Err(if registration.fingerprint().is_some() { Refusal::Forgotten } else { Refusal::Replaced })
    }

    /// The socket: binary messages for Noise, text for direct. An older one of the environment is closed. Returns at
    /// once; what goes wrong later closes the socket, and the executor comes back.
    pub fn attach(&self, admission: Admission, socket: Line) {
        let shared = self.shared.clone();
        let (name, spawn) = ("rendezvous", self.shared.world.spawn.clone());
        spawn.spawn(
            name,
            Box::pin(async move {
                let environment = admission.site.environment.clone();
                if let Err(refusal) = shared.attach(admission, socket).await {
                    tracing::warn!(environment, %refusal, "an executor's socket was not taken");
                }
            }),
        );
    }

    /// The client of an environment, whether or not its executor is connected. None was ever registered: `None`.
    pub async fn machine(&self, site: &Site) -> Result<Option<Arc<Client>>, Trouble> {
        if let Some(seat) = self.shared.seat_of(site) {
            return Ok(Some(seat.client.clone()));
        }
        let newest = self.shared.registrations.newest(site).await?;
        Ok(newest.map(|registration| self.shared.seat(site, &registration).client.clone()))
    }

    /// The environment is no more: its socket is closed and its tokens are worth nothing.
    pub async fn forget(&self, site: &Site) -> Result<(), Trouble> {
        self.shared.registrations.remove(site).await?;
        let seat = self.shared.seats().remove(site);
        if let Some(seat) = seat {
            seat.client.detach();
        }
        Ok(())
    }

    fn random(&self, bytes: usize) -> String {
        self.shared.random(bytes)
    }
}

impl Shared {
    fn seats(&self) -> MutexGuard<'_, BTreeMap<Site, Arc<Seat>>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seat_of(&self, site: &Site) -> Option<Arc<Seat>> {
        self.seats().get(site).cloned()
    }

    fn seat(&self, site: &Site, registration: &Registration) -> Arc<Seat> {
        let mut seats = self.seats();
        let seat = seats.entry(site.clone()).or_insert_with(|| {
            let reporter = Reporter {
                site: site.clone(),
                listener: self.listener.clone(),
                registrations: self.registrations.clone(),
            };
            let session = registration.session.clone();
            let client = Client::new(self.world.clone(), self.settings.clone(), Arc::new(reporter), session);
            Arc::new(Seat::new(client))
        });
        seat.clone()
    }

    fn random(&self, bytes: usize) -> String {
        let mut drawn = vec![0; bytes];
        self.world.entropy.fill(&mut drawn);
        types::hex(&drawn)
    }
}

fn hash(token: &str) -> TokenHash {
    TokenHash(types::hex(&Sha256::digest(token.as_bytes())))
}

#[cfg(test)]
mod tests;
