//! Environments by themselves: made ahead of a session, listed, read. Self-hosted ones belong to their session and are
//! only read.

use super::{environment, recipe};
use crate::failure::Failure;
use crate::query::{Ids, Limit, Pairs};
use crate::repeat::{hash, idempotency_key};
use crate::words::Translate;
use crate::{Door, body};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use hosting::record::Environment;
use hosting::{Hosting, Wanted};
use runtime::{Identity, RequestKey};
use std::sync::Arc;
use types::{EnvironmentId, EnvironmentSettings, EnvironmentStatus, HostedSettings, ProjectId, Refusal, RefusalKind};
use wire::agents::request::EnvironmentCreate;
use wire::agents::{EnvironmentInfo, EnvironmentKind, List};

/// An environment, by who has it.
enum Found<'a> {
    Hosted(&'a Hosting, Box<Environment>),
    /// Its session's log says what there is to say: a self-hosted one, or one of a server that could host.
    Logged(EnvironmentSettings, EnvironmentStatus),
}

/// 201 with an environment that is being set up.
pub async fn create(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    request: Request,
) -> Result<Response, Failure> {
    let (parts, content) = request.into_parts();
    let key = idempotency_key(&parts.headers)?;
    let (bytes, held) = body::bytes(&door, &parts.headers, content).await?;
    let object = body::parse(&parts.headers, &bytes)?;
    let hosting = recipe::hosting(&door).map_err(|failure| failure.at("environment.type"))?;
    let EnvironmentCreate { template, recipe, vault_ids } = EnvironmentCreate::read(object)?;
    crate::vaults::known(&door, &identity.project, &vault_ids).await?;
    let wanted = Wanted { template, vaults: vault_ids, ..recipe::wanted(recipe, recipe::ENVIRONMENT)? };
    let key = key.map(|key| RequestKey { key, body_hash: hash(&bytes) });
    let maker = hosting.clone();
    let made = hosting.to_its_end(held, async move { maker.create(&identity.project, wanted, key).await }).await??;
    Ok((StatusCode::CREATED, Json(hosted(&made.settings, made.status))).into_response())
}

/// Hosted ones alone, as there is no other type that can be asked for.
pub async fn list(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    pairs: Pairs,
) -> Result<Response, Failure> {
    let page = pairs.page(Limit::Clamped)?;
    pairs.only("type", "openai_hosted")?;
    let Some(hosting) = &door.hosting else { return Ok(Json(List::<EnvironmentInfo>::empty()).into_response()) };
    let listed = hosting.environments(&identity.project, page).await?;
    let data = listed.data.iter().map(|one| hosted(&one.settings, one.status)).collect();
    let ids = listed.data.iter().map(|one| one.settings.id.as_str());
    Ok(Json(List::new(data, listed.has_more, ids)).into_response())
}

pub async fn retrieve(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
) -> Result<Response, Failure> {
    let found = find(&door, &identity.project, &id).await?;
    let info = match &found {
        Found::Hosted(_, environment) => hosted(&environment.settings, environment.status),
        Found::Logged(EnvironmentSettings::OpenaiHosted(settings), status) => hosted(settings, *status),
        Found::Logged(_, status) => EnvironmentInfo {
            id: &id,
            r#type: EnvironmentKind::SelfHosted,
            status: status.translate(),
            files: Vec::new(),
            plugins: Vec::new(),
            skills: Vec::new(),
        },
    };
    Ok(Json(info).into_response())
}

fn hosted(settings: &HostedSettings, status: EnvironmentStatus) -> EnvironmentInfo<'_> {
    let shown = environment::hosted(settings);
    EnvironmentInfo {
        id: shown.id,
        r#type: EnvironmentKind::OpenaiHosted,
        status: status.translate(),
        files: shown.files,
        plugins: shown.plugins,
        skills: shown.skills,
    }
}

async fn find<'a>(door: &'a Door, project: &ProjectId, id: &str) -> Result<Found<'a>, Refusal> {
    if let Some(hosting) = &door.hosting {
        match hosting.environment(project, id).await {
            Ok(environment) => return Ok(Found::Hosted(hosting, Box::new(environment))),
            Err(refusal) if refusal.kind == RefusalKind::NotFound => {}
            Err(refusal) => return Err(refusal),
        }
    }
    let place = door.handle.environment_of(project, &EnvironmentId::new(id)).await?;
    Ok(Found::Logged(place.settings.environment.clone(), place.state.status))
}

