//! The events of one turn with a message, in the order that clients depend on.

use super::Row;
use crate::frames::Frame;
use crate::probe::{Probe, Reader};
use crate::trouble::Trouble;
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub const CHECKS: &[Row] = &[
    ("order.created-first", "A creation stream begins with the session.", "§6; observed 2"),
    (
        "order.created-shows",
        "The first event shows the session after admission: in_progress, usage null.",
        "observed 2",
    ),
    ("order.turn-first", "A turn's creation comes before all else of that turn.", "§6"),
    ("order.root-turn", "The turn that a message starts belongs to no subagent.", "§6"),
    (
        "order.start",
        "turn.created, the user's item, session in_progress, turn in_progress: in this order.",
        "observed 3",
    ),
    ("order.user-item", "The user's item has a null output_index and a null phase.", "observed 3, 5"),
    ("order.user-not-done", "An input item is added and never done.", "§6"),
    ("order.assistant-empty", "The assistant's message is added with an empty content, in progress.", "observed 5"),
    ("order.part-empty", "Then its content part is added, with an empty text.", "observed 5"),
    ("order.text", "Deltas, then the text's end, the part's end, the item's end.", "§6; observed 5"),
    ("order.deltas-add-up", "The deltas together are the text.", "§6"),
    ("order.text-agrees", "Text, part and item say the same at their ends.", "§6"),
    ("order.item-completed", "The finished message is completed and has a phase, null or not.", "§6; observed 5"),
    ("order.output-index", "Output items are numbered from 0, in the order in which they begin.", "§6"),
    ("order.content-index", "Content events name the item and part that they belong to.", "§6"),
    ("order.opened-is-closed", "Every output item that is added is done, one time.", "§6"),
    ("order.ending", "The turn ends, then the session is idle.", "§6"),
    ("order.one-ending", "A turn ends one time.", "§6"),
    ("order.usage", "The turn's last event carries usage.", "observed 6"),
    ("order.turn-completed", "The turn's last event shows it completed, with its times.", "§4"),
    ("order.idle-shows", "The idle event shows an idle session that requires nothing.", "§4"),
    ("order.ids-unique", "No event id comes twice.", "§6"),
    ("order.same-session", "All events name the one session and the one turn.", "§6"),
    ("order.ends", "The creation stream ends with the first idle, without a [DONE].", "observed 2"),
    ("order.whole", "Nothing else comes in between.", "§6; observed 3, 5"),
    ("order.second-turn", "A message on the live stream gives the same order, without a new session.", "§6"),
    ("order.structured", "Structured output streams like any text, and is JSON.", "observed 5"),
];

const PREFIX: &str = "agent.session.";

pub async fn run(probe: &mut Probe) {
    parts!(probe: creation, live, structured);
}

async fn creation(probe: &mut Probe) -> Result<(), Trouble> {
    let turned = probe.begin(probe.session("hello")).await?;
    let reader = &turned.reader;
    let evidence = reader.evidence();
    let kinds = kinds(reader);
    let first = reader.frames.first();
    probe.that("order.created-first", kinds.first() == Some(&"created"), "created", kinds.join(" "), &evidence);
    let shows = first.map(|frame| (frame.text("/session/status"), frame.data["session"].get("usage")));
    let fresh = shows == Some((Some("in_progress"), Some(&Value::Null)));
    probe.that("order.created-shows", fresh, "in_progress, usage null", format!("{shows:?}"), &evidence);
    let ends = kinds.last() == Some(&"idle") && kinds.iter().filter(|kind| **kind == "idle").count() == 1;
    probe.that("order.ends", ends, "idle, and the end", kinds.join(" "), &evidence);
    turn(probe, reader, &turned.session);
    text(probe, reader);
    ending(probe, reader);
    Ok(())
}

