//! `POST /v1/responses/input_tokens`: how many tokens a request would be. An estimate, the same by which contexts are held to
//! their limits: four bytes a token.

use super::names::{self, Place};
use super::{ask, incoming};
use crate::attachment::Named;
use crate::demand;
use crate::failure::Failure;
use crate::{Door, body};
use axum::Json;
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Response};
use runtime::Identity;
use std::sync::Arc;
use types::{Content, InputBody, ProjectId, RefusalKind, SessionId};
use wire::responses::InputTokens;
use wire::responses::request::TokenCount;

/// Bytes that an image counts for, whatever its size.
const IMAGE: usize = 4000;
/// Bytes that an item counts for beside what it says.
const ITEM: usize = 16;

pub async fn count(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    request: Request,
) -> Result<Response, Failure> {
    let (object, _held) = body::object(&door, request).await?;
    let wanted = TokenCount::read(object)?;
    let project = &identity.project;
    let (beside, mut bytes) = before(&door, project, &wanted).await?;
    bytes += wanted.instructions.as_ref().map_or(0, String::len);
    for tool in wanted.tools {
        bytes += serde_json::to_vec(&demand::tool(tool)).map_or(0, |json| json.len());
    }
    let mut named = Named::new(&door);
    let items = incoming::items(&door, &mut named, project, ("input", wanted.input), beside.as_ref()).await?;
    bytes += items.iter().map(|item| weight(&item.body)).sum::<usize>();
    Ok(Json(InputTokens { input_tokens: (bytes as u64).div_ceil(4) }).into_response())
}

/// The session that the request goes on from, and what of it counts.
async fn before(door: &Door, project: &ProjectId, wanted: &TokenCount) -> Result<(Option<SessionId>, usize), Failure> {
    let (session, items) = if let Some(id) = &wanted.previous_response_id {
        let Place { session, seq } = Place::parse(id).ok_or_else(|| names::unknown_previous(id))?;
        let response = door.handle.response(project, &session, seq).await;
        let response = response.map_err(|refusal| match refusal.kind {
            RefusalKind::NotFound => names::unknown_previous(id),
            _ => refusal.into(),
        })?;
        let items = ask::history(&door.handle, project, &session, Some(&response)).await?;
        (session, items)
    } else if let Some(id) = &wanted.conversation {
        let session = ask::conversation(door, project, id).await?.head.session.clone();
        let items = ask::history(&door.handle, project, &session, None).await?;
        (session, items)
    } else {
        return Ok((None, 0));
    };
    let bytes = items.iter().filter_map(|item| incoming::carried(item)).map(|body| weight(&body)).sum();
    Ok((Some(session), bytes))
}

/// Bytes that an item counts for.
pub fn weight(body: &InputBody) -> usize {
    let said = match body {
        InputBody::Message { content, .. } => contents(content),
        InputBody::Assistant { text, .. } | InputBody::Compaction { text } => text.len(),
        InputBody::Call { name, arguments, .. } => name.len() + arguments.len(),
        InputBody::Output { output: types::CallOutput::Text(text), .. } => text.len(),
        InputBody::Output { output: types::CallOutput::Parts(parts), .. } => contents(parts),
        InputBody::Reasoning { summary, .. } => summary.iter().map(String::len).sum(),
    };
    said + ITEM
}

fn contents(parts: &[Content]) -> usize {
    let bytes = parts.iter().map(|part| match part {
        Content::Text { text } => text.len(),
        Content::Image { .. } => IMAGE,
        Content::File { data, .. } => data.len(),
    });
    bytes.sum()
}
