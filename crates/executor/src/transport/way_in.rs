//! A way in: bytes of a server that listens on this machine's loopback, for whoever may speak to the executor over a
//! socket that was handed in. It is asked for as an upgrade of `GET /port/NUMBER` to `tcp`; what is said over it is
//! nobody's business here.

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue, UPGRADE};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::net::Ipv4Addr;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;

const PATH: &str = "/port/";
const PROTOCOL: &str = "tcp";

/// Somebody asked for it, and somebody listens there.
pub struct WayIn {
    upgrade: hyper::upgrade::OnUpgrade,
    server: TcpStream,
}

/// The port that is asked for; None: something else is.
pub fn wanted(request: &Request<Incoming>) -> Option<u16> {
    let port = request.uri().path().strip_prefix(PATH)?;
    let is_upgrade = request.headers().get(UPGRADE).is_some_and(|word| word == PROTOCOL);
    if *request.method() != Method::GET || !is_upgrade {
        return None;
    }
    port.parse().ok().filter(|port| *port > 0)
}

/// 502 where nobody listens there.
pub async fn open<B: Default>(request: &mut Request<Incoming>, port: u16) -> (Response<B>, Option<WayIn>) {
    let mut response = Response::new(B::default());
    match TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
        Ok(server) => {
            _ = server.set_nodelay(true);
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            response.headers_mut().insert(UPGRADE, HeaderValue::from_static(PROTOCOL));
            (response, Some(WayIn { upgrade: hyper::upgrade::on(request), server }))
        }
        Err(error) => {
            tracing::debug!(%error, port, "nobody listens there");
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            (response, None)
        }
    }
}

impl WayIn {
    /// Moves bytes until both sides have ended, or one of them is gone.
    pub async fn carry(self) {
        let Self { upgrade, mut server } = self;
        let Ok(upgraded) = upgrade.await else { return };
        if let Err(error) = copy_bidirectional(&mut TokioIo::new(upgraded), &mut server).await {
            tracing::debug!(%error, "a way in ended badly");
        }
    }
}
