//! The proxy of one environment. It serves streams that were accepted elsewhere; how a sandbox reaches them (a Unix
//! socket, a TCP port) is not its business. It starts no task: a connection is one future.

mod dial;
mod ended;
mod exchange;
mod plain;
mod tunnel;

use crate::activity::{Activity, Overdue, Way};
use crate::authority::Authority;
use crate::head::Request;
use crate::host::Target;
use crate::limits::Limits;
use crate::lines::Lines;
use crate::refusal::Refusal;
use crate::resolver::Resolver;
use crate::rules::Rules;
use crate::secret::Secrets;
use crate::stream::{Source, Unread};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Semaphore, watch};
use types::Clock;

/// How much is read, and how long, of a client that was refused.
const LINGER: u64 = 1 << 20;
const LINGER_TIME: Duration = Duration::from_secs(2);

/// What a proxy needs of the world.
pub struct Surroundings {
    pub resolver: Arc<dyn Resolver>,
    pub secrets: Arc<dyn Secrets>,
    /// In whose name TLS is ended, for hosts that are given secrets.
    pub authority: Arc<Authority>,
    /// Whom the proxy believes on its own connections: [`crate::system_roots`], as a rule.
    /// Some hundreds of KiB, the same for every proxy.
    pub roots: Arc<RootCertStore>,
    pub clock: Arc<dyn Clock>,
}

/// The proxy of one environment.
pub struct Proxy {
    rules: watch::Sender<Arc<Rules>>,
    limits: Limits,
    resolver: Arc<dyn Resolver>,
    secrets: Arc<dyn Secrets>,
    authority: Arc<Authority>,
    clock: Arc<dyn Clock>,
    tls: Arc<ClientConfig>,
    places: Semaphore,
    lines: Lines,
}

/// The TLS of this build lacks what the proxy needs.
#[derive(Debug, thiserror::Error)]
#[error("TLS cannot be set up: {0}")]
pub struct NoTls(#[from] rustls::Error);

/// How a connection ended.
#[derive(Debug)]
pub(crate) enum End {
    Refused(Refusal),
    Overdue(Overdue),
    Io(io::Error),
    /// The rules were changed: what they once allowed goes on no longer.
    Changed,
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// One connection, as far as the log line at its end needs it.
pub(crate) struct Visit {
    pub rules: Arc<Rules>,
    pub activity: Arc<Activity>,
    pub requests: AtomicU64,
    seen: Mutex<(&'static str, Option<Target>)>,
}

impl Visit {
    pub fn saw(&self, kind: &'static str, target: &Target) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = (kind, Some(target.clone()));
    }
}

impl Proxy {
    pub fn new(rules: Rules, limits: Limits, around: Surroundings) -> Result<Self, NoTls> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(around.roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            rules: watch::Sender::new(Arc::new(rules)),
            places: Semaphore::new(limits.connections),
            lines: Lines::default(),
            limits,
            resolver: around.resolver,
            secrets: around.secrets,
            authority: around.authority,
            clock: around.clock,
            tls: Arc::new(tls),
        })
    }

    /// Other rules from now on; connections that are open end. (A setup may have had more network than what follows.)
    pub fn change(&self, rules: Rules) {
        self.rules.send_replace(Arc::new(rules));
    }

    /// The rules that hold now.
    #[must_use]
    pub fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.borrow())
    }

    /// What one environment may ask of it.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Serves one connection to its end. Writes one line to the log, unless there are too many.
    pub async fn serve<S: AsyncRead + AsyncWrite + Send + Unpin>(&self, mut stream: S) {
        let mut changes = self.rules.subscribe();
        let rules = Arc::clone(&changes.borrow_and_update());
        let activity = Activity::begin(Arc::clone(&self.clock), self.limits.clone());
        let seen = Mutex::new(("none", None));
        let visit = Visit { rules, activity, requests: AtomicU64::new(0), seen };
        let end = match self.places.try_acquire() {
            Ok(_place) => tokio::select! {
                biased;
                _ = changes.changed() => Err(End::Changed),
                overdue = visit.activity.overdue() => Err(End::Overdue(overdue)),
                end = self.converse(stream, &visit) => end,
            },
            Err(_) => {
                let answer = Refusal::Busy.answer();
                let _ = visit.activity.within(self.limits.head_time, stream.write_all(&answer)).await;
                Err(Refusal::Busy.into())
            }
        };
        if self.lines.have_room(self.clock.monotonic()) {
            log(&visit, &end);
        }
    }

    async fn converse<S: AsyncRead + AsyncWrite + Send + Unpin>(&self, stream: S, visit: &Visit) -> Result<(), End> {
        let (read, mut write) = tokio::io::split(stream);
        let mut client = Source::new(read, Way::Up, Arc::clone(&visit.activity));
        let request = match self.request(&mut client, visit).await {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(()),
            Err(End::Refused(refusal)) => return refuse(&mut client, &mut write, refusal, &visit.activity).await,
            Err(end) => return Err(end),
        };
        if request.method == "CONNECT" {
            self.tunnel(client, write, &request, visit).await
        } else {
            self.plain(client, write, &request, visit).await
        }
    }

    /// The next head, or nothing where the client has ended.
    async fn request<R: AsyncRead + Unpin>(
        &self,
        client: &mut Source<R>,
        visit: &Visit,
    ) -> Result<Option<Request>, End> {
        let head = visit.activity.within(self.limits.head_time, client.head(self.limits.head)).await;
        let head = match head.ok_or(Refusal::Slow)? {
            Ok(head) => head,
            Err(Unread::Ended) => return Ok(None),
            Err(Unread::Long | Unread::Line) => return Err(Refusal::Large(self.limits.head).into()),
            Err(Unread::Io(error)) => return Err(error.into()),
        };
        visit.requests.fetch_add(1, Relaxed);
        Ok(Some(Request::read(&head)?))
    }
}

/// Tells the client, and ends the connection. What the client still writes is read for a while: a socket that is closed
/// over unread bytes takes the answer with it.
pub(crate) async fn refuse<R, W>(
    client: &mut Source<R>,
    to: &mut W,
    refusal: Refusal,
    activity: &Activity,
) -> Result<(), End>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    to.write_all(&refusal.answer()).await?;
    to.shutdown().await?;
    let linger = async {
        let mut left = LINGER;
        while left > 0 {
            match client.piece(left).await {
                Ok(piece) if !piece.is_empty() => left -= u64::try_from(piece.len()).unwrap_or(left),
                _ => break,
            }
        }
    };
    let _ = activity.within(LINGER_TIME, linger).await;
    Err(refusal.into())
}

/// Says who was reached and how it ended: never a path, a query, a header or a value.
fn log(visit: &Visit, end: &Result<(), End>) {
    let (kind, target) = &*visit.seen.lock().unwrap_or_else(PoisonError::into_inner);
    let outcome = match end {
        Ok(()) => "done",
        Err(End::Refused(refusal)) => refusal.code(),
        Err(End::Overdue(Overdue::Idle)) => "idle",
        Err(End::Overdue(Overdue::Life)) => "too_old",
        Err(End::Changed) => "rules_changed",
        Err(End::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => "cut",
        Err(End::Io(_)) => "lost",
    };
    tracing::info!(
        kind,
        target = target.as_ref().map(tracing::field::display),
        outcome,
        requests = visit.requests.load(Relaxed),
        up = visit.activity.up.load(Relaxed),
        down = visit.activity.down.load(Relaxed),
        ms = u64::try_from(visit.activity.age().as_millis()).unwrap_or(u64::MAX),
        "egress"
    );
}

#[cfg(test)]
mod tests;
