//! A conversation made short.

use super::Row;
use crate::probe::{Probe, asked, text_of};
use crate::trouble::Trouble;
use serde_json::{Value, json};

pub const CHECKS: &[Row] = &[
    (
        "compaction.object",
        "The answer is a response.compaction with output and usage.",
        "Open Responses: compact-response",
    ),
    (
        "compaction.item",
        "Its output has a compaction with id and encrypted_content.",
        "Open Responses: compact-response",
    ),
    ("compaction.goes-on", "Its output may begin a new chain.", "Open Responses: websocket-compact-new-chain"),
    ("compaction.chain", "A chain can be made short by its last response.", "§2a, compact"),
    ("compaction.model-missing", "Without a model: 400 or 422.", "Open Responses: compact-missing-model"),
];

pub async fn run(probe: &mut Probe) {
    parts!(probe: short, chain);
}

pub fn talk(model: &str) -> Value {
    json!({
        "model": model,
        "input": [
            {"type": "message", "role": "user", "content": "We launch on Tuesday and tell support first."},
            {"type": "message", "role": "assistant", "content": "Understood: Tuesday, after support was told."},
        ],
    })
}

async fn short(probe: &mut Probe) -> Result<(), Trouble> {
    let mut body = talk(&probe.facts.model);
    body["prompt_cache_key"] = json!("conform");
    let answer = probe.post("/responses/compact", body).await?;
    let made = &answer.json;
    let fine = answer.status == 200
        && made["object"] == "response.compaction"
        && made["id"].is_string()
        && made["created_at"].is_i64()
        && made["usage"]["total_tokens"].is_u64();
    probe.that("compaction.object", fine, "response.compaction", made, &answer.evidence);
    let output = made["output"].as_array().cloned().unwrap_or_default();
    let fine =
        |item: &Value| item["type"] == "compaction" && item["id"].is_string() && item["encrypted_content"].is_string();
    let found = output.iter().filter(|item| fine(item)).count();
    probe.that("compaction.item", found == 1, "a compaction", found, &answer.evidence);
    let mut input = output;
    input.push(json!({"type": "message", "role": "user", "content": "When do we launch?"}));
    let body = asked(probe, json!(input));
    let next = probe.respond(body).await?;
    let fine = next.json["status"] == "completed" && !text_of(&next.json).is_empty();
    probe.that("compaction.goes-on", fine, "completed", &next.json["status"], &next.evidence);
    let mut body = talk("");
    if let Some(map) = body.as_object_mut() {
        map.remove("model");
    }
    let answer = probe.post("/responses/compact", body).await?;
    let fine = matches!(answer.status, 400 | 422);
    probe.that("compaction.model-missing", fine, "400 or 422", answer.status, &answer.evidence);
    Ok(())
}

async fn chain(probe: &mut Probe) -> Result<(), Trouble> {
    let body = asked(probe, "We launch on Tuesday.");
    let first = probe.responded(body).await?.need("/id")?;
    let body = json!({"model": probe.facts.model, "previous_response_id": first});
    let answer = probe.post("/responses/compact", body).await?;
    probe.value("compaction.chain", &answer, "/object", &json!("response.compaction"));
    Ok(())
}
