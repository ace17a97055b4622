//! Records, which AWS draws from events by strategies: there are none here. What would make or search them says so; what
//! names one finds none.

use super::{Named, Refused, memory_id};
use crate::Door;
use axum::extract::State;
use axum::routing::{delete, get, post};
use axum::{Extension, Router};
use runtime::Identity;
use std::sync::Arc;

const NONE: &str = "This server keeps events and draws no memory records from them: long-term memory is not supported.";

pub fn routes() -> Router<Arc<Door>> {
    let mut router = Router::new()
        .route("/memories/{memory}/memoryRecord/{record}", get(one))
        .route("/memories/{memory}/memoryRecords/{record}", delete(one));
    for path in [
        "retrieve",
        "memoryRecords",
        "memoryRecords/batchCreate",
        "memoryRecords/batchDelete",
        "memoryRecords/batchUpdate",
        "ingest",
        "extractionJobs",
        "extractionJobs/start",
    ] {
        router = router.route(&format!("/memories/{{memory}}/{path}"), post(none));
    }
    router
}

async fn none(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Named(named): Named<String>,
) -> Result<(), Refused> {
    door.recall.memory(&identity.project, &memory_id(&door, named)?).await?;
    Err(Refused::wrong(NONE, None))
}

async fn one(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Named((named, _)): Named<(String, String)>,
) -> Result<(), Refused> {
    door.recall.memory(&identity.project, &memory_id(&door, named)?).await?;
    Err(Refused::missing_record())
}
