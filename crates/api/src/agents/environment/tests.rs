//! Environments over the door, and their commands as items.

use crate::agents::event::tests::frame;
use crate::agents::samples;
use crate::agents::shown::{self, Stage};
use crate::stage::Server;
use serde_json::{Value, json};
use types::{
    Attempt, CallOutput, Cause, CommandResult, EnvironmentChange, EnvironmentError, EnvironmentId, EnvironmentStatus,
    EventBody, ItemBody, ProjectId, SessionId, ToolCall, ToolOutcome,
};

const SESSIONS: &str = "/v1/agents/sessions";

fn wanted(environment: &Value, more: &[(&str, Value)]) -> String {
    let mut body = json!({ "agent": { "model": "m" }, "environment": environment });
    for (name, value) in more {
        body[name] = value.clone();
    }
    body.to_string()
}

fn mine() -> Value {
    json!({ "type": "self_hosted", "workspace_directory": "/workspace" })
}

#[test]
fn what_is_not_served_is_refused_by_its_name_alone() {
    let server = Server::new(1);
    let kinds = [json!({ "type": "self_hosted" }), mine(), json!({ "type": "openai_hosted", "colour": 1 })];
    for environment in kinds {
        let answer = server.run(server.post(SESSIONS, &wanted(&environment, &[("input", json!("hi"))]), &[]));
        let kind = environment["type"].as_str().unwrap();
        let message = format!("Environments of type '{kind}' are not available on this server.");
        let error = &answer.json()["error"];
        assert_eq!((answer.status.as_u16(), &error["message"]), (400, &message.into()));
        assert_eq!(error["param"], "environment.type");
    }
}

#[test]
fn a_session_shows_its_environment_and_waits_for_it() {
    let server = Server::with_environments(2);
    server.run(async {
        let mut environment = mine();
        environment["capability_directories"] = json!(["/skills"]);
        let answer = server.post(SESSIONS, &wanted(&environment, &[("input", json!("hi"))]), &[]).await;
        assert_eq!(answer.status.as_u16(), 201, "{}", answer.text);
        let session = answer.json();
        let id = session["id"].as_str().unwrap().replace("sess_", "env_");
        let shown = json!({
            "type": "self_hosted", "id": id, "workspace_directory": "/workspace",
            "capability_directories": ["/skills"], "remote_url": "https://host/v1/agents/api",
        });
        assert_eq!(session["environment"], shown);
        assert_eq!(session["status"], "requires_action");
        let action = json!([{ "type": "environment_connection", "environment_id": id }]);
        assert_eq!(session["required_actions"], action);
        let listed = server.get(SESSIONS).await.json();
        assert_eq!(listed["data"][0]["environment"], shown);

        let (project, environment) = (ProjectId::new("default"), EnvironmentId::new(id));
        let handle = server.door().0.handle.clone();
        let place = handle.environment_of(&project, &environment).await.unwrap();
        assert_eq!(place.session.as_str(), session["id"].as_str().unwrap());
        assert_eq!(
            (place.state.status, place.settings.environment.id()),
            (EnvironmentStatus::Pending, Some(&environment))
        );
        for (project, environment) in [("other", environment.as_str()), ("default", "env_0"), ("default", "sess_0")] {
            let missing = handle.environment_of(&project.into(), &environment.into()).await.unwrap_err();
            assert_eq!(missing.message, format!("No environment found with id '{environment}'."));
        }
        handle.environment_changed(&project, &place.session, EnvironmentStatus::Connected.into()).await.unwrap();
        let place = handle.environment_of(&project, &environment).await.unwrap();
        assert_eq!(place.state.status, EnvironmentStatus::Connected);
        let now = server.get(&format!("{SESSIONS}/{}", place.session)).await.json();
        assert_eq!(now["required_actions"], json!([]));
    });
}

