//! The door of vaults and credentials: the ten routes of `/v1/vaults/**`. What is secret goes in, and nothing of it out.

mod credentials;
mod incoming;
mod shown;

use crate::failure::Failure;
use crate::query::{Ids, Limit, Pairs};
use crate::{Door, body, identity};
use ::vaults::{Status, VaultChange, Wanted};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use runtime::Identity;
use std::sync::Arc;
use types::ProjectId;
use wire::agents::{Deleted, List};
use wire::vaults::{VaultCreate, VaultUpdate};

const CREDENTIALS: &str = "/v1/vaults/{vault_id}/credentials";

pub fn routes(door: &Arc<Door>) -> Router<Arc<Door>> {
    Router::new()
        .route("/v1/vaults", get(list).post(create))
        .route("/v1/vaults/{vault_id}", get(retrieve).post(update).delete(delete))
        .route(CREDENTIALS, get(credentials::list).post(credentials::create))
        .route(
            &format!("{CREDENTIALS}/{{credential_id}}"),
            get(credentials::retrieve).post(credentials::update).delete(credentials::delete),
        )
        .route_layer(from_fn_with_state(Arc::clone(door), identity::vaults_gate))
}

async fn create(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    request: Request,
) -> Result<Response, Failure> {
    let (object, _held) = body::object(&door, request).await?;
    let VaultCreate { name, metadata } = VaultCreate::read(object)?;
    let vault = door.vaults.create(&identity.project, name, metadata).await?;
    Ok((StatusCode::CREATED, Json(shown::vault(&vault))).into_response())
}

async fn list(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    pairs: Pairs,
) -> Result<Response, Failure> {
    let (page, wanted) = (pairs.page(Limit::Clamped)?, wanted(&pairs)?);
    let listed = door.vaults.vaults(&identity.project, &wanted, page).await?;
    let data = listed.data.iter().map(shown::vault).collect();
    let ids = listed.data.iter().map(|vault| vault.id.as_str());
    Ok(Json(List::new(data, listed.has_more, ids)).into_response())
}

async fn retrieve(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
) -> Result<Response, Failure> {
    let vault = door.vaults.vault(&identity.project, &id).await?;
    Ok(Json(shown::vault(&vault)).into_response())
}

async fn update(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    request: Request,
) -> Result<Response, Failure> {
    let (object, _held) = body::object(&door, request).await?;
    let VaultUpdate { name, metadata } = VaultUpdate::read(object)?;
    let vault = door.vaults.update(&identity.project, &id, VaultChange { name, metadata }).await?;
    Ok(Json(shown::vault(&vault)).into_response())
}

async fn delete(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
) -> Result<Response, Failure> {
    door.vaults.delete(&identity.project, &id).await?;
    Ok(Json(Deleted::vault(&id)).into_response())
}

/// `status`, once or several times, and `metadata[key]=value`.
fn wanted(pairs: &Pairs) -> Result<Wanted, Failure> {
    let statuses = pairs.one("status")?.into_iter().chain(pairs.all("status[]")).map(|status| match status {
        "active" => Ok(Status::Active),
        "archived" => Ok(Status::Archived),
        other => {
            let other: String = other.chars().take(100).collect();
            let what = format!("status: unknown variant `{other}`, expected `active` or `archived`");
            Err(Failure::invalid(format!("Failed to deserialize query string: {what}")))
        }
    });
    Ok(Wanted { statuses: statuses.collect::<Result<_, _>>()?, metadata: pairs.metadata()? })
}

/// The vaults that a session or an environment names.
pub async fn known(door: &Door, project: &ProjectId, ids: &[String]) -> Result<(), Failure> {
    match door.vaults.missing(project, ids).await? {
        Some(vault) => Err(Failure::invalid(format!("Vault not found: {vault}")).at("vault_ids")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
