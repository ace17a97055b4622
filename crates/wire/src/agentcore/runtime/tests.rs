//! What is read of requests, and what is refused.

use super::*;
use serde_json::{Map, Value, json};

fn map(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else { unreachable!() };
    map
}

fn create(change: Value) -> Result<RuntimeCreate, Fault> {
    let mut body = map(json!({
        "agentRuntimeName": "a_1",
        "agentRuntimeArtifact": {"codeConfiguration": {
            "code": {"s3": {"bucket": "outcrop-files", "prefix": "file-1"}},
            "runtime": "PYTHON_3_11", "entryPoint": ["main.py"],
        }},
        "roleArn": "arn:aws:iam::000000000000:role/agent",
        "networkConfiguration": {"networkMode": "PUBLIC"},
    }));
    body.extend(map(change));
    RuntimeCreate::read(body)
}

#[test]
fn a_runtime_is_read() {
    let read = create(json!({
        "description": "it", "clientToken": "t", "hooksConfiguration": {}, "tags": null,
        "lifecycleConfiguration": {"idleRuntimeSessionTimeout": 60, "maxLifetime": 1_209_600},
        "environmentVariables": {"A": ""}, "protocolConfiguration": {"serverProtocol": "AGUI", "port": 8080},
        "requestHeaderConfiguration": {
            "requestHeaderAllowlist": ["X-Amzn-Bedrock-AgentCore-Runtime-Custom-A"],
        },
    }))
    .unwrap();
    let details = read.details;
    assert_eq!((read.name.as_str(), read.token.as_deref()), ("a_1", Some("t")));
    assert_eq!((details.idle, details.lifetime), (Some(60), Some(1_209_600)));
    assert_eq!((details.bucket.as_str(), details.prefix.as_str()), ("outcrop-files", "file-1"));
    assert_eq!((details.variables["A"].as_str(), details.headers.len(), details.entry_point.len()), ("", 1, 1));
    let read = create(json!({})).unwrap();
    assert_eq!((read.token, read.details.idle, read.details.protocol), (None, None, None));
}

#[test]
fn a_wrong_runtime_is_told_where() {
    let code = |change: Value| {
        let mut code = map(json!({
            "code": {"s3": {"bucket": "b-1", "prefix": "p"}}, "runtime": "NODE_22", "entryPoint": ["a.js"],
        }));
        code.extend(map(change));
        json!({"agentRuntimeArtifact": {"codeConfiguration": code}})
    };
    let artifact = "agentRuntimeArtifact.codeConfiguration";
    let variables: Map<String, Value> = (0..51).map(|n| (format!("V{n}"), json!(""))).collect();
    for (change, at) in [
        (json!({"agentRuntimeName": "1a"}), "agentRuntimeName".to_owned()),
        (json!({"agentRuntimeName": "a".repeat(49)}), "agentRuntimeName".to_owned()),
        (json!({"agentRuntimeArtifact": null}), "agentRuntimeArtifact".to_owned()),
        (
            json!({"agentRuntimeArtifact": {"containerConfiguration": {"containerUri": "x"}}}),
            "agentRuntimeArtifact.containerConfiguration".to_owned(),
        ),
        (code(json!({"runtime": "PYTHON_2"})), format!("{artifact}.runtime")),
        (code(json!({"entryPoint": []})), format!("{artifact}.entryPoint")),
        (code(json!({"entryPoint": ["a", "b", "c"]})), format!("{artifact}.entryPoint")),
        (
            code(json!({"code": {"s3": {"bucket": "b", "prefix": "p", "versionId": "123"}}})),
            format!("{artifact}.code.s3.versionId"),
        ),
        (json!({"roleArn": "me"}), "roleArn".to_owned()),
        (json!({"networkConfiguration": {"networkMode": "VPC"}}), "networkConfiguration.networkMode".to_owned()),
        (json!({"lifecycleConfiguration": {"maxLifetime": 59}}), "lifecycleConfiguration.maxLifetime".to_owned()),
        (
            json!({"lifecycleConfiguration": {"idleRuntimeSessionTimeout": 61, "maxLifetime": 60}}),
            "lifecycleConfiguration.idleRuntimeSessionTimeout".to_owned(),
        ),
        (
            json!({"protocolConfiguration": {"serverProtocol": "A2A"}}),
            "protocolConfiguration.serverProtocol".to_owned(),
        ),
        (
            json!({"protocolConfiguration": {"serverProtocol": "HTTP", "port": 9000}}),
            "protocolConfiguration.port".to_owned(),
        ),
        (
            json!({"requestHeaderConfiguration": {"requestHeaderAllowlist": ["Authorization"]}}),
            "requestHeaderConfiguration.requestHeaderAllowlist[0]".to_owned(),
        ),
        (json!({"environmentVariables": variables}), "environmentVariables".to_owned()),
        (json!({"environmentVariables": {"A=B": ""}}), "environmentVariables".to_owned()),
        (json!({"authorizerConfiguration": {"customJWTAuthorizer": {}}}), "authorizerConfiguration".to_owned()),
        (json!({"tags": {"a": "b"}}), "tags".to_owned()),
        (json!({"colour": 1}), "colour".to_owned()),
    ] {
        let fault = create(change.clone()).expect_err(&change.to_string());
        assert_eq!(fault.param.as_deref(), Some(at.as_str()), "{change}: {}", fault.message);
    }
}