/// What holds for the events of any turn with a message.
fn turn(probe: &mut Probe, reader: &Reader, session: &str) {
    let evidence = reader.evidence();
    let kinds = kinds(reader);
    let of_turn = kinds.iter().position(|kind| kind.starts_with("turn."));
    let first = of_turn.map(|at| kinds[at]);
    probe.that("order.turn-first", first == Some("turn.created"), "turn.created", format!("{first:?}"), &evidence);
    let turn = all(reader, "turn.created").first().map(|frame| frame.data["turn"].clone()).unwrap_or_default();
    probe.that("order.root-turn", turn["subagent_id"].is_null(), "subagent_id null", &turn["subagent_id"], &evidence);
    let start: Vec<&str> = kinds.iter().copied().filter(|kind| *kind != "created").take(4).collect();
    let wanted = ["turn.created", "turn.item.added", "in_progress", "turn.in_progress"];
    probe.that("order.start", start == wanted, wanted.join(" "), start.join(" "), &evidence);
    let user = all(reader, "turn.item.added").first().map(|frame| frame.data.clone()).unwrap_or_default();
    let fine = user["item"]["role"] == "user"
        && user.get("output_index") == Some(&Value::Null)
        && user["item"].get("phase") == Some(&Value::Null);
    probe.that("order.user-item", fine, "role user, output_index and phase null", &user, &evidence);
    let done: Vec<&Value> = all(reader, "turn.item.done").iter().map(|frame| &frame.data["item"]["id"]).collect();
    let undone = !done.contains(&&user["item"]["id"]);
    probe.that("order.user-not-done", undone, "no item.done", &user["item"]["id"], &evidence);
    let ids: BTreeSet<&str> = reader.frames.iter().filter_map(|frame| frame.text("/event_id")).collect();
    let unique = ids.len() == reader.frames.len();
    probe.that("order.ids-unique", unique, format!("{} ids", reader.frames.len()), ids.len(), &evidence);
    let strange = reader.frames.iter().find(|frame| {
        let named = frame.text("/session_id").or(frame.text("/session/id"));
        let of = frame.text("/turn_id");
        named != Some(session)
            || of.is_some_and(|of| turn["id"] != of)
            || frame.text("/turn/id").is_some_and(|id| of != Some(id))
    });
    let came = strange.map_or(String::new(), |frame| frame.data.to_string());
    probe.that("order.same-session", strange.is_none(), format!("{session}, {}", turn["id"]), came, &evidence);
    let plain = story(reader);
    let wanted = "turn.created turn.item.added in_progress turn.in_progress turn.item.added turn.content_part.added \
        turn.output_text.delta turn.output_text.done turn.content_part.done turn.item.done turn.completed idle";
    let came = plain.join(" ");
    probe.that("order.whole", came == wanted, wanted, came, &evidence);
}

/// The assistant's message.
fn text(probe: &mut Probe, reader: &Reader) {
    let evidence = reader.evidence();
    let message = |frame: &&Frame| frame.text("/item/role") == Some("assistant");
    let added = all(reader, "turn.item.added").into_iter().find(message).map(|f| f.data.clone()).unwrap_or_default();
    let item = &added["item"];
    let empty = item["content"] == json!([]) && item["status"] == "in_progress";
    probe.that("order.assistant-empty", empty, "content [], in_progress", item, &evidence);
    let own: Vec<&Frame> = reader
        .frames
        .iter()
        .filter(|f| f.data["item_id"] == item["id"] || f.data["item"]["id"] == item["id"])
        .collect();
    let steps: Vec<&str> = merged(&own.iter().map(|frame| tail(frame)).collect::<Vec<_>>());
    let wanted = "turn.item.added turn.content_part.added turn.output_text.delta turn.output_text.done \
        turn.content_part.done turn.item.done";
    probe.that("order.text", steps.join(" ") == wanted, wanted, steps.join(" "), &evidence);
    let part = own.iter().find(|frame| tail(frame) == "turn.content_part.added").map(|f| f.data["part"].clone());
    let blank = part.as_ref().is_some_and(|part| part["text"] == "" && part["type"] == "output_text");
    probe.that("order.part-empty", blank, "output_text with an empty text", format!("{part:?}"), &evidence);
    let deltas = own.iter().filter(|frame| tail(frame) == "turn.output_text.delta");
    let said: String = deltas.filter_map(|frame| frame.text("/delta")).collect();
    let end = |kind: &str, pointer: &str| {
        own.iter().find(|frame| tail(frame) == kind).and_then(|f| f.text(pointer)).map(str::to_owned)
    };
    let text = end("turn.output_text.done", "/text");
    probe.that("order.deltas-add-up", text.as_ref() == Some(&said), format!("{text:?}"), &said, &evidence);
    let part = end("turn.content_part.done", "/part/text");
    let whole = end("turn.item.done", "/item/content/0/text");
    let agree = text.is_some() && text == part && text == whole;
    probe.that("order.text-agrees", agree, format!("{text:?}"), format!("{part:?}, {whole:?}"), &evidence);
    let done =
        own.iter().find(|frame| tail(frame) == "turn.item.done").map(|f| f.data["item"].clone()).unwrap_or_default();
    let fine = done["status"] == "completed" && done.get("phase").is_some();
    probe.that("order.item-completed", fine, "completed, with a phase", &done, &evidence);
    let index = &added["output_index"];
    let belongs = own.iter().all(|f| f.data["output_index"] == *index)
        && own.iter().filter_map(|f| f.data.get("content_index")).all(|at| at == 0);
    probe.that("order.content-index", belongs && index.is_u64(), "one output_index, content_index 0", index, &evidence);
}

