//! The doors of Amazon Bedrock AgentCore, data plane and control plane in one: their paths do not collide.

mod interpreters;
mod memory;
mod runtimes;

use crate::Door;
use crate::aws::{AwsFailure, agentcore_gate};
use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use std::sync::Arc;

pub fn routes(door: &Arc<Door>) -> Router<Arc<Door>> {
    Router::new()
        .merge(memory::routes())
        .merge(runtimes::routes())
        .merge(interpreters::routes())
        .method_not_allowed_fallback(unserved)
        .route_layer(from_fn_with_state(Arc::clone(door), agentcore_gate))
}

async fn unserved(request: Request) -> AwsFailure {
    AwsFailure::unserved(request.method(), request.uri().path())
}
