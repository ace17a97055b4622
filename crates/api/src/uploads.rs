//! `/v1/uploads`: large files in parts.

use crate::failure::Failure;
use crate::files::{self, purpose, receive, refused};
use crate::query::Ids;
use crate::{Door, body, identity};
use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Json, Router};
use runtime::{Identity, NewFile, NewUpload};
use std::sync::Arc;
use wire::Fault;
use wire::files::request::{UploadComplete, UploadCreate};

/// The largest part, bytes.
const PART: u64 = 64 << 20;

pub fn routes(door: &Arc<Door>) -> Router<Arc<Door>> {
    Router::new()
        .route("/v1/uploads", post(create))
        .route("/v1/uploads/{upload_id}/parts", post(add_part))
        .route("/v1/uploads/{upload_id}/complete", post(complete))
        .route("/v1/uploads/{upload_id}/cancel", post(cancel))
        .route_layer(from_fn_with_state(Arc::clone(door), identity::files_gate))
}

async fn create(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    request: Request,
) -> Result<Response, Failure> {
    let (object, _held) = body::object(&door, request).await?;
    let wanted = UploadCreate::read(object)?;
    let file = NewFile {
        filename: wanted.filename,
        purpose: purpose(wanted.purpose),
        media_type: Some(wanted.mime_type),
        expires_after: wanted.expires_after,
    };
    let upload = door.files.create_upload(&identity.project, NewUpload { bytes: wanted.bytes, file }).await?;
    Ok(Json(files::upload(&upload, None)).into_response())
}

async fn add_part(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    request: Request,
) -> Result<Response, Failure> {
    // Before anything is written for it; it is asked again when all is there.
    door.files.pending_upload(&identity.project, &id).await.map_err(refused)?;
    let sent = receive(&door, &identity.project, request, "data", PART).await?;
    if let Some((name, _)) = sent.fields.first() {
        return Err(Fault::at(name, format!("Unknown parameter: '{name}'.")).into());
    }
    let (part, at) = door.files.add_part(&id, sent.draft).await.map_err(refused)?;
    Ok(Json(files::upload_part(&part, at, &id)).into_response())
}

async fn complete(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    request: Request,
) -> Result<Response, Failure> {
    let (object, _held) = body::object(&door, request).await?;
    let wanted = UploadComplete::read(object)?;
    let completed = door.files.complete(&identity.project, &id, wanted.part_ids, wanted.md5.as_deref()).await;
    let (upload, file) = completed.map_err(refused)?;
    Ok(Json(files::upload(&upload, file.as_ref())).into_response())
}

async fn cancel(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
) -> Result<Response, Failure> {
    let upload = door.files.cancel(&identity.project, &id).await.map_err(refused)?;
    Ok(Json(files::upload(&upload, None)).into_response())
}
