//! Sessions: created, shown, changed, listed; what a creation may not say.

use super::Row;
use crate::client::{Answer, Call};
use crate::endpoint::Method::Post;
use crate::probe::{LOOKUP, Probe, Said};
use crate::trouble::Trouble;
use serde_json::{Value, json};

pub const CHECKS: &[Row] = &[
    ("sessions.create-201", "A created session is answered with 201.", "observed 1"),
    ("sessions.object", "A session's object is agent.session.", "§4"),
    ("sessions.starts", "A session with input is in_progress at once, with null usage.", "§4; observed 2, 6"),
    ("sessions.shown", "Metadata and environment are shown as given.", "§4"),
    ("sessions.agent", "The session shows its agent, with the model and instructions given.", "§4"),
    ("sessions.defaults", "Nothing is required and no vault is attached at first; error is null.", "§4"),
    ("sessions.times", "created_at and last_active_at are seconds, in this order.", "§1"),
    ("sessions.becomes-idle", "When its turn has ended, a session is idle again.", "§4"),
    ("sessions.usage", "When all turns are measured, usage is a sum that adds up.", "observed 6"),
    ("sessions.environment-needed", "Without an environment: 400, which names the parameter.", "§4; observed 17"),
    ("sessions.environment-unknown", "An environment of an unknown type: 400.", "§4"),
    ("sessions.input-needed", "Environment none without input: 400.", "§4; observed 10"),
    ("sessions.input-needed-to-stream", "A creation stream without input: 400.", "§4; observed 10"),
    ("sessions.input-empty", "An empty text as input: 400.", "observed 10"),
    ("sessions.input-no-messages", "An empty list of messages: 400.", "observed 10"),
    ("sessions.input-no-content", "A message with an empty content: 400.", "observed 10"),
    ("sessions.input-blank", "A text of blanks is input as it stands.", "observed 10"),
    ("sessions.input-messages", "Input may be a list of messages.", "§4"),
    (
        "sessions.input-type",
        "A message's type may be left out, or message; anything else, also null or nothing, is a 400.",
        "observed 10",
    ),
    ("sessions.input-role", "A message of another role than user: 400.", "§5"),
    ("sessions.agent-needed", "Neither agent nor agent_id: 400.", "§4"),
    ("sessions.model-needed", "An inline agent without a model: 400.", "§4"),
    ("sessions.model-unknown", "A model that nobody serves: 404 with code model_not_found.", "§1"),
    ("sessions.agent-unknown", "A saved agent that is not there: 404.", "§1"),
    ("sessions.unknown-parameter", "An unknown parameter: 400, which names it.", "observed 17"),
    ("sessions.agent-path", "A fault in the agent is named with agent. before it.", "observed 17"),
    ("sessions.wrong-type", "A value of the wrong type: 400, with the expected type.", "observed 17"),
    ("sessions.metadata-pairs", "17 pairs of metadata: 400 at metadata.", "observed 17"),
    ("sessions.two-functions", "Two functions of one name: 400.", "observed 17"),
    ("sessions.saved-agent", "A session may use a saved agent; its id, name and instructions are shown.", "§4"),
    ("sessions.replaced", "A field given beside agent_id replaces the saved one whole.", "§4"),
    ("sessions.copied", "A change of the saved agent does not touch a session that is there.", "§3"),
    ("sessions.local-agent", "A session-local agent cannot be used again: 400 agent_not_persisted.", "§4"),
    ("sessions.no-key", "An Idempotency-Key on a creation is ignored: two sessions.", "observed 8"),
    ("sessions.retrieve", "A session is read with 200.", "§2"),
    ("sessions.unknown", "A session that is not there is a 404 with code not_found_error.", "observed 17"),
    ("sessions.unknown-alike", "A malformed id is missing like any other.", "observed 17"),
    ("sessions.update", "An update answers 200 and replaces the metadata.", "§4"),
    ("sessions.update-null", "null clears the metadata.", "§4"),
    ("sessions.update-empty-object", "An empty object clears the metadata.", "§4"),
    ("sessions.update-nothing", "An update that says nothing: 400.", "observed 17"),
    ("sessions.update-effort", "An update may change the agent's effort, and nothing else of it.", "§4"),
    ("sessions.update-limit", "An update may set a spending limit, and take it away.", "§4"),
    ("sessions.update-unknown", "An update of a session that is not there: 404.", "§1"),
    ("sessions.listed", "Sessions are found by metadata, newest first.", "§1"),
    ("sessions.ascending", "With order=asc the oldest comes first.", "§1"),
    ("sessions.all-pairs", "A filter of two pairs asks for both.", "§1"),
    ("sessions.by-agent", "Sessions are found by agent_id.", "§1"),
    ("sessions.none-found", "A filter that nothing fits gives an empty page with null ids.", "observed 16"),
];

