//! Messages as frames of a WebSocket that clients open on this machine. `GET /readyz` says that the executor is there.
//!
//! There is no authentication: it listens on loopback only, and refuses what a browser's page opens; or on a Unix socket
//! that was handed in, where who can name it is decided by whoever made it. Over that one there is a [way in](WayIn) too.

use super::way_in::{self, WayIn};
use super::{Carrier, Inbox, Transport};
use crate::{session::Executor, world};
use futures_util::{SinkExt, StreamExt};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustix::net::{AddressFamily, SocketType, sockopt};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use wire::executor::MESSAGE_LIMIT;

const CONNECTIONS: usize = 64;
/// A frame that asks whether the other side is there, so that what stands between does not forget the connection.
const PING_EVERY: Duration = Duration::from_secs(30);
/// How long a client may take for its request.
const REQUEST_TIME: Duration = Duration::from_secs(10);

pub struct Listener {
    /// Of a socket that was handed in only the giver knows where it is.
    address: Option<SocketAddr>,
    socket: Socket,
}

enum Socket {
    Loopback(TcpListener),
    Inherited(UnixListener),
}

impl Listener {
    /// Port 0 takes a free one.
    ///
    /// # Errors
    /// The address is not on loopback, or taken.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        if !address.ip().is_loopback() {
            let why = "without authentication the executor listens on loopback only";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        let socket = TcpListener::bind(address).await?;
        Ok(Self { address: Some(socket.local_addr()?), socket: Socket::Loopback(socket) })
    }

    /// The standard input as a Unix socket that somebody else has made and listens on already. It is the standard input no
    /// more: what is started here does not find it.
    ///
    /// # Errors
    /// It is something else.
    pub fn standard_input() -> io::Result<Self> {
        let input = io::stdin().as_fd().try_clone_to_owned()?;
        rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
        Self::inherited(input)
    }

    /// The same of any descriptor.
    ///
    /// # Errors
    /// It is no Unix socket that is listened on.
    pub fn inherited(socket: OwnedFd) -> io::Result<Self> {
        let is_its = sockopt::socket_domain(&socket)? == AddressFamily::UNIX
            && sockopt::socket_type(&socket)? == SocketType::STREAM
            && sockopt::socket_acceptconn(&socket)?;
        if !is_its {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no listening Unix socket"));
        }
        let socket = std::os::unix::net::UnixListener::from(socket);
        socket.set_nonblocking(true)?;
        Ok(Self { address: None, socket: Socket::Inherited(UnixListener::from_std(socket)?) })
    }

    /// What clients connect to, such as `ws://127.0.0.1:4500`; none of a socket that was handed in.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        self.address.map(|address| format!("ws://{address}"))
    }

    /// Serves clients for ever; drop the future to end it.
    pub async fn serve(self, executor: Arc<Executor>) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let executor = Arc::clone(&executor);
            let taken = match &self.socket {
                Socket::Loopback(socket) => socket.accept().await.map(|(stream, _)| {
                    _ = stream.set_nodelay(true);
                    spawn(stream, executor, place, false)
                }),
                Socket::Inherited(socket) => {
                    socket.accept().await.map(|(stream, _)| spawn(stream, executor, place, true))
                }
            };
            if let Err(error) = taken {
                tracing::warn!(%error, "a connection could not be taken");
                world::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Bytes of one client.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

/// What a connection became.
enum Opened {
    Frames(hyper::upgrade::OnUpgrade),
    Port(WayIn),
}

fn spawn(stream: impl Stream, executor: Arc<Executor>, place: OwnedSemaphorePermit, has_ways_in: bool) {
    world::spawn(async move {
        answer(stream, executor, has_ways_in).await;
        drop(place);
    });
}

async fn answer(stream: impl Stream, executor: Arc<Executor>, has_ways_in: bool) {
    let (opened, mut sockets) = mpsc::channel(1);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        let opened = opened.clone();
        async move {
            if let Some(port) = way_in::wanted(&request).filter(|_| has_ways_in) {
                let (response, way_in) = way_in::open(&mut request, port).await;
                if let Some(way_in) = way_in {
                    _ = opened.try_send(Opened::Port(way_in));
                }
                return Ok::<_, Infallible>(response);
            }
            let response = respond(&request);
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                _ = opened.try_send(Opened::Frames(hyper::upgrade::on(&mut request)));
            }
            Ok(response)
        }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(hyper_util::rt::TokioTimer::new()).header_read_timeout(REQUEST_TIME).max_buf_size(16 * 1024);
    let served = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection ended badly");
        return;
    }
    let upgrade = match sockets.try_recv() {
        Ok(Opened::Frames(upgrade)) => upgrade,
        Ok(Opened::Port(way_in)) => return way_in.carry().await,
        Err(_) => return,
    };
    let Ok(upgraded) = upgrade.await else { return };
    let limits = WebSocketConfig::default().max_message_size(Some(MESSAGE_LIMIT)).max_frame_size(Some(MESSAGE_LIMIT));
    let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(limits)).await;
    let (transport, carrier) = Transport::pair();
    tokio::join!(executor.serve(transport), carry(socket, carrier));
}

