//! Function calls: asked for by the model, answered by the client, each one time.

use super::Row;
use super::inputs::no_retry;
use crate::frames::Frame;
use crate::probe::{ACTION, CANCEL, IDLE, Probe, Reader, Said, Turned, result};
use crate::trouble::Trouble;
use serde_json::{Value, json};

pub const CHECKS: &[Row] = &[
    ("calls.order", "A call is added, done, and then the session requires action.", "§6"),
    ("calls.item", "The call's item names the function, a call_id, and arguments as an object.", "§7"),
    ("calls.required", "The session lists the call among its required actions.", "§4"),
    ("calls.status", "The session is requires_action and its turn is waiting.", "§4"),
    ("calls.usage-null", "While a turn waits, the session's usage is null.", "observed 6"),
    ("calls.stream-open", "A creation stream stays open over a call and its result.", "observed 2"),
    ("calls.unknown", "A result for a call that never was: 400, in the exact words that SDKs look for.", "§5"),
    ("calls.other-turn", "A result that names another turn: a 400 of its own.", "observed 11"),
    ("calls.result-202", "A result is a 202 with an empty body.", "§5"),
    (
        "calls.resume",
        "A result is added as an item, then the session is in_progress, without a second turn.in_progress.",
        "§6; observed 4",
    ),
    ("calls.output-item", "The result's item has both keys, output and error, and no item.done.", "observed 7"),
    ("calls.goes-on", "The turn completes and the session is idle, with nothing required.", "§6"),
    ("calls.listed", "Call and result are both on the list, in pairs.", "§7"),
    ("calls.repeat", "The same result again is a 202 that changes nothing.", "§5; observed 11"),
    ("calls.repeat-late", "The same result is a 202 after the turn's end too.", "observed 11"),
    (
        "calls.different",
        "A different result for an answered call is a 409 with code conflict_error.",
        "§5; observed 11",
    ),
    ("calls.different-no-retry", "That 409 tells SDKs not to try again.", "§5"),
    ("calls.parallel", "Several calls wait together, in the order in which the model made them.", "§14"),
    ("calls.each-alone", "Each is answered alone; the others stay required.", "§14"),
    ("calls.last-one", "The session goes on when none is left, one time.", "§14"),
    ("calls.failure", "A failed result is listed with its error and a null output.", "observed 7"),
    ("calls.parts", "A result may be a list of text parts.", "§5"),
    ("calls.cancel", "A cancel closes waiting calls and ends the turn, without an in_progress.", "observed 4"),
    ("calls.late", "A result after the cancel is a 409 with code conflict_error.", "§5"),
    ("calls.late-no-retry", "That 409 tells SDKs not to try again.", "§5"),
    ("calls.after-cancel", "After the cancel the session takes messages as before.", "§5"),
    ("calls.mcp-unknown", "An approval result that nobody asked for: 400.", "§5"),
    ("calls.mcp-decision", "An approval result that decides nothing: 400, and the event at fault is named.", "§5"),
    ("calls.computer-unknown", "A computer use result that nobody asked for: 400.", "§5"),
];

const ONE: &str = "call lookup {\"n\":1}\nsay done";
const TWO: &str = "call lookup {\"n\":1} & call other {\"n\":2}\nsay both";

pub async fn run(probe: &mut Probe) {
    parts!(probe: one, two, failure, cancel, approvals);
}

/// A session that waits for these calls; where the model made none, the checks are skipped, or failed for a model that
/// does what it is told.
async fn wait(probe: &mut Probe, script: &str, calls: usize, ids: &[&str]) -> Result<Option<Turned>, Trouble> {
    let turned = probe.waiting(script, &["lookup", "other"]).await?;
    match turned {
        Some(turned) if turned.calls().len() == calls => Ok(Some(turned)),
        _ if probe.facts.scripted => Err(Trouble::Useless("the scripted model's calls were not shown".to_owned())),
        _ => {
            probe.skip_all(ids, "the model made no such calls, although it was asked to");
            Ok(None)
        }
    }
}

