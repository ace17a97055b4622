//! Sessions of runtimes: each is a hosted environment in which its author's program listens, as a guest of this server.
//! The first invocation starts it, later ones of the same session find it, and its answers go through without being held.
//!
//! It believes nothing that the program says but bytes, and hands on to it no key of this server.

mod command;
mod headers;
mod program;
mod rest;
mod session;
#[cfg(test)]
mod tests;
mod way_in;

pub use command::{Piece, Run};
pub use way_in::Said;

use crate::hosting::{Hosting, Inner};
use crate::runtimes::Version;
use crate::seat::Seat;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::http;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use program::Program;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use types::{ProjectId, Refusal, RefusalKind};

/// Where a program listens.
pub(crate) const PORT: u16 = 8080;
/// Invocations of one session at a time.
const AT_ONCE: usize = 32;
/// How long a program may take until its answer begins.
const ANSWER: Duration = Duration::from_secs(15 * 60);
/// Bytes of what a program says to an error that are said on, and how long they are waited for.
const WORDS: usize = 1024;
const SAYING: Duration = Duration::from_secs(5);
/// How long a program may take until it has taken a WebSocket, or not.
const HANDSHAKE: Duration = Duration::from_secs(30);

/// The session's id, in requests and in answers.
pub const SESSION: &str = "x-amzn-bedrock-agentcore-runtime-session-id";

/// What is asked of a session.
#[derive(Clone, Debug)]
pub struct Call {
    /// The runtime's id.
    pub runtime: String,
    /// The endpoint.
    pub qualifier: String,
    /// The session's id. None: a new one.
    pub session: Option<String>,
    /// All of the request; what of them is handed on is decided here.
    pub headers: HeaderMap,
}

/// What a program answered: a status below 300, its headers that are for clients, and its body as it comes.
pub struct Reply {
    pub status: http::StatusCode,
    pub session: String,
    pub headers: HeaderMap,
    pub body: Said,
}

/// A program that took a WebSocket: what it answered to the handshake, and the bytes from then on.
pub struct Socket {
    pub session: String,
    pub headers: HeaderMap,
    bytes: Upgraded,
    visit: Visit,
}

impl Socket {
    /// Moves bytes between the program and the client whose handshake `request` is, to the end of both. The client is to be
    /// answered meanwhile.
    pub fn join<B>(self, request: &mut http::Request<B>) -> impl Future<Output = ()> + Send + use<B> {
        let client = hyper::upgrade::on(request);
        async move {
            let Ok(client) = client.await else { return };
            let (mut client, mut program) = (TokioIo::new(client), TokioIo::new(self.bytes));
            if let Err(error) = tokio::io::copy_bidirectional(&mut client, &mut program).await {
                tracing::debug!(%error, "a socket ended badly");
            }
            drop(self.visit);
        }
    }
}

/// Why a call came to nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unserved {
    Refused(Refusal),
    /// The program's own fault.
    Program(String),
}

impl From<Refusal> for Unserved {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Sessions that this server has served.
#[derive(Default)]
pub(crate) struct Guests(Mutex<BTreeMap<String, Arc<Host>>>);

/// One session while this server knows it.
pub(crate) struct Host {
    /// Whoever starts its sandbox or its program, or ends them.
    pub(crate) turn: tokio::sync::Mutex<()>,
    /// Its program, where it was started or found.
    pub(crate) program: Mutex<Option<Program>>,
    visits: Arc<Semaphore>,
}

impl Host {
    pub(crate) fn program(&self) -> MutexGuard<'_, Option<Program>> {
        self.program.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guests {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Host>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn of(&self, id: &str) -> Arc<Host> {
        let make = || {
            let (turn, program) = (tokio::sync::Mutex::default(), Mutex::default());
            Arc::new(Host { turn, program, visits: Arc::new(Semaphore::new(AT_ONCE)) })
        };
        self.all().entry(id.to_owned()).or_insert_with(make).clone()
    }

    /// Whether somebody is waiting for its program, or hears it.
    pub(crate) fn is_visited(&self, id: &str) -> bool {
        self.all().get(id).is_some_and(|host| host.visits.available_permits() < AT_ONCE)
    }

    pub(crate) fn forget(&self, id: &str) {
        self.all().remove(id);
    }
}

/// While it is there, the session is in use.
pub(crate) struct Visit {
    inner: Arc<Inner>,
    pub(crate) seat: Arc<Seat>,
    _places: [tokio::sync::OwnedSemaphorePermit; 2],
}

impl Visit {
    pub(crate) fn begin(inner: &Arc<Inner>, seat: Arc<Seat>) -> Result<Self, Refusal> {
        let host = inner.guests.of(&seat.id);
        let full = |what: &str| {
            Refusal::new(
                RefusalKind::Busy { retry_after: Duration::from_secs(1) },
                format!("{what} Try again shortly."),
            )
        };
        let own = host.visits.clone().try_acquire_owned();
        let own = own.map_err(|_| full("The session has as many invocations at a time as it may have."))?;
        let common = inner.ways_in.clone().try_acquire_owned();
        let common = common.map_err(|_| full("The server has as many invocations at a time as it may have."))?;
        seat.used(inner.around.clock.monotonic());
        Ok(Self { inner: inner.clone(), seat, _places: [own, common] })
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.seat.used(self.inner.around.clock.monotonic());
    }
}

impl Hosting {
    /// Asks a session's program, which is started where it is not running.
    pub async fn invoke(&self, project: &ProjectId, call: Call, body: Bytes) -> Result<Reply, Unserved> {
        let (visit, guest, version) = self.visit(project, &call).await?;
        let mut request = http::Request::post("/invocations");
        if let Some(headers) = request.headers_mut() {
            *headers = headers::inward(&call.headers, &version.details.headers, &guest.session);
            headers.insert(headers::REQUEST, self.request_id());
        }
        let request = request.body(Full::new(body)).map_err(|_| bug())?;
        let mut sender = self.reach(&visit, version).await?;
        let (parts, body) = self.answered(&visit, &mut sender, request, ANSWER).await?.into_parts();
        if !parts.status.is_success() {
            let (status, words) = (parts.status.as_u16(), self.first_words(body).await);
            return Err(Unserved::Program(format!("Received error ({status}) from runtime: {words}")));
        }
        let (status, session, headers) = (parts.status, guest.session, headers::outward(&parts.headers));
        Ok(Reply { status, session, headers, body: Said::new(body, visit) })
    }

