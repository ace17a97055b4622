//! A request's body that says when it begins to leave, and an answer's that is read piece by piece.

use super::{HttpBody, HttpLost, Refused};
use crate::through::Begun;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use types::BoxFuture;

/// The client asks for the body only when the connection stands and the head is on its way: until then nothing can
/// have happened.
pub struct Carried {
    bytes: Option<Bytes>,
    begun: Begun,
}

impl Carried {
    pub fn new(bytes: Bytes, begun: Begun) -> Self {
        Self { bytes: Some(bytes), begun }
    }
}

impl Body for Carried {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.begun.mark();
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

pub struct Coming(pub reqwest::Response);

impl HttpBody for Coming {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, HttpLost>> {
        Box::pin(async { self.0.chunk().await.map_err(told) })
    }
}

/// What went wrong, without the URL: its query may be somebody's secret.
pub fn told(error: reqwest::Error) -> HttpLost {
    let timed_out = error.is_timeout();
    let error = error.without_url();
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(Refused(why)) = inner.downcast_ref::<Refused>() {
            return HttpLost::forbidden(why);
        }
        said = inner.to_string();
        source = inner.source();
    }
    if timed_out { HttpLost::new("no connection in time") } else { HttpLost::new(said) }
}