fn respond(request: &Request<Incoming>) -> Response<Empty<Bytes>> {
    let headers = request.headers();
    let names = |header, word: &str| {
        let text = headers.get(header).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or("");
        text.split(',').any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    let mut response = Response::new(Empty::new());
    *response.status_mut() = match (request.method(), request.uri().path()) {
        // A page that a browser shows may open sockets to this machine, and says where it came from.
        _ if headers.contains_key(header::ORIGIN) => StatusCode::FORBIDDEN,
        (&Method::GET, "/readyz") => StatusCode::OK,
        (&Method::GET, "/") if names(header::UPGRADE, "websocket") && names(header::CONNECTION, "upgrade") => {
            match accepted(headers) {
                Some(accept) => {
                    let upgrade = HeaderValue::from_static("Upgrade");
                    response.headers_mut().insert(header::CONNECTION, upgrade);
                    response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
                    response.headers_mut().insert(header::SEC_WEBSOCKET_ACCEPT, accept);
                    StatusCode::SWITCHING_PROTOCOLS
                }
                None => StatusCode::BAD_REQUEST,
            }
        }
        _ => StatusCode::NOT_FOUND,
    };
    response
}

fn accepted(headers: &HeaderMap) -> Option<HeaderValue> {
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?;
    let version = headers.get(header::SEC_WEBSOCKET_VERSION)?;
    if version != "13" {
        return None;
    }
    HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok()
}

type Frames = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// Moves messages until either side has enough.
async fn carry(socket: Frames, Carrier { inbox, mut outbox }: Carrier) {
    let (mut sink, mut stream) = socket.split();
    let last_word = tokio::select! {
        biased;
        last_word = receive(&mut stream, &inbox) => last_word,
        last_word = async {
            loop {
                let message = tokio::select! {
                    biased;
                    message = outbox.recv() => message.map(Message::from),
                    () = world::sleep(PING_EVERY) => Some(Message::Ping(Bytes::new())),
                };
                let Some(message) = message else { return Some(CloseCode::Normal) };
                if sink.send(message).await.is_err() {
                    return None;
                }
            }
        } => last_word,
    };
    // Whoever still waits to send, a process, must not wait for the goodbye.
    drop((inbox, outbox));
    if let Some(code) = last_word {
        let goodbye = async {
            _ = sink.send(Message::Close(Some(CloseFrame { code, reason: "".into() }))).await;
            _ = sink.close().await;
        };
        tokio::select! {
            biased;
            () = goodbye => {}
            () = world::sleep(Duration::from_secs(1)) => {}
        }
    }
}

/// Ends with the code to close with, if the other side has not gone already.
async fn receive(stream: &mut futures_util::stream::SplitStream<Frames>, inbox: &Inbox) -> Option<CloseCode> {
    while let Some(message) = stream.next().await {
        let bytes: Vec<u8> = match message {
            Ok(Message::Text(text)) => Bytes::from(text).into(),
            Ok(Message::Binary(bytes)) => bytes.into(),
            Ok(Message::Close(_)) => return None,
            Ok(_) => continue,
            Err(Error::Capacity(_)) => return Some(CloseCode::Size),
            Err(Error::Utf8(_)) => return Some(CloseCode::Invalid),
            Err(Error::Protocol(_)) => return Some(CloseCode::Protocol),
            Err(_) => return None,
        };
        if inbox.push(Ok(bytes)).await.is_err() {
            return Some(CloseCode::Normal);
        }
    }
    None
}