fn ending(probe: &mut Probe, reader: &Reader) {
    let evidence = reader.evidence();
    let kinds = kinds(reader);
    let output: Vec<&Frame> =
        all(reader, "turn.item.added").into_iter().filter(|frame| !frame.data["output_index"].is_null()).collect();
    let indices: Vec<Option<u64>> = output.iter().map(|frame| frame.data["output_index"].as_u64()).collect();
    let counted = indices.iter().enumerate().all(|(at, index)| *index == Some(at as u64)) && !indices.is_empty();
    probe.that("order.output-index", counted, "0, 1, …", format!("{indices:?}"), &evidence);
    let opened: Vec<&str> = output.iter().filter_map(|frame| frame.text("/item/id")).collect();
    let mut closed: Vec<&str> = all(reader, "turn.item.done").iter().filter_map(|f| f.text("/item/id")).collect();
    let mut sorted = opened.clone();
    sorted.sort_unstable();
    closed.sort_unstable();
    let distinct = sorted.windows(2).all(|pair| pair[0] != pair[1]);
    probe.that("order.opened-is-closed", sorted == closed && distinct, opened.join(" "), closed.join(" "), &evidence);
    let last = kinds.iter().rev().take(2).rev().copied().collect::<Vec<_>>();
    probe.that("order.ending", last == ["turn.completed", "idle"], "turn.completed idle", last.join(" "), &evidence);
    let ends = kinds.iter().filter(|k| matches!(**k, "turn.completed" | "turn.failed" | "turn.cancelled")).count();
    probe.that("order.one-ending", ends == 1, 1, ends, &evidence);
    let end = all(reader, "turn.completed").first().map(|frame| frame.data.clone()).unwrap_or_default();
    probe.that("order.usage", end.get("usage").is_some(), "the key usage", "none", &evidence);
    let turn = &end["turn"];
    let fine = turn["status"] == "completed"
        && turn["error"].is_null()
        && turn["created_at"].as_u64() <= turn["completed_at"].as_u64()
        && turn["started_at"].is_u64();
    probe.that("order.turn-completed", fine, "completed, with created_at, started_at, completed_at", turn, &evidence);
    let idle = all(reader, "idle").first().map(|frame| frame.data["session"].clone()).unwrap_or_default();
    let fine = idle["status"] == "idle" && idle["required_actions"] == json!([]);
    probe.that("order.idle-shows", fine, "idle, no required actions", &idle, &evidence);
}

async fn live(probe: &mut Probe) -> Result<(), Trouble> {
    let turned = probe.idle("hello").await?;
    let reader = probe.say(&turned.session, "hello again").await?;
    let came = story(&reader).join(" ");
    let wanted = "turn.created turn.item.added in_progress turn.in_progress turn.item.added turn.content_part.added \
        turn.output_text.delta turn.output_text.done turn.content_part.done turn.item.done turn.completed idle";
    probe.that("order.second-turn", came == wanted, wanted, came, &reader.evidence());
    turn(probe, &reader, &turned.session);
    text(probe, &reader);
    ending(probe, &reader);
    Ok(())
}

async fn structured(probe: &mut Probe) -> Result<(), Trouble> {
    let mut body = probe.session("json {\"answer\": \"hi\"}");
    let schema = json!({
        "type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"],
        "additionalProperties": false,
    });
    body["agent"]["text"] =
        json!({"format": {"type": "json_schema", "name": "answer", "schema": schema, "strict": true}});
    let reader = probe.begin(body).await?.reader;
    let text =
        all(&reader, "turn.output_text.done").first().and_then(|f| f.text("/text")).unwrap_or_default().to_owned();
    let value: Value = serde_json::from_str(&text).unwrap_or_default();
    probe.that("order.structured", value["answer"].is_string(), "JSON of the schema", &text, &reader.evidence());
    Ok(())
}

fn tail(frame: &Frame) -> &str {
    frame.kind().strip_prefix(PREFIX).unwrap_or(frame.kind())
}

fn kinds(reader: &Reader) -> Vec<&str> {
    reader.frames.iter().map(tail).collect()
}

fn all<'a>(reader: &'a Reader, kind: &str) -> Vec<&'a Frame> {
    reader.frames.iter().filter(|frame| tail(frame) == kind).collect()
}

/// All but the session's creation and what models think before they answer.
fn story(reader: &Reader) -> Vec<&str> {
    let thought =
        |frame: &&Frame| tail(frame).starts_with("turn.reasoning") || frame.data["item"]["type"] == "reasoning";
    let told = reader.frames.iter().filter(|frame| tail(frame) != "created" && !thought(frame));
    merged(&told.map(tail).collect::<Vec<_>>())
}

/// With runs of deltas as one.
fn merged<'a>(kinds: &[&'a str]) -> Vec<&'a str> {
    let mut plain: Vec<&str> = Vec::new();
    for kind in kinds.iter().copied() {
        if kind != "turn.output_text.delta" || plain.last() != Some(&kind) {
            plain.push(kind);
        }
    }
    plain
}
