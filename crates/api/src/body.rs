//! Bodies: read whole, within a size, a time and the memory that all of them share. A client that sends nothing for 30
//! seconds, or less than a KiB a second over a long time, is answered 408 instead of being waited for; one that finds
//! no memory free for 30 seconds is answered 429.

mod flow;
mod kept;
mod room;

pub use flow::Flow;
pub use kept::Kept;
pub use room::{Held, Room};

use crate::Door;
use crate::failure::Failure;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use serde_json::{Map, Value};
use std::time::Duration;
use types::Clock;

/// The longest time without a byte.
pub const IDLE: Duration = Duration::from_secs(30);
/// What every body may take; each KiB that has arrived adds a second.
const GRACE: Duration = Duration::from_secs(60);

/// The request's JSON object, and the memory that it has as long as the request lasts.
pub async fn object(door: &Door, request: Request) -> Result<(Map<String, Value>, Held), Failure> {
    let (parts, body) = request.into_parts();
    let (bytes, held) = bytes(door, &parts.headers, body).await?;
    Ok((parse(&parts.headers, &bytes)?, held))
}

/// The request's bytes, and the memory that they have.
pub async fn bytes(door: &Door, headers: &HeaderMap, body: Body) -> Result<(Vec<u8>, Held), Failure> {
    let mut held = door.traffic.bodies.enter();
    let bytes = read(headers, body, door.limits.body, &mut held, &*door.clock).await?;
    Ok((bytes, held))
}

/// JSON, once it has been read.
pub fn parse(headers: &HeaderMap, bytes: &[u8]) -> Result<Map<String, Value>, Failure> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    Ok(wire::body::parse(content_type, bytes)?)
}

/// All bytes of `body`, at most `limit`; `held` grows with them.
async fn read(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
    held: &mut Held,
    clock: &dyn Clock,
) -> Result<Vec<u8>, Failure> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(Failure::too_large(limit));
    }
    let mut flow = Flow::new(body, clock);
    let mut bytes = Vec::new();
    while let Some(data) = flow.next().await? {
        let size = bytes.len().saturating_add(data.len());
        if size > limit {
            return Err(Failure::too_large(limit));
        }
        flow.pause(held.grow(size, IDLE, clock)).await?;
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