#[test]
fn a_session_without_input_rests_and_a_fork_has_an_environment_of_its_own() {
    let server = Server::with_environments(3);
    server.run(async {
        let session = server.post(SESSIONS, &wanted(&mine(), &[]), &[]).await.json();
        assert_eq!((&session["status"], &session["required_actions"]), (&"idle".into(), &json!([])));
        let of = |rest: &str| format!("{SESSIONS}/{}{rest}", session["id"].as_str().unwrap());
        let fork = server.post(&of("/fork"), "{}", &[]).await.json();
        assert_eq!(fork["environment"]["workspace_directory"], "/workspace");
        assert_eq!(fork["environment"]["id"], fork["id"].as_str().unwrap().replace("sess_", "env_"));
        assert_ne!(fork["environment"]["id"], session["environment"]["id"]);
        let plain = wanted(&json!({ "type": "none" }), &[("input", json!("hi"))]);
        let plain = server.post(SESSIONS, &plain, &[]).await.json();
        let handle = server.door().0.handle.clone();
        let (project, id) = (ProjectId::new("default"), plain["id"].as_str().unwrap());
        let none = handle.environment_of(&project, &EnvironmentId::new(id.replace("sess_", "env_"))).await;
        assert_eq!(none.unwrap_err().kind, types::RefusalKind::NotFound);
        let change = EnvironmentChange::from(EnvironmentStatus::Connected);
        let refusal = handle.environment_changed(&project, &SessionId::new(id), change.clone()).await.unwrap_err();
        assert_eq!(refusal.message, "The session has no environment.");
        let nowhere = handle.environment_changed(&project, &SessionId::new("sess_0"), change).await.unwrap_err();
        assert_eq!(nowhere.kind, types::RefusalKind::NotFound);
    });
}

#[test]
fn a_wrong_environment_is_refused_with_its_place() {
    let server = Server::with_environments(4);
    let wrong = [
        (json!({ "type": "self_hosted" }), "environment.workspace_directory"),
        (json!({ "type": "self_hosted", "workspace_directory": "w" }), "environment.workspace_directory"),
        (json!({ "type": "self_hosted", "workspace_directory": "/w", "id": "env_1" }), "environment.id"),
        (json!({ "type": "openai_hosted" }), "environment.type"),
    ];
    for (environment, param) in wrong {
        let answer = server.run(server.post(SESSIONS, &wanted(&environment, &[]), &[]));
        assert_eq!((answer.status.as_u16(), &answer.json()["error"]["param"]), (400, &param.into()), "{environment}");
    }
}

#[test]
fn events_tell_of_the_environment() {
    let told = |status, error: Option<(&str, &str)>| {
        let error = error.map(|(code, message)| EnvironmentError { code: code.into(), message: message.into() });
        frame(EventBody::Environment(samples::session_with_environment(status, error)))
    };
    let expected = |status: &str, error: Value| {
        json!({
            "type": format!("agent.session.environment.{status}"), "session_id": "sess_1", "turn_id": null,
            "environment": { "id": "env_1", "type": "self_hosted", "status": status, "error": error },
        })
    };
    assert_eq!(told(EnvironmentStatus::Pending, None), expected("pending", Value::Null));
    assert_eq!(told(EnvironmentStatus::Connected, None), expected("connected", Value::Null));
    assert_eq!(told(EnvironmentStatus::Disconnected, None), expected("disconnected", Value::Null));
    assert_eq!(
        told(EnvironmentStatus::Failed, Some(("environment_connection_timeout", "m"))),
        expected("failed", json!({ "type": "server_error", "code": "environment_connection_timeout", "message": "m" }))
    );
}

#[test]
fn events_tell_of_a_hosted_environment() {
    let told = |status, error: Option<(&str, &str)>| {
        let error = error.map(|(code, message)| EnvironmentError { code: code.into(), message: message.into() });
        frame(EventBody::Environment(samples::session_with_hosted_environment(status, error)))
    };
    let expected = |status: &str, error: Value| {
        json!({
            "type": format!("agent.session.environment.{status}"), "session_id": "sess_1", "turn_id": null,
            "environment": { "id": "env_1", "type": "openai_hosted", "status": status, "error": error },
        })
    };
    assert_eq!(told(EnvironmentStatus::Ready, None), expected("ready", Value::Null));
    assert_eq!(told(EnvironmentStatus::Suspended, None), expected("suspended", Value::Null));
    let why = json!({ "type": "server_error", "code": "idle_timeout", "message": "m" });
    assert_eq!(told(EnvironmentStatus::Expired, Some(("idle_timeout", "m"))), expected("expired", why));
    let reset = frame(EventBody::EnvironmentReset { environment: EnvironmentId::new("env_1"), count: 2 });
    let expected = json!({
        "type": "agent.session.environment.reset", "session_id": "sess_1", "turn_id": null,
        "environment_id": "env_1", "reset_count": 2,
    });
    assert_eq!(reset, expected);
}

