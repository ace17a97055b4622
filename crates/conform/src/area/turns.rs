//! Turns as they are read after the fact.

use super::Row;
use crate::probe::{CANCEL, Probe};
use crate::trouble::{Deadline, Trouble, pause};
use serde_json::{Value, json};
use std::time::Duration;

pub const CHECKS: &[Row] = &[
    ("turns.listed", "Each message to an idle session is a turn; the newest is listed first.", "§4"),
    ("turns.ascending", "With order=asc the oldest comes first.", "§1"),
    ("turns.retrieve", "A turn is read as it is listed.", "§2"),
    ("turns.object", "A turn's object is agent.session.turn.", "§4"),
    ("turns.belongs", "A turn names its session and the session's agent.", "§4"),
    ("turns.root", "A root turn has a null subagent_id.", "§4"),
    ("turns.completed", "A completed turn has no error.", "§4"),
    ("turns.times", "created_at, started_at and completed_at are in order.", "§4"),
    ("turns.usage", "A turn that has ended is measured within the time allowed, and adds up.", "observed 6"),
    ("turns.session-usage", "A session's usage is the sum of its turns'.", "observed 6"),
    ("turns.in-progress", "A turn that runs is in_progress, without an end.", "§4"),
    ("turns.cancelled", "A cancelled turn is listed as cancelled.", "§4"),
    ("turns.failed", "A model that fails fails the turn, with one of the known codes.", "§4"),
    ("turns.failed-session", "A failed turn leaves the session idle.", "§4"),
    ("turns.failed-goes-on", "After a failed turn the session takes messages as before.", "§4"),
    ("turns.unknown", "A turn that is not there is a 404.", "§1"),
    ("turns.unknown-session", "Turns of a session that is not there: 404.", "§1"),
    ("turns.foreign", "Another session's turn is a 404.", "§1"),
];

pub async fn run(probe: &mut Probe) {
    parts!(probe: two, cancelled, failed);
}

async fn two(probe: &mut Probe) -> Result<(), Trouble> {
    let turned = probe.idle("hello").await?;
    probe.say(&turned.session, "hello again").await?;
    let down = probe.get(turned.path("/turns")).await?;
    let up = probe.get(turned.path("/turns?order=asc")).await?;
    let ids = |page: &Value| -> Vec<String> {
        let turns = page["data"].as_array().into_iter().flatten();
        turns.filter_map(|turn| turn["id"].as_str()).map(str::to_owned).collect()
    };
    let created = turned.reader.frames.iter().find_map(|frame| frame.text("/turn/id")).unwrap_or_default().to_owned();
    let oldest_last = ids(&down.json).len() == 2 && ids(&down.json)[1] == created;
    probe.that("turns.listed", oldest_last, format!("two turns, {created} last"), &down.json, &down.evidence);
    let turned_round: Vec<String> = ids(&down.json).into_iter().rev().collect();
    let ascending = ids(&up.json) == turned_round && !turned_round.is_empty();
    probe.that("turns.ascending", ascending, turned_round.join(" "), ids(&up.json).join(" "), &up.evidence);

    let path = turned.path(&format!("/turns/{created}"));
    let deadline = Deadline::after(probe.facts.client.patience);
    let mut turn = probe.get(&path).await?;
    while turn.json["usage"].is_null() && turn.is_good() && !deadline.is_over() {
        pause(Duration::from_millis(100)).await;
        turn = probe.get(&path).await?;
    }
    let session = probe.get(turned.path("")).await?;
    let listed = probe.get(turned.path("/turns?order=asc")).await?;
    probe.value("turns.retrieve", &turn, "", &listed.json["data"][0]);
    probe.value("turns.object", &turn, "/object", &json!("agent.session.turn"));
    probe.value("turns.belongs", &turn, "/session_id", &json!(turned.session));
    probe.value("turns.belongs", &turn, "/agent_id", &session.json["agent"]["id"]);
    probe.value("turns.root", &turn, "/subagent_id", &Value::Null);
    probe.value("turns.completed", &turn, "/status", &json!("completed"));
    probe.value("turns.completed", &turn, "/error", &Value::Null);
    let times: Vec<Option<u64>> =
        ["created_at", "started_at", "completed_at"].iter().map(|key| turn.json[*key].as_u64()).collect();
    let ordered = times.iter().all(Option::is_some) && times.is_sorted();
    probe.that("turns.times", ordered, "three times, in order", format!("{times:?}"), &turn.evidence);
    let total = |usage: &Value| usage["total_tokens"].as_u64();
    let sum = |usage: &Value| Some(usage["input_tokens"].as_u64()? + usage["output_tokens"].as_u64()?);
    let usage = &turn.json["usage"];
    let adds = total(usage).is_some() && total(usage) == sum(usage);
    probe.that("turns.usage", adds, "input + output = total", usage, &turn.evidence);
    let all: Option<u64> = listed.json["data"].as_array().into_iter().flatten().map(|turn| total(&turn["usage"])).sum();
    let of_session = total(&session.json["usage"]);
    // Null is fine as long as anything is unmeasured.
    let same = of_session.is_none() || of_session == all;
    probe.that("turns.session-usage", same, format!("{all:?}"), format!("{of_session:?}"), &session.evidence);

    for (id, path) in [
        ("turns.unknown", turned.path("/turns/turn_that_is_not_there")),
        ("turns.unknown-session", "/agents/sessions/sess_that_is_not_there/turns".to_owned()),
    ] {
        let answer = probe.get(path).await?;
        probe.missing(id, &answer);
    }
    let other = probe.idle("hello").await?;
    let answer = probe.get(other.path(&format!("/turns/{created}"))).await?;
    probe.missing("turns.foreign", &answer);
    Ok(())
}

