//! The gates of AWS's doors: a key of this server as a bearer, or a request signed for the door's service; and the id of
//! every answer behind them.

use super::AwsFailure;
use crate::Door;
use crate::failure::no_such_url;
use crate::identity::{self, READ, WRITE, WRITE_RESPONSES, Ways};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::fmt::Write as _;
use std::sync::Arc;
use types::Entropy;

const NOBODY: &str = "The request has neither a signature nor a bearer.";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// The gate of `bedrock-runtime` and of `bedrock`: reads need any key, all else `api.responses.write`.
pub async fn bedrock_gate(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let needed = if only_reads(&request) { None } else { Some(WRITE_RESPONSES) };
    pass(&door, request, next, &["bedrock"], needed).await
}

/// The gate of both AgentCore services. They ask for lists with POST, and begin sessions with the GET of a WebSocket.
pub async fn agentcore_gate(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let needed = if only_reads(&request) { READ } else { WRITE };
    pass(&door, request, next, &["bedrock-agentcore"], Some(needed)).await
}

fn only_reads(request: &Request) -> bool {
    identity::only_reads(request.method(), request.headers())
}

async fn pass(
    door: &Door,
    request: Request,
    next: Next,
    services: &'static [&'static str],
    needed: Option<&str>,
) -> Response {
    let id = request_id(&*door.entropy);
    if !identity::names_somebody(&request) {
        return named(&id, AwsFailure::new(StatusCode::FORBIDDEN, "MissingAuthenticationToken", NOBODY));
    }
    match identity::enter(door, request, &Ways::of_service(door, services), needed).await {
        Ok(request) => named(&id, next.run(request).await),
        Err(failure) => named(&id, AwsFailure::from(failure)),
    }
}

/// Where no door has the path: a request that is signed as AWS's are asks for an operation that AWS may have. Nothing of the
/// signature is looked at, for nothing is there to be told.
pub async fn no_such_path(State(door): State<Arc<Door>>, method: Method, uri: Uri, request: Request) -> Response {
    if !identity::is_signed(&request) {
        return no_such_url(method, uri).await.into_response();
    }
    named(&request_id(&*door.entropy), AwsFailure::unserved(&method, uri.path()))
}

fn named(id: &str, answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    if let Ok(id) = HeaderValue::from_str(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// In the shape of a random UUID.
fn request_id(entropy: &dyn Entropy) -> String {
    let mut bytes = [0_u8; 16];
    entropy.fill(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    bytes.iter().enumerate().fold(String::with_capacity(36), |mut id, (index, byte)| {
        if matches!(index, 4 | 6 | 8 | 10) {
            id.push('-');
        }
        // Writing to a string cannot fail.
        _ = write!(id, "{byte:02x}");
        id
    })
}
