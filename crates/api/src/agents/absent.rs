//! What no session of this server has yet: subagents, traces. A session that is there answers with empty
//! lists and 404s, as one that happens to have none would; a session that is not there answers 404 everywhere.

use crate::Door;
use crate::failure::Failure;
use crate::query::{Ids, Limit, Pairs};
use axum::extract::State;
use axum::{Extension, Json};
use runtime::Identity;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use types::{SessionId, TurnId};
use wire::agents::List;

type Empty = Json<List<Value>>;

async fn session(door: &Door, identity: &Identity, id: String) -> Result<SessionId, Failure> {
    let session = SessionId::new(id);
    door.handle.session(&identity.project, &session).await?;
    Ok(session)
}

pub async fn subagents(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    pairs: Pairs,
) -> Result<Empty, Failure> {
    let page = pairs.page(Limit::Checked)?;
    session(&door, &identity, id).await?;
    match page.after {
        Some(_) => Err(Failure::invalid("Invalid resource ID in `after`")),
        None => Ok(Json(List::empty())),
    }
}

/// Traces are paged by the ids of root turns.
pub async fn traces(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    pairs: Pairs,
) -> Result<Empty, Failure> {
    let page = pairs.page(Limit::Clamped)?;
    let session = session(&door, &identity, id).await?;
    if let Some(turn) = page.after {
        door.handle.turn(&identity.project, &session, &TurnId::new(turn)).await?;
    }
    Ok(Json(List::empty()))
}

pub async fn subagent(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(path): Ids<BTreeMap<String, String>>,
) -> Failure {
    missing(&door, &identity, &path, "Subagent not found.").await
}

/// The 404 of the session, if that is what is missing, or else of the thing in it.
async fn missing(door: &Door, identity: &Identity, path: &BTreeMap<String, String>, message: &str) -> Failure {
    let id = path.get("session_id").cloned().unwrap_or_default();
    match session(door, identity, id).await {
        Ok(_) => Failure::not_found(message),
        Err(failure) => failure,
    }
}
