//! Event streams. The body is pulled: nothing is read from the session before the connection has taken what came
//! before it, so a slow reader costs one piece of memory. A piece is one event, whole, and those behind it that are at
//! hand: what became true together is sent together. A comment after 15 seconds of silence keeps proxies from giving up.

use crate::Door;
use crate::agents::{Padding, write_frame};
use crate::traffic::Slot;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::future::{Either, select};
use futures_util::stream::{Stream, unfold};
use runtime::Subscription;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use types::{BoxFuture, Clock, Entropy, Event, EventBody, SessionId};

/// The longest silence of a stream.
pub const KEEPALIVE: Duration = Duration::from_secs(15);
/// What is said then. One line without an empty one behind it: the Python SDK takes an empty line for the end of an event
/// as soon as the stream has named an id.
pub const COMMENT: &[u8] = b": keepalive\n";
/// A piece that is larger takes no further event, bytes.
const PIECE: usize = 16 << 10;
/// What most pieces fit into, bytes.
const USUAL_PIECE: usize = 2 << 10;

/// Where a stream ends by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// Nowhere.
    Never,
    /// With the first idle after a turn has ended, or where the session stops for good or for want of money.
    Settled { turn_ended: bool },
}

impl End {
    /// Whether `event` is the last.
    fn is_reached(&mut self, event: &EventBody) -> bool {
        let Self::Settled { turn_ended } = self else { return false };
        match event {
            EventBody::TurnCompleted(_) | EventBody::TurnFailed(_) | EventBody::TurnCancelled(_) => {
                *turn_ended = true;
                false
            }
            EventBody::SessionIdle(_) => *turn_ended,
            EventBody::SessionFailed(_) | EventBody::SessionBudgetReached(_) => true,
            _ => false,
        }
    }
}

/// Where events come from: a subscription, or a list in tests.
pub trait Source: Send + Sized + 'static {
    /// The next event, and the source for those after it. Owned, so that a keepalive never cuts a wait short.
    fn pull(self) -> BoxFuture<'static, (Self, Option<Event>)>;

    /// The next event, if it is at hand.
    fn at_hand(&mut self) -> Option<Event>;
}

impl Source for Subscription {
    fn pull(mut self) -> BoxFuture<'static, (Self, Option<Event>)> {
        Box::pin(async move {
            let event = self.next().await;
            (self, event)
        })
    }

    fn at_hand(&mut self) -> Option<Event> {
        self.next_at_hand()
    }
}

/// The answer that streams `subscription`.
pub fn response(
    status: StatusCode,
    door: &Door,
    session: SessionId,
    subscription: Subscription,
    end: End,
    padded: bool,
    slot: Slot,
) -> Response {
    let padding = if padded { Padding::From(Arc::clone(&door.entropy)) } else { Padding::Off };
    let teller = Whole { session, end, padding, remote_url: door.remote_url.clone() };
    event_stream(status, told(Arc::clone(&door.clock), subscription, teller, slot))
}

/// What a reader makes of a session's events.
pub trait Teller: Send + 'static {
    /// Writes what `event` means, each of it whole, or nothing. True where nothing comes after it.
    fn tell(&mut self, piece: &mut Vec<u8>, event: &Event) -> bool;

    /// Whether it has kept some of the last event back, because that means so much.
    fn is_behind(&self) -> bool {
        false
    }

    /// Writes the next of what was kept back. True where nothing comes after it.
    fn tell_on(&mut self, _piece: &mut Vec<u8>) -> bool {
        false
    }
}

/// The pieces of a body that tells the events of `source`. `held` lasts as long as it does.
pub fn told<S: Source, T: Teller, H: Send + 'static>(
    clock: Arc<dyn Clock>,
    source: S,
    teller: T,
    held: H,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    let reader = Reader {
        next: source.pull(),
        teller,
        over: false,
        silence: clock.sleep(KEEPALIVE),
        spoke: clock.monotonic(),
        clock,
        _held: held,
    };
    pieces(reader)
}

fn pieces<S: Source, T: Teller, H: Send + 'static>(
    reader: Reader<S, T, H>,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    unfold(reader, |mut reader| async move {
        let piece = reader.piece().await?;
        Some((Ok(piece), reader))
    })
}

/// An answer of server-sent events, each piece of them whole.
pub fn event_stream(
    status: StatusCode,
    pieces: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static,
) -> Response {
    let mut response = (status, Body::from_stream(pieces)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// The events as they are, in the Agents API's words.
struct Whole {
    session: SessionId,
    end: End,
    padding: Padding,
    remote_url: Option<Arc<str>>,
}

impl Teller for Whole {
    fn tell(&mut self, piece: &mut Vec<u8>, event: &Event) -> bool {
        write_frame(piece, &self.session, event, &self.padding, self.remote_url.as_deref().unwrap_or_default());
        self.end.is_reached(&event.body)
    }
}

/// One client's reading of one session.
struct Reader<S, T, H> {
    next: BoxFuture<'static, (S, Option<Event>)>,
    teller: T,
    over: bool,
    /// Ends where it is time to look whether there was silence for too long.
    silence: BoxFuture<'static, ()>,
    /// When the last piece was handed out.
    spoke: Duration,
    clock: Arc<dyn Clock>,
    _held: H,
}

impl<S: Source, T: Teller, H> Reader<S, T, H> {
    /// The next piece of the body; None at its end.
    async fn piece(&mut self) -> Option<Bytes> {
        while !self.over {
            let mut piece = Vec::with_capacity(USUAL_PIECE);
            if self.teller.is_behind() {
                self.catch_up(&mut piece);
            } else {
                let (mut source, event) = match select(&mut self.next, &mut self.silence).await {
                    Either::Left((pulled, _)) => pulled,
                    Either::Right(((), _)) => {
                        if self.was_silent() {
                            return Some(Bytes::from_static(COMMENT));
                        }
                        continue;
                    }
                };
                self.over = self.teller.tell(&mut piece, &event?);
                self.catch_up(&mut piece);
                while self.has_room(&piece) && !self.teller.is_behind() {
                    let Some(event) = source.at_hand() else { break };
                    self.over = self.teller.tell(&mut piece, &event);
                    self.catch_up(&mut piece);
                }
                self.next = source.pull();
            }
            if !piece.is_empty() {
                self.spoke = self.clock.monotonic();
                return Some(piece.into());
            }
        }
        None
    }

    /// Writes what was kept back, as far as there is room.
    fn catch_up(&mut self, piece: &mut Vec<u8>) {
        while self.has_room(piece) && self.teller.is_behind() {
            self.over = self.teller.tell_on(piece);
        }
    }

    fn has_room(&self, piece: &[u8]) -> bool {
        !self.over && piece.len() < PIECE
    }

    /// Whether nothing was said for long enough; then, or when that may be so, it is time to look again.
    fn was_silent(&mut self) -> bool {
        let now = self.clock.monotonic();
        let left = KEEPALIVE.saturating_sub(now.saturating_sub(self.spoke));
        let silent = left.is_zero();
        if silent {
            self.spoke = now;
        }
        self.silence = self.clock.sleep(if silent { KEEPALIVE } else { left });
        silent
    }
}

/// Draws `length` letters and digits.
pub fn letters(entropy: &dyn Entropy, length: usize) -> String {
    const ALPHABET: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789aZ";
    let mut bytes = vec![0_u8; length];
    entropy.fill(&mut bytes);
    bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 63)])).collect()
}

#[cfg(test)]
mod tests;
