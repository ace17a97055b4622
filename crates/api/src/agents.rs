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
mod reads;
mod recipe;
#[cfg(test)]
pub mod samples;
mod saved;
mod sessions;
mod shown;
mod templates;

pub use event::{Padding, write_frame};
pub use ledger::effect;
pub use sessions::stream_slot;

use crate::failure::Failure;
use crate::{Door, identity};
use axum::Router;
use axum::http::{Method, Uri};
use axum::middleware::from_fn_with_state;
use axum::routing::{any, get, post};
use std::sync::Arc;

const SESSION: &str = "/v1/agents/sessions/{session_id}";

/// All routes; literal segments win over ids.
pub fn routes(door: &Arc<Door>) -> Router<Arc<Door>> {
    let of_session = |rest: &str| format!("{SESSION}{rest}");
    Router::new()
        .route("/v1/agents", get(saved::list).post(saved::create))
        .route("/v1/agents/{agent_id}", get(saved::retrieve).post(saved::update).delete(saved::delete))
        .route("/v1/agents/sessions", get(sessions::list).post(sessions::create))
        .route(SESSION, get(sessions::retrieve).post(sessions::update).delete(sessions::delete))
        .route(&of_session("/events"), get(events::stream).post(events::create))
        .route(&of_session("/fork"), post(fork::create))
        .route(&of_session("/items"), get(reads::items))
        .route(&of_session("/ledger"), get(ledger::list))
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
        .route("/v1/agents/environments", get(environments::list).post(environments::create))
        .route("/v1/agents/environments/{environment_id}", get(environments::retrieve))
        .route(
            "/v1/agents/environments/{environment_id}/files",
            get(environment_files::list).post(environment_files::create),
        )
        .route("/v1/agents/environments/templates", get(templates::list).post(templates::create))
        .route(
            "/v1/agents/environments/templates/{template_id}",
            get(templates::retrieve).post(templates::update).delete(templates::delete),
        )
        // Without this one, the name would be taken for an agent's id.
        .route("/v1/agents/automations", any(not_served))
        .route_layer(from_fn_with_state(Arc::clone(door), identity::agents_gate))
}

async fn not_served(method: Method, uri: Uri) -> Failure {
    crate::failure::no_such_url(method, uri).await
}
