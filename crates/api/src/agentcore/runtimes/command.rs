//! A command in a session, answered as a stream of chunks. A client that goes away ends it.

use super::invoke::{call, say_session};
use super::{Refused, hosting};
use crate::aws::AwsFailure;
use crate::query::{Ids, Pairs};
use crate::traffic::Slot;
use crate::{Door, body};
use ::hosting::{Piece, Run};
use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::unfold;
use runtime::Identity;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use wire::agentcore::runtime::{CommandChunk, RuntimeCommand};
use wire::eventstream::{self, MEDIA_TYPE, pieces};

pub async fn run(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    pairs: Pairs,
    request: Request,
) -> Result<Response, Refused> {
    let (parts, body) = request.into_parts();
    let call = call(&door, id, &pairs, parts.headers)?;
    let (bytes, held) = body::bytes(&door, &call.headers, body).await?;
    let asked = RuntimeCommand::read(body::parse(&call.headers, &bytes)?)?;
    let slot = slot(&door)?;
    let time = Duration::from_secs(asked.timeout);
    let run = hosting(&door)?.command(&identity.project, call, asked.command, time).await?;
    drop(held);
    let session = run.session.clone();
    let mut response = Body::from_stream(unfold(Hearing::Begins(run, slot), Hearing::next)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    say_session(response.headers_mut(), &session);
    Ok(response)
}

/// A place among the streams.
pub fn slot(door: &Door) -> Result<Slot, AwsFailure> {
    let slot = door.traffic.open(door.limits.streams);
    slot.ok_or_else(|| AwsFailure {
        retry_after: Some(Duration::from_secs(5)),
        ..AwsFailure::throttled("Too many event streams are open.")
    })
}

enum Hearing {
    Begins(Run, Slot),
    GoesOn(Run, Slot),
    Over,
}

impl Hearing {
    /// The next frames, each whole.
    async fn next(self) -> Option<(Result<Bytes, Infallible>, Self)> {
        let mut out = Vec::new();
        let then = match self {
            Self::Begins(run, slot) => {
                _ = CommandChunk::ContentStart {}.write(&mut out);
                Self::GoesOn(run, slot)
            }
            Self::GoesOn(mut run, slot) => match run.next().await? {
                Ok(Piece::End(code)) => {
                    _ = CommandChunk::end(code).write(&mut out);
                    Self::Over
                }
                Ok(piece) => {
                    say(&mut out, &piece);
                    Self::GoesOn(run, slot)
                }
                Err(unserved) => {
                    let (name, message) = Refused::from(unserved).in_stream();
                    _ = eventstream::exception(&mut out, name, &serde_json::json!({ "message": message }));
                    Self::Over
                }
            },
            Self::Over => return None,
        };
        Some((Ok(out.into()), then))
    }
}

fn say(out: &mut Vec<u8>, piece: &Piece) {
    let (text, is_error) = match piece {
        Piece::Output(text) => (text, false),
        Piece::Error(text) => (text, true),
        Piece::End(_) => return,
    };
    for part in pieces(text) {
        let chunk = if is_error { CommandChunk::error(part) } else { CommandChunk::output(part) };
        // A part is far from too large.
        _ = chunk.write(out);
    }
}
