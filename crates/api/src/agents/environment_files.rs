//! Files in an environment as it is now.

use super::environments::with_files;
use crate::failure::Failure;
use crate::query::{Ids, Limit, Pairs};
use crate::{Door, body};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hosting::{Content, FilePage, NewFile};
use runtime::{Direction, Identity};
use std::sync::Arc;
use wire::agents::request::{FileParam, FileSource};
use wire::agents::{EnvironmentFile, TokenPage};

/// 201 when it is there.
pub async fn create(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    request: Request,
) -> Result<Response, Failure> {
    let (object, _held) = body::object(&door, request).await?;
    let hosting = with_files(&door, &identity.project, &id).await?;
    let FileParam { path, source } = FileParam::read(object)?;
    let content = match source {
        FileSource::Inline { data, .. } => {
            // It was read a moment ago.
            let bytes = STANDARD.decode(data).map_err(|_| Failure::invalid("Invalid 'data'.").at("data"))?;
            Content::Bytes(bytes)
        }
        FileSource::Uploaded(id) => Content::File(id),
    };
    let file = hosting.put_file(&identity.project, &id, NewFile { path, content }).await?;
    let shown = EnvironmentFile { environment_id: &id, path: &file.path, size_bytes: file.bytes };
    Ok((StatusCode::CREATED, Json(shown)).into_response())
}

/// By the components of their paths; `page` is the token of the page before.
pub async fn list(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    pairs: Pairs,
) -> Result<Response, Failure> {
    let page = pairs.page(Limit::Checked)?;
    let wanted = FilePage {
        path: pairs.one("path")?.map(str::to_owned),
        after: pairs.one("page")?.map(str::to_owned),
        limit: page.limit,
        ascending: page.direction == Direction::Ascending,
    };
    let hosting = with_files(&door, &identity.project, &id).await?;
    let (files, next) = hosting.files(&identity.project, &id, wanted).await?;
    let shown =
        files.iter().map(|file| EnvironmentFile { environment_id: &id, path: &file.path, size_bytes: file.bytes });
    Ok(Json(TokenPage::new(shown.collect(), next)).into_response())
}
