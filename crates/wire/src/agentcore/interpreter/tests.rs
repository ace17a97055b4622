//! What is read of requests, what is refused, and the shape of results.

use super::*;
use serde_json::{Map, Value, json};

fn map(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else { unreachable!() };
    map
}

fn param<T: std::fmt::Debug>(read: Result<T, Fault>) -> String {
    read.unwrap_err().param.unwrap_or_default()
}

#[test]
fn an_interpreter_is_read() {
    let create = |change: Value| {
        let mut body = map(json!({"name": "a_1", "networkConfiguration": {"networkMode": "PUBLIC"}}));
        body.extend(map(change));
        InterpreterCreate::read(body)
    };
    let read = create(json!({"description": "it", "clientToken": "t", "filesystemConfigurations": []})).unwrap();
    assert_eq!((read.name.as_str(), read.mode, read.token.as_deref()), ("a_1", InterpreterMode::Public, Some("t")));
    for (change, field) in [
        (json!({"name": "1a"}), "name"),
        (json!({"networkConfiguration": {"networkMode": "VPC"}}), "networkConfiguration.networkMode"),
        (json!({"networkConfiguration": {}}), "networkConfiguration.networkMode"),
        (json!({"executionRoleArn": "me"}), "executionRoleArn"),
        (json!({"tags": {"a": "b"}}), "tags"),
        (json!({"filesystemConfigurations": [{}]}), "filesystemConfigurations"),
        (json!({"certificates": [{}]}), "certificates"),
        (json!({"memory": 1}), "memory"),
    ] {
        assert_eq!(param(create(change.clone())), field, "{change}");
    }
    for id in ["aws.codeinterpreter.v1", "a_1-0123456789"] {
        interpreter_id(id).unwrap();
    }
    for id in ["", "aws.codeinterpreter.v2", "a-012345678", "../x-0123456789"] {
        interpreter_id(id).unwrap_err();
    }
}

#[test]
fn sessions_are_read() {
    let start = |value| SessionStart::read(map(value));
    assert_eq!(start(json!({})).unwrap(), SessionStart { name: None, timeout: 900, token: None });
    for (bad, field) in [
        (json!({"sessionTimeoutSeconds": 0}), "sessionTimeoutSeconds"),
        (json!({"sessionTimeoutSeconds": 28_801}), "sessionTimeoutSeconds"),
        (json!({"name": ""}), "name"),
        (json!({"size": 1}), "size"),
    ] {
        assert_eq!(param(start(bad.clone())), field, "{bad}");
    }
    let list = |value| SessionsAsked::read(map(value));
    assert_eq!(list(json!({})).unwrap().limit, 10);
    assert_eq!(list(json!({"status": "TERMINATED"})).unwrap().status, Some(SessionStatus::Terminated));
    assert_eq!(param(list(json!({"maxResults": 101}))), "maxResults");
    session_id("abc123").unwrap();
    for id in ["", "a-b", &"a".repeat(41)] {
        session_id(id).unwrap_err();
    }
}

#[test]
fn tools_are_read() {
    let read = |name: &str, arguments: Value| {
        Invocation::read(map(json!({"name": name, "arguments": arguments}))).map(|Invocation(invoked)| invoked)
    };
    let code = Invoked::Code { code: "1".to_owned(), language: Language::TypeScript, clear: true };
    let said = json!({"code": "1", "language": "typescript", "runtime": "nodejs", "clearContext": true});
    assert_eq!(read("executeCode", said).unwrap(), code);
    assert_eq!(read("listFiles", json!({})).unwrap(), Invoked::ListFiles(String::new()));
    assert_eq!(read("listFiles", json!({"directoryPath": "a"})).unwrap(), Invoked::ListFiles("a".to_owned()));
    assert_eq!(read("readFiles", json!({"path": "a"})).unwrap(), Invoked::ReadFiles(vec!["a".to_owned()]));
    let files = json!({"content": [{"path": "a", "text": "ü"}, {"path": "b", "blob": "AP8="}]});
    let written = vec![("a".to_owned(), "ü".as_bytes().to_vec()), ("b".to_owned(), vec![0, 255])];
    assert_eq!(read("writeFiles", files).unwrap(), Invoked::WriteFiles(written));
    for (name, arguments, field) in [
        ("execute", json!({}), "name"),
        ("executeCode", json!({}), "arguments.code"),
        ("executeCode", json!({"code": "1", "language": "r"}), "arguments.language"),
        ("executeCode", json!({"code": "1", "runtime": "deno"}), "arguments.runtime"),
        ("executeCode", json!({"code": "1", "language": "javascript", "runtime": "deno"}), "arguments.runtime"),
        ("executeCode", json!({"code": "a\0b"}), "arguments.code"),
        ("executeCode", json!({"code": "x".repeat((3 << 20) + 1)}), "arguments.code"),
        ("executeCommand", json!({"code": "1"}), "arguments.command"),
        ("executeCommand", json!({"command": "x".repeat(100_001)}), "arguments.command"),
        ("executeCommand", json!({"command": "ls", "path": "/"}), "arguments.path"),
        ("readFiles", json!({"paths": []}), "arguments.paths"),
        ("readFiles", json!({"paths": ["a", 1]}), "arguments.paths[1]"),
        ("writeFiles", json!({"content": [{"path": "a"}]}), "arguments.content[0]"),
        ("writeFiles", json!({"content": [{"path": "a", "text": "", "blob": ""}]}), "arguments.content[0]"),
        ("writeFiles", json!({"content": [{"path": "a", "blob": "?"}]}), "arguments.content[0].blob"),
        ("getTask", json!({}), "arguments.taskId"),
        ("stopTask", json!({"taskId": ""}), "arguments.taskId"),
    ] {
        assert_eq!(param(read(name, arguments.clone())), field, "{name}");
    }
    assert_eq!(param(Invocation::read(map(json!({"name": "getTask"})))), "arguments.taskId");
}

#[test]
fn results_have_the_shape_that_clients_know() {
    let entry =
        Entry { uri: "file:///a".into(), name: "a", description: "File", mime_type: Some("text/csv"), size: Some(3) };
    let outcome = Outcome {
        content: vec![
            Content::Text { text: "t" },
            Content::Resource { resource: Resource::Text { uri: "file://a".into(), mime_type: "text/csv", text: "1" } },
            Content::Resource {
                resource: Resource::Blob { uri: "file://b".into(), mime_type: "x/y", blob: "AA==".into() },
            },
            Content::ResourceLink(entry),
        ],
        structured_content: Some(Structured {
            task_id: None,
            task_status: None,
            stdout: "",
            stderr: "e",
            exit_code: Some(1),
            execution_time: Some(0.5),
        }),
        is_error: true,
    };
    let shape = json!({
        "content": [
            {"type": "text", "text": "t"},
            {"type": "resource", "resource": {"type": "text", "uri": "file://a", "mimeType": "text/csv", "text": "1"}},
            {"type": "resource", "resource": {"type": "blob", "uri": "file://b", "mimeType": "x/y", "blob": "AA=="}},
            {"type": "resource_link", "uri": "file:///a", "name": "a", "description": "File", "mimeType": "text/csv", "size": 3},
        ],
        "structuredContent": {"stdout": "", "stderr": "e", "exitCode": 1, "executionTime": 0.5},
        "isError": true,
    });
    assert_eq!(serde_json::to_value(outcome).unwrap(), shape);
}
