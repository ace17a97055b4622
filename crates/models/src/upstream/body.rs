//! The bytes of an answer, counted. Every chunk is reported as a sign of life; nothing is read beyond the bounds.

use super::Fault;
use crate::Sink;
use bytes::Bytes;
use reqwest::Response;
use types::{ModelErrorKind, ModelEvent};

/// The longest answer, all events together.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// What is read of an error's body: enough for any message.
pub(super) const MAX_ERROR_BYTES: usize = 64 << 10;

pub(super) struct Body {
    response: Response,
    received: usize,
}

impl Body {
    pub(super) fn new(response: Response) -> Self {
        Self { response, received: 0 }
    }

    /// The next bytes; None at the end.
    pub(super) async fn chunk(&mut self, sink: Sink<'_>) -> Result<Option<Bytes>, Fault> {
        let chunk = self.response.chunk().await.map_err(|error| Fault::of_transport(&error))?;
        if let Some(chunk) = &chunk {
            sink(ModelEvent::Alive);
            self.received = self.received.saturating_add(chunk.len());
            if self.received > MAX_ANSWER_BYTES {
                return Err(Fault::new(ModelErrorKind::Protocol, "the upstream's answer is longer than 64 MiB"));
            }
        }
        Ok(chunk)
    }

    pub(super) async fn whole(mut self, sink: Sink<'_>) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk(sink).await? {
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// The first `limit` bytes, or as many as came: the status has told what matters.
    pub(super) async fn at_most(mut self, limit: usize, sink: Sink<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Ok(Some(chunk)) = self.chunk(sink).await {
            let room = limit - bytes.len();
            bytes.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
            if bytes.len() >= limit {
                break;
            }
        }
        bytes
    }
}