fn tail(frame: &Frame) -> &str {
    frame.kind().trim_start_matches("agent.session.")
}

/// The kinds of events behind the first `from`.
fn kinds(reader: &Reader, from: usize) -> Vec<&str> {
    reader.frames.iter().skip(from).map(tail).collect()
}

async fn one(probe: &mut Probe) -> Result<(), Trouble> {
    let ids: Vec<&str> = CHECKS.iter().map(|row| row.0).take(16).filter(|id| *id != "calls.repeat").collect();
    let Some(mut turned) = wait(probe, ONE, 1, &ids).await? else { return Ok(()) };
    let call = turned.calls().remove(0);
    shown(probe, &turned, &call).await?;
    let session = turned.session.clone();
    let mut unknown = result(&call, &json!("ok"));
    unknown["call_id"] = json!("call_that_never_was");
    let answer = probe.input(&session, &[unknown]).await?;
    let words = "Unknown pending tool call: call_that_never_was";
    let said = Said { code: Some("invalid_request_error"), message: Some(words), ..Said::default() };
    probe.refused("calls.unknown", &answer, 400, said);
    let mut elsewhere = result(&call, &json!("ok"));
    elsewhere["turn_id"] = json!("turn_that_is_another");
    let answer = probe.input(&session, &[elsewhere]).await?;
    probe.invalid("calls.other-turn", &answer);
    let own = answer.json["error"]["message"]
        != format!("Unknown pending tool call: {}", call["call_id"].as_str().unwrap_or_default());
    probe.that("calls.other-turn", own, "other words than for an unknown call", "the same", &answer.evidence);

    let before = turned.reader.frames.len();
    let answer = probe.input(&session, &[result(&call, &json!("ok"))]).await?;
    probe.status("calls.result-202", &answer, 202);
    probe.that("calls.result-202", answer.text.is_empty(), "an empty body", &answer.text, &answer.evidence);
    let rest = probe.until(&mut turned.reader, &[IDLE]).await;
    let evidence = turned.reader.evidence();
    probe.that("calls.stream-open", rest.is_ok(), "the rest of the turn", "the end of the stream", &evidence);
    resumed(probe, &turned, &call, before).await?;
    for (id, output, status) in [("calls.repeat-late", "ok", 202), ("calls.different", "another", 409)] {
        let answer = probe.input(&session, &[result(&call, &json!(output))]).await?;
        probe.status(id, &answer, status);
        if status == 409 {
            probe.value(id, &answer, "/error/code", &json!("conflict_error"));
            no_retry(probe, "calls.different-no-retry", &answer);
        }
    }
    Ok(())
}

/// How a call that waits is shown.
async fn shown(probe: &mut Probe, turned: &Turned, call: &Value) -> Result<(), Trouble> {
    let evidence = turned.reader.evidence();
    let all = kinds(&turned.reader, 0);
    let last: Vec<&str> = all[all.len().saturating_sub(3)..].to_vec();
    let wanted = ["turn.item.added", "turn.item.done", "requires_action"];
    probe.that("calls.order", last == wanted, wanted.join(" "), last.join(" "), &evidence);
    let fine = call["name"] == "lookup" && call["call_id"].is_string() && call["arguments"].is_object();
    probe.that("calls.item", fine, "lookup, a call_id, an object", call, &evidence);
    let session = probe.get(turned.path("")).await?;
    let on_stream = turned.reader.frames.last().map(|frame| frame.data["session"].clone()).unwrap_or_default();
    let wanted = json!([{"type": "function_call", "turn_id": call["turn_id"], "call_id": call["call_id"],
        "name": "lookup", "arguments": call["arguments"]}]);
    for came in [&session.json, &on_stream] {
        let fine = came["required_actions"] == wanted;
        probe.that("calls.required", fine, &wanted, &came["required_actions"], &session.evidence);
    }
    probe.value("calls.status", &session, "/status", &json!("requires_action"));
    probe.value("calls.usage-null", &session, "/usage", &Value::Null);
    let turns = probe.get(turned.path("/turns")).await?;
    probe.value("calls.status", &turns, "/data/0/status", &json!("waiting"));
    Ok(())
}

