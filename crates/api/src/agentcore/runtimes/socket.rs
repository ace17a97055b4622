//! WebSockets of programs: the handshake goes in, its answer out, and from then on bytes go both ways.

use super::invoke::{call, say_session};
use super::{Refused, hosting};
use crate::Door;
use crate::query::{Ids, Pairs};
use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::Response;
use runtime::Identity;
use std::sync::Arc;

pub async fn open(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    pairs: Pairs,
    mut request: Request,
) -> Result<Response, Refused> {
    let is_handshake =
        request.headers().get(header::UPGRADE).is_some_and(|word| word.as_bytes().eq_ignore_ascii_case(b"websocket"));
    if !is_handshake || request.method() != Method::GET {
        return Err(Refused::wrong("This path is a WebSocket.", None));
    }
    let call = call(&door, id, &pairs, request.headers().clone())?;
    let hosting = hosting(&door)?;
    let socket = hosting.socket(&identity.project, call).await?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = socket.headers.clone();
    say_session(response.headers_mut(), &socket.session);
    hosting.carry(socket.join(&mut request));
    Ok(response)
}
