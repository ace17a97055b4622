//! CONNECT: the connection is made, then the client's first message of TLS is read. It must ask for the very host of the
//! connection; only then do its bytes go out, untouched, or into [`super::ended`] where the host is given secrets.

use super::{End, Proxy, Visit, refuse};
use crate::activity::Way;
use crate::head::{Framing, Request};
use crate::hello::{self, Hello, Reading};
use crate::host::{Host, Target};
use crate::refusal::Refusal;
use crate::stream::{Again, Source, cut, pump};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;

const READY: &[u8] = b"HTTP/1.1 200 Connection Established\r\n\r\n";
/// TLS's own words, before any handshake: a fatal alert, for "you may not" and for "no protocol in common".
const DENIED: [u8; 7] = [21, 3, 3, 0, 2, 2, 49];
const NO_PROTOCOL: [u8; 7] = [21, 3, 3, 0, 2, 2, 120];

impl Proxy {
    pub(super) async fn tunnel<S: AsyncRead + AsyncWrite + Send + Unpin>(
        &self,
        mut client: Source<ReadHalf<S>>,
        mut out: WriteHalf<S>,
        request: &Request,
        visit: &Visit,
    ) -> Result<(), End> {
        let dialled = async {
            let target = wanted(request)?;
            visit.saw("tunnel", &target);
            self.dial(&target, visit).await.map(|stream| (target, stream))
        };
        let (target, upstream) = match dialled.await {
            Ok(dialled) => dialled,
            Err(refusal) => return refuse(&mut client, &mut out, refusal, &visit.activity).await,
        };
        out.write_all(READY).await?;
        out.flush().await?;
        let hello = visit.activity.within(self.limits.head_time, first(&mut client)).await;
        let hello = match hello {
            Some(Ok(hello)) => hello,
            Some(Err(end)) => return Err(end),
            None => return Err(Refusal::Slow.into()),
        };
        if !asks_for(&hello, &target.host) {
            return alert(&mut out, DENIED, Refusal::ServerName).await;
        }
        let secret = visit.rules.secret_ports.contains(&target.port) && !self.secrets.of(&target.host).is_empty();
        if secret && !hello.http1 {
            return alert(&mut out, NO_PROTOCOL, Refusal::Protocol).await;
        }
        if secret {
            let (first, read) = client.into_parts();
            return self.ended(Again::new(first, read.unsplit(out)), upstream, &target, visit).await;
        }
        carry(client, out, upstream, visit).await
    }
}

async fn alert<W: AsyncWrite + Unpin>(to: &mut W, alert: [u8; 7], refusal: Refusal) -> Result<(), End> {
    to.write_all(&alert).await?;
    to.shutdown().await?;
    Err(refusal.into())
}

fn wanted(request: &Request) -> Result<Target, Refusal> {
    if request.framing()? != Framing::None {
        return Err(Refusal::Request("a body with CONNECT"));
    }
    Ok(Target::parse(&request.target, None)?)
}

/// The first message of TLS, which stays in the buffer.
async fn first<R: AsyncRead + Unpin>(client: &mut Source<R>) -> Result<Hello, End> {
    loop {
        match hello::read(client.buffered()) {
            Reading::Hello(hello) => return Ok(hello),
            Reading::NotTls => return Err(Refusal::NotTls.into()),
            Reading::Broken => return Err(Refusal::Hello.into()),
            Reading::More => {
                if client.fill().await? == 0 {
                    return Err(cut().into());
                }
            }
        }
    }
}

/// A client of a name says that name, one of a bare address says none. Where only an encrypted name is sent, there is
/// none in clear, and the client is refused like one that says none.
fn asks_for(hello: &Hello, host: &Host) -> bool {
    match (host, &hello.server_name) {
        (Host::Name(_), Some(name)) => Host::parse(name).is_ok_and(|named| named == *host),
        (Host::Address(_), None) => !hello.encrypted,
        (Host::Name(_), None) | (Host::Address(_), Some(_)) => false,
    }
}

async fn carry<S: AsyncRead + AsyncWrite + Send + Unpin>(
    client: Source<ReadHalf<S>>,
    out: WriteHalf<S>,
    upstream: TcpStream,
    visit: &Visit,
) -> Result<(), End> {
    let (read, into) = tokio::io::split(upstream);
    let upstream = Source::new(read, Way::Down, Arc::clone(&visit.activity));
    tokio::try_join!(pump(client, into), pump(upstream, out))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_message_must_ask_for_the_connections_host() {
        let check = |host: &str, name: Option<&str>, encrypted: bool| {
            let hello = Hello { server_name: name.map(str::to_owned), encrypted, http1: true };
            asks_for(&hello, &Host::parse(host).unwrap())
        };
        assert!(check("a.com", Some("A.com"), false));
        assert!(check("a.com", Some("a.com."), false));
        assert!(check("a.com", Some("a.com"), true));
        assert!(check("1.2.3.4", None, false));
        assert!(!check("a.com", Some("b.com"), false));
        assert!(!check("a.com", Some("a.com.b.com"), false));
        assert!(!check("a.com", None, false));
        assert!(!check("a.com", None, true));
        assert!(!check("1.2.3.4", Some("a.com"), false));
        assert!(!check("1.2.3.4", None, true));
        assert!(!check("a.com", Some("a com"), false));
    }
}