#[test]
fn a_session_shows_what_everybody_may_see_of_a_hosted_environment() {
    let view = samples::session_with_hosted_environment(EnvironmentStatus::Ready, None);
    let session = serde_json::to_value(shown::session(&view, "")).unwrap();
    let expected = json!({
        "type": "openai_hosted", "id": "env_1", "capability_directories": ["/workspace/skills"],
        "container_size": "small", "desktop": null,
        "files": [
            { "type": "inline", "id": "envfile_1", "path": "/workspace/a", "size_bytes": 3 },
            { "type": "file_id", "id": "envfile_2", "file_id": "file_1", "path": "/workspace/b", "size_bytes": 4 },
        ],
        "network": { "access": "restricted", "allowed_domains": ["example.com"] },
        "packages": { "npm": ["left-pad"], "python": [], "system": ["jq"] },
        "plugins": [],
        "skills": [{ "type": "inline", "name": "s", "description": "d" }],
    });
    assert_eq!(session["environment"], expected);
}

fn call(arguments: &str) -> ToolCall {
    ToolCall { server_label: String::new(), name: "shell".into(), arguments: arguments.into(), ..samples::tool_call() }
}

fn item(body: ItemBody, stage: Stage) -> Value {
    serde_json::to_value(shown::item(&samples::item(Some(0), body), stage).unwrap()).unwrap()
}

fn ended(arguments: &str, outcome: ToolOutcome) -> ItemBody {
    ItemBody::ToolOutcome { call: call(arguments), attempt: Attempt(1), cause: Cause::Answered, outcome, said: None }
}

#[test]
fn a_command_is_shown_with_what_came_of_it() {
    let arguments = r#"{"command":"ls -l","workdir":"src"}"#;
    let mut expected = json!({
        "type": "command_execution", "id": "item_1", "turn_id": "turn_1", "command": "ls -l", "cwd": null,
        "status": "in_progress", "output": null, "exit_code": null, "duration_ms": null,
    });
    assert_eq!(item(ItemBody::ToolCall(call(arguments)), Stage::Added), expected);
    let result = CommandResult {
        told: "exit code 0\nfiles".into(),
        output: Some("files".into()),
        exit_code: Some(0),
        duration_ms: Some(12),
        working_directory: Some("/workspace/src".into()),
        whole: None,
    };
    for (key, value) in [("cwd", json!("/workspace/src")), ("status", json!("completed")), ("output", json!("files"))] {
        expected[key] = value;
    }
    (expected["exit_code"], expected["duration_ms"]) = (json!(0), json!(12));
    for stage in [Stage::Done, Stage::Listed] {
        assert_eq!(item(ended(arguments, ToolOutcome::Ran(result.clone())), stage), expected);
    }
    let failed = CommandResult { exit_code: Some(3), ..result };
    assert_eq!(item(ended(arguments, ToolOutcome::Ran(failed)), Stage::Listed)["status"], "failed");
}

#[test]
fn a_tool_of_the_environment_that_is_no_command_is_shown_as_one() {
    let arguments = r#"{"path":"a"}"#;
    let body = ended(arguments, ToolOutcome::Done(CallOutput::Text("text".into())));
    let read = item(body, Stage::Listed);
    assert_eq!((&read["command"], &read["output"]), (&json!(r#"shell {"path":"a"}"#), &json!("text")));
    let failed = item(ended(r#"{"command":"x"}"#, ToolOutcome::Failed("not connected".into())), Stage::Listed);
    assert_eq!((&failed["status"], &failed["output"]), (&json!("failed"), &json!("not connected")));
    let mut unknown = ended("{}", ToolOutcome::Unknown("gone".into()));
    assert_eq!(item(unknown.clone(), Stage::Listed)["output"], "outcome unknown: gone");
    if let ItemBody::ToolOutcome { said, .. } = &mut unknown {
        *said = Some("half a line".into());
    }
    assert_eq!(item(unknown, Stage::Listed)["output"], "half a line\noutcome unknown: gone");
}

#[test]
fn what_a_command_printed_is_a_delta() {
    let (item, turn) = ("item_1".into(), "turn_1".into());
    let printed = EventBody::CommandOutput { item, turn, output_index: 4, text: "files".into() };
    let delta = json!({
        "type": "agent.output.command_execution_output.delta", "session_id": "sess_1", "turn_id": "turn_1",
        "item_id": "item_1", "output_index": 4, "delta": "files",
    });
    assert_eq!(frame(printed), delta);
}
