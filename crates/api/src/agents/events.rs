//! Events of a session: input goes in, the stream comes out.

use super::incoming;
use super::managed::{self, Managed};
use super::sessions::stream_slot;
use crate::failure::Failure;
use crate::query::{Ids, Pairs};
use crate::repeat::{hash, idempotency_key};
use crate::sse::{self, End};
use crate::{Door, body};
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use runtime::{Identity, RequestKey, Start, Subscription};
use std::sync::Arc;
use types::{EventId, ProjectId, Refusal, SessionId};
use wire::agents::request::Input;

/// 202 when the input is durable. An empty list does nothing, but its key counts as that of any other.
pub async fn create(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    managed: Option<Extension<Managed>>,
    Ids(id): Ids<String>,
    request: Request,
) -> Result<StatusCode, Failure> {
    let (parts, content) = request.into_parts();
    let key = idempotency_key(&parts.headers)?;
    let (bytes, _held) = body::bytes(&door, &parts.headers, content).await?;
    let given = Input::read_all(body::parse(&parts.headers, &bytes)?)?;
    managed::check_input(managed, &given)?;
    let session = SessionId::new(id);
    let inputs = match incoming::inputs(given) {
        Ok(inputs) => inputs,
        Err(failure) => {
            // That there is no such session goes first.
            door.handle.session(&identity.project, &session).await?;
            return Err(failure);
        }
    };
    let key = key.map(|key| RequestKey { key, body_hash: hash(&bytes) });
    door.handle.submit(&identity.project, &session, inputs, key).await?;
    types::failpoint!(BeforeAnswer);
    Ok(StatusCode::ACCEPTED)
}

/// Live events, or those after a known one and then live ones. The subscription holds before the answer begins, so a
/// client that has the headers misses nothing.
pub async fn stream(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    pairs: Pairs,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let padded = pairs.is_on("include_obfuscation")?;
    let slot = stream_slot(&door)?;
    let session = SessionId::new(id);
    let subscription = match pairs.one("after")? {
        Some(after) => {
            let after = EventId::parse(after, &session).map_err(|_| Failure::not_found("No such event in `after`."))?;
            door.handle.subscribe(&identity.project, &session, Start::After(after)).await?
        }
        None => resume(&door, &identity.project, &session, &headers).await?,
    };
    Ok(sse::response(StatusCode::OK, &door, session, subscription, End::Never, padded, slot))
}

/// From `Last-Event-ID`, where it is an id of this session; any other value counts for nothing, as at the original. One
/// that could be ours and names no place (the log was put back to a backup) is refused: to go on live would hide what
/// is lost.
async fn resume(
    door: &Door,
    project: &ProjectId,
    session: &SessionId,
    headers: &HeaderMap,
) -> Result<Subscription, Refusal> {
    let last = headers.get("last-event-id").and_then(|value| EventId::parse(value.to_str().ok()?, session).ok());
    if let Some(last) = last {
        return door.handle.subscribe(project, session, Start::After(last)).await;
    }
    door.handle.subscribe(project, session, Start::Live).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::Server;

    #[test]
    fn a_key_counts_for_an_empty_list_too() {
        let server = Server::new(1);
        let session = r#"{"agent":{"model":"m"},"environment":{"type":"none"},"input":"hi"}"#;
        let session = server.run(server.post("/v1/agents/sessions", session, &[])).json();
        let path = format!("/v1/agents/sessions/{}/events", session["id"].as_str().unwrap());
        let (empty, cancel) = (r#"{"events":[]}"#, r#"{"events":[{"type":"agent.session.input.cancel"}]}"#);
        let status =
            |path: &str, body: &str, key: &str| server.run(server.post(path, body, &[("idempotency-key", key)])).status;
        assert_eq!(status(&path, empty, "first"), StatusCode::ACCEPTED);
        assert_eq!(status(&path, empty, "first"), StatusCode::ACCEPTED);
        assert_eq!(status(&path, cancel, "first"), StatusCode::CONFLICT);
        assert_eq!(status(&path, cancel, "second"), StatusCode::ACCEPTED);
        assert_eq!(status(&path, empty, "second"), StatusCode::CONFLICT);
        assert_eq!(status("/v1/agents/sessions/sess_0/events", empty, "first"), StatusCode::NOT_FOUND);
    }

    #[test]
    fn an_answer_to_no_request_is_a_400_of_a_session_that_is_there() {
        let server = Server::new(1);
        let session = r#"{"agent":{"model":"m"},"environment":{"type":"none"},"input":"hi"}"#;
        let session = server.run(server.post("/v1/agents/sessions", session, &[])).json();
        let body = format!(
            r#"{{"events":[{{"type":"agent.session.input.mcp_approval_request_result","request_id":"{}",
                "response":{{"type":"mcp_tool_call","decision":"deny"}}}}]}}"#,
            "r".repeat(256)
        );
        let ask = |id: &str| server.run(server.post(&format!("/v1/agents/sessions/{id}/events"), &body, &[]));
        let answer = ask(session["id"].as_str().unwrap());
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        let message = format!("Unknown pending MCP approval request: {}", "r".repeat(100));
        assert_eq!(answer.json()["error"]["message"], message);
        assert_eq!(ask("sess_0").status, StatusCode::NOT_FOUND);
    }
}
