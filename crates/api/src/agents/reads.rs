//! Items and turns of a session.

use super::shown::{self, Stage};
use crate::Door;
use crate::body::IDLE;
use crate::failure::Failure;
use crate::query::{Ids, Limit, Pairs};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use futures_util::stream::unfold;
use runtime::{Identity, Listed};
use std::convert::Infallible;
use std::sync::Arc;
use types::{Item, ItemId, SessionId, TurnId};
use wire::agents::List;

/// What one reader of a command's output may hold, bytes.
const OUTPUT: usize = 5 << 20;

pub async fn items(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    pairs: Pairs,
) -> Result<Response, Failure> {
    let page = pairs.page(Limit::Clamped)?;
    let listed = door.handle.items(&identity.project, &SessionId::new(id), None, page).await?;
    Ok(page_of_items(&listed))
}

pub async fn turn_items(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids((session, turn)): Ids<(String, String)>,
    pairs: Pairs,
) -> Result<Response, Failure> {
    let page = pairs.page(Limit::Clamped)?;
    let (session, turn) = (SessionId::new(session), TurnId::new(turn));
    let listed = door.handle.items(&identity.project, &session, Some(&turn), page).await?;
    Ok(page_of_items(&listed))
}

/// All that a command printed, as it printed it.
pub async fn output(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids((session, item)): Ids<(String, String)>,
) -> Result<Response, Failure> {
    let mut held = door.traffic.contents.enter();
    held.grow(OUTPUT, IDLE, &*door.clock).await?;
    let (session, item) = (SessionId::new(session), ItemId::new(item));
    let output = door.handle.command_output(&identity.project, &session, &item).await?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (header::CONTENT_LENGTH, HeaderValue::from(output.len())),
        // What a command printed is nobody's page.
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    // Its memory counts as taken until the reader has it.
    let body = unfold((Some(output), held), async |(output, held)| Some((Ok::<_, Infallible>(output?), (None, held))));
    Ok((headers, Body::from_stream(body)).into_response())
}

fn page_of_items(listed: &Listed<Arc<Item>>) -> Response {
    let visible = || listed.data.iter().filter(|item| item.is_listed());
    let data = visible().filter_map(|item| shown::item(item, Stage::Listed)).collect();
    Json(List::new(data, listed.has_more, visible().map(|item| item.id.as_str()))).into_response()
}

pub async fn turns(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    pairs: Pairs,
) -> Result<Response, Failure> {
    let page = pairs.page(Limit::Checked)?;
    let session = SessionId::new(id);
    let listed = door.handle.turns(&identity.project, &session, page).await?;
    let data = listed.data.iter().map(|turn| shown::turn(&session, turn)).collect();
    let ids = listed.data.iter().map(|turn| turn.id.as_str());
    Ok(Json(List::new(data, listed.has_more, ids)).into_response())
}

pub async fn turn(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids((session, turn)): Ids<(String, String)>,
) -> Result<Response, Failure> {
    let session = SessionId::new(session);
    let turn = door.handle.turn(&identity.project, &session, &TurnId::new(turn)).await?;
    Ok(Json(shown::turn(&session, &turn)).into_response())
}