/// Who keeps the files of this environment. Those of a machine of the client's own are the client's.
pub async fn with_files<'a>(door: &'a Door, project: &ProjectId, id: &str) -> Result<&'a Hosting, Failure> {
    match find(door, project, id).await? {
        Found::Hosted(hosting, _) => Ok(hosting),
        Found::Logged(settings, _) => {
            let kind = settings.kind();
            let message = format!("Files of environments of type '{kind}' are not available on this server.");
            Err(Failure::invalid(message).at("environment_id"))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::stage::Server;
    use serde_json::{Value, json};

    const NONE: &str = "Environments of type 'openai_hosted' are not available on this server.";

    #[test]
    fn a_server_that_makes_none_says_so_and_has_none() {
        let server = Server::new(1);
        let hosted = r#"{"type": "openai_hosted", "files": 7}"#;
        let of_session = format!(r#"{{"agent": {{"model": "m"}}, "input": "hi", "environment": {hosted}}}"#);
        let asked = [
            ("/v1/agents/environments", format!(r#"{{"environment": {hosted}}}"#), json!("environment.type")),
            ("/v1/agents/sessions", of_session, json!("environment.type")),
            ("/v1/agents/environments/templates", "{}".to_owned(), Value::Null),
        ];
        for (path, body, param) in asked {
            let answer = server.run(server.post(path, &body, &[]));
            let error = &answer.json()["error"];
            assert_eq!(
                (answer.status.as_u16(), &error["message"], &error["param"]),
                (400, &json!(NONE), &param),
                "{path}"
            );
        }
        for path in ["/v1/agents/environments", "/v1/agents/environments/templates"] {
            assert_eq!(server.run(server.get(path)).json()["data"], json!([]), "{path}");
        }
        let wrong = server.run(server.get("/v1/agents/environments?type=self_hosted"));
        assert!(wrong.text.contains("type: unknown variant `self_hosted`, expected `openai_hosted`"), "{}", wrong.text);
        for rest in ["env_1", "env_1/files", "templates/envtmpl_1"] {
            let answer = server.run(server.get(&format!("/v1/agents/environments/{rest}")));
            assert_eq!(
                (answer.status.as_u16(), answer.json()["error"]["code"].as_str()),
                (404, Some("not_found_error"))
            );
        }
    }

    #[test]
    fn a_machine_of_the_clients_own_is_shown_and_keeps_its_files() {
        let server = Server::with_environments(1);
        let body = r#"{"agent": {"model": "m"}, "environment": {"type": "self_hosted", "workspace_directory": "/w"}}"#;
        let session = server.run(server.post("/v1/agents/sessions", body, &[])).json();
        let id = session["environment"]["id"].as_str().unwrap();
        let path = format!("/v1/agents/environments/{id}");
        let shown = server.run(server.get(&path)).json();
        let wanted = json!({ "object": "agent.environment", "id": id, "type": "self_hosted", "status": "pending",
            "files": [], "plugins": [], "skills": [] });
        assert_eq!(shown, wanted);
        let files = server.run(server.get(&format!("{path}/files")));
        assert_eq!(files.json()["error"]["param"], "environment_id");
        let file = r#"{"type": "inline", "path": "/workspace/x", "data": ""}"#;
        let put = server.run(server.post(&format!("{path}/files"), file, &[]));
        assert_eq!((put.status.as_u16(), &put.json()["error"]["param"]), (400, &json!("environment_id")));
    }

    #[test]
    fn a_session_without_a_hosted_environment_has_no_artifacts() {
        let server = Server::new(1);
        let body = r#"{"agent": {"model": "m"}, "environment": {"type": "none"}, "input": "hi"}"#;
        let session = server.run(server.post("/v1/agents/sessions", body, &[])).json();
        let path = format!("/v1/agents/sessions/{}/artifacts", session["id"].as_str().unwrap());
        let said = |rest: &str| server.run(server.get(&format!("{path}{rest}"))).json()["error"]["message"].clone();
        assert_eq!(server.run(server.get(&path)).json()["data"], json!([]));
        assert_eq!(said("?after=artifact_1"), "after is not a valid artifact ID");
        assert_eq!(said("?limit=0"), "limit must be between 1 and 100");
        for rest in ["/artifact_1", "/artifact_1/content"] {
            assert_eq!(said(rest), "Artifact not found.");
        }
        let missing = server.run(server.get("/v1/agents/sessions/sess_0/artifacts/artifact_1"));
        assert_eq!(missing.json()["error"]["message"], "No session found with id 'sess_0'.");
    }
}
