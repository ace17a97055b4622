//! `POST /v1/embeddings`: texts to vectors. No session has to do with it, and nothing of it is kept.

use crate::failure::Failure;
use crate::{Door, body, identity};
use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use std::sync::Arc;
use types::{EmbeddingInput, EmbeddingRequest};
use wire::embeddings::{Embedding, EmbeddingCreate, EmbeddingList, Format, Input, Usage, Vector};

pub fn routes(door: &Arc<Door>) -> Router<Arc<Door>> {
    Router::new()
        .route("/v1/embeddings", post(create))
        .route_layer(from_fn_with_state(Arc::clone(door), identity::embeddings_gate))
}

async fn create(State(door): State<Arc<Door>>, request: Request) -> Result<Response, Failure> {
    let (object, _held) = body::object(&door, request).await?;
    let EmbeddingCreate { model, input, format, dimensions, user } = EmbeddingCreate::read(object)?;
    let input = match input {
        Input::Texts(texts) => EmbeddingInput::Texts(texts),
        Input::Tokens(tokens) => EmbeddingInput::Tokens(tokens),
    };
    let packed = format == Format::Base64;
    let wanted = EmbeddingRequest { model: model.clone(), input, dimensions, user, packed };
    let made = door.handle.embed(wanted).await?;
    let data = made.vectors.iter().enumerate();
    let list = EmbeddingList {
        data: data.map(|(index, numbers)| Embedding { index, embedding: Vector { numbers, format } }).collect(),
        model: &model,
        usage: Usage { prompt_tokens: made.prompt_tokens, total_tokens: made.total_tokens },
    };
    Ok(Json(list).into_response())
}
