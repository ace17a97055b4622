//! Credentials of one vault.

use super::{incoming, shown, wanted};
use crate::failure::Failure;
use crate::query::{Ids, Limit, Pairs};
use crate::{Door, body};
use ::vaults::CredentialChange;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use runtime::Identity;
use std::sync::Arc;
use wire::agents::{Deleted, List};
use wire::vaults::{CredentialCreate, CredentialUpdate};

pub async fn create(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(vault): Ids<String>,
    request: Request,
) -> Result<Response, Failure> {
    let (object, _held) = body::object(&door, request).await?;
    let new = incoming::credential(CredentialCreate::read(object)?);
    let credential = door.vaults.create_credential(&identity.project, &vault, new).await?;
    Ok((StatusCode::CREATED, Json(shown::credential(&credential))).into_response())
}

pub async fn list(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(vault): Ids<String>,
    pairs: Pairs,
) -> Result<Response, Failure> {
    let (page, wanted) = (pairs.page(Limit::Clamped)?, wanted(&pairs)?);
    let listed = door.vaults.credentials(&identity.project, &vault, &wanted, page).await?;
    let data = listed.data.iter().map(shown::credential).collect();
    let ids = listed.data.iter().map(|credential| credential.id.as_str());
    Ok(Json(List::new(data, listed.has_more, ids)).into_response())
}

pub async fn retrieve(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids((vault, id)): Ids<(String, String)>,
) -> Result<Response, Failure> {
    let credential = door.vaults.credential(&identity.project, &vault, &id).await?;
    Ok(Json(shown::credential(&credential)).into_response())
}

pub async fn update(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids((vault, id)): Ids<(String, String)>,
    request: Request,
) -> Result<Response, Failure> {
    let (object, _held) = body::object(&door, request).await?;
    let CredentialUpdate { auth, metadata } = CredentialUpdate::read(object)?;
    let change = CredentialChange { auth: auth.map(incoming::change), metadata };
    let credential = door.vaults.update_credential(&identity.project, &vault, &id, change).await?;
    Ok(Json(shown::credential(&credential)).into_response())
}

pub async fn delete(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids((vault, id)): Ids<(String, String)>,
) -> Result<Response, Failure> {
    door.vaults.delete_credential(&identity.project, &vault, &id).await?;
    Ok(Json(Deleted::credential(&id)).into_response())
}
