//! Spending limits: taken, shown, reached, raised.

use super::Row;
use crate::probe::{Probe, Said};
use crate::trouble::Trouble;
use serde_json::{Value, json};

pub const CHECKS: &[Row] = &[
    ("budgets.shown", "A session shows its limit and what was consumed, in whole cents.", "§4"),
    ("budgets.none", "Without a limit, limit is null.", "§4"),
    ("budgets.negative", "A negative limit: 400.", "§4"),
    ("budgets.fraction", "A limit that is no whole number: 400.", "§4"),
    ("budgets.text", "A limit that is a text: 400.", "§4"),
    ("budgets.reached", "When the limit is reached, the turn fails with session_budget_exceeded.", "§4"),
    ("budgets.event", "Then the stream says budget_reached, with the session in that status.", "§4; §6"),
    ("budgets.status", "The session is read as budget_reached.", "§4"),
    ("budgets.raised", "When the limit is raised, the session takes messages again.", "§4"),
];

pub async fn run(probe: &mut Probe) {
    parts!(probe: said, reached);
}

async fn said(probe: &mut Probe) -> Result<(), Trouble> {
    let mut body = probe.session("hello");
    let none = probe.post("/agents/sessions", body.clone()).await?;
    probe.value("budgets.none", &none, "/spend_control/limit", &Value::Null);
    body["spend_control"] = json!({"limit": 100_000});
    let limited = probe.post("/agents/sessions", body.clone()).await?;
    probe.value("budgets.shown", &limited, "/spend_control/limit", &json!(100_000));
    let consumed = limited.json.pointer("/spend_control/consumed").cloned().unwrap_or_default();
    let whole = consumed.is_u64() || consumed.is_null();
    probe.that("budgets.shown", whole, "whole cents", &consumed, &limited.evidence);
    for (id, limit) in [("budgets.negative", json!(-1)), ("budgets.fraction", json!(1.5)), ("budgets.text", json!("1"))]
    {
        body["spend_control"] = json!({"limit": limit});
        let answer = probe.post("/agents/sessions", body.clone()).await?;
        probe.refused(id, &answer, 400, Said::default());
    }
    Ok(())
}

async fn reached(probe: &mut Probe) -> Result<(), Trouble> {
    let ids = ["budgets.reached", "budgets.event", "budgets.status", "budgets.raised"];
    let Some(priced) = probe.facts.priced.clone() else {
        probe.skip_all(&ids, "no model was named (--priced) whose turns cost more than a cent");
        return Ok(());
    };
    let mut body = probe.session("hello");
    body["agent"]["model"] = json!(priced);
    body["spend_control"] = json!({"limit": 1});
    let turned = probe.begin(body).await?;
    let evidence = turned.reader.evidence();
    let frames = &turned.reader.frames;
    let failed = frames.iter().find(|frame| frame.kind() == "agent.session.turn.failed");
    let code = failed.and_then(|frame| frame.text("/turn/error/code")).unwrap_or("(no turn.failed)").to_owned();
    let status = frames.iter().find(|frame| frame.kind() == "agent.session.budget_reached");
    let status = status.and_then(|frame| frame.text("/session/status")).unwrap_or("(no such event)").to_owned();
    let exceeded = code == "session_budget_exceeded";
    probe.that("budgets.reached", exceeded, "session_budget_exceeded", &code, &evidence);
    probe.that("budgets.event", status == "budget_reached", "budget_reached", &status, &evidence);
    let read = probe.get(turned.path("")).await?;
    probe.value("budgets.status", &read, "/status", &json!("budget_reached"));
    probe.post(turned.path(""), json!({"spend_control": {"limit": null}})).await?;
    let next = probe.say(&turned.session, "say on").await?;
    let completed = next.frames.iter().any(|frame| frame.kind() == "agent.session.turn.completed");
    probe.that("budgets.raised", completed, "turn.completed", "none", &next.evidence());
    Ok(())
}
