//! Asks every endpoint, input, tool and kind of environment one time, so that the report can say what a server serves.
//! Nothing here fails: what is missing is reported, not judged.

mod doors;

pub use doors::{CONTENTS, FUNCTIONS, ITEMS};

use crate::client::{Answer, Call};
use crate::endpoint::{Answered, ENDPOINTS, Endpoint, Method};
use crate::probe::{CANCEL, LOOKUP, Probe, message};
use crate::trouble::Trouble;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub const INPUTS: [&str; 5] =
    ["message", "cancel", "tool_result", "mcp_approval_request_result", "computer_use_approval_request_result"];
pub const TOOLS: [&str; 7] =
    ["function", "tool_search", "programmatic_tool_calling", "mcp", "web_search", "computer_use", "automations"];
pub const ENVIRONMENTS: [&str; 3] = ["none", "openai_hosted", "self_hosted"];

pub async fn run(probe: &mut Probe) {
    parts!(probe: inputs, tools, environments, endpoints);
    doors::run(probe).await;
}

/// One word for what an answer says about the thing that was asked for.
fn word(answer: &Answer) -> &'static str {
    match answer.status {
        200..=299 => "served",
        404 | 405 | 501 => "missing",
        _ => "refused",
    }
}

async fn inputs(probe: &mut Probe) -> Result<(), Trouble> {
    let turned = probe.idle("hello").await?;
    let of = |kind: &str| format!("agent.session.input.{kind}");
    for kind in INPUTS {
        let event = match kind {
            "message" => message("hello"),
            "cancel" => CANCEL(),
            "tool_result" => json!({"type": of(kind), "turn_id": "turn_x", "call_id": "call_x", "success": true,
                "output": "x"}),
            "mcp_approval_request_result" => json!({"type": of(kind), "request_id": "req_x",
                "response": {"type": "mcp_tool_call", "decision": "deny"}}),
            _ => json!({"type": of(kind), "request_id": "req_x",
                "response": {"type": "browser_origin_access", "decision": "deny"}}),
        };
        let answer = probe.input(&turned.session, &[event]).await?;
        // Nothing waits for the last three, so that a refusal is the right answer to them.
        let known = answer.json["error"]["message"].as_str().is_some_and(|text| text.starts_with("Unknown pending"));
        let state = match (kind, known) {
            ("message" | "cancel", _) => word(&answer),
            // The words are those of a server that asks; one that never asks does not tell what is asked of it.
            ("tool_result", true) => "served",
            ("mcp_approval_request_result", true) if asks(&answer) => "served",
            (_, true) => "refused: no such request is ever pending",
            _ => word(&answer),
        };
        probe.found.state("inputs", kind, state);
        probe.settle(&turned.session, &["idle"]).await?;
    }
    Ok(())
}

/// Whether the refusal speaks of requests about tools of MCP servers.
fn asks(answer: &Answer) -> bool {
    let message = answer.json["error"]["message"].as_str().unwrap_or_default();
    message.starts_with("Unknown pending MCP approval request")
}

fn tool(kind: &str) -> Value {
    match kind {
        "function" => LOOKUP("lookup"),
        "programmatic_tool_calling" => json!({"type": kind, "enabled": true}),
        "mcp" => json!({"type": kind, "server_label": "tools",
            "transport": {"type": "http", "server_url": "https://mcp.example.com/mcp"}}),
        _ => json!({"type": kind}),
    }
}

async fn tools(probe: &mut Probe) -> Result<(), Trouble> {
    for kind in TOOLS {
        let mut body = probe.agent();
        body["tools"] = json!([tool(kind)]);
        let saved = probe.post("/agents", body).await?;
        let mut body = probe.session("hello");
        body["agent"]["tools"] = json!([tool(kind)]);
        let used = probe.post("/agents/sessions", body).await?;
        probe.found.state("tools", kind, word(&used));
        probe.found.state("saved tools", kind, word(&saved));
    }
    Ok(())
}

async fn environments(probe: &mut Probe) -> Result<(), Trouble> {
    for kind in ENVIRONMENTS {
        let mut body = probe.session("hello");
        body["environment"] = match kind {
            "self_hosted" => json!({"type": kind, "workspace_directory": "/workspace"}),
            _ => json!({"type": kind}),
        };
        if kind == "self_hosted"
            && let Some(map) = body.as_object_mut()
        {
            // With input, the answer would wait until somebody connects.
            map.remove("input");
        }
        let answer = probe.post("/agents/sessions", body).await?;
        probe.found.state("environments", kind, word(&answer));
    }
    Ok(())
}

