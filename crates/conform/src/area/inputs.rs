//! Inputs of a session: messages, cancels, and what makes a repeat of a request harmless.

use super::Row;
use crate::client::{Answer, Call};
use crate::endpoint::Method::Post;
use crate::probe::{CANCEL, Probe, Said, message};
use crate::trouble::Trouble;
use serde_json::{Value, json};

pub const CHECKS: &[Row] = &[
    ("inputs.202", "Accepted input is a 202 with an empty body.", "§2; observed 1"),
    ("inputs.message", "A message to an idle session starts a turn.", "§5"),
    ("inputs.empty-list", "An empty list of events is a 202 that does nothing.", "observed 10"),
    ("inputs.null", "null instead of a list: 400.", "observed 10"),
    ("inputs.missing", "A body without events: 400.", "§5"),
    ("inputs.no-list", "An object instead of a list: 400.", "§5"),
    ("inputs.text", "A message's input as a bare text: 400.", "observed 10"),
    ("inputs.unknown-type", "An event of an unknown type: 400.", "§5"),
    ("inputs.no-type", "An event without a type: 400.", "§5"),
    ("inputs.role", "A message of another role than user: 400.", "§5"),
    ("inputs.empty-text", "A message with an empty text: 400.", "observed 10"),
    ("inputs.empty-content", "A message with an empty content: 400.", "observed 10"),
    ("inputs.message-type", "A message type other than message: 400.", "observed 10"),
    ("inputs.blank", "A text of blanks is accepted.", "observed 10"),
    ("inputs.bare-result", "A tool result without its fields: 400.", "§5"),
    ("inputs.unknown-session", "Input to a session that is not there: 404.", "§1"),
    ("inputs.steering", "A message to a session that works is a 202 and is heard.", "§5"),
    ("inputs.cancel-idle", "A cancel without a turn is a 202 that does nothing.", "§5"),
    ("inputs.cancel", "A cancel ends the running turn as cancelled.", "§5"),
    ("inputs.cancel-order", "Open items are closed as incomplete, then the turn ends, then the session is idle.", "§6"),
    ("inputs.cancel-usage", "The event of a cancelled turn carries usage.", "observed 6"),
    ("inputs.cancel-goes-on", "After a cancel the session takes messages as before.", "§5"),
    ("inputs.key-repeat", "The same request with the same key counts one time, and is a 202 each time.", "§1"),
    ("inputs.key-other-body", "Another body with the same key is a 409 with code conflict_error.", "§1"),
    ("inputs.key-no-retry", "That 409 tells SDKs not to try again.", "§1"),
    ("inputs.key-other", "The same request with another key counts again.", "§1"),
    ("inputs.key-per-session", "The same key in another session is another key.", "§1"),
    ("inputs.key-longest", "A key of 256 characters is accepted.", "§1"),
    ("inputs.key-too-long", "A key of 257 characters: 400.", "§1"),
];

pub async fn run(probe: &mut Probe) {
    parts!(probe: messages, refused, steering, cancel, keys);
}

async fn turns(probe: &mut Probe, session: &str) -> Result<usize, Trouble> {
    let page = probe.get(format!("/agents/sessions/{session}/turns?limit=100")).await?;
    Ok(page.json["data"].as_array().map_or(0, Vec::len))
}

async fn messages(probe: &mut Probe) -> Result<(), Trouble> {
    let turned = probe.idle("hello").await?;
    let session = turned.session.as_str();
    let answer = probe.input(session, &[message("hello again")]).await?;
    probe.status("inputs.202", &answer, 202);
    probe.that("inputs.202", answer.text.is_empty(), "an empty body", &answer.text, &answer.evidence);
    probe.settle(session, &["idle"]).await?;
    let count = turns(probe, session).await?;
    probe.that("inputs.message", count == 2, "2 turns", count, &answer.evidence);
    for (id, events) in [("inputs.empty-list", vec![]), ("inputs.cancel-idle", vec![CANCEL()])] {
        let answer = probe.input(session, &events).await?;
        probe.status(id, &answer, 202);
        let count = turns(probe, session).await?;
        probe.that(id, count == 2, "2 turns", count, &answer.evidence);
    }
    let answer = probe.input(session, &[message(" ")]).await?;
    probe.status("inputs.blank", &answer, 202);
    Ok(())
}

async fn refused(probe: &mut Probe) -> Result<(), Trouble> {
    let turned = probe.idle("hello").await?;
    let path = turned.path("/events");
    let one = |event: Value| json!({"events": [event]});
    let of = |message: Value| one(json!({"type": "agent.session.input.message", "input": [message]}));
    let part = json!([{"type": "input_text", "text": "hello"}]);
    for (id, body) in [
        ("inputs.null", json!({"events": null})),
        ("inputs.missing", json!({})),
        ("inputs.no-list", json!({"events": {}})),
        ("inputs.text", one(json!({"type": "agent.session.input.message", "input": "hello"}))),
        ("inputs.unknown-type", one(json!({"type": "agent.session.input.dance"}))),
        ("inputs.no-type", one(json!({}))),
        ("inputs.role", of(json!({"role": "system", "content": part}))),
        ("inputs.empty-text", of(json!({"role": "user", "content": [{"type": "input_text", "text": ""}]}))),
        ("inputs.empty-content", of(json!({"role": "user", "content": []}))),
        ("inputs.message-type", of(json!({"type": "", "role": "user", "content": part}))),
        ("inputs.bare-result", one(json!({"type": "agent.session.input.tool_result"}))),
    ] {
        let answer = probe.post(&path, body).await?;
        probe.invalid(id, &answer);
    }
    let answer = probe.input("sess_that_is_not_there", &[message("hello")]).await?;
    probe.missing("inputs.unknown-session", &answer);
    Ok(())
}

