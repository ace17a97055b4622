//! A turn over HTTP while it runs: its events, pulled as the client takes them, as frames. Each piece holds whole frames.
//! Nothing is sent in silence: this form has nothing that means nothing.

use super::ask::Asked;
use super::teller::{Teller, Voice};
use crate::Door;
use crate::aws::AwsFailure;
use crate::traffic::Slot;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{StreamExt, once, unfold};
use runtime::{Lease, Subscription};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use types::Clock;
use wire::eventstream::MEDIA_TYPE;

/// A piece that is larger takes no further event, bytes.
const PIECE: usize = 16 << 10;
/// When a client that found no place for a stream may ask again.
const PAUSE: Duration = Duration::from_secs(5);

/// A place among the streams.
pub fn slot(door: &Door) -> Result<Slot, AwsFailure> {
    door.traffic.open(door.limits.streams).ok_or_else(|| AwsFailure {
        retry_after: Some(PAUSE),
        ..AwsFailure::throttled("Too many event streams are open.")
    })
}

/// The answer that streams the turn, from what is first said on. What fails before is no stream.
pub async fn response<V: Voice>(door: &Door, asked: Asked, voice: V, slot: Slot) -> Result<Response, AwsFailure> {
    let Asked { events, lease, since, .. } = asked;
    let teller = Teller::new(voice, since);
    let mut reader = Reader { events, lease, teller, clock: Arc::clone(&door.clock), _slot: slot };
    let first = reader.piece().await;
    if let Some(failure) = reader.teller.failure.take() {
        return Err(failure);
    }
    let first = once(async move { Ok::<_, Infallible>(first.unwrap_or_default()) });
    let rest = unfold(reader, |mut reader| async move {
        let piece = reader.piece().await?;
        Some((Ok(piece), reader))
    });
    let mut response = Body::from_stream(first.chain(rest)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    Ok(response)
}

/// One client's reading of one turn.
struct Reader<V> {
    events: Subscription,
    lease: Lease,
    teller: Teller<V>,
    clock: Arc<dyn Clock>,
    _slot: Slot,
}

impl<V: Voice> Reader<V> {
    /// The next frames, each whole; None at the end.
    async fn piece(&mut self) -> Option<Bytes> {
        let mut piece = Vec::new();
        while piece.is_empty() && !self.teller.is_over() {
            let event = self.events.next().await;
            let now = self.clock.monotonic();
            self.teller.hear(event.as_ref(), now, &mut piece);
            while piece.len() < PIECE && !self.teller.is_over() {
                let Some(event) = self.events.next_at_hand() else { break };
                self.teller.hear(Some(&event), now, &mut piece);
            }
            if self.teller.is_over() && !self.teller.has_failed {
                self.lease.spare();
            }
        }
        (!piece.is_empty()).then(|| piece.into())
    }
}