/// How a turn goes on with a result.
async fn resumed(probe: &mut Probe, turned: &Turned, call: &Value, before: usize) -> Result<(), Trouble> {
    let evidence = turned.reader.evidence();
    let after = kinds(&turned.reader, before);
    let fine = after.starts_with(&["turn.item.added", "in_progress"])
        && !after.contains(&"turn.in_progress")
        && after.iter().filter(|kind| **kind == "in_progress").count() == 1;
    probe.that("calls.resume", fine, "turn.item.added in_progress …", after.join(" "), &evidence);
    let item = turned.reader.frames.get(before).map(|frame| frame.data["item"].clone()).unwrap_or_default();
    let done = turned.reader.frames.iter().any(|f| tail(f) == "turn.item.done" && f.data["item"]["id"] == item["id"]);
    let fine = item["type"] == "function_call_output" && item.get("output").is_some() && item.get("error").is_some();
    probe.that("calls.output-item", fine && !done, "output and error, no item.done", &item, &evidence);
    let idle = turned.reader.frames.last().map(|frame| frame.data["session"].clone()).unwrap_or_default();
    let fine = after.ends_with(&["turn.completed", "idle"]) && idle["required_actions"] == json!([]);
    probe.that("calls.goes-on", fine, "turn.completed idle", after.join(" "), &evidence);
    let items = probe.get(turned.path("/items?order=asc&limit=100")).await?;
    let pair: Vec<&Value> = items.json["data"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|item| item["call_id"] == call["call_id"])
        .map(|item| &item["type"])
        .collect();
    let paired = pair == ["function_call", "function_call_output"];
    probe.that("calls.listed", paired, "function_call function_call_output", format!("{pair:?}"), &items.evidence);
    Ok(())
}

async fn two(probe: &mut Probe) -> Result<(), Trouble> {
    let ids = ["calls.parallel", "calls.each-alone", "calls.last-one", "calls.parts", "calls.repeat"];
    let Some(mut turned) = wait(probe, TWO, 2, &ids).await? else { return Ok(()) };
    let calls = turned.calls();
    let session = probe.get(turned.path("")).await?;
    let required: Vec<&Value> =
        session.json["required_actions"].as_array().into_iter().flatten().map(|action| &action["call_id"]).collect();
    let both: Vec<&Value> = calls.iter().map(|call| &call["call_id"]).collect();
    let named = calls[0]["name"] == "lookup" && calls[1]["name"] == "other";
    probe.that(
        "calls.parallel",
        required == both && named,
        format!("{both:?}"),
        format!("{required:?}"),
        &session.evidence,
    );
    let before = turned.reader.frames.len();
    let parts = json!([{"type": "input_text", "text": "part"}]);
    let answer = probe.input(&turned.session, &[result(&calls[1], &parts)]).await?;
    probe.status("calls.parts", &answer, 202);
    let again = probe.input(&turned.session, &[result(&calls[1], &parts)]).await?;
    probe.status("calls.repeat", &again, 202);
    let session = probe.get(turned.path("")).await?;
    probe.value("calls.each-alone", &session, "/status", &json!("requires_action"));
    probe.value("calls.each-alone", &session, "/required_actions/0/call_id", &calls[0]["call_id"]);
    let left = session.json["required_actions"].as_array().map_or(0, Vec::len);
    probe.that("calls.each-alone", left == 1, "1 required action", left, &session.evidence);
    probe.input(&turned.session, &[result(&calls[0], &json!("1"))]).await?;
    probe.until(&mut turned.reader, &[IDLE]).await?;
    let after = kinds(&turned.reader, before);
    let count = after.iter().filter(|kind| **kind == "in_progress").count();
    let fine = count == 1 && after.ends_with(&["turn.completed", "idle"]);
    probe.that("calls.last-one", fine, "one in_progress", after.join(" "), &turned.reader.evidence());
    let items = probe.get(turned.path("/items?order=asc&limit=100")).await?;
    let output = items.json["data"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|item| item["type"] == "function_call_output" && item["call_id"] == calls[1]["call_id"]);
    let results = items.text.matches("\"function_call_output\"").count();
    probe.that("calls.repeat", results == 2, "2 results", results, &items.evidence);
    let shown = output.is_some_and(|item| item["output"] == parts);
    probe.that("calls.parts", shown, &parts, format!("{output:?}"), &items.evidence);
    Ok(())
}