async fn endpoints(probe: &mut Probe) -> Result<(), Trouble> {
    let turned = probe.idle("hello").await?;
    let turn = turned.reader.frames.iter().find_map(|frame| frame.text("/turn/id")).unwrap_or_default().to_owned();
    let mut ids = BTreeMap::from([("session_id", turned.session.clone()), ("turn_id", turn)]);
    let none = json!({"type": "none"});
    let target = json!({"type": "existing_session", "session_id": turned.session, "instructions": "Say hello."});
    let auth = json!({"type": "static_bearer", "mcp_server_url": "https://mcp.example.com/mcp", "token": "conform"});
    let saved = probe.agent();
    let mut session = probe.session("hello");
    session["environment"] = none;
    for (sdk, names, body) in [
        ("agents.create", "agent_id", saved),
        ("sessions.create", "", session),
        ("vaults.create", "vault_id", json!({"name": "conform"})),
        ("vaults.credentials.create", "credential_id", json!({"name": "conform", "auth": auth})),
        ("environments.templates.create", "environment_template_id", json!({"name": "conform"})),
        (
            "automations.create",
            "automation_id",
            json!({"type": "periodic", "name": "conform",
            "expression": "0 9 1 1 *", "timezone": "UTC", "target": target}),
        ),
        ("automations.invocations.create", "invocation_id", json!({})),
        // A hosted environment costs money and cannot be deleted: whether there is one is asked with a body that is refused.
        ("environments.create", "environment_id", json!({})),
    ] {
        let Some(endpoint) = ENDPOINTS.iter().find(|endpoint| endpoint.sdk == sdk) else { continue };
        let answer = probe.post(path(endpoint, &ids), body).await?;
        if let (true, Some(id)) = (answer.is_good(), answer.json["id"].as_str()) {
            ids.insert(names, id.to_owned());
        }
    }
    let rest = |method| ENDPOINTS.iter().filter(move |endpoint| endpoint.method == method);
    let updates = rest(Method::Post).filter(|endpoint| !endpoint.sdk.ends_with(".create"));
    // What is below something is deleted before it.
    let mut deletions: Vec<&Endpoint> = rest(Method::Delete).collect();
    deletions.sort_by_key(|endpoint| std::cmp::Reverse(endpoint.path.len()));
    let others = ["sessions.events.create", "environments.files.create"];
    let others = rest(Method::Post).filter(|endpoint| others.contains(&endpoint.sdk));
    for endpoint in rest(Method::Get).chain(updates).chain(others) {
        ask(probe, endpoint, &ids).await?;
    }
    probe.settle(&turned.session, &["idle"]).await?;
    for endpoint in deletions {
        ask(probe, endpoint, &ids).await?;
    }
    Ok(())
}

async fn ask(probe: &mut Probe, endpoint: &Endpoint, ids: &BTreeMap<&str, String>) -> Result<(), Trouble> {
    let path = path(endpoint, ids);
    match (endpoint.method, endpoint.answered) {
        (Method::Get, Answered::Events) => probe.open(Call::new(Method::Get, path)).await.map(drop),
        (Method::Get, _) => probe.get(path).await.map(drop),
        (Method::Delete, _) => probe.delete(path).await.map(drop),
        (Method::Post, _) => {
            let body = match endpoint.sdk {
                "sessions.events.create" => json!({"events": []}),
                "automations.pause" | "automations.resume" => json!({}),
                _ => json!({"metadata": {}}),
            };
            probe.post(path, body).await.map(drop)
        }
    }
}

/// The endpoint's path with these ids; where there is none, one that names nothing.
fn path(endpoint: &Endpoint, ids: &BTreeMap<&str, String>) -> String {
    let segments = endpoint.path.split('/').map(|segment| {
        let Some(name) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
            return segment.to_owned();
        };
        ids.get(name).cloned().unwrap_or_else(|| format!("{}_that_is_not_there", name.trim_end_matches("_id")))
    });
    segments.collect::<Vec<_>>().join("/")
}

/// What the statuses say of an endpoint.
pub fn state(endpoint: &Endpoint, statuses: &BTreeMap<&'static str, std::collections::BTreeSet<u16>>) -> &'static str {
    let good = |sdk: &str| statuses.get(sdk).is_some_and(|all| all.iter().any(|status| (200..300).contains(status)));
    let Some(own) = statuses.get(endpoint.sdk) else { return "not asked" };
    if good(endpoint.sdk) {
        return "served";
    }
    if own.iter().any(|status| !matches!(status, 404 | 405 | 501)) {
        return "refused";
    }
    let listed = collections(endpoint.path)
        .any(|path| ENDPOINTS.iter().any(|list| list.method == Method::Get && list.path == path && good(list.sdk)));
    if listed { "served, empty" } else { "missing" }
}

/// The lists that an endpoint's thing would be on, up to the session that it belongs to.
fn collections(path: &str) -> impl Iterator<Item = &str> {
    let ends = path.match_indices("/{").map(|(at, _)| &path[..at]);
    ends.filter(|path| *path != "/agents/sessions" && *path != "/agents" && *path != "/vaults")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_404_means_missing_or_only_empty() {
        let named = |sdk: &str| ENDPOINTS.iter().find(|endpoint| endpoint.sdk == sdk).unwrap();
        let statuses: BTreeMap<&'static str, BTreeSet<u16>> = BTreeMap::from([
            ("sessions.subagents.list", BTreeSet::from([200, 400])),
            ("sessions.subagents.turns.retrieve", BTreeSet::from([404])),
            ("automations.retrieve", BTreeSet::from([404])),
            ("automations.list", BTreeSet::from([404])),
            ("sessions.delete", BTreeSet::from([404, 409, 200])),
            ("environments.create", BTreeSet::from([400])),
            ("sessions.list", BTreeSet::from([200])),
            ("sessions.retrieve", BTreeSet::from([404])),
        ]);
        for (sdk, wanted) in [
            ("sessions.subagents.turns.retrieve", "served, empty"),
            ("automations.retrieve", "missing"),
            ("sessions.delete", "served"),
            ("environments.create", "refused"),
            ("sessions.retrieve", "missing"),
            ("vaults.list", "not asked"),
        ] {
            assert_eq!(state(named(sdk), &statuses), wanted, "{sdk}");
        }
    }
}
