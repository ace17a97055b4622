//! Saved agents: the five routes of `/v1/agents`.

use super::{incoming, shown};
use crate::failure::Failure;
use crate::query::{Ids, Limit, Pairs};
use crate::{Door, body};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use runtime::Identity;
use std::sync::Arc;
use types::{AgentId, AgentSettings, SavedAgent};
use wire::agents::request::{AgentCreate, AgentUpdate};
use wire::agents::{Deleted, List};

pub async fn create(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    request: Request,
) -> Result<Response, Failure> {
    let (object, _held) = body::object(&door, request).await?;
    let wanted = AgentCreate::read(object)?;
    let mut settings = AgentSettings::new(wanted.model);
    incoming::patch(&mut settings, wanted.settings);
    let agent = door.catalog.create_agent(&identity.project, wanted.name, wanted.metadata, settings).await?;
    Ok((StatusCode::CREATED, Json(shown::agent(&agent))).into_response())
}

pub async fn list(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    pairs: Pairs,
) -> Result<Response, Failure> {
    let listed = door.catalog.agents(&identity.project, pairs.page(Limit::Clamped)?).await?;
    let data = listed.data.iter().map(shown::agent).collect();
    let ids = listed.data.iter().map(|agent| agent.id.as_str());
    Ok(Json(List::new(data, listed.has_more, ids)).into_response())
}

pub async fn retrieve(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
) -> Result<Response, Failure> {
    let agent = door.catalog.agent(&identity.project, &AgentId::new(id)).await?;
    Ok(Json(shown::agent(&agent)).into_response())
}

/// Changes what new sessions get; those that run keep their copy.
pub async fn update(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    request: Request,
) -> Result<Response, Failure> {
    let (object, _held) = body::object(&door, request).await?;
    let wanted = AgentUpdate::read(object)?;
    let change = |agent: &mut SavedAgent| {
        incoming::patch(&mut agent.settings, wanted.settings);
        if let Some(name) = wanted.name {
            agent.name = name;
        }
        if let Some(metadata) = wanted.metadata {
            agent.metadata = metadata;
        }
        Ok(())
    };
    let agent = door.catalog.update_agent(&identity.project, &AgentId::new(id), change).await?;
    Ok(Json(shown::agent(&agent)).into_response())
}

pub async fn delete(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
) -> Result<Response, Failure> {
    let id = AgentId::new(id);
    door.catalog.delete_agent(&identity.project, &id).await?;
    Ok(Json(Deleted::agent(id.as_str())).into_response())
}

#[cfg(test)]
mod tests {
    use crate::stage::Server;
    use axum::http::StatusCode;
    use futures_util::future::join;
    use serde_json::{Value, json};

    #[test]
    fn updates_at_the_same_time_are_all_kept() {
        for seed in 0..50 {
            let server = Server::new(seed);
            let agent = server.run(server.post("/v1/agents", r#"{"model":"m"}"#, &[]));
            let path = format!("/v1/agents/{}", agent.json()["id"].as_str().unwrap());
            let (named, noted) = server.run(join(
                server.post(&path, r#"{"name":"n"}"#, &[]),
                server.post(&path, r#"{"metadata":{"k":"v"}}"#, &[]),
            ));
            assert_eq!((named.status, noted.status), (StatusCode::OK, StatusCode::OK));
            let agent = server.run(server.get(&path)).json();
            assert_eq!((&agent["name"], &agent["metadata"]), (&json!("n"), &json!({ "k": "v" })), "seed {seed}");
        }
    }

    #[test]
    fn schemas_come_back_in_the_order_of_the_client() {
        let server = Server::new(1);
        let schema = r#"{"type":"object","properties":{"z":{"type":"string"},"a":{"items":{"y":1,"b":2}}},"$defs":{}}"#;
        let body = format!(
            r#"{{"model":"m","tools":[{{"type":"function","name":"f","description":"d","parameters":{schema}}}],
                "text":{{"format":{{"type":"json_schema","schema":{schema}}}}}}}"#
        );
        let created = server.run(server.post("/v1/agents", &body, &[]));
        let id = created.json()["id"].as_str().unwrap().to_owned();
        let read = server.run(server.get(&format!("/v1/agents/{id}")));
        let session = format!(r#"{{"agent_id":"{id}","environment":{{"type":"none"}},"input":"hi"}}"#);
        let started = server.run(server.post("/v1/agents/sessions", &session, &[]));
        let path = format!("/v1/agents/sessions/{}", started.json()["id"].as_str().unwrap());
        let listed = server.run(server.get(&path));
        for answer in [created, read, started, listed] {
            for key in ["parameters", "schema"] {
                assert!(answer.text.contains(&format!("\"{key}\":{schema}")), "{key}: {}", answer.text);
            }
        }
    }

    #[test]
    fn a_bad_update_changes_nothing() {
        let server = Server::new(1);
        let agent = server.run(server.post("/v1/agents", r#"{"model":"m"}"#, &[])).json();
        let path = format!("/v1/agents/{}", agent["id"].as_str().unwrap());
        let bad = server.run(server.post(&path, r#"{"name":"n","model":""}"#, &[]));
        assert_eq!((bad.status, &bad.json()["error"]["param"]), (StatusCode::BAD_REQUEST, &json!("model")));
        assert_eq!(server.run(server.get(&path)).json()["name"], Value::Null);
    }
}
