//! The door of the Agents API. Handlers are thin: read, ask the runtime, show. `incoming` turns requests into what the
//! runtime takes, `shown` and `event` turn what it says into wire JSON; the rest are routes.

mod absent;
mod artifacts;
mod claims;
mod environment;
mod environment_files;
mod environments;
mod event;
mod events;
mod fork;
mod incoming;
mod ledger;
mod managed;
mod reads;
mod recipe;
#[cfg(test)]
pub mod samples;
mod saved;
mod sessions;
mod shown;
mod templates;
mod web;

pub use event::{Padding, write_frame};
pub use ledger::effect;
pub use managed::Managed;
pub use sessions::stream_slot;

use crate::failure::Failure;
use crate::{Door, identity};
use axum::Router;
use axum::http::{Method, Uri};
use axum::middleware::from_fn_with_state;
use axum::routing::{any, get, post};
use std::sync::Arc;

/// All routes; literal segments win over ids.
pub fn routes(door: &Arc<Door>) -> Router<Arc<Door>> {
    paths("/v1").route_layer(from_fn_with_state(Arc::clone(door), identity::agents_gate))
}

/// The operations that Bedrock's managed agents have.
pub fn managed_paths(base: &str) -> Router<Arc<Door>> {
    let session = format!("{base}/agents/sessions/{{session_id}}");
    Router::new()
        .route(&format!("{base}/agents/sessions"), get(sessions::list).post(sessions::create))
        .route(&session, get(sessions::retrieve).delete(sessions::delete))
        .route(&format!("{session}/events"), get(events::stream).post(events::create))
        .route(&format!("{session}/items"), get(reads::items))
}

/// All of them below `base`, without a gate.
pub fn paths(base: &str) -> Router<Arc<Door>> {
    let of_session = |rest: &str| format!("{base}/agents/sessions/{{session_id}}{rest}");
    let of = |rest: &str| format!("{base}/agents{rest}");
    Router::new()
        .route(&of(""), get(saved::list).post(saved::create))
        .route(&of("/{agent_id}"), get(saved::retrieve).post(saved::update).delete(saved::delete))
        .route(&of("/sessions"), get(sessions::list).post(sessions::create))
        .route(&of_session(""), get(sessions::retrieve).post(sessions::update).delete(sessions::delete))
        .route(&of_session("/events"), get(events::stream).post(events::create))
        .route(&of_session("/fork"), post(fork::create))
        .route(&of_session("/items"), get(reads::items))
        .route(&of_session("/items/{item_id}/output"), get(reads::output))
        .route(&of_session("/ledger"), get(ledger::list))
        .route(&of_session("/ledger/{effect_id}/resolve"), post(ledger::resolve))
        .route(&of_session("/turns"), get(reads::turns))
        .route(&of_session("/turns/{turn_id}"), get(reads::turn))
        .route(&of_session("/turns/{turn_id}/items"), get(reads::turn_items))
        .route(&of_session("/subagents"), get(absent::subagents))
        .route(&of_session("/subagents/{subagent_id}"), get(absent::subagent))
        .route(&of_session("/subagents/{subagent_id}/items"), get(absent::subagent))
        .route(&of_session("/subagents/{subagent_id}/turns"), get(absent::subagent))
        .route(&of_session("/subagents/{subagent_id}/turns/{turn_id}"), get(absent::subagent))
        .route(&of_session("/subagents/{subagent_id}/turns/{turn_id}/items"), get(absent::subagent))
        .route(&of_session("/artifacts"), get(artifacts::list))
        .route(&of_session("/artifacts/{artifact_id}"), get(artifacts::retrieve).delete(artifacts::delete))
        .route(&of_session("/artifacts/{artifact_id}/content"), get(artifacts::content))
        .route(&of_session("/traces"), get(absent::traces))
        .route(&of("/environments"), get(environments::list).post(environments::create))
        .route(&of("/environments/{environment_id}"), get(environments::retrieve))
        .route(
            &of("/environments/{environment_id}/files"),
            get(environment_files::list).post(environment_files::create),
        )
        .route(&of("/environments/templates"), get(templates::list).post(templates::create))
        .route(
            &of("/environments/templates/{template_id}"),
            get(templates::retrieve).post(templates::update).delete(templates::delete),
        )
        // Without this one, the name would be taken for an agent's id.
        .route(&of("/automations"), any(not_served))
}

async fn not_served(method: Method, uri: Uri) -> Failure {
    crate::failure::no_such_url(method, uri).await
}