pub async fn run(probe: &mut Probe) {
    parts!(probe: created, inputs, refused, agents, saved, updated, listed);
}

async fn created(probe: &mut Probe) -> Result<(), Trouble> {
    let body = probe.session("hello");
    let made = probe.post("/agents/sessions", body.clone()).await?;
    probe.status("sessions.create-201", &made, 201);
    probe.value("sessions.object", &made, "/object", &json!("agent.session"));
    let id = made.need("/id")?;
    probe.value("sessions.starts", &made, "/status", &json!("in_progress"));
    probe.value("sessions.starts", &made, "/usage", &Value::Null);
    probe.value("sessions.shown", &made, "/metadata", &body["metadata"]);
    probe.value("sessions.shown", &made, "/environment", &body["environment"]);
    for key in ["model", "instructions"] {
        probe.value("sessions.agent", &made, &format!("/agent/{key}"), &body["agent"][key]);
    }
    for (key, value) in [("required_actions", json!([])), ("vault_ids", json!([])), ("error", Value::Null)] {
        probe.value("sessions.defaults", &made, &format!("/{key}"), &value);
    }
    let (from, to) = (made.json["created_at"].as_u64(), made.json["last_active_at"].as_u64());
    let ordered = from.is_some_and(|from| (1_577_836_800..32_503_680_000).contains(&from)) && from <= to;
    probe.that("sessions.times", ordered, "seconds, in order", format!("{from:?}, {to:?}"), &made.evidence);
    let read = probe.get(format!("/agents/sessions/{id}")).await?;
    probe.status("sessions.retrieve", &read, 200);
    probe.value("sessions.retrieve", &read, "/id", &json!(id));
    let idle = probe.settle(&id, &["idle"]).await?;
    probe.value("sessions.becomes-idle", &idle, "/status", &json!("idle"));
    let usage = &idle.json["usage"];
    // Numbers may come seconds later; null is fine, a sum that does not add up is not.
    let sum = usage["input_tokens"].as_u64().zip(usage["output_tokens"].as_u64()).map(|(a, b)| a + b);
    let adds = usage.is_null() || (sum.is_some() && sum == usage["total_tokens"].as_u64());
    probe.that("sessions.usage", adds, "null, or input + output = total", usage, &idle.evidence);
    for (check, id) in [("sessions.unknown", "sess_that_is_not_there"), ("sessions.unknown-alike", "%20%3F")] {
        let answer = probe.get(format!("/agents/sessions/{id}")).await?;
        probe.missing(check, &answer);
    }
    Ok(())
}

/// A creation that differs from a good one in one key; null takes it out.
async fn with(probe: &mut Probe, key: &str, value: Value) -> Result<Answer, Trouble> {
    let mut body = probe.session("hello");
    if let Some(map) = body.as_object_mut() {
        map.remove(key);
        if !value.is_null() {
            map.insert(key.to_owned(), value);
        }
    }
    probe.post("/agents/sessions", body).await
}

async fn inputs(probe: &mut Probe) -> Result<(), Trouble> {
    let part = |text: &str| json!([{"type": "input_text", "text": text}]);
    for (id, input, status) in [
        ("sessions.input-needed", Value::Null, 400),
        ("sessions.input-empty", json!(""), 400),
        ("sessions.input-no-messages", json!([]), 400),
        ("sessions.input-no-content", json!([{"role": "user", "content": []}]), 400),
        ("sessions.input-blank", json!(" "), 201),
        ("sessions.input-messages", json!([{"type": "message", "role": "user", "content": part("hello")}]), 201),
        ("sessions.input-type", json!([{"role": "user", "content": part("hello")}]), 201),
        ("sessions.input-type", json!([{"type": null, "role": "user", "content": part("hello")}]), 400),
        ("sessions.input-type", json!([{"type": "", "role": "user", "content": part("hello")}]), 400),
        ("sessions.input-type", json!([{"type": "text", "role": "user", "content": part("hello")}]), 400),
        ("sessions.input-role", json!([{"role": "system", "content": part("hello")}]), 400),
    ] {
        let answer = with(probe, "input", input).await?;
        probe.status(id, &answer, status);
    }
    let mut body = probe.session("");
    body["stream"] = json!(true);
    let answer = probe.post("/agents/sessions", body).await?;
    probe.invalid("sessions.input-needed-to-stream", &answer);
    Ok(())
}

