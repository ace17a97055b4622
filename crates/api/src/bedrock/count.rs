//! `CountTokens`: how many tokens a request would be. An estimate, the same as that of Responses.

use super::ask::{Id, wrong};
use super::incoming::Wanted;
use super::invoke::Invoked;
use crate::aws::AwsFailure;
use crate::responses::weight;
use crate::{Door, body};
use axum::Json;
use axum::extract::{Extension, Request, State};
use runtime::Identity;
use std::sync::Arc;
use wire::bedrock::answer::TokenCount;
use wire::bedrock::invoke::Counted;

pub async fn count(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Id(id): Id,
    request: Request,
) -> Result<Json<TokenCount>, AwsFailure> {
    let model = door.models.model(&door.aws.account, &id)?;
    let (object, _held) = body::object(&door, request).await?;
    let wanted = match Counted::read(object).map_err(wrong)? {
        Counted::Converse(asked) => Wanted::new(model, *asked),
        Counted::Invoke(body) => {
            let invoked = Invoked::read(&model, body, false)?;
            invoked.wanted(&door, &identity.project, model).await?
        }
    };
    let said: usize = wanted.items.iter().map(|item| weight(&item.body)).sum();
    let tools = wanted.agent.tools.iter().map(|tool| serde_json::to_vec(tool).map_or(0, |json| json.len()));
    let bytes = said + tools.sum::<usize>();
    Ok(Json(TokenCount { input_tokens: (bytes as u64).div_ceil(4) }))
}