async fn steering(probe: &mut Probe) -> Result<(), Trouble> {
    let (session, mut reader) = probe.speaking(60).await?;
    let answer = probe.input(&session, &[message("say steered")]).await?;
    if answer.status == 400 && answer.text.contains("active_turn_not_steerable") {
        probe.skip("inputs.steering", "this turn was not to be steered, which the API allows");
        probe.input(&session, &[CANCEL()]).await?;
        return Ok(());
    }
    probe.status("inputs.steering", &answer, 202);
    if !probe.facts.scripted {
        probe.input(&session, &[CANCEL()]).await?;
    }
    probe.until(&mut reader, &["agent.session.idle"]).await?;
    let page = probe.get(format!("/agents/sessions/{session}/items?limit=100&order=asc")).await?;
    let heard = page.text.contains("say steered");
    probe.that("inputs.steering", heard, "the message among the items", "not there", &page.evidence);
    Ok(())
}

async fn cancel(probe: &mut Probe) -> Result<(), Trouble> {
    let (session, mut reader) = probe.speaking(400).await?;
    let answer = probe.input(&session, &[CANCEL()]).await?;
    probe.status("inputs.cancel", &answer, 202);
    probe.until(&mut reader, &["agent.session.idle"]).await?;
    let kinds: Vec<&str> = reader.frames.iter().map(crate::frames::Frame::kind).collect();
    let ends: Vec<&str> = kinds
        .iter()
        .copied()
        .filter(|kind| matches!(kind.rsplit('.').next(), Some("completed" | "failed" | "cancelled")))
        .collect();
    let evidence = reader.evidence();
    probe.that(
        "inputs.cancel",
        ends == ["agent.session.turn.cancelled"],
        "one turn.cancelled",
        ends.join(" "),
        &evidence,
    );
    let closed = reader.frames.iter().rev().take(3).map(|frame| {
        let status = frame.text("/item/status").map_or(String::new(), |status| format!(" {status}"));
        format!("{}{status}", frame.kind().trim_start_matches("agent.session."))
    });
    let closed: Vec<String> = closed.collect();
    let wanted = ["idle", "turn.cancelled", "turn.item.done incomplete"];
    probe.that("inputs.cancel-order", closed == wanted, wanted.join(" < "), closed.join(" < "), &evidence);
    let ended = reader.frames.iter().find(|frame| frame.kind() == "agent.session.turn.cancelled");
    let usage = ended.is_some_and(|frame| frame.data.get("usage").is_some());
    probe.that("inputs.cancel-usage", usage, "the key usage", "none", &evidence);
    let next = probe.say(&session, "say back").await?;
    let completed = next.frames.iter().any(|frame| frame.kind() == "agent.session.turn.completed");
    probe.that("inputs.cancel-goes-on", completed, "turn.completed", "none", &next.evidence());
    Ok(())
}

async fn keys(probe: &mut Probe) -> Result<(), Trouble> {
    let (one, other) = (probe.idle("hello").await?, probe.idle("hello").await?);
    let key = format!("key-{}", probe.facts.run);
    let send = [message("again")];
    let mut counted = 1;
    for _ in 0..3 {
        let answer = probe.keyed(&one.session, &key, &send).await?;
        probe.status("inputs.key-repeat", &answer, 202);
        probe.settle(&one.session, &["idle"]).await?;
        counted = turns(probe, &one.session).await?;
        probe.that("inputs.key-repeat", counted == 2, "2 turns", counted, &answer.evidence);
    }
    let conflict = probe.keyed(&one.session, &key, &[message("another")]).await?;
    let said = Said { code: Some("conflict_error"), ..Said::default() };
    probe.refused("inputs.key-other-body", &conflict, 409, said);
    no_retry(probe, "inputs.key-no-retry", &conflict);
    probe.settle(&one.session, &["idle"]).await?;
    let after = turns(probe, &one.session).await?;
    probe.that("inputs.key-other-body", after == counted, "no new turn", after, &conflict.evidence);
    let answer = probe.keyed(&one.session, &format!("{key}-2"), &send).await?;
    probe.settle(&one.session, &["idle"]).await?;
    let after = turns(probe, &one.session).await?;
    probe.that("inputs.key-other", after == counted + 1, "one more turn", after, &answer.evidence);
    let answer = probe.keyed(&other.session, &key, &[message("another")]).await?;
    probe.status("inputs.key-per-session", &answer, 202);
    for (id, length, status) in [("inputs.key-longest", 256, 202), ("inputs.key-too-long", 257, 400)] {
        let call = Call::new(Post, other.path("/events")).json(json!({"events": []}));
        let answer = probe.send(call.with("idempotency-key", "k".repeat(length))).await?;
        probe.status(id, &answer, status);
    }
    Ok(())
}

/// SDKs take a 409 for a lock and try again, unless they are told not to.
pub fn no_retry(probe: &mut Probe, id: &str, answer: &Answer) {
    let said = answer.header("x-should-retry").unwrap_or("(nothing)");
    probe.that(id, said == "false", "x-should-retry: false", said, &answer.evidence);
}
