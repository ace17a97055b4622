//! The data plane: a session's program is asked, or its session is stopped. What the program says goes through as it comes.

use super::{Refused, hosting, named, shown};
use crate::query::{Ids, Pairs};
use crate::{Door, body};
use ::hosting::{Call, SESSION};
use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use runtime::Identity;
use std::sync::Arc;
use wire::agentcore::runtime::{endpoint_name, runtime_session_id};

const SESSION_HEADER: HeaderName = HeaderName::from_static(SESSION);

pub async fn invoke(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    pairs: Pairs,
    request: Request,
) -> Result<Response, Refused> {
    let (parts, body) = request.into_parts();
    let call = call(&door, id, &pairs, parts.headers)?;
    let (bytes, held) = body::bytes(&door, &call.headers, body).await?;
    let reply = hosting(&door)?.invoke(&identity.project, call, Bytes::from(bytes)).await?;
    drop(held);
    let mut response = Response::new(Body::new(reply.body));
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    say_session(response.headers_mut(), &reply.session);
    Ok(response)
}

pub async fn stop(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    pairs: Pairs,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    let call = call(&door, id, &pairs, headers)?;
    if call.session.is_none() {
        return Err(Refused::wrong("Missing required parameter: 'runtimeSessionId'.", Some("runtimeSessionId")));
    }
    let session = hosting(&door)?.stop_session(&identity.project, call).await?;
    let mut response = axum::Json(serde_json::json!({})).into_response();
    say_session(response.headers_mut(), &session);
    Ok(response)
}

/// What a request asks of which session.
pub(super) fn call(door: &Door, id: String, pairs: &Pairs, headers: HeaderMap) -> Result<Call, Refused> {
    let runtime = named(door, id)?;
    if pairs.one("accountId")?.is_some_and(|account| account != door.aws.account.id) {
        return Err(Refused::missing());
    }
    let qualifier = shown::qualifier(pairs.one("qualifier")?);
    endpoint_name(&qualifier)?;
    let session = headers.get(&SESSION_HEADER).map(|value| value.to_str().unwrap_or_default().to_owned());
    let session = match session {
        Some(session) => Some(session),
        // A browser's WebSocket has no headers of its own.
        None => pairs.one("X-Amzn-Bedrock-AgentCore-Runtime-Session-Id")?.map(str::to_owned),
    };
    if let Some(session) = &session {
        runtime_session_id(session)?;
    }
    Ok(Call { runtime, qualifier, session, headers })
}

pub(super) fn say_session(headers: &mut HeaderMap, session: &str) {
    if let Ok(session) = HeaderValue::from_str(session) {
        headers.insert(SESSION_HEADER, session);
    }
}
