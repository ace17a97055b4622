//! Plain HTTP: one request in absolute form, one answer, and the connection ends. No secret is ever put into it.

use super::exchange::{Outgoing, exchange, rewritten};
use super::{End, Proxy, Visit, refuse};
use crate::activity::Way;
use crate::head::Request;
use crate::host::Target;
use crate::refusal::Refusal;
use crate::stream::Source;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

impl Proxy {
    pub(super) async fn plain<R, W>(
        &self,
        mut client: Source<R>,
        mut out: W,
        request: &Request,
        visit: &Visit,
    ) -> Result<(), End>
    where
        R: AsyncRead + Send + Unpin,
        W: AsyncWrite + Send + Unpin,
    {
        let (outgoing, target) = match outgoing(request) {
            Ok(read) => read,
            Err(refusal) => return refuse(&mut client, &mut out, refusal, &visit.activity).await,
        };
        visit.saw("http", &target);
        let upstream = match self.dial(&target, visit).await {
            Ok(upstream) => upstream,
            Err(refusal) => return refuse(&mut client, &mut out, refusal, &visit.activity).await,
        };
        let (read, mut into) = tokio::io::split(upstream);
        let mut upstream = Source::new(read, Way::Down, Arc::clone(&visit.activity));
        exchange(&mut client, &mut out, &mut upstream, &mut into, outgoing, self.limits.head, &visit.activity).await?;
        Ok(out.shutdown().await?)
    }
}

fn outgoing(request: &Request) -> Result<(Outgoing<'_>, Target), Refusal> {
    if matches!(request.method.as_str(), "TRACE" | "TRACK") {
        return Err(Refusal::Method);
    }
    let (target, path) = request.absolute()?;
    if request.minor == 1 && !request.is_for(&target, 80)? {
        return Err(Refusal::Misdirected);
    }
    let framing = request.framing()?;
    let head = rewritten(request, &path, &target.authority(80), framing, false, &[]);
    Ok((Outgoing { head, framing, request, mask: None, keep: false }, target))
}
