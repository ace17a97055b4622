//! Templates of hosted environments: the five routes of `/v1/agents/environments/templates`.

use super::environment;
use super::recipe::{self, wanted};
use crate::failure::Failure;
use crate::query::{Ids, Limit, Pairs};
use crate::{Door, body};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use hosting::record::Template;
use hosting::{Hosting, TemplateChange};
use runtime::Identity;
use std::sync::Arc;
use types::{HostedFile, Refusal};
use wire::agents as outer;
use wire::agents::request::{TemplateCreate, TemplateUpdate};
use wire::agents::{Deleted, List};

pub async fn create(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    request: Request,
) -> Result<Response, Failure> {
    let (object, _held) = body::object(&door, request).await?;
    let TemplateCreate { name, recipe } = TemplateCreate::read(object)?;
    let hosting = recipe::hosting(&door)?;
    let made = hosting.create_template(&identity.project, name, wanted(recipe, "")?).await?;
    Ok((StatusCode::CREATED, Json(shown(&made))).into_response())
}

pub async fn list(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    pairs: Pairs,
) -> Result<Response, Failure> {
    let page = pairs.page(Limit::Clamped)?;
    let Some(hosting) = &door.hosting else { return Ok(Json(List::<outer::Template>::empty()).into_response()) };
    let listed = hosting.templates(&identity.project, page).await?;
    let data = listed.data.iter().map(shown).collect();
    let ids = listed.data.iter().map(|template| template.id.as_str());
    Ok(Json(List::new(data, listed.has_more, ids)).into_response())
}

pub async fn retrieve(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
) -> Result<Response, Failure> {
    let template = keeper(&door, &id)?.template(&identity.project, &id).await?;
    Ok(Json(shown(&template)).into_response())
}

/// What was made of it stays as it is.
pub async fn update(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    request: Request,
) -> Result<Response, Failure> {
    let (object, _held) = body::object(&door, request).await?;
    let TemplateUpdate { name, recipe } = TemplateUpdate::read(object)?;
    let change = TemplateChange { name, wanted: wanted(recipe, "")? };
    let changed = keeper(&door, &id)?.update_template(&identity.project, &id, change).await?;
    Ok(Json(shown(&changed)).into_response())
}

pub async fn delete(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
) -> Result<Response, Failure> {
    keeper(&door, &id)?.delete_template(&identity.project, &id).await?;
    Ok(Json(Deleted::template(&id)).into_response())
}

/// Who keeps them. Where nobody does, there is none.
fn keeper<'a>(door: &'a Door, id: &str) -> Result<&'a Hosting, Failure> {
    door.hosting.as_ref().ok_or_else(|| Refusal::not_found("environment template", id).into())
}

fn shown(template: &Template) -> outer::Template<'_> {
    let settings = &template.settings;
    outer::Template {
        id: &template.id,
        name: template.name.as_deref(),
        capability_directories: &settings.capability_directories,
        desktop: None,
        files: settings.files.iter().map(file).collect(),
        network: environment::network(&settings.network),
        packages: environment::packages(&settings.packages),
        plugins: environment::capabilities(&settings.plugins),
        skills: environment::capabilities(&settings.skills),
        created_at: template.created_at.seconds(),
        updated_at: template.updated_at.seconds(),
    }
}

fn file(file: &HostedFile) -> outer::TemplateFile<'_> {
    let HostedFile { path, bytes, file_id, .. } = file;
    match file_id {
        Some(file_id) => outer::TemplateFile::FileId { file_id, path },
        None => outer::TemplateFile::Inline { path, size_bytes: *bytes },
    }
}