async fn failure(probe: &mut Probe) -> Result<(), Trouble> {
    let Some(mut turned) = wait(probe, ONE, 1, &["calls.failure"]).await? else { return Ok(()) };
    let call = turned.calls().remove(0);
    let failed = json!({"type": "agent.session.input.tool_result", "turn_id": call["turn_id"],
        "call_id": call["call_id"], "success": false, "error": "no such entry"});
    probe.input(&turned.session, &[failed]).await?;
    probe.until(&mut turned.reader, &[IDLE]).await?;
    let items = probe.get(turned.path("/items?order=asc&limit=100")).await?;
    let output =
        items.json["data"].as_array().into_iter().flatten().find(|item| item["type"] == "function_call_output");
    let fine = output.is_some_and(|item| item["output"].is_null() && item["error"] == "no such entry");
    probe.that("calls.failure", fine, "the error, output null", format!("{output:?}"), &items.evidence);
    Ok(())
}

async fn cancel(probe: &mut Probe) -> Result<(), Trouble> {
    let ids = ["calls.cancel", "calls.late", "calls.late-no-retry", "calls.after-cancel"];
    let Some(mut turned) = wait(probe, ONE, 1, &ids).await? else { return Ok(()) };
    let call = turned.calls().remove(0);
    let before = turned.reader.frames.len();
    probe.input(&turned.session, &[CANCEL()]).await?;
    probe.until(&mut turned.reader, &[IDLE]).await?;
    let after = kinds(&turned.reader, before);
    let fine = after.ends_with(&["turn.cancelled", "idle"]) && !after.contains(&"in_progress");
    probe.that("calls.cancel", fine, "turn.cancelled idle, no in_progress", after.join(" "), &turned.reader.evidence());
    let late = probe.input(&turned.session, &[result(&call, &json!("late"))]).await?;
    let said = Said { code: Some("conflict_error"), ..Said::default() };
    probe.refused("calls.late", &late, 409, said);
    no_retry(probe, "calls.late-no-retry", &late);
    let next = probe.say(&turned.session, "say on").await?;
    let last = next.frames.last().map_or("", Frame::kind);
    let fine = next.frames.iter().any(|frame| tail(frame) == "turn.completed") && last != ACTION;
    probe.that("calls.after-cancel", fine, "turn.completed", last, &next.evidence());
    Ok(())
}

async fn approvals(probe: &mut Probe) -> Result<(), Trouble> {
    let turned = probe.idle("hello").await?;
    for (id, kind, response) in [
        ("calls.mcp-unknown", "mcp_approval_request_result", json!({"type": "mcp_tool_call", "decision": "deny"})),
        (
            "calls.computer-unknown",
            "computer_use_approval_request_result",
            json!({"type": "browser_origin_access", "decision": "deny"}),
        ),
    ] {
        let event = json!({"type": format!("agent.session.input.{kind}"), "request_id": "req_that_never_was", "response": response});
        let answer = probe.input(&turned.session, &[event]).await?;
        probe.invalid(id, &answer);
    }
    let kind = "agent.session.input.mcp_approval_request_result";
    let response = json!({"type": "mcp_tool_call", "decision": "perhaps"});
    let event = json!({"type": kind, "request_id": "req_that_never_was", "response": response});
    let answer = probe.input(&turned.session, &[event]).await?;
    let said = Said { param: Some("events[0].response.decision"), ..Said::default() };
    probe.refused("calls.mcp-decision", &answer, 400, said);
    Ok(())
}