async fn refused(probe: &mut Probe) -> Result<(), Trouble> {
    let at = |param| Said { param: Some(param), ..Said::default() };
    let answer = with(probe, "environment", Value::Null).await?;
    let said = Said { message: Some("Missing required parameter: 'environment'."), ..at("environment") };
    probe.refused("sessions.environment-needed", &answer, 400, said);
    let answer = with(probe, "environment", json!({"type": "moon"})).await?;
    probe.invalid("sessions.environment-unknown", &answer);
    let answer = with(probe, "agent", Value::Null).await?;
    probe.invalid("sessions.agent-needed", &answer);
    let answer = with(probe, "agent", json!({"instructions": "x"})).await?;
    probe.invalid("sessions.model-needed", &answer);
    let answer = with(probe, "agent", json!({"model": "a-model-that-nobody-serves"})).await?;
    let said = Said { code: Some("model_not_found"), ..Said::default() };
    probe.refused("sessions.model-unknown", &answer, 404, said);
    let answer = with(probe, "agent_id", json!("agent_that_is_not_there")).await?;
    probe.missing("sessions.agent-unknown", &answer);
    let answer = with(probe, "colour", json!("blue")).await?;
    let said = Said { message: Some("Unknown parameter: 'colour'."), ..at("colour") };
    probe.refused("sessions.unknown-parameter", &answer, 400, said);
    let answer = with(probe, "agent", json!({"model": probe.facts.model, "colour": 1})).await?;
    probe.refused("sessions.agent-path", &answer, 400, at("agent.colour"));
    let answer = with(probe, "stream", json!("yes")).await?;
    let said = Said { holds: Some("Invalid type for 'stream': expected a boolean, but got "), ..at("stream") };
    probe.refused("sessions.wrong-type", &answer, 400, said);
    let pairs: Value = (0..17).map(|at| (at.to_string(), json!("x"))).collect::<serde_json::Map<_, _>>().into();
    let answer = with(probe, "metadata", pairs).await?;
    probe.refused("sessions.metadata-pairs", &answer, 400, at("metadata"));
    let agent = json!({"model": probe.facts.model, "tools": [LOOKUP("lookup"), LOOKUP("lookup")]});
    let answer = with(probe, "agent", agent).await?;
    let said = Said { message: Some("duplicate function tool name: lookup"), ..Said::default() };
    probe.refused("sessions.two-functions", &answer, 400, said);
    Ok(())
}

async fn agents(probe: &mut Probe) -> Result<(), Trouble> {
    let body = probe.session("hello");
    let made = probe.post("/agents/sessions", body).await?;
    let again = json!({"agent_id": made.need("/agent/id")?, "environment": {"type": "none"}, "input": "hello"});
    let answer = probe.post("/agents/sessions", again).await?;
    let said = Said { code: Some("agent_not_persisted"), ..Said::default() };
    probe.refused("sessions.local-agent", &answer, 400, said);
    let mut ids = Vec::new();
    for _ in 0..2 {
        let call = Call::new(Post, "/agents/sessions").json(probe.session("hello"));
        let answer = probe.send(call.with("idempotency-key", format!("twice-{}", probe.facts.run))).await?;
        ids.push((answer.need("/id")?, answer));
    }
    let evidence = ids[1].1.evidence.clone();
    probe.that("sessions.no-key", ids[0].0 != ids[1].0, "two ids", &ids[1].0, &evidence);
    Ok(())
}

