//! Doors for the fuzz targets, behind a feature that no build of the product has: an upstream's answer without a
//! network, and what may be written under a schema without a model.

use crate::upstream::received;
use crate::{openai_chat, openai_responses};
use futures_util::{FutureExt, stream};
use std::convert::Infallible;
use types::{ModelError, ModelErrorKind, ModelEvent, ModelFinish};

pub use crate::local::spell;

/// Whose wire it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wire {
    Chat,
    Responses,
}

/// What was made of an answer.
#[derive(PartialEq, Debug)]
pub struct Heard {
    /// Without signs of life.
    pub events: Vec<ModelEvent>,
    pub finish: Result<ModelFinish, ModelError>,
}

/// Reads an answer of `status` and the media type `media` that comes in pieces of `piece` bytes; 0: whole.
pub fn hear(wire: Wire, status: u16, media: &str, body: &[u8], piece: usize) -> Heard {
    let pieces: Vec<Result<Vec<u8>, Infallible>> =
        body.chunks(if piece == 0 { body.len().max(1) } else { piece }).map(|piece| Ok(piece.to_vec())).collect();
    let response = http::Response::builder()
        .status(status)
        .header("content-type", media)
        .body(reqwest::Body::wrap_stream(stream::iter(pieces)));
    let mut events = Vec::new();
    let mut sink = |event| {
        if event != ModelEvent::Alive {
            events.push(event);
        }
    };
    let mut reader = match wire {
        Wire::Chat => openai_chat::reader(),
        Wire::Responses => openai_responses::reader(),
    };
    let finish = match response {
        // All of it is there, so nothing is waited for.
        Ok(response) => received(response.into(), &mut *reader, &mut sink).now_or_never().unwrap_or_else(|| {
            Err(ModelError::new(ModelErrorKind::Internal, "an answer that is there was waited for"))
        }),
        Err(error) => Err(ModelError::new(ModelErrorKind::Internal, error.to_string())),
    };
    Heard { events, finish }
}
