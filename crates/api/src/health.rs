//! Liveness and readiness, for whoever runs the server. Open to all; they say nothing but yes or no.

use crate::Door;
use crate::failure::Failure;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use std::sync::Arc;

pub fn routes() -> Router<Arc<Door>> {
    Router::new().route("/healthz", get(live)).route("/readyz", get(ready))
}

async fn live() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// 503 while the store is stopped or the server drains: take it out of the balancer.
async fn ready(State(door): State<Arc<Door>>) -> Result<Json<Value>, Failure> {
    if door.handle.is_ready() {
        Ok(Json(json!({ "status": "ok" })))
    } else {
        Err(Failure::unavailable("The server takes no new work."))
    }
}
