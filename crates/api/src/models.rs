//! `/v1/models`: the names that clients may write in `model`. An entry `*` answers names that are not listed here.

use crate::failure::Failure;
use crate::query::Ids;
use crate::{Door, identity};
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use std::sync::Arc;

pub fn routes(door: &Arc<Door>) -> Router<Arc<Door>> {
    paths("/v1").route_layer(from_fn_with_state(Arc::clone(door), identity::key_gate))
}

/// The same below `base`, without a gate.
pub fn paths(base: &str) -> Router<Arc<Door>> {
    Router::new()
        .route(&format!("{base}/models"), get(list))
        // Names may hold slashes.
        .route(&format!("{base}/models/{{*model}}"), get(retrieve))
}

async fn list(State(door): State<Arc<Door>>) -> Json<Value> {
    let names = door.catalog.model_names();
    let data: Vec<Value> = names.iter().map(|name| model(name)).collect();
    Json(json!({ "object": "list", "data": data }))
}

async fn retrieve(State(door): State<Arc<Door>>, Ids(name): Ids<String>) -> Result<Json<Value>, Failure> {
    if door.catalog.model_names().contains(&name) {
        return Ok(Json(model(&name)));
    }
    let shown: String = name.chars().take(100).collect();
    Err(Failure::model_not_found(format!("The model '{shown}' does not exist.")).at("model"))
}

/// When a model was configured is not known, so `created` is the epoch.
fn model(name: &str) -> Value {
    json!({ "id": name, "object": "model", "created": 0, "owned_by": "outcrop" })
}
