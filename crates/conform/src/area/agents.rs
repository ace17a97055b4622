//! Saved agents: created, shown, changed, refused, deleted.

use super::Row;
use crate::client::Answer;
use crate::probe::{LOOKUP, Probe, Said};
use crate::trouble::Trouble;
use serde_json::{Value, json};

pub const CHECKS: &[Row] = &[
    ("agents.create-201", "A created agent is answered with 201.", "observed 1"),
    ("agents.object", "An agent's object is agent.", "§3"),
    ("agents.id", "An agent's id has 1 to 64 characters.", "§1"),
    ("agents.time", "created_at is a time in seconds, not in milliseconds.", "§1"),
    ("agents.shown", "What an agent was created with is shown again.", "§3"),
    ("agents.default-text", "Without text settings it is plain text of medium verbosity.", "observed 21"),
    ("agents.default-metadata", "Without metadata it is an empty object.", "§3"),
    ("agents.reasoning-keys", "reasoning has both keys, effort and summary.", "observed 21"),
    ("agents.effort-max", "The effort max is saved.", "observed 21"),
    ("agents.tier-flex", "The service tier flex is saved.", "observed 21"),
    ("agents.tools", "Tools of every kind that needs no environment are saved, in their order.", "§3"),
    ("agents.web-search-live", "A web search tool without a mode is stored as live.", "observed 21"),
    ("agents.secrets", "An MCP server's authorization is not shown again.", "§1"),
    ("agents.retrieve", "An agent is read as it was created.", "§2"),
    ("agents.unknown", "An agent that is not there is a 404 with code not_found_error.", "§1; observed 17"),
    ("agents.malformed", "An id that is none is missing, not invalid.", "observed 17"),
    ("agents.update", "An update answers 200 and shows the change.", "§1"),
    ("agents.update-keeps", "An update leaves alone what it does not name.", "§3"),
    ("agents.update-metadata", "An update's metadata replaces the old, here by nothing.", "§3"),
    ("agents.update-null", "null clears the name and the tools.", "§3"),
    ("agents.model-missing", "Without a model: 400, which names the parameter.", "observed 17"),
    ("agents.unknown-parameter", "An unknown parameter: 400, which names it.", "observed 17"),
    ("agents.wrong-type", "A value of the wrong type: 400, with the expected type.", "observed 17"),
    ("agents.wrong-word", "A word that is none of a list: 400, with the supported values.", "observed 17"),
    ("agents.too-small", "A number below its minimum: 400, with both numbers.", "observed 17"),
    ("agents.tool-path", "A fault in a tool is named by its path.", "observed 17"),
    ("agents.two-functions", "Two functions of one name: 400, with the name.", "observed 17"),
    ("agents.two-searches", "Two web search tools: 400.", "observed 17"),
    ("agents.metadata-pairs", "17 pairs of metadata: 400 at metadata.", "§3; observed 17"),
    ("agents.metadata-key", "A metadata key of 65 characters: 400.", "§3"),
    ("agents.metadata-value", "A metadata value of 513 characters: 400 at that key.", "§3; observed 17"),
    ("agents.metadata-type", "A metadata value that is a number: 400.", "§3"),
    ("agents.name-long", "A name of 129 characters: 400 at name.", "§3; observed 17"),
    ("agents.listed", "A created agent is on the list, newest first.", "§1"),
    ("agents.ascending", "With order=asc the oldest comes first.", "§1"),
    ("agents.delete", "A deletion answers 200 with the id and agent.deleted.", "§2"),
    ("agents.deleted-gone", "A deleted agent is a 404.", "§2"),
    ("agents.delete-again", "A second deletion is a 404.", "observed 12"),
    ("agents.deleted-cursor", "A deleted agent still works as a cursor.", "observed 15"),
];

pub async fn run(probe: &mut Probe) {
    parts!(probe: created, defaults, tools, changed, refused, limits, listed);
}

async fn created(probe: &mut Probe) -> Result<(), Trouble> {
    let mut body = probe.agent();
    body["name"] = json!("conform");
    body["instructions"] = json!("Be terse.");
    body["reasoning"] = json!({"effort": "max", "summary": "auto"});
    body["text"] = json!({"format": {"type": "text"}, "verbosity": "low"});
    body["service_tier"] = json!("flex");
    body["multi_agent"] = json!({"enabled": true, "max_concurrent_subagents": 2});
    let made = probe.post("/agents", body.clone()).await?;
    probe.status("agents.create-201", &made, 201);
    probe.value("agents.object", &made, "/object", &json!("agent"));
    let id = made.need("/id")?;
    probe.that("agents.id", (1..=64).contains(&id.chars().count()), "1 to 64 characters", &id, &made.evidence);
    let time = made.json["created_at"].as_u64().unwrap_or(0);
    let seconds = (1_577_836_800..32_503_680_000).contains(&time);
    probe.that("agents.time", seconds, "seconds since 1970", time, &made.evidence);
    for key in ["name", "instructions", "model", "metadata", "multi_agent", "text"] {
        probe.value("agents.shown", &made, &format!("/{key}"), &body[key]);
    }
    probe.value("agents.effort-max", &made, "/reasoning/effort", &json!("max"));
    probe.value("agents.tier-flex", &made, "/service_tier", &json!("flex"));
    let read = probe.get(format!("/agents/{id}")).await?;
    let same = read.status == 200 && read.json == made.json;
    probe.that("agents.retrieve", same, &made.json, &read.json, &read.evidence);
    let unknown = probe.get("/agents/agent_that_is_not_there").await?;
    probe.missing("agents.unknown", &unknown);
    let malformed = probe.get("/agents/%20%3F").await?;
    probe.missing("agents.malformed", &malformed);
    Ok(())
}

