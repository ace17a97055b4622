//! The doors of Amazon Bedrock AgentCore, data plane and control plane in one: their paths do not collide.

mod memory;
mod runtimes;

use crate::Door;
use crate::aws::agentcore_gate;
use axum::Router;
use axum::middleware::from_fn_with_state;
use std::sync::Arc;

pub fn routes(door: &Arc<Door>) -> Router<Arc<Door>> {
    Router::new()
        .merge(memory::routes())
        .merge(runtimes::routes())
        .route_layer(from_fn_with_state(Arc::clone(door), agentcore_gate))
}
