//! One environment's place: its client, the handshake that is under way, and who is told of its comings and goings.

use super::{Admission, Listener, Refusal, Registrations, Shared, Site, Transport};
use crate::client::{self, Client};
use crate::line::{Line, secure};
use relay::{Keys, Place, PublicKeys};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use types::BoxFuture;

/// An executor answers within this time, or its socket is closed.
const HANDSHAKE: Duration = Duration::from_secs(60);

pub(super) struct Seat {
    pub(super) client: Arc<Client>,
    /// At most one handshake at a time: the newest.
    minted: Mutex<Option<Minted>>,
}

/// What this server says of itself in one handshake.
struct Minted {
    registration: String,
    stream: String,
    keys: PublicKeys,
    authorization: String,
    /// Dropped, with all of this, when a newer handshake begins: the older one ends.
    _stop: oneshot::Sender<()>,
}

impl Seat {
    pub(super) fn new(client: Client) -> Self {
        Self { client: Arc::new(client), minted: Mutex::new(None) }
    }

    pub(super) fn validates(&self, registration: &str, stream: &str, keys: &PublicKeys, authorization: &str) -> bool {
        self.minted().as_ref().is_some_and(|minted| {
            minted.registration == registration
                && minted.stream == stream
                && minted.keys == *keys
                && same(minted.authorization.as_bytes(), authorization.as_bytes())
        })
    }

    fn minted(&self) -> MutexGuard<'_, Option<Minted>> {
        self.minted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// In a time that does not tell where they differ.
fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

impl Shared {
    pub(super) async fn attach(&self, admission: Admission, socket: Line) -> Result<(), Refusal> {
        let (site, registration) = (&admission.site, &admission.registration);
        let seat = self.seat(site, registration);
        seat.client.detach();
        let Transport::Noise { x25519, mlkem768 } = &registration.transport else {
            return self.hand_over(&admission, &seat, socket).await;
        };
        let peer = PublicKeys::new(x25519, mlkem768).map_err(|_| Refusal::Forgotten)?;
        let own = Keys::generate().map_err(|_| Refusal::Forgotten)?;
        let place = Place {
            environment: site.environment.clone(),
            registration: registration.id.clone(),
            stream: self.stream_id(),
        };
        let authorization = self.random(32);
        let (stop, stopped) = oneshot::channel();
        *seat.minted() = Some(Minted {
            registration: place.registration.clone(),
            stream: place.stream.clone(),
            keys: own.public(),
            authorization: authorization.clone(),
            _stop: stop,
        });
        let spawn = self.world.spawn.clone();
        let line = tokio::select! {
            biased;
            line = secure(socket, &place, &peer, (&own, &authorization), &*spawn) => Some(line),
            _ = stopped => None,
            () = self.world.clock.sleep(HANDSHAKE) => None,
        };
        // It is good for this handshake alone.
        seat.minted().take_if(|minted| minted.stream == place.stream);
        match line {
            Some(Ok(line)) => self.hand_over(&admission, &seat, line).await,
            Some(Err(fault)) => {
                tracing::warn!(environment = place.environment, %fault, "an executor's handshake failed");
                Ok(())
            }
            None => {
                tracing::warn!(
                    environment = place.environment,
                    "an executor's handshake took too long, or a newer one began"
                );
                Ok(())
            }
        }
    }

    /// Another may have registered in the meantime.
    async fn hand_over(&self, admission: &Admission, seat: &Seat, line: Line) -> Result<(), Refusal> {
        let registration = &admission.registration;
        let newest = self.registrations.newest(&admission.site).await?;
        if newest.is_none_or(|newest| newest.id != registration.id) {
            return Err(Refusal::Replaced);
        }
        seat.client.attach(line);
        Ok(())
    }

    /// A random UUID.
    fn stream_id(&self) -> String {
        let mut bytes = [0; 16];
        self.world.entropy.fill(&mut bytes);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let digits = types::hex(&bytes);
        let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
        parts.join("-")
    }
}

/// Tells the listener, and keeps the newest session.
pub(super) struct Reporter {
    pub(super) site: Site,
    pub(super) listener: Arc<dyn Listener>,
    pub(super) registrations: Arc<dyn Registrations>,
}

impl client::Listener for Reporter {
    fn begun<'a>(&'a self, session: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let kept = self.registrations.keep_session(&self.site, session).await;
            if let Err(trouble) = &kept {
                tracing::warn!(environment = self.site.environment, %trouble, "a session was not kept");
            }
            kept.is_ok()
        })
    }

    fn connected(&self) {
        self.listener.connected(&self.site);
    }

    fn disconnected(&self) {
        self.listener.disconnected(&self.site);
    }
}
