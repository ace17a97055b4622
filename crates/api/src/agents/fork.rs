//! A session that goes on where another one stood.

use super::{claims, incoming, shown};
use crate::failure::Failure;
use crate::query::Ids;
use crate::{Door, body};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use runtime::{Identity, NewFork};
use std::sync::Arc;
use types::{EnvironmentSettings, ItemId, SessionId};
use wire::agents::request::SessionFork;

/// 201 with the new session. It gets a copy of a hosted environment's disk; a machine of the client's own is not copied.
pub async fn create(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    request: Request,
) -> Result<Response, Failure> {
    let (object, held) = body::object(&door, request).await?;
    let SessionFork { after_item_id, agent } = SessionFork::read(object)?;
    let wanted = NewFork { after_item: after_item_id.map(ItemId::new), ..NewFork::default() };
    let change = move |settings: &mut types::SessionSettings| {
        settings.door = types::Door::Agents;
        incoming::patch(&mut settings.agent, agent);
    };
    let (project, parent) = (&identity.project, SessionId::new(id));
    let view = match door.handle.session(project, &parent).await?.settings.environment {
        EnvironmentSettings::OpenaiHosted(_) => claims::fork(&door, project, held, parent, wanted, change).await?,
        EnvironmentSettings::None | EnvironmentSettings::SelfHosted { .. } => {
            door.handle.fork(project, &parent, wanted, change).await?
        }
    };
    Ok((StatusCode::CREATED, Json(shown::session(&view, door.remote_url()))).into_response())
}

#[cfg(test)]
mod tests {
    use crate::stage::Server;

    /// No model answers here, so the first turn fails at once; that is past enough.
    #[test]
    fn a_fork_is_a_session_like_others() {
        let server = Server::new(1);
        let body =
            r#"{"agent": {"model": "m"}, "environment": {"type": "none"}, "input": "hello", "metadata": {"k": "v"}}"#;
        server.run(async {
            let mother = server.post("/v1/agents/sessions", body, &[]).await.json();
            let of = |id: &serde_json::Value, rest: &str| format!("/v1/agents/sessions/{}{rest}", id.as_str().unwrap());
            let forked = server.post(&of(&mother["id"], "/fork"), r#"{"agent": {"model": "n"}}"#, &[]).await;
            assert_eq!(forked.status.as_u16(), 201, "{}", forked.text);
            let child = forked.json();
            assert_ne!(child["id"], mother["id"]);
            assert_eq!((&child["status"], &child["metadata"]["k"]), (&"idle".into(), &"v".into()));
            assert_eq!((&child["agent"]["model"], &child["agent"]["id"]), (&"n".into(), &mother["agent"]["id"]));
            for list in ["/items", "/turns"] {
                let (of_child, of_mother) =
                    (server.get(&of(&child["id"], list)).await, server.get(&of(&mother["id"], list)).await);
                let ids = |answer: &crate::stage::Answer| {
                    let data = answer.json()["data"].as_array().unwrap().clone();
                    data.into_iter().map(|entry| entry["id"].clone()).collect::<Vec<_>>()
                };
                assert_eq!((ids(&of_child), ids(&of_child).len()), (ids(&of_mother), 1), "{list}");
            }
            let listed = server.get("/v1/agents/sessions").await.json();
            assert_eq!(listed["data"].as_array().unwrap().len(), 2);
        });
    }

    #[test]
    fn what_is_not_there_is_not_forked() {
        let server = Server::new(2);
        server.run(async {
            let body = r#"{"agent": {"model": "m"}, "environment": {"type": "none"}, "input": "hello"}"#;
            let mother = server.post("/v1/agents/sessions", body, &[]).await.json();
            let path = |id: &str| format!("/v1/agents/sessions/{id}/fork");
            let missing = server.post(&path("sess_none"), "{}", &[]).await;
            assert_eq!(missing.status.as_u16(), 404);
            assert_eq!(missing.json()["error"]["message"], "No session found with id 'sess_none'.");
            let mother = mother["id"].as_str().unwrap();
            let item = server.post(&path(mother), r#"{"after_item_id": "msg_none"}"#, &[]).await;
            assert_eq!((item.status.as_u16(), &item.json()["error"]["param"]), (404, &"after_item_id".into()));
            let unknown = server.post(&path(mother), r#"{"before": 1}"#, &[]).await;
            assert_eq!((unknown.status.as_u16(), &unknown.json()["error"]["param"]), (400, &"before".into()));
            assert_eq!(server.get("/v1/agents/sessions").await.json()["data"].as_array().unwrap().len(), 1);
        });
    }
}