async fn saved(probe: &mut Probe) -> Result<(), Trouble> {
    let mut body = probe.agent();
    body["name"] = json!("saved");
    body["instructions"] = json!("Be terse.");
    body["text"] = json!({"format": {"type": "text"}, "verbosity": "low"});
    let agent = probe.post("/agents", body).await?;
    let id = agent.need("/id")?;
    let body = |agent: Value| {
        json!({"agent_id": id, "agent": agent, "environment": {"type": "none"}, "input": "hello",
            "metadata": {"conform": probe.facts.run}})
    };
    let (bare, changed) = (body(json!({})), body(json!({"text": {"verbosity": "high"}})));
    let made = probe.post("/agents/sessions", bare).await?;
    for (key, value) in [("id", json!(id)), ("name", json!("saved")), ("instructions", json!("Be terse."))] {
        probe.value("sessions.saved-agent", &made, &format!("/agent/{key}"), &value);
    }
    let other = probe.post("/agents/sessions", changed).await?;
    probe.value("sessions.replaced", &other, "/agent/text/verbosity", &json!("high"));
    probe.value("sessions.replaced", &other, "/agent/instructions", &json!("Be terse."));
    probe.post(format!("/agents/{id}"), json!({"instructions": "Be long."})).await?;
    let read = probe.settle(&made.need("/id")?, &["idle"]).await?;
    probe.value("sessions.copied", &read, "/agent/instructions", &json!("Be terse."));
    let found = probe.get(format!("/agents/sessions?agent_id={id}")).await?;
    let (first, second) = (made.need("/id")?, other.need("/id")?);
    ids(probe, "sessions.by-agent", &found, &[second, first]);
    Ok(())
}

async fn updated(probe: &mut Probe) -> Result<(), Trouble> {
    let turned = probe.idle("hello").await?;
    let path = turned.path("");
    let before = probe.get(&path).await?;
    let answer = probe.post(&path, json!({"metadata": {"b": "2"}})).await?;
    probe.status("sessions.update", &answer, 200);
    probe.value("sessions.update", &answer, "/metadata", &json!({"b": "2"}));
    let answer = probe.post(&path, json!({"metadata": null})).await?;
    probe.value("sessions.update-null", &answer, "/metadata", &json!({}));
    probe.post(&path, json!({"metadata": {"b": "2"}})).await?;
    let answer = probe.post(&path, json!({"metadata": {}})).await?;
    probe.value("sessions.update-empty-object", &answer, "/metadata", &json!({}));
    let answer = probe.post(&path, json!({})).await?;
    probe.invalid("sessions.update-nothing", &answer);
    let answer = probe.post(&path, json!({"agent": {"reasoning": {"effort": "low"}}})).await?;
    probe.value("sessions.update-effort", &answer, "/agent/reasoning/effort", &json!("low"));
    for key in ["model", "instructions", "tools", "text", "id"] {
        probe.value("sessions.update-effort", &answer, &format!("/agent/{key}"), &before.json["agent"][key]);
    }
    for limit in [json!(500), Value::Null] {
        let answer = probe.post(&path, json!({"spend_control": {"limit": limit}})).await?;
        probe.value("sessions.update-limit", &answer, "/spend_control/limit", &limit);
    }
    let answer = probe.post("/agents/sessions/sess_that_is_not_there", json!({"metadata": {}})).await?;
    probe.missing("sessions.update-unknown", &answer);
    Ok(())
}

async fn listed(probe: &mut Probe) -> Result<(), Trouble> {
    let mark = format!("{}-listed", probe.facts.run);
    let mut made = Vec::new();
    for n in ["1", "2", "3"] {
        let answer = with(probe, "metadata", json!({"conform": mark, "n": n})).await?;
        made.push(answer.need("/id")?);
    }
    let query = format!("/agents/sessions?metadata%5Bconform%5D={mark}");
    let down: Vec<String> = made.iter().rev().cloned().collect();
    let answer = probe.get(&query).await?;
    ids(probe, "sessions.listed", &answer, &down);
    let answer = probe.get(format!("{query}&order=asc")).await?;
    ids(probe, "sessions.ascending", &answer, &made);
    let answer = probe.get(format!("{query}&metadata%5Bn%5D=2")).await?;
    ids(probe, "sessions.all-pairs", &answer, &made[1..2]);
    let answer = probe.get(format!("{query}&metadata%5Bn%5D=9")).await?;
    ids(probe, "sessions.none-found", &answer, &[]);
    for key in ["first_id", "last_id"] {
        probe.value("sessions.none-found", &answer, &format!("/{key}"), &Value::Null);
    }
    Ok(())
}

/// A page has exactly these, in this order.
fn ids(probe: &mut Probe, id: &str, page: &Answer, wanted: &[String]) {
    let listed = page.json["data"].as_array().into_iter().flatten();
    let came: Vec<&str> = listed.filter_map(|entry| entry["id"].as_str()).collect();
    probe.that(id, came == wanted, wanted.join(" "), came.join(" "), &page.evidence);
}