async fn defaults(probe: &mut Probe) -> Result<(), Trouble> {
    let made = probe.post("/agents", json!({"model": probe.facts.model})).await?;
    let text = json!({"format": {"type": "text"}, "verbosity": "medium"});
    probe.value("agents.default-text", &made, "/text", &text);
    probe.value("agents.default-metadata", &made, "/metadata", &json!({}));
    let reasoning = &made.json["reasoning"];
    let both = reasoning.get("effort").is_some() && reasoning.get("summary").is_some();
    probe.that("agents.reasoning-keys", both, "effort and summary", reasoning, &made.evidence);
    Ok(())
}

async fn tools(probe: &mut Probe) -> Result<(), Trouble> {
    let secret = "a-secret-that-is-never-shown";
    let mut body = probe.agent();
    body["tools"] = json!([
        LOOKUP("lookup"),
        {"type": "tool_search"},
        {"type": "programmatic_tool_calling", "enabled": true},
        {"type": "mcp", "server_label": "tools", "transport": {
            "type": "http", "server_url": "https://mcp.example.com/mcp", "headers": {"x-one": "1"}}},
        {"type": "web_search"},
        {"type": "automations"},
    ]);
    let made = probe.post("/agents", body.clone()).await?;
    let kinds = |json: &Value| -> Vec<String> {
        json["tools"].as_array().into_iter().flatten().map(|tool| tool["type"].to_string()).collect()
    };
    let same = kinds(&made.json) == kinds(&body);
    probe.that("agents.tools", same, kinds(&body).join(", "), kinds(&made.json).join(", "), &made.evidence);
    probe.value("agents.web-search-live", &made, "/tools/4/mode", &json!("live"));
    body["tools"] = json!([{"type": "mcp", "server_label": "tools", "transport": {
        "type": "http", "server_url": "https://mcp.example.com/mcp", "authorization": secret}}]);
    let hidden = probe.post("/agents", body).await?;
    // A server may refuse to keep a secret; it may not show it.
    let fine = matches!(hidden.status, 201 | 400) && !hidden.text.contains(secret);
    probe.that("agents.secrets", fine, "an answer without the secret", hidden.status, &hidden.evidence);
    Ok(())
}

async fn changed(probe: &mut Probe) -> Result<(), Trouble> {
    let mut body = probe.agent();
    body["name"] = json!("before");
    body["tools"] = json!([LOOKUP("lookup")]);
    let made = probe.post("/agents", body).await?;
    let path = format!("/agents/{}", made.need("/id")?);
    let first = probe.post(&path, json!({"instructions": "Be verbose."})).await?;
    probe.status("agents.update", &first, 200);
    probe.value("agents.update", &first, "/instructions", &json!("Be verbose."));
    for key in ["name", "tools", "metadata", "model", "id", "created_at"] {
        probe.value("agents.update-keeps", &first, &format!("/{key}"), &made.json[key]);
    }
    let second = probe.post(&path, json!({"metadata": {}, "tools": null, "name": null})).await?;
    probe.value("agents.update-metadata", &second, "/metadata", &json!({}));
    probe.value("agents.update-null", &second, "/tools", &json!([]));
    probe.value("agents.update-null", &second, "/name", &Value::Null);
    Ok(())
}

/// An agent that differs from a good one in one key.
async fn with(probe: &mut Probe, key: &str, value: Value) -> Result<Answer, Trouble> {
    let mut body = probe.agent();
    body[key] = value;
    probe.post("/agents", body).await
}

