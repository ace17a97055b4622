//! The door of the Conversations API. A conversation is a session that holds items until a response goes on from them;
//! what it is called here says where it is.

use crate::attachment::Named;
use crate::failure::Failure;
use crate::query::{Ids, Limit, Pairs};
use crate::responses::{ask, incoming, names, reads, shown};
use crate::{Door, body, identity};
use axum::extract::{Extension, Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use runtime::Identity;
use std::sync::Arc;
use types::{ItemId, ProjectId, Refusal, RefusalKind, SessionChange, SessionId, SessionView};
use wire::conversations::{Conversation, ConversationCreate, Deleted, conversation_update, items_create};
use wire::responses::ItemStatus;

/// All routes.
pub fn routes(door: &Arc<Door>) -> Router<Arc<Door>> {
    Router::new()
        .route("/v1/conversations", post(create))
        .route("/v1/conversations/{conversation_id}", get(retrieve).post(update).delete(delete))
        .route("/v1/conversations/{conversation_id}/items", get(items).post(add_items))
        .route("/v1/conversations/{conversation_id}/items/{item_id}", get(item).delete(remove_item))
        .route_layer(from_fn_with_state(Arc::clone(door), identity::responses_gate))
}

async fn create(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    request: Request,
) -> Result<Response, Failure> {
    let project = &identity.project;
    let (object, _held) = body::object(&door, request).await?;
    let wanted = ConversationCreate::read(object)?;
    let mut named = Named::new(&door);
    let brought = incoming::items(&door, &mut named, project, ("items", wanted.items), None).await?;
    let opened = door.handle.open(project, types::Door::Conversations, wanted.metadata, brought).await;
    Ok(show(&opened.map_err(of_items)?))
}

async fn retrieve(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
) -> Result<Response, Failure> {
    Ok(show(&find(&door, &identity.project, &id).await?))
}

async fn update(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    request: Request,
) -> Result<Response, Failure> {
    let (object, _held) = body::object(&door, request).await?;
    let metadata = conversation_update(object)?;
    let session = session(&door, &identity.project, &id).await?;
    let change = SessionChange { metadata: Some(metadata), ..SessionChange::default() };
    let view = door.handle.update(&identity.project, &session, change).await;
    Ok(show(&view.map_err(|refusal| unknown(refusal, &id))?))
}

/// Its items go with it, and so do the responses that were given in it.
async fn delete(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
) -> Result<Response, Failure> {
    let session = session(&door, &identity.project, &id).await?;
    let deleted = door.handle.delete(&identity.project, &session).await;
    deleted.map_err(|refusal| match refusal.kind {
        RefusalKind::Conflict => names::locked(),
        _ => unknown(refusal, &id),
    })?;
    Ok(Json(Deleted { id: &id, deleted: true }).into_response())
}

async fn items(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    pairs: Pairs,
) -> Result<Response, Failure> {
    let page = pairs.page(Limit::Checked)?;
    let encrypted = encrypted(&pairs)?;
    let session = session(&door, &identity.project, &id).await?;
    let listed = door.handle.items(&identity.project, &session, None, page).await;
    let listed = listed.map_err(|refusal| match refusal.kind {
        RefusalKind::Invalid => Failure::invalid("No such item in 'after'.").at("after"),
        _ => unknown(refusal, &id),
    })?;
    Ok(Json(shown::list(listed.data.iter(), listed.has_more, encrypted)).into_response())
}

/// Answers with what was added, as it is kept.
async fn add_items(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    pairs: Pairs,
    request: Request,
) -> Result<Response, Failure> {
    let project = &identity.project;
    let encrypted = encrypted(&pairs)?;
    let (object, _held) = body::object(&door, request).await?;
    let wanted = items_create(object)?;
    let session = session(&door, project, &id).await?;
    let mut named = Named::new(&door);
    let brought = incoming::items(&door, &mut named, project, ("items", wanted), Some(&session)).await?;
    let kept = if brought.is_empty() {
        Vec::new()
    } else {
        door.handle.import(project, &session, brought).await.map_err(of_items)?
    };
    Ok(Json(shown::list(kept.iter(), false, encrypted)).into_response())
}

async fn item(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids((id, item)): Ids<(String, String)>,
    pairs: Pairs,
) -> Result<Response, Failure> {
    let encrypted = encrypted(&pairs)?;
    let session = session(&door, &identity.project, &id).await?;
    let found = door.handle.item(&identity.project, &session, &ItemId::new(item.as_str())).await;
    let found = found.map_err(|refusal| no_item(refusal, &item))?;
    let shown = shown::item(&found, ItemStatus::Completed, encrypted);
    let shown = shown.ok_or_else(|| Failure::from(Refusal::not_found("item", &item)))?;
    Ok(Json(shown).into_response())
}

/// Answers with the conversation. A call goes alone, and so does a result: what lost its partner is shown to no model.
async fn remove_item(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids((id, item)): Ids<(String, String)>,
) -> Result<Response, Failure> {
    let session = session(&door, &identity.project, &id).await?;
    let removed = door.handle.remove_item(&identity.project, &session, &ItemId::new(item.as_str())).await;
    removed.map_err(|refusal| no_item(refusal, &item))?;
    Ok(show(&find(&door, &identity.project, &id).await?))
}

/// The conversation of this id; what is not of this project is not there.
async fn find(door: &Door, project: &ProjectId, id: &str) -> Result<SessionView, Failure> {
    ask::conversation(door, project, id).await.map_err(|failure| Failure { param: None, ..failure })
}

/// The session that the conversation of this id is.
async fn session(door: &Door, project: &ProjectId, id: &str) -> Result<SessionId, Failure> {
    Ok(find(door, project, id).await?.head.session.clone())
}

fn encrypted(pairs: &Pairs) -> Result<bool, Failure> {
    Ok(reads::includes(pairs)?.contains(&wire::responses::Include::EncryptedReasoning))
}

/// A refusal of items speaks of them as a response's.
fn of_items(refusal: Refusal) -> Failure {
    let failure = Failure::from(refusal);
    let param = failure.param.clone().map(|param| if param == "input" { "items".to_owned() } else { param });
    Failure { param, ..failure }
}

fn unknown(refusal: Refusal, id: &str) -> Failure {
    if refusal.kind == RefusalKind::NotFound {
        Failure { param: None, ..names::unknown_conversation(id) }
    } else {
        refusal.into()
    }
}

/// In the words that a client knows it by.
fn no_item(refusal: Refusal, item: &str) -> Failure {
    if refusal.kind == RefusalKind::NotFound { Refusal::not_found("item", item).into() } else { refusal.into() }
}

fn show(view: &SessionView) -> Response {
    let id = names::conversation_id(&view.head.session);
    let created_at = view.head.created_at.0 / 1000;
    Json(Conversation { id: &id, created_at, metadata: &view.settings.metadata }).into_response()
}
