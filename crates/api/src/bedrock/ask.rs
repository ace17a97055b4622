//! How a model is asked for a client of Bedrock: a turn in a session of its own, held as long as its client is there.

use super::incoming::Wanted;
use crate::Door;
use crate::aws::AwsFailure;
use crate::failure::Failure;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use runtime::{Lease, Place, Respond, Start, Subscription};
use std::time::Duration;
use types::{ProjectId, Refusal, RefusalKind, SessionId};
use wire::Fault;

/// The id or ARN in a path, decoded once.
pub struct Id(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = AwsFailure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AwsFailure> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(id)| Self(id)).map_err(|_| AwsFailure::validation("The identifier in the path is not UTF-8."))
    }
}

/// A turn that has begun.
pub struct Asked {
    pub session: SessionId,
    pub events: Subscription,
    /// Dropped with the client: the turn ends with it.
    pub lease: Lease,
    /// When the request came (monotonic).
    pub since: Duration,
}

/// Begins the turn. Nobody can fetch it later, so nothing of a passing one is kept, and none goes on without its client.
pub async fn ask(
    door: &Door,
    project: &ProjectId,
    wanted: Wanted,
    journal: bool,
    since: Duration,
) -> Result<Asked, AwsFailure> {
    let handle = if journal { &door.handle } else { &door.passing };
    let Wanted { agent, request, items } = wanted;
    let turn = Respond { door: types::Door::Chat, place: Place::New, agent, request, items, key: None };
    let (begun, lease) = handle.respond_held(project, turn, (true, !journal)).await.map_err(refused)?;
    let events = handle.subscribe(project, &begun.session, Start::At(begun.seq)).await?;
    Ok(Asked { session: begun.session, events, lease, since })
}

/// What the model cannot do, in words that name this wire's parameters.
pub fn refused(refusal: Refusal) -> AwsFailure {
    let param = refusal.param.as_deref().map(|path| path.strip_prefix("agent.").unwrap_or(path));
    let param = param.map(|path| match path {
        "input" => "messages".to_owned(),
        "model" => "modelId".to_owned(),
        path if path.starts_with("text.format") => "outputConfig.textFormat".to_owned(),
        path => match path.strip_prefix("tools") {
            Some(rest) => format!("toolConfig.tools{rest}"),
            None => path.to_owned(),
        },
    });
    let failure = AwsFailure::from(Failure { param, ..Failure::from(refusal.clone()) });
    // That there is no such model was said by the directory already: the entry is gone, or its upstream has none.
    if refusal.kind == RefusalKind::ModelNotFound { AwsFailure::validation(failure.message) } else { failure }
}

/// A request that is wrong. Its message says where.
pub fn wrong(fault: Fault) -> AwsFailure {
    AwsFailure::validation(fault.message)
}

pub fn stopping() -> Failure {
    Failure::unavailable("The server is shutting down.")
}

pub fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
