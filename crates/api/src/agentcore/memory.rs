//! Memories and their events. Short-term memory is here: events in their order. Records, which AWS draws from events, are
//! not, and their operations say so.

mod control;
mod events;
mod people;
mod records;
mod refused;
mod shown;

use crate::Door;
use crate::query::Ids;
use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::routing::{delete, get, post, put};
use refused::Refused;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use types::Arn;

const SESSION: &str = "/memories/{memory}/actor/{actor}/sessions/{session}";

pub fn routes() -> Router<Arc<Door>> {
    let event = format!("{SESSION}/events/{{event}}");
    Router::new()
        .route("/memories/create", post(control::create))
        // With the slash, as clients ask, and without.
        .route("/memories/", post(control::list))
        .route("/memories", post(control::list))
        .route("/memories/{memory}/details", get(control::retrieve))
        .route("/memories/{memory}/update", put(control::update))
        .route("/memories/{memory}/delete", delete(control::delete))
        .route("/memories/{memory}/events", post(events::create))
        .route(SESSION, post(events::list))
        .route(&event, get(events::retrieve).delete(events::delete))
        .route("/memories/{memory}/actor/{actor}/sessions", post(people::sessions))
        .route("/memories/{memory}/actors", post(people::actors))
        .merge(records::routes())
}

/// What a path names.
struct Named<T>(T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let ids = Ids::from_request_parts(parts, state).await;
        ids.map(|Ids(named)| Self(named)).map_err(Refused::from)
    }
}

/// The id of a memory, which may be named by its ARN. Another account's is as missing as one that never was.
fn memory_id(door: &Door, named: String) -> Result<String, Refused> {
    let id = match named.parse::<Arn>() {
        Err(_) => named,
        Ok(arn) => match arn.resource.strip_prefix("memory/") {
            Some(id) if arn.service == "bedrock-agentcore" && door.aws.account.owns(&arn) => id.to_owned(),
            _ => return Err(Refused::missing(&named)),
        },
    };
    wire::agentcore::memory::memory_id(&id)?;
    Ok(id)
}
