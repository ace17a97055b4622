//! The doors of OpenAI's API that Bedrock has under `/openai/v1`: managed agents, responses, chat and models. The handlers
//! are those under `/v1`; what differs is who may pass. Requests are signed for `bedrock-mantle` (or `bedrock`, as the
//! host of `bedrock-runtime` has them) or bring a key of this server; no beta header is asked for. Errors are OpenAI's.

use crate::agents::{self, Managed};
use crate::failure::Failure;
use crate::identity::{self, READ, READ_RESPONSES, WRITE, WRITE_RESPONSES, Ways};
use crate::{Door, chat, models, responses};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use std::sync::Arc;

const BASE: &str = "/openai/v1";
const SERVICES: [&str; 2] = ["bedrock-mantle", "bedrock"];

pub fn routes(door: &Arc<Door>) -> Router<Arc<Door>> {
    let agents = if door.aws.strict { agents::managed_paths(BASE) } else { agents::paths(BASE) };
    let answers = responses::paths(BASE).merge(chat::paths(BASE));
    Router::new()
        .merge(agents.route_layer(from_fn_with_state(Arc::clone(door), agents_gate)))
        .merge(answers.route_layer(from_fn_with_state(Arc::clone(door), answers_gate)))
        .merge(models::paths(BASE).route_layer(from_fn_with_state(Arc::clone(door), models_gate)))
}

async fn agents_gate(State(door): State<Arc<Door>>, mut request: Request, next: Next) -> Result<Response, Failure> {
    let needed = if is_read(&request) { READ } else { WRITE };
    request.extensions_mut().insert(Managed { is_strict: door.aws.strict });
    pass(&door, request, next, Some(needed)).await
}

async fn answers_gate(State(door): State<Arc<Door>>, request: Request, next: Next) -> Result<Response, Failure> {
    let needed = if is_read(&request) { READ_RESPONSES } else { WRITE_RESPONSES };
    pass(&door, request, next, Some(needed)).await
}

async fn models_gate(State(door): State<Arc<Door>>, request: Request, next: Next) -> Result<Response, Failure> {
    pass(&door, request, next, None).await
}

async fn pass(door: &Door, request: Request, next: Next, needed: Option<&str>) -> Result<Response, Failure> {
    let request = identity::enter(door, request, &Ways::of_service(door, &SERVICES), needed).await?;
    Ok(next.run(request).await)
}

fn is_read(request: &Request) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
}