async fn cancelled(probe: &mut Probe) -> Result<(), Trouble> {
    let (session, mut reader) = probe.speaking(400).await?;
    let path = format!("/agents/sessions/{session}/turns");
    let running = probe.get(&path).await?;
    probe.value("turns.in-progress", &running, "/data/0/status", &json!("in_progress"));
    probe.value("turns.in-progress", &running, "/data/0/completed_at", &Value::Null);
    probe.input(&session, &[CANCEL()]).await?;
    probe.until(&mut reader, &["agent.session.idle"]).await?;
    let ended = probe.get(&path).await?;
    probe.value("turns.cancelled", &ended, "/data/0/status", &json!("cancelled"));
    Ok(())
}

async fn failed(probe: &mut Probe) -> Result<(), Trouble> {
    if !probe.facts.scripted {
        let ids = ["turns.failed", "turns.failed-session", "turns.failed-goes-on"];
        probe.skip_all(&ids, "only a scripted model fails when it is told to");
        return Ok(());
    }
    let body = probe.session("fail 400 1");
    let turned = probe.begin(body).await?;
    let reader = &turned.reader;
    let event = reader.frames.iter().find(|frame| frame.kind() == "agent.session.turn.failed");
    let code = event.and_then(|frame| frame.text("/turn/error/code")).unwrap_or("(no turn.failed)").to_owned();
    probe.that("turns.failed", code == "invalid_request", "invalid_request", &code, &reader.evidence());
    let page = probe.get(turned.path("/turns")).await?;
    probe.value("turns.failed", &page, "/data/0/status", &json!("failed"));
    let session = probe.get(turned.path("")).await?;
    probe.value("turns.failed-session", &session, "/status", &json!("idle"));
    let next = probe.say(&turned.session, "say on").await?;
    let completed = next.frames.iter().any(|frame| frame.kind() == "agent.session.turn.completed");
    probe.that("turns.failed-goes-on", completed, "turn.completed", "none", &next.evidence());
    Ok(())
}
