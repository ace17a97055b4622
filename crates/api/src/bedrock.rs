//! The doors of Amazon Bedrock: `bedrock-runtime`, where models are asked, and what `bedrock` tells of models. A conversation
//! here is a turn of a session of its own, like a completion of Chat's, and is kept or only passing by the same rule.
//!
//! Operations of these services that are not served are answered as AWS answers what it does not know.

mod ask;
mod control;
mod converse;
mod count;
mod directory;
mod heard;
mod incoming;
mod invoke;
mod stream;
mod teller;
mod voices;

pub use directory::Directory;

use crate::Door;
use crate::aws::{AwsFailure, bedrock_gate};
use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::routing::{any, get, post};
use std::sync::Arc;
use wire::bedrock::converse::NO_GUARDRAIL;

/// Where paths of operations begin that AWS has and this server does not.
const UNSERVED: [&str; 31] = [
    "advanced-prompt-optimization-job",
    "advanced-prompt-optimization-jobs",
    "async-invoke",
    "automated-reasoning-policies",
    "create-foundation-model-agreement",
    "custom-models",
    "data-retention",
    "delete-foundation-model-agreement",
    "enforcedGuardrailsConfiguration",
    "evaluation-job",
    "evaluation-jobs",
    "foundation-model-availability",
    "guardrail-checks",
    "guardrails",
    "imported-models",
    "list-foundation-model-agreement-offers",
    "listTagsForResource",
    "logging",
    "marketplace-model",
    "model-copy-jobs",
    "model-customization",
    "model-customization-jobs",
    "model-import-jobs",
    "model-invocation-job",
    "model-invocation-jobs",
    "prompt-routers",
    "provisioned-model-throughput",
    "provisioned-model-throughputs",
    "resource-policy",
    "tagResource",
    "untagResource",
];

pub fn routes(door: &Arc<Door>) -> Router<Arc<Door>> {
    let mut routes = Router::new()
        .route("/model/{model}/converse", post(converse::whole).fallback(unserved))
        .route("/model/{model}/converse-stream", post(converse::streamed).fallback(unserved))
        .route("/model/{model}/invoke", post(invoke::whole).fallback(unserved))
        .route("/model/{model}/invoke-with-response-stream", post(invoke::streamed).fallback(unserved))
        .route("/model/{model}/count-tokens", post(count::count).fallback(unserved))
        .route("/model/{model}/{operation}", any(unserved))
        .route("/guardrail/{id}/version/{version}/apply", post(no_guardrail).fallback(unserved))
        .route("/foundation-models", get(control::foundation_models).fallback(unserved))
        .route("/foundation-models/{model}", get(control::foundation_model).fallback(unserved))
        .route("/inference-profiles", get(control::inference_profiles).fallback(unserved))
        .route("/inference-profiles/{profile}", get(control::inference_profile).fallback(unserved));
    for first in UNSERVED {
        routes = routes.route(&format!("/{first}"), any(unserved)).route(&format!("/{first}/{{*rest}}"), any(unserved));
    }
    routes.route_layer(from_fn_with_state(Arc::clone(door), bedrock_gate))
}

async fn unserved(request: Request) -> AwsFailure {
    AwsFailure::unserved(request.method(), request.uri().path())
}

/// There are no guardrails.
async fn no_guardrail() -> AwsFailure {
    AwsFailure::not_found(NO_GUARDRAIL)
}
