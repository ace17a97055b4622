//! One request and its answer between two connections. Both heads are written anew from what was understood of them, so
//! what the server reads is what was judged here.

use super::{End, refuse};
use crate::activity::Activity;
use crate::body::{self, Broken, Coding};
use crate::head::{self, Answer, Framing, Request};
use crate::placeholder::{self, Mask};
use crate::refusal::Refusal;
use crate::secret::Substitution;
use crate::stream::{Source, Unread};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

/// Answers before the answer (100, 103) that one request may have.
const EARLY: usize = 8;

/// A request that is ready to go out.
pub(super) struct Outgoing<'a> {
    pub head: Vec<u8>,
    pub framing: Framing,
    /// As the client wrote it.
    pub request: &'a Request,
    /// What is taken out of the answer.
    pub mask: Option<Mask>,
    /// Whether both connections may serve another request.
    pub keep: bool,
}

/// The head that goes out: the same message, framed and addressed by this proxy, with secrets for placeholders.
pub(super) fn rewritten(
    request: &Request,
    path: &str,
    authority: &str,
    framing: Framing,
    keep: bool,
    pairs: &[Substitution],
) -> Vec<u8> {
    let changed = placeholder::target(path, pairs);
    let path = changed.as_deref().unwrap_or(path);
    let mut out = format!("{} {path} HTTP/1.1\r\nhost: {authority}\r\n", request.method).into_bytes();
    for (name, value) in head::lasting(&request.headers) {
        // What is compressed could not be looked through for secrets.
        if !pairs.is_empty() && name.eq_ignore_ascii_case("accept-encoding") {
            continue;
        }
        let changed = placeholder::header(name, value, pairs);
        header(&mut out, name, changed.as_deref().unwrap_or(value));
    }
    if !pairs.is_empty() {
        header(&mut out, "accept-encoding", b"identity");
    }
    frame(&mut out, framing, keep);
    out
}

/// Sends the request, brings the answer. Says whether both connections can serve another one.
pub(super) async fn exchange<CR, CW, UR, UW>(
    client: &mut Source<CR>,
    out: &mut CW,
    upstream: &mut Source<UR>,
    into: &mut UW,
    outgoing: Outgoing<'_>,
    limit: usize,
    activity: &Activity,
) -> Result<bool, End>
where
    CR: AsyncRead + Unpin,
    CW: AsyncWrite + Unpin,
    UR: AsyncRead + Unpin,
    UW: AsyncWrite + Unpin,
{
    let Outgoing { head, framing, request, mask, keep } = outgoing;
    let started = AtomicBool::new(false);
    let end = {
        let send = async {
            into.write_all(&head).await.map_err(Broken::Refused)?;
            into.flush().await.map_err(Broken::Refused)?;
            let coding = if framing == Framing::Chunked { Coding::Chunked } else { Coding::Plain };
            body::carry(client, framing, into, coding, None).await
        };
        let bring = bring(upstream, out, request, mask, keep, &started, limit);
        tokio::pin!(send, bring);
        let mut sending = true;
        // A server may answer before it has heard everything, and take no more; its answer counts all the same.
        let mut heard = false;
        loop {
            tokio::select! {
                biased;
                sent = &mut send, if sending => match sent {
                    Ok(()) => (sending, heard) = (false, true),
                    Err(Broken::Refused(_)) => sending = false,
                    Err(Broken::Malformed(what)) => break End::Refused(Refusal::Request(what)),
                    Err(Broken::Cut(error)) => break End::Io(error),
                },
                brought = &mut bring => match brought {
                    Ok(keep) => return Ok(keep && heard),
                    Err(end) => break end,
                },
            }
        }
    };
    match end {
        End::Refused(refusal) if !started.load(Relaxed) => refuse(client, out, refusal, activity).await.map(|()| false),
        end => Err(end),
    }
}

/// Brings the answer to the client.
async fn bring<R, W>(
    upstream: &mut Source<R>,
    out: &mut W,
    request: &Request,
    mut mask: Option<Mask>,
    keep: bool,
    started: &AtomicBool,
    limit: usize,
) -> Result<bool, End>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    for _ in 0..=EARLY {
        let answer = answer(upstream, limit).await?;
        let framing = answer.framing(request.method == "HEAD")?;
        if answer.status == 101 {
            return Err(Refusal::Answer("another protocol, which was not asked for").into());
        }
        if answer.status < 200 {
            if request.minor == 1 {
                out.write_all(&written(&answer, None, mask.as_ref())).await?;
                out.flush().await?;
            }
            continue;
        }
        let keep = keep && framing != Framing::Close && head::keeps(&answer.headers, answer.minor);
        let chunked = framing == Framing::Chunked && request.minor == 1;
        // A client of HTTP/1.0 reads until the end.
        let keep = keep && (framing != Framing::Chunked || chunked);
        let shown = if framing == Framing::Chunked && !chunked { Framing::Close } else { framing };
        started.store(true, Relaxed);
        out.write_all(&written(&answer, Some((shown, keep)), mask.as_ref())).await?;
        out.flush().await?;
        let coding = if chunked { Coding::Chunked } else { Coding::Plain };
        let carried = body::carry(upstream, framing, out, coding, mask.as_mut()).await;
        return match carried {
            Ok(()) => Ok(keep),
            Err(Broken::Malformed(what)) => Err(Refusal::Answer(what).into()),
            Err(Broken::Cut(error) | Broken::Refused(error)) => Err(error.into()),
        };
    }
    Err(Refusal::Answer("too many interim answers").into())
}

async fn answer<R: AsyncRead + Unpin>(upstream: &mut Source<R>, limit: usize) -> Result<Answer, End> {
    match upstream.head(limit).await {
        Ok(head) => Ok(Answer::read(&head)?),
        Err(Unread::Long | Unread::Line) => Err(Refusal::Answer("a head that is too large").into()),
        Err(Unread::Ended | Unread::Io(_)) => Err(Refusal::NoAnswer.into()),
    }
}

/// The head of an answer as the client gets it; an interim one has no framing.
fn written(answer: &Answer, framing: Option<(Framing, bool)>, mask: Option<&Mask>) -> Vec<u8> {
    let shown = |value: &[u8]| mask.and_then(|mask| mask.header(value));
    let reason = shown(answer.reason.as_bytes()).unwrap_or_else(|| answer.reason.clone().into_bytes());
    let mut out = format!("HTTP/1.1 {} ", answer.status).into_bytes();
    out.extend(reason);
    out.extend(b"\r\n");
    for (name, value) in head::lasting(&answer.headers) {
        header(&mut out, name, shown(value).as_deref().unwrap_or(value));
    }
    match framing {
        None => out.extend(b"\r\n"),
        Some((framing, keep)) => {
            if framing == Framing::None
                && let Some((name, value)) = head::length(&answer.headers)
            {
                header(&mut out, name, value);
            }
            frame(&mut out, framing, keep);
        }
    }
    out
}

fn header(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend(name.as_bytes());
    out.extend(b": ");
    out.extend(value);
    out.extend(b"\r\n");
}

fn frame(out: &mut Vec<u8>, framing: Framing, keep: bool) {
    match framing {
        Framing::Length(length) => header(out, "content-length", length.to_string().as_bytes()),
        Framing::Chunked => header(out, "transfer-encoding", b"chunked"),
        Framing::None | Framing::Close => {}
    }
    header(out, "connection", if keep { b"keep-alive" } else { b"close" });
    out.extend(b"\r\n");
}
