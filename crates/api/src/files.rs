//! `/v1/files`: what clients upload, list, read and delete. Bytes stream in both directions and are nowhere whole.

pub mod content;
mod form;
mod shown;

pub use form::receive;
pub use shown::{purpose, upload, upload_part};

use crate::failure::Failure;
use crate::query::{Ids, Limit, Pairs};
use crate::{Door, identity};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use runtime::{FILE_BYTES, Identity, NewFile};
use std::sync::Arc;
use types::Refusal;
use wire::agents::List;
use wire::files::Deleted;
use wire::files::request::{FileCreate, fields, plain_name};

/// Entries of a list's page.
const PAGE: usize = 10_000;

pub fn routes(door: &Arc<Door>) -> Router<Arc<Door>> {
    Router::new()
        .route("/v1/files", get(list).post(create))
        .route("/v1/files/{file_id}", get(retrieve).delete(delete))
        .route("/v1/files/{file_id}/content", get(content::content))
        .route_layer(from_fn_with_state(Arc::clone(door), identity::files_gate))
}

async fn create(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    request: Request,
) -> Result<Response, Failure> {
    let sent = receive(&door, &identity.project, request, "file", FILE_BYTES).await?;
    let wanted = FileCreate::read(fields(sent.fields)?)?;
    let new = NewFile {
        filename: plain_name(sent.head.filename.as_deref().unwrap_or_default()),
        purpose: purpose(wanted.purpose),
        media_type: sent.head.media_type,
        expires_after: wanted.expires_after,
    };
    let file = door.files.create(sent.draft, new).await?;
    Ok(Json(shown::file(&file)).into_response())
}

async fn list(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    pairs: Pairs,
) -> Result<Response, Failure> {
    let page = pairs.page_of(Limit::Checked, PAGE, PAGE)?;
    let listed = door.files.files(&identity.project, pairs.one("purpose")?, page).await.map_err(refused)?;
    let data = listed.data.iter().map(shown::file).collect();
    let ids = listed.data.iter().map(|file| file.id.as_str());
    Ok(Json(List::new(data, listed.has_more, ids)).into_response())
}

async fn retrieve(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
) -> Result<Response, Failure> {
    let file = door.files.file(&identity.project, &id).await.map_err(refused)?;
    Ok(Json(shown::file(&file)).into_response())
}

async fn delete(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
) -> Result<Response, Failure> {
    door.files.delete(&identity.project, &id).await.map_err(refused)?;
    Ok(Json(Deleted { id: &id, object: "file", deleted: true }).into_response())
}

/// A missing file is a wrong request here, as at the original.
pub fn refused(refusal: Refusal) -> Failure {
    unknown(refusal.into())
}

fn unknown(failure: Failure) -> Failure {
    if failure.status == StatusCode::NOT_FOUND {
        return Failure { kind: "invalid_request_error", code: None, ..failure };
    }
    failure
}