    /// Opens a WebSocket to a session's program. `request`: the client's handshake.
    pub async fn socket(&self, project: &ProjectId, call: Call) -> Result<Socket, Unserved> {
        let (visit, guest, version) = self.visit(project, &call).await?;
        let mut request = http::Request::get("/ws");
        if let Some(headers) = request.headers_mut() {
            *headers = headers::inward(&call.headers, &version.details.headers, &guest.session);
            headers.insert(headers::REQUEST, self.request_id());
            headers::handshake(&call.headers, headers);
        }
        let request = request.body(Full::new(Bytes::new())).map_err(|_| bug())?;
        let mut sender = self.reach(&visit, version).await?;
        let answered = self.answered(&visit, &mut sender, request, HANDSHAKE).await?;
        if answered.status() != http::StatusCode::SWITCHING_PROTOCOLS {
            let status = answered.status().as_u16();
            return Err(Unserved::Program(format!("Received error ({status}) from runtime.")));
        }
        let mut outward = headers::outward(answered.headers());
        headers::handshaken(answered.headers(), &mut outward);
        let upgraded = hyper::upgrade::on(answered).await;
        let upgraded = upgraded.map_err(|_| Unserved::Program("The runtime ended before it answered.".to_owned()))?;
        Ok(Socket { session: guest.session, headers: outward, bytes: upgraded, visit })
    }

    /// The beginning of a program's answer.
    async fn answered(
        &self,
        visit: &Visit,
        sender: &mut SendRequest<Full<Bytes>>,
        request: http::Request<Full<Bytes>>,
        most: Duration,
    ) -> Result<http::Response<Incoming>, Unserved> {
        let answered = tokio::select! {
            biased;
            answered = sender.send_request(request) => answered,
            () = self.inner.around.clock.sleep(most) => {
                let seconds = most.as_secs();
                return Err(Unserved::Program(format!("The runtime did not begin its answer within {seconds} seconds.")));
            }
        };
        answered.map_err(|error| {
            tracing::info!(session = visit.seat.id, %error, "the program of a runtime did not answer");
            Unserved::Program("The runtime ended before it answered.".to_owned())
        })
    }

    /// How a program begins what it says to an error. It may say more, and it may never end.
    async fn first_words(&self, mut body: Incoming) -> String {
        let mut words = Vec::new();
        let hearing = async {
            while words.len() < WORDS
                && let Some(Ok(frame)) = body.frame().await
            {
                let data = frame.into_data().unwrap_or_default();
                words.extend_from_slice(&data[..data.len().min(WORDS - words.len())]);
            }
        };
        tokio::select! {
            biased;
            () = hearing => {}
            () = self.inner.around.clock.sleep(SAYING) => {}
        }
        String::from_utf8_lossy(&words).into_owned()
    }

    /// HTTP to the program of a session. One that does not listen any more has ended, or will not be of use again: it is
    /// started anew.
    async fn reach(&self, visit: &Visit, version: Version) -> Result<SendRequest<Full<Bytes>>, Unserved> {
        match way_in::open(&self.inner, &visit.seat.id).await {
            Err(way_in::Closed::Unheard) => {}
            opened => return Ok(opened?),
        }
        let (hosting, seat) = (self.clone(), visit.seat.clone());
        let beginning = async move { hosting.began_anew(&seat, &version).await };
        self.to_its_end((), beginning).await.map_err(Unserved::Refused)??;
        Ok(way_in::open(&self.inner, &visit.seat.id).await?)
    }

    /// Carries what a socket says, in a task of its own.
    pub fn carry(&self, carried: impl Future<Output = ()> + Send + 'static) {
        self.inner.around.spawn.spawn("agent's socket", Box::pin(carried));
    }

    /// As a header.
    fn request_id(&self) -> HeaderValue {
        HeaderValue::from_str(&self.new_session_id()).unwrap_or(HeaderValue::from_static("none"))
    }
}

fn bug() -> Unserved {
    Unserved::Refused(Refusal::new(RefusalKind::Internal, "The request to the runtime could not be made."))
}

/// Names of headers are all written in lower case here.
const fn name(text: &'static str) -> HeaderName {
    HeaderName::from_static(text)
}
