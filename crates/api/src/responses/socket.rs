//! `GET /v1/responses` as a WebSocket: requests come as text frames, each of which has the fields of a POST's body beside
//! its `type`, and the events of their responses go out as they do with SSE. Everything of a connection happens in one
//! task, and what is told is pulled: nothing is read from a session before the client has taken what came before it.
//!
//! | module | owns |
//! |---|---|
//! | `connection` | the socket: frames in and out, keepalive, the end |
//! | `desk` | what the frames mean: lanes, requests that wait, responses that are told |
//! | `opening` | a request into a response that is told |
//! | `kept` | what the connection can go on from, and what of it is freed with it |
//! | `steering` | messages for a response that is being made |

mod connection;
mod desk;
mod kept;
mod opening;
mod steering;
#[cfg(test)]
mod tests;

use crate::agents::stream_slot;
use crate::failure::{Failure, no_such_method};
use crate::{Door, identity};
use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, Method, Uri, header};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::get;
use runtime::Identity;
use std::sync::Arc;
use types::ProjectId;

/// What is written at once to the kernel, bytes.
const WRITE_BUFFER: usize = 16 << 10;

/// Who is at the other end.
#[derive(Clone)]
struct Client {
    door: Arc<Door>,
    project: ProjectId,
    /// Asked again with every request.
    secret: Arc<str>,
}

pub fn routes(door: &Arc<Door>) -> Router<Arc<Door>> {
    Router::new()
        .route("/v1/responses", get(open))
        .route_layer(from_fn_with_state(Arc::clone(door), identity::socket_gate))
}

/// 101, and from then on frames. A plain GET is not served.
async fn open(
    State(door): State<Arc<Door>>,
    Extension(Identity { project, .. }): Extension<Identity>,
    headers: HeaderMap,
    method: Method,
    uri: Uri,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Failure> {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(_) if !headers.contains_key(header::UPGRADE) => return Err(no_such_method(method, uri).await),
        Err(rejection) => return Err(Failure::invalid(format!("No WebSocket: {}", rejection.body_text()))),
    };
    let slot = stream_slot(&door)?;
    let secret = identity::bearer(&headers).unwrap_or_default().into();
    let limit = door.limits.body;
    let client = Client { door, project, secret };
    let upgrade = upgrade.max_message_size(limit).max_frame_size(limit).write_buffer_size(WRITE_BUFFER);
    Ok(upgrade.on_upgrade(async move |socket| {
        connection::serve(client, socket).await;
        drop(slot);
    }))
}
