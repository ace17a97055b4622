//! A connection to a program in a sandbox: its executor opens it, over the socket that lies outside.

use super::{PORT, Unserved, Visit};
use crate::hosting::Inner;
use crate::link;
use bytes::Bytes;
use http_body_util::{Empty, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONNECTION, HOST, UPGRADE};
use hyper::{StatusCode, http};
use hyper_util::rt::TokioIo;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// How long the executor may take to open it.
const OPENED: Duration = Duration::from_secs(30);

/// Why there is none.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Closed {
    /// Nobody listens at the port.
    #[error("nobody listens there")]
    Unheard,
    #[error("{0}")]
    Lost(String),
}

impl From<Closed> for Unserved {
    fn from(closed: Closed) -> Self {
        tracing::info!(%closed, "there is no way to the program of a runtime");
        Self::Program("The runtime's program takes no connections.".to_owned())
    }
}

/// HTTP to the program of that environment.
pub(crate) async fn open(inner: &Inner, id: &str) -> Result<SendRequest<Full<Bytes>>, Closed> {
    tokio::select! {
        biased;
        opened = opened(inner, id) => opened,
        () = inner.around.clock.sleep(OPENED) => Err(Closed::Lost("the executor does not answer".to_owned())),
    }
}

async fn opened(inner: &Inner, id: &str) -> Result<SendRequest<Full<Bytes>>, Closed> {
    let lost = |error: &dyn std::error::Error| Closed::Lost(error.to_string());
    let stream = link::connect(&inner.folder(id)).await.map_err(|error| lost(&error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| lost(&error))?;
    carry(inner, connection.with_upgrades());
    let request = http::Request::get(format!("/port/{PORT}"))
        .header(HOST, "executor")
        .header(CONNECTION, "upgrade")
        .header(UPGRADE, "tcp")
        .body(Empty::<Bytes>::new());
    let request = request.map_err(|error| lost(&error))?;
    let answer = sender.send_request(request).await.map_err(|error| lost(&error))?;
    match answer.status() {
        StatusCode::SWITCHING_PROTOCOLS => {}
        StatusCode::BAD_GATEWAY => return Err(Closed::Unheard),
        status => return Err(Closed::Lost(format!("the executor answers {status}"))),
    }
    let upgraded = hyper::upgrade::on(answer).await.map_err(|error| lost(&error))?;
    let (sender, connection) = http1::handshake(upgraded).await.map_err(|error| lost(&error))?;
    carry(inner, connection.with_upgrades());
    Ok(sender)
}

fn carry(inner: &Inner, connection: impl Future<Output = hyper::Result<()>> + Send + 'static) {
    let carried = async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a way in ended badly");
        }
    };
    inner.around.spawn.spawn("way in", Box::pin(carried));
}

/// What a program says, as it comes. Until its end, or until it is dropped, the session is in use.
pub struct Said {
    body: Incoming,
    visit: Option<Visit>,
}

/// The program ended in the middle of what it said.
#[derive(Debug, thiserror::Error)]
#[error("the runtime ended in the middle of its answer")]
pub struct Torn;

impl Said {
    pub(super) fn new(body: Incoming, visit: Visit) -> Self {
        Self { body, visit: Some(visit) }
    }
}

impl Body for Said {
    type Data = Bytes;
    type Error = Torn;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Torn>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.visit = None;
        }
        polled.map(|frame| frame.map(|frame| frame.map_err(|_| Torn)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
