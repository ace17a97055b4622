//! A completion over HTTP while it is made: the events of all its choices, pulled as the client takes them, and what they
//! mean, as server-sent events. Each chunk leaves whole; a comment after 15 seconds of silence keeps proxies from giving up.

use super::teller::Teller;
use crate::Door;
use crate::failure::Failure;
use crate::sse::{COMMENT, KEEPALIVE, Source, event_stream};
use crate::traffic::Slot;
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, Stream, StreamExt, once, unfold};
use runtime::{Lease, Subscription};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use types::{BoxFuture, Clock, Event};

/// A piece that is larger takes no further event, bytes.
const PIECE: usize = 16 << 10;

/// The answer that streams the choices, from what is first said on. What fails before is no stream.
pub async fn response(
    door: &Door,
    choices: Vec<(Subscription, Lease)>,
    teller: Teller,
    slot: Slot,
) -> Result<Response, Failure> {
    let (sources, leases): (Vec<_>, Vec<_>) = choices.into_iter().unzip();
    let mut reader = Reader::new(sources, leases, teller, Arc::clone(&door.clock));
    let first = reader.piece().await;
    if let Some(failure) = reader.teller.take_failure() {
        return Err(failure);
    }
    let first = once(async move { Ok::<_, Infallible>(first.unwrap_or_default()) });
    Ok(event_stream(StatusCode::OK, first.chain(pieces(reader, slot))))
}

type Pulled<S> = (usize, (S, Option<Event>));

/// One client's reading of one completion.
struct Reader<S> {
    next: FuturesUnordered<BoxFuture<'static, Pulled<S>>>,
    teller: Teller,
    /// One for each choice; where its turn is over it has nothing left to cancel.
    leases: Vec<Lease>,
    /// Ends where it is time to look whether there was silence for too long.
    silence: BoxFuture<'static, ()>,
    /// When the last piece was handed out.
    spoke: Duration,
    clock: Arc<dyn Clock>,
}

fn pieces<S: Source>(reader: Reader<S>, slot: Slot) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    unfold((reader, slot), |(mut reader, slot)| async move {
        let piece = reader.piece().await?;
        Some((Ok(piece), (reader, slot)))
    })
}

impl<S: Source> Reader<S> {
    fn new(sources: Vec<S>, leases: Vec<Lease>, teller: Teller, clock: Arc<dyn Clock>) -> Self {
        let next = FuturesUnordered::new();
        for (index, source) in sources.into_iter().enumerate() {
            next.push(pull(index, source));
        }
        let (silence, spoke) = (clock.sleep(KEEPALIVE), clock.monotonic());
        Self { next, teller, leases, silence, spoke, clock }
    }

    /// The next chunks, each whole; None at the end.
    async fn piece(&mut self) -> Option<Bytes> {
        let mut piece = Vec::new();
        while !self.teller.is_over() {
            let pulled = match select(self.next.next(), &mut self.silence).await {
                Either::Left((pulled, _)) => pulled,
                Either::Right(((), _)) => {
                    if self.was_silent() {
                        return Some(Bytes::from_static(COMMENT));
                    }
                    continue;
                }
            };
            let (index, (mut source, event)) = pulled?;
            self.teller.hear(index, event.as_ref(), &mut piece);
            while piece.len() < PIECE && !self.teller.has_ended(index) {
                let Some(event) = source.at_hand() else { break };
                self.teller.hear(index, Some(&event), &mut piece);
            }
            if !self.teller.has_ended(index) {
                self.next.push(pull(index, source));
            } else if !self.teller.has_failed()
                && let Some(lease) = self.leases.get_mut(index)
            {
                lease.spare();
            }
            if !piece.is_empty() {
                self.spoke = self.clock.monotonic();
                return Some(piece.into());
            }
        }
        None
    }

    fn was_silent(&mut self) -> bool {
        let now = self.clock.monotonic();
        let left = KEEPALIVE.saturating_sub(now.saturating_sub(self.spoke));
        if left.is_zero() {
            self.spoke = now;
        }
        self.silence = self.clock.sleep(if left.is_zero() { KEEPALIVE } else { left });
        left.is_zero()
    }
}

fn pull<S: Source>(index: usize, source: S) -> BoxFuture<'static, Pulled<S>> {
    Box::pin(async move { (index, source.pull().await) })
}