#[test]
fn endpoints_are_read() {
    let read = EndpointCreate::read(map(json!({"name": "live", "agentRuntimeVersion": "12"}))).unwrap();
    assert_eq!((read.name.as_str(), read.change.version), ("live", Some(12)));
    assert!(EndpointChange::read(map(json!({"name": "live"}))).is_err());
    assert!(EndpointCreate::read(map(json!({"name": "a-b"}))).is_err());
}

#[test]
fn ids_have_their_form() {
    for good in ["a-0123456789", "my_agent-abcdefghij"] {
        assert_eq!(runtime_id(good), Ok(()), "{good}");
    }
    for bad in ["", "a", "a-012345678", "a-012345678/", "1a-0123456789", "a/b-0123456789", "a--0123456789"] {
        assert!(runtime_id(bad).is_err(), "{bad}");
    }
    assert_eq!(runtime_session_id(&"s".repeat(33)), Ok(()));
    for bad in ["s".repeat(32), "s".repeat(257), format!("-{}", "s".repeat(40)), format!("{}/", "s".repeat(40))] {
        assert!(runtime_session_id(&bad).is_err(), "{bad}");
    }
    assert_eq!((version_number("1"), version_number("99999")), (Ok(1), Ok(99_999)));
    for bad in ["", "0", "01", "100000", "+1", "a"] {
        assert!(version_number(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_command_is_read() {
    let read = |value| RuntimeCommand::read(map(value));
    assert_eq!(read(json!({"command": "ls"})).unwrap(), RuntimeCommand { command: "ls".to_owned(), timeout: 300 });
    assert_eq!(read(json!({"command": "ls", "timeout": 3600})).unwrap().timeout, 3600);
    for (bad, field) in [
        (json!({}), "command"),
        (json!({"command": ""}), "command"),
        (json!({"command": "a\0b"}), "command"),
        (json!({"command": "x".repeat(65_537)}), "command"),
        (json!({"command": "ls", "timeout": 0}), "timeout"),
        (json!({"command": "ls", "timeout": 3601}), "timeout"),
        (json!({"command": "ls", "timeout": 1.5}), "timeout"),
        (json!({"command": "ls", "shell": "sh"}), "shell"),
    ] {
        assert_eq!(read(bad.clone()).unwrap_err().param.as_deref(), Some(field), "{bad}");
    }
}

#[test]
fn chunks_have_the_shape_that_clients_know() {
    for (chunk, shape) in [
        (CommandChunk::ContentStart {}, json!({"contentStart": {}})),
        (CommandChunk::output("a"), json!({"contentDelta": {"stdout": "a"}})),
        (CommandChunk::error("b"), json!({"contentDelta": {"stderr": "b"}})),
        (CommandChunk::end(Some(3)), json!({"contentStop": {"exitCode": 3, "status": "COMPLETED"}})),
        (CommandChunk::end(None), json!({"contentStop": {"exitCode": -1, "status": "TIMED_OUT"}})),
    ] {
        assert_eq!(serde_json::to_value(chunk).unwrap(), shape);
    }
}
