//! Sessions that go on where another one stood: what we offer beyond the API.

use super::Row;
use crate::probe::{IDLE, Probe, data_of};
use crate::trouble::Trouble;
use serde_json::{Value, json};

const DOC: &str = "docs/fork.md";

pub const CHECKS: &[Row] = &[
    ("fork.created", "A fork is a 201 with a session of its own.", DOC),
    ("fork.items", "It begins with its parent's items.", DOC),
    ("fork.fresh", "It has no usage yet, and nothing is required of it.", DOC),
    ("fork.goes-on", "It takes messages, of which its parent hears nothing.", DOC),
    ("fork.after", "after_item_id leaves out what came after that item's turn.", DOC),
    ("fork.item-unknown", "An item that is not there is refused.", DOC),
    ("fork.unknown", "An unknown session is a 404.", DOC),
    ("fork.outlives", "It lives on when its parent is deleted.", DOC),
];

pub async fn run(probe: &mut Probe) {
    parts!(probe: forked, wrong);
}

async fn items(probe: &mut Probe, session: &str) -> Result<Vec<Value>, Trouble> {
    Ok(data_of(&probe.get(format!("/agents/sessions/{session}/items?order=asc&limit=100")).await?))
}

/// What is said in them, without ids.
fn texts(items: &[Value]) -> Vec<String> {
    items.iter().map(|item| format!("{} {}", item["role"], item["content"])).collect()
}

async fn forked(probe: &mut Probe) -> Result<(), Trouble> {
    let parent = probe.idle("say one").await?;
    let path = format!("/agents/sessions/{}/fork", parent.session);
    probe.say(&parent.session, "say two").await?;
    let before = items(probe, &parent.session).await?;
    let made = probe.post(path.as_str(), json!({})).await?;
    probe.status("fork.created", &made, 201);
    let child = made.need("/id")?;
    probe.that("fork.created", child != parent.session, "another id", &child, &made.evidence);
    let (own, theirs) = (texts(&items(probe, &child).await?), texts(&before));
    probe.that("fork.items", own == theirs, theirs.join("; "), own.join("; "), &made.evidence);
    let fine = made.json["required_actions"] == json!([]) && made.json["status"] == "idle";
    let none = made.json["usage"]["total_tokens"].as_u64().unwrap_or(0) == 0;
    probe.that("fork.fresh", fine && none, "idle, no usage", &made.json, &made.evidence);
    let mut reader = probe.say(&child, "say three").await?;
    let ended = reader.frames.pop();
    let own = items(probe, &child).await?.len();
    let same = texts(&items(probe, &parent.session).await?) == theirs;
    let fine = ended.is_some_and(|frame| frame.kind() == IDLE) && own == before.len() + 2 && same;
    probe.that("fork.goes-on", fine, before.len() + 2, own, &made.evidence);

    let after = before.get(1).map(|item| item["id"].clone()).unwrap_or_default();
    let early = probe.post(path.as_str(), json!({"after_item_id": after})).await?;
    let own = texts(&items(probe, &early.need("/id")?).await?);
    probe.that("fork.after", own == theirs[..2], theirs[..2].join("; "), own.join("; "), &early.evidence);
    let wrong = probe.post(path, json!({"after_item_id": "msg_that_is_not_there"})).await?;
    let fine = matches!(wrong.status, 400 | 404);
    probe.that("fork.item-unknown", fine, "400 or 404", wrong.status, &wrong.evidence);
    probe.delete(format!("/agents/sessions/{}", parent.session)).await?;
    let left = items(probe, &child).await?.len();
    probe.that("fork.outlives", left == before.len() + 2, before.len() + 2, left, &made.evidence);
    Ok(())
}

async fn wrong(probe: &mut Probe) -> Result<(), Trouble> {
    let answer = probe.post("/agents/sessions/sess_that_is_not_there/fork", json!({})).await?;
    probe.status("fork.unknown", &answer, 404);
    Ok(())
}
