//! What every answer has, whichever door gave it: an id, the version, the time it took. And every answer is counted.

use crate::Door;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;
use types::Entropy;

pub async fn dress(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let started = door.clock.monotonic();
    let id = request_id(&*door.entropy);
    let method = known(request.method());
    let route = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str).to_owned();
    let mut response = next.run(request).await;
    let took = door.clock.monotonic().saturating_sub(started);
    tracing::debug!(id, method, route, status = response.status().as_u16(), ms = took.as_millis(), "answered");
    door.traffic.answered(method, route, response.status().as_u16(), took);
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert("x-request-id", id);
    }
    headers.insert("openai-version", HeaderValue::from_static("2020-10-01"));
    headers.insert("openai-processing-ms", HeaderValue::from(u64::try_from(took.as_millis()).unwrap_or(u64::MAX)));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}

/// `req_` and 32 hex digits.
fn request_id(entropy: &dyn Entropy) -> String {
    let mut bytes = [0_u8; 16];
    entropy.fill(&mut bytes);
    format!("req_{}", types::hex(&bytes))
}

/// A client may invent methods; a counter must not.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
