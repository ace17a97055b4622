//! A session that goes on where another one stood.

use super::{incoming, shown};
use crate::failure::Failure;
use crate::query::Ids;
use crate::{Door, body};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use runtime::Identity;
use std::sync::Arc;
use types::{ItemId, SessionId};
use wire::agents::request::SessionFork;

/// 201 with the new session.
pub async fn create(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    request: Request,
) -> Result<Response, Failure> {
    let (object, _held) = body::object(&door, request).await?;
    let SessionFork { after_item_id, agent } = SessionFork::read(object)?;
    let item = after_item_id.map(ItemId::new);
    let change = |settings: &mut types::SessionSettings| {
        settings.door = types::Door::Agents;
        incoming::patch(&mut settings.agent, agent);
    };
    let view = door.handle.fork(&identity.project, &SessionId::new(id), item.as_ref(), change).await?;
    Ok((StatusCode::CREATED, Json(shown::session(&view))).into_response())
}
