//! Requests, good and bad; a bad one is shown by its message.

use super::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => unreachable!(),
    }
}

fn refresh(with: &Value) -> Value {
    let auth = json!({ "type": "client_secret_post", "client_secret": "s3cret" });
    let mut refresh = json!({ "client_id": "id", "refresh_token": "s3cret", "token_endpoint": "https://a.test/t",
        "token_endpoint_auth": auth });
    for (key, value) in map(with.clone()) {
        refresh[key] = value;
    }
    refresh
}

fn oauth(with: &Value) -> Value {
    let auth = json!({ "type": "mcp_oauth", "mcp_server_url": "https://a.test", "access_token": "s3cret",
        "refresh": refresh(with) });
    json!({ "name": "n", "auth": auth })
}

#[test]
fn every_kind_is_read() {
    let made = CredentialCreate::read(map(oauth(&json!({ "scope": "a b", "resource": null })))).ok().unwrap();
    let AuthCreate::McpOauth { refresh: Some(refresh), expires_at: None, .. } = made.auth else { unreachable!() };
    assert_eq!((refresh.scope.as_deref(), refresh.resource), (Some("a b"), None));
    assert_eq!(refresh.token_endpoint_auth.client_secret.as_deref(), Some("s3cret"));
    let variable = json!({ "type": "environment_variable", "secret_name": "A", "secret_value": "s3cret",
        "networking": { "type": "limited", "allowed_hosts": ["a.test"] } });
    let made =
        CredentialCreate::read(map(json!({ "name": "n", "metadata": { "a": "b" }, "auth": variable }))).ok().unwrap();
    let AuthCreate::EnvironmentVariable { networking, .. } = made.auth else { unreachable!() };
    assert_eq!(networking, NetworkingParam::Limited { allowed_hosts: vec!["a.test".to_owned()] });
    let rotate = json!({ "auth": { "type": "mcp_oauth", "expires_at": null, "refresh": { "scope": null } } });
    let Some(AuthRotate::McpOauth { access_token: None, expires_at: Some(None), refresh: Some(refresh) }) =
        CredentialUpdate::read(map(rotate)).ok().unwrap().auth
    else {
        unreachable!()
    };
    assert_eq!(refresh.scope, Some(None));
}

#[test]
fn a_vaults_metadata_has_no_bound_of_its_own() {
    let many: Map<String, Value> = (0..40).map(|n| (format!("k{n}"), json!("x".repeat(600)))).collect();
    let made = VaultCreate::read(map(json!({ "name": null, "metadata": many }))).unwrap();
    assert_eq!((made.name, made.metadata.len()), (None, 40));
    assert_eq!(VaultUpdate::read(Map::new()).unwrap(), VaultUpdate { name: None, metadata: None });
    let cleared = VaultUpdate::read(map(json!({ "name": null, "metadata": {} }))).unwrap();
    assert_eq!(cleared, VaultUpdate { name: Some(None), metadata: Some(BTreeMap::new()) });
}

#[test]
fn what_is_wrong_is_named_and_no_secret_repeated() {
    let create = |value: Value| CredentialCreate::read(map(value)).err().unwrap();
    let update = |value: Value| CredentialUpdate::read(map(value)).err().unwrap();
    let bearer = |with: Value| json!({ "name": "n", "auth": with });
    for (fault, param, message) in [
        (create(json!({ "name": "n" })), "auth", "Missing required parameter: 'auth'."),
        (
            create(bearer(json!({ "type": "basic" }))),
            "auth.type",
            "Invalid value: 'basic'. Supported values are: 'mcp_oauth', 'static_bearer', and 'environment_variable'.",
        ),
        (
            create(bearer(json!({ "type": "static_bearer", "mcp_server_url": "u", "token": ["s3cret"] }))),
            "auth.token",
            "Invalid type for 'auth.token': expected a string, but got an array instead.",
        ),
        (
            create(bearer(json!({ "type": "static_bearer", "mcp_server_url": "u", "token": "s3cret", "x": "s3cret" }))),
            "auth.x",
            "Unknown parameter: 'auth.x'.",
        ),
        (
            create(oauth(&json!({ "token_endpoint_auth": { "type": "none", "client_secret": "s3cret" } }))),
            "auth.refresh.token_endpoint_auth.client_secret",
            "Unknown parameter: 'auth.refresh.token_endpoint_auth.client_secret'.",
        ),
        (
            create(oauth(&json!({ "token_endpoint_auth": { "type": "client_secret_basic" } }))),
            "auth.refresh.token_endpoint_auth.client_secret",
            "Missing required parameter: 'auth.refresh.token_endpoint_auth.client_secret'.",
        ),
        (
            update(
                json!({ "auth": { "type": "mcp_oauth", "refresh": { "token_endpoint_auth": { "type": "none" } } } }),
            ),
            "auth.refresh.token_endpoint_auth.type",
            "Invalid value: 'none'. Supported values are: 'client_secret_basic' and 'client_secret_post'.",
        ),
    ] {
        assert_eq!((fault.param.as_deref(), &*fault.message), (Some(param), message));
    }
    let nothing = update(json!({ "auth": null }));
    assert_eq!((nothing.param, &*nothing.message), (None, "At least one of 'auth' and 'metadata' is required."));
}
