//! The door of the Responses API. A response is a turn of a session; a chain of responses is a session, and a tree of
//! them shares what is common. Handlers are thin: read, ask the runtime, show. What another transport needs as well
//! (a request into a turn, the events of a response) stands apart from HTTP: `ask`, `stream`, `shown`.

pub mod ask;
mod compact;
mod count;
mod create;
mod cut;
pub mod incoming;
mod line;
pub mod names;
mod opaque;
mod pipe;
pub mod reads;
pub mod shown;
mod socket;
mod stream;

pub use count::weight;

use crate::{Door, identity};
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use std::sync::Arc;

/// All routes; literal segments win over ids.
pub fn routes(door: &Arc<Door>) -> Router<Arc<Door>> {
    paths("/v1").route_layer(from_fn_with_state(Arc::clone(door), identity::responses_gate)).merge(socket::routes(door))
}

/// All but the WebSocket below `base`, without a gate.
pub fn paths(base: &str) -> Router<Arc<Door>> {
    let one = |rest: &str| format!("{base}/responses/{{response_id}}{rest}");
    Router::new()
        .route(&format!("{base}/responses"), post(create::create))
        .route(&format!("{base}/responses/compact"), post(compact::compact))
        .route(&format!("{base}/responses/input_tokens"), post(count::count))
        .route(&one(""), get(reads::retrieve).delete(reads::delete))
        .route(&one("/cancel"), post(reads::cancel))
        .route(&one("/input_items"), get(reads::input_items))
}
