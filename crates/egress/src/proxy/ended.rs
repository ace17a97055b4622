//! TLS that ends here: for hosts that are given secrets. The client speaks TLS with this proxy in the host's name, the
//! proxy speaks TLS with the host and verifies it; in between, placeholders become secrets, and answers are looked
//! through for them. HTTP/1.1 only.

use super::exchange::{Outgoing, exchange, rewritten};
use super::{End, Proxy, Visit, refuse};
use crate::activity::Way;
use crate::head::{self, Request};
use crate::host::{Host, Target};
use crate::placeholder::Mask;
use crate::refusal::Refusal;
use crate::stream::Source;
use rustls::pki_types::ServerName;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client};

/// The port that is left out of a `Host` header.
const HTTPS: u16 = 443;

impl Proxy {
    pub(super) async fn ended<S: AsyncRead + AsyncWrite + Send + Unpin>(
        &self,
        stream: S,
        upstream: TcpStream,
        target: &Target,
        visit: &Visit,
    ) -> Result<(), End> {
        visit.saw("ended", target);
        let config = self.authority.server(&target.host, self.clock.now()).map_err(|_| Refusal::Certificate)?;
        let accepted = visit.activity.within(self.limits.head_time, TlsAcceptor::from(config).accept(stream)).await;
        let (read, mut out) = tokio::io::split(accepted.ok_or(Refusal::Slow)??);
        let mut client = Source::new(read, Way::Up, Arc::clone(&visit.activity));
        let upstream = match self.secure(upstream, target, visit).await {
            Ok(upstream) => upstream,
            Err(refusal) => return refuse(&mut client, &mut out, refusal, &visit.activity).await,
        };
        let (read, mut into) = tokio::io::split(upstream);
        let mut upstream = Source::new(read, Way::Down, Arc::clone(&visit.activity));
        loop {
            // The next request may take its time (the connection's own idle time counts), its head may not.
            if !upstream.buffered().is_empty() || !another(&mut client, &mut upstream).await? {
                break;
            }
            let request = match self.request(&mut client, visit).await {
                Ok(Some(request)) => request,
                Ok(None) => break,
                Err(End::Refused(refusal)) => return refuse(&mut client, &mut out, refusal, &visit.activity).await,
                Err(end) => return Err(end),
            };
            let outgoing = match self.outgoing(&request, target) {
                Ok(outgoing) => outgoing,
                Err(refusal) => return refuse(&mut client, &mut out, refusal, &visit.activity).await,
            };
            let limit = self.limits.head;
            if !exchange(&mut client, &mut out, &mut upstream, &mut into, outgoing, limit, &visit.activity).await? {
                break;
            }
        }
        Ok(out.shutdown().await?)
    }

    async fn secure(
        &self,
        upstream: TcpStream,
        target: &Target,
        visit: &Visit,
    ) -> Result<client::TlsStream<TcpStream>, Refusal> {
        let untrusted = || Refusal::Untrusted(target.host.clone());
        let name = match &target.host {
            Host::Name(name) => ServerName::try_from(name.clone()).map_err(|_| untrusted())?,
            Host::Address(address) => ServerName::IpAddress((*address).into()),
        };
        let connect = TlsConnector::from(Arc::clone(&self.tls)).connect(name, upstream);
        let connected = visit.activity.within(self.limits.connect_time, connect).await;
        connected.ok_or_else(|| Refusal::Late(target.host.clone()))?.map_err(|_| untrusted())
    }

    fn outgoing<'a>(&self, request: &'a Request, target: &Target) -> Result<Outgoing<'a>, Refusal> {
        // TRACE would have the server show the headers that it got.
        if matches!(request.method.as_str(), "CONNECT" | "TRACE" | "TRACK") {
            return Err(Refusal::Method);
        }
        if !request.is_for(target, HTTPS)? {
            return Err(Refusal::Misdirected);
        }
        let path = request.target.as_str();
        if !path.starts_with('/') || path.contains('#') {
            return Err(Refusal::Request("a target that is no path"));
        }
        let pairs = self.secrets.of(&target.host);
        let framing = request.framing()?;
        let keep = head::keeps(&request.headers, request.minor);
        let head = rewritten(request, path, &target.authority(HTTPS), framing, keep, &pairs);
        let mask = (!pairs.is_empty()).then(|| Mask::new(&pairs));
        Ok(Outgoing { head, framing, request, mask, keep })
    }
}

/// Whether the client begins another request. A server that ends an idle connection, or speaks without having been asked,
/// ends the client's too: the client sees what it would see without a proxy, and opens a new one.
async fn another<R, U>(client: &mut Source<R>, upstream: &mut Source<U>) -> io::Result<bool>
where
    R: AsyncRead + Unpin,
    U: AsyncRead + Unpin,
{
    if !client.buffered().is_empty() {
        return Ok(true);
    }
    tokio::select! {
        biased;
        _ = upstream.fill() => Ok(false),
        read = client.fill() => Ok(read? > 0),
    }
}
