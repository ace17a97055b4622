//! The routes, over a simulated world: statuses, pages, filters, and that nothing secret comes back.

use crate::stage::Server;
use serde_json::{Value, json};

fn made(server: &Server, path: &str, body: Value) -> Value {
    let answer = server.run(server.post(path, &body.to_string(), &[]));
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.text);
    answer.json()
}

fn refused(server: &Server, path: &str, body: Value) -> (u16, Value, Value) {
    let answer = server.run(server.post(path, &body.to_string(), &[]));
    let error = &answer.json()["error"];
    (answer.status.as_u16(), error["message"].clone(), error["param"].clone())
}

#[test]
fn a_vault_and_its_credentials_live_and_go() {
    let server = Server::new(1);
    let vault = made(&server, "/v1/vaults", json!({ "name": "  v ", "metadata": { "team": "x" } }));
    let path = format!("/v1/vaults/{}", vault["id"].as_str().unwrap());
    assert_eq!((&vault["object"], &vault["name"]), (&json!("vault"), &json!("v")));
    let auth = json!({ "type": "static_bearer", "mcp_server_url": "https://a.test/mcp", "token": "s3cret" });
    let credential = made(&server, &format!("{path}/credentials"), json!({ "name": "c", "auth": auth }));
    let own = format!("{path}/credentials/{}", credential["id"].as_str().unwrap());
    assert_eq!(credential["auth"], json!({ "type": "static_bearer", "mcp_server_url": "https://a.test/mcp" }));
    assert_eq!(server.run(server.get(&own)).json(), credential);
    let rotated = json!({ "auth": { "type": "static_bearer", "token": "s3cret-2" } });
    let answer = server.run(server.post(&own, &rotated.to_string(), &[]));
    assert_eq!((answer.status.as_u16(), answer.text.contains("s3cret")), (200, false));
    assert_eq!(refused(&server, &own, json!({})).0, 400);
    let gone = server.run(server.delete(&path)).json();
    assert_eq!(gone, json!({ "id": vault["id"], "object": "vault.deleted", "deleted": true }));
    for path in [&path, &own, &format!("{path}/credentials")] {
        assert_eq!(server.run(server.get(path)).status.as_u16(), 404, "{path}");
    }
}

#[test]
fn lists_are_filtered_and_paged() {
    let server = Server::new(2);
    let ids: Vec<Value> = (0..5)
        .map(|n| made(&server, "/v1/vaults", json!({ "metadata": { "even": (n % 2 == 0).to_string() } }))["id"].clone())
        .collect();
    let listed = |query: &str| server.run(server.get(&format!("/v1/vaults?{query}"))).json();
    let of = |page: &Value| page["data"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect::<Vec<_>>();
    let first = listed("order=asc&limit=2&metadata[even]=true");
    assert_eq!((of(&first), &first["has_more"]), (vec![ids[0].clone(), ids[2].clone()], &json!(true)));
    let rest = listed(&format!("order=asc&metadata[even]=true&after={}", first["last_id"].as_str().unwrap()));
    assert_eq!((of(&rest), &rest["has_more"]), (vec![ids[4].clone()], &json!(false)));
    assert_eq!(of(&listed("limit=0")), [ids[4].clone()], "a limit is clamped");
    assert_eq!(of(&listed("status=active&status[]=archived")).len(), 5);
    assert_eq!(of(&listed("status[]=archived")), Vec::<Value>::new());
    for (query, message) in [
        (
            "status=gone",
            "Failed to deserialize query string: status: unknown variant `gone`, expected `active` or `archived`",
        ),
        ("limit=-1", "Failed to deserialize query string: limit: invalid digit found in string"),
        ("after=vault_0", "No vault found with id 'vault_0'."),
    ] {
        assert_eq!(listed(query)["error"]["message"], message);
    }
}

#[test]
fn what_is_wrong_is_said_without_the_secret() {
    let server = Server::new(3);
    let vault = made(&server, "/v1/vaults", json!({}));
    let path = format!("/v1/vaults/{}/credentials", vault["id"].as_str().unwrap());
    let bearer = |url: &str, token: &str| json!({ "type": "static_bearer", "mcp_server_url": url, "token": token });
    for (name, auth, param) in [
        (" ", bearer("https://a.test", "s3cret"), "name"),
        ("n", bearer("http://a.test", "s3cret"), "auth.mcp_server_url"),
        ("n", bearer("https://a.test", "s3cret\n"), "auth.token"),
        (
            "n",
            json!({ "type": "environment_variable", "secret_name": "CODEX_X", "secret_value": "s3cret", "networking": { "type": "unrestricted" } }),
            "auth.secret_name",
        ),
    ] {
        let (status, message, at) = refused(&server, &path, json!({ "name": name, "auth": auth }));
        assert_eq!((status, &at), (400, &json!(param)), "{message}");
        assert!(!message.as_str().unwrap().contains("s3cret"), "{message}");
    }
    assert_eq!(
        refused(
            &server,
            "/v1/vaults/vault_0/credentials",
            json!({ "name": "n", "auth": bearer("https://a.test", "t") })
        )
        .0,
        404
    );
}

#[test]
fn a_session_names_vaults_that_are_there() {
    let server = Server::new(4);
    let vault = made(&server, "/v1/vaults", json!({}))["id"].clone();
    let session = |vault: &Value| json!({ "agent": { "model": "m" }, "environment": { "type": "none" }, "input": "hi", "vault_ids": [vault] });
    assert_eq!(made(&server, "/v1/agents/sessions", session(&vault))["vault_ids"], json!([vault]));
    let (status, message, param) = refused(&server, "/v1/agents/sessions", session(&json!("vault_0")));
    assert_eq!((status, message, param), (400, json!("Vault not found: vault_0"), json!("vault_ids")));
}