async fn refused(probe: &mut Probe) -> Result<(), Trouble> {
    let words = |param, message| Said { param: Some(param), message: Some(message), ..Said::default() };
    let answer = probe.post("/agents", json!({"name": "no model"})).await?;
    probe.refused("agents.model-missing", &answer, 400, words("model", "Missing required parameter: 'model'."));
    let answer = with(probe, "colour", json!("blue")).await?;
    probe.refused("agents.unknown-parameter", &answer, 400, words("colour", "Unknown parameter: 'colour'."));
    let answer = with(probe, "multi_agent", json!({"enabled": "yes"})).await?;
    let said = Said {
        param: Some("multi_agent.enabled"),
        holds: Some("Invalid type for 'multi_agent.enabled': expected a boolean, but got "),
        ..Said::default()
    };
    probe.refused("agents.wrong-type", &answer, 400, said);
    let answer = with(probe, "reasoning", json!({"effort": "huge"})).await?;
    let said = Said {
        param: Some("reasoning.effort"),
        holds: Some("Invalid value: 'huge'. Supported values are: "),
        ..Said::default()
    };
    probe.refused("agents.wrong-word", &answer, 400, said);
    let answer = with(probe, "multi_agent", json!({"enabled": true, "max_concurrent_subagents": 0})).await?;
    let said = Said {
        param: Some("multi_agent.max_concurrent_subagents"),
        holds: Some("integer below minimum value. Expected a value >= 1, but got 0 instead."),
        ..Said::default()
    };
    probe.refused("agents.too-small", &answer, 400, said);
    let mut tool = LOOKUP("lookup");
    tool["parameters"] = json!("none");
    let answer = with(probe, "tools", json!([tool])).await?;
    let said = Said { param: Some("tools[0].parameters"), ..Said::default() };
    probe.refused("agents.tool-path", &answer, 400, said);
    let answer = with(probe, "tools", json!([LOOKUP("lookup"), LOOKUP("lookup")])).await?;
    let said = Said { message: Some("duplicate function tool name: lookup"), ..Said::default() };
    probe.refused("agents.two-functions", &answer, 400, said);
    let answer = with(probe, "tools", json!([{"type": "web_search"}, {"type": "web_search"}])).await?;
    let said = Said { message: Some("duplicate web_search tool"), ..Said::default() };
    probe.refused("agents.two-searches", &answer, 400, said);
    Ok(())
}

async fn limits(probe: &mut Probe) -> Result<(), Trouble> {
    let pairs: Value = (0..17).map(|at| (at.to_string(), json!("x"))).collect::<serde_json::Map<_, _>>().into();
    let at = |param| Said { param: Some(param), ..Said::default() };
    let answer = with(probe, "metadata", pairs).await?;
    probe.refused("agents.metadata-pairs", &answer, 400, at("metadata"));
    let answer = with(probe, "metadata", json!({"k".repeat(65): "x"})).await?;
    probe.invalid("agents.metadata-key", &answer);
    let answer = with(probe, "metadata", json!({"k": "x".repeat(513)})).await?;
    probe.refused("agents.metadata-value", &answer, 400, at("metadata.k"));
    let answer = with(probe, "metadata", json!({"k": 7})).await?;
    probe.invalid("agents.metadata-type", &answer);
    let answer = with(probe, "name", json!("n".repeat(129))).await?;
    probe.refused("agents.name-long", &answer, 400, at("name"));
    Ok(())
}

/// Others may create agents at the same time, so only the order of our own is looked at.
async fn listed(probe: &mut Probe) -> Result<(), Trouble> {
    let mut ids = Vec::new();
    for _ in 0..3 {
        let body = probe.agent();
        ids.push(probe.post("/agents", body).await?.need("/id")?);
    }
    let own = |answer: &Answer| -> Vec<String> {
        let listed = answer.json["data"].as_array().into_iter().flatten().filter_map(|agent| agent["id"].as_str());
        listed.filter(|id| ids.iter().any(|own| own == id)).map(str::to_owned).collect()
    };
    let newest: Vec<String> = ids.iter().rev().cloned().collect();
    let down = probe.get("/agents?limit=100").await?;
    probe.that("agents.listed", own(&down) == newest, newest.join(" "), own(&down).join(" "), &down.evidence);
    let up = probe.get(format!("/agents?limit=100&order=asc&after={}", ids[0])).await?;
    probe.that("agents.ascending", own(&up) == ids[1..], ids[1..].join(" "), own(&up).join(" "), &up.evidence);

    let path = format!("/agents/{}", ids[1]);
    let gone = probe.delete(&path).await?;
    let body = json!({"id": ids[1], "object": "agent.deleted", "deleted": true});
    probe.that("agents.delete", gone.status == 200 && gone.json == body, &body, &gone.json, &gone.evidence);
    let read = probe.get(&path).await?;
    probe.missing("agents.deleted-gone", &read);
    let again = probe.delete(&path).await?;
    probe.missing("agents.delete-again", &again);
    let after = probe.get(format!("/agents?limit=100&after={}", ids[1])).await?;
    let rest = after.status == 200 && own(&after).first() == Some(&ids[0]);
    probe.that("agents.deleted-cursor", rest, &ids[0], own(&after).join(" "), &after.evidence);
    Ok(())
}
