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

use crate::{Door, identity};
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use std::sync::Arc;

/// All routes; literal segments win over ids.
pub fn routes(door: &Arc<Door>) -> Router<Arc<Door>> {
    Router::new()
        .route("/v1/responses", post(create::create))
        .route("/v1/responses/compact", post(compact::compact))
        .route("/v1/responses/input_tokens", post(count::count))
        .route("/v1/responses/{response_id}", get(reads::retrieve).delete(reads::delete))
        .route("/v1/responses/{response_id}/cancel", post(reads::cancel))
        .route("/v1/responses/{response_id}/input_items", get(reads::input_items))
        .route_layer(from_fn_with_state(Arc::clone(door), identity::responses_gate))
        .merge(socket::routes(door))
}
