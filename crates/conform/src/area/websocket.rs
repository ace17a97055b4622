//! Responses over one WebSocket: turns, what the connection remembers, what it forgets, and its errors.

use super::Row;
use super::compaction::talk;
use super::responses::lacking;
use crate::findings::Outcome;
use crate::probe::{Probe, asked, text_of};
use crate::socket::Socket;
use crate::told::{self, TERMINAL};
use crate::trouble::Trouble;
use serde_json::{Value, json};

pub const CHECKS: &[Row] = &[
    ("websocket.open", "GET /responses with an upgrade opens a WebSocket.", "Open Responses: websocket-response"),
    ("websocket.no-key", "Not without a key.", "Open Responses: guide, WebSocket; §1e"),
    (
        "websocket.turn",
        "response.create is answered with the events of a stream.",
        "Open Responses: websocket-response",
    ),
    ("websocket.rules", "They keep the rules of a stream.", "Open Responses: websocket-response; §2a"),
    ("websocket.resource", "The last one holds the whole resource.", "Open Responses: websocket-response"),
    (
        "websocket.sequential",
        "One turn after another, each with one end.",
        "Open Responses: websocket-sequential-responses",
    ),
    (
        "websocket.queued",
        "Turns that are sent together are answered in their order.",
        "§2b, lanes are first in, first out",
    ),
    (
        "websocket.continuation",
        "What is not stored goes on within its connection.",
        "Open Responses: websocket-continuation",
    ),
    (
        "websocket.reconnect",
        "Another connection does not know it.",
        "Open Responses: websocket-reconnect-store-false-recovery",
    ),
    (
        "websocket.recovery",
        "After that error the connection takes turns as before.",
        "Open Responses: websocket-reconnect-store-false-recovery",
    ),
    (
        "websocket.unknown",
        "An unknown previous response: previous_response_not_found.",
        "Open Responses: websocket-previous-response-not-found",
    ),
    (
        "websocket.stray",
        "A result for a call that never was fails.",
        "Open Responses: websocket-failed-continuation-evicts-cache",
    ),
    (
        "websocket.evicts",
        "It takes the response that it went on from out of memory.",
        "Open Responses: websocket-failed-continuation-evicts-cache",
    ),
    ("websocket.compacted", "What compact gave begins a chain.", "Open Responses: websocket-compact-new-chain"),
    ("websocket.error", "An error is of type error, with status, and type, code, message and param.", "§1d"),
    ("websocket.warm", "With generate false nothing is said, and the response can be gone on from.", "§2b, warm-up"),
    ("websocket.lanes", "Events name the stream_id of their turn, and lanes do not wait for each other.", "§2b, lanes"),
    ("websocket.lane-name", "A stream_id of other characters: invalid_stream_id.", "§2b, lanes"),
    ("websocket.garbage", "What is no JSON is answered with an error, and the next turn works.", "§2b"),
];

pub async fn run(probe: &mut Probe) {
    match open(probe).await {
        Ok(Some(socket)) => socket.close().await,
        Ok(None) => return,
        Err(trouble) => {
            probe.went(Err(trouble));
            return;
        }
    }
    parts!(probe: turns, queued, memory, evicts, compacted, warm, lanes, wrong);
}

async fn open(probe: &mut Probe) -> Result<Option<Socket>, Trouble> {
    match probe.facts.client.socket("/responses", true).await? {
        Ok(socket) => {
            probe.found.record("websocket.open", Outcome::Passed);
            let refused = probe.facts.client.socket("/responses", false).await?;
            let status = refused.map_or_else(|answer| answer.status, |_| 101);
            probe.that("websocket.no-key", status == 401, 401, status, "");
            Ok(Some(socket))
        }
        Err(answer) => {
            probe.that("websocket.open", false, 101, answer.status, &answer.evidence);
            let others: Vec<&str> = CHECKS.iter().map(|row| row.0).filter(|id| *id != "websocket.open").collect();
            probe.skip_all(&others, "no WebSocket was opened");
            Ok(None)
        }
    }
}

async fn connect(probe: &Probe) -> Result<Socket, Trouble> {
    let opened = probe.facts.client.socket("/responses", true).await?;
    opened.map_err(|answer| Trouble::Useless(format!("no WebSocket: {}", answer.evidence)))
}

fn create(probe: &Probe, input: impl Into<Value>) -> Value {
    let mut body = asked(probe, input);
    body["type"] = json!("response.create");
    body["store"] = json!(false);
    body
}

/// The events up to the end of one turn.
async fn turn(probe: &mut Probe, socket: &mut Socket) -> Result<Vec<Value>, Trouble> {
    let mut events = Vec::new();
    while let Some(event) = socket.next().await? {
        probe.look_at_event("ResponseStreamEvent", &bare(&event));
        let kind = event["type"].as_str().unwrap_or_default().to_owned();
        events.push(event);
        if TERMINAL.contains(&kind.as_str()) || kind == "error" {
            return Ok(events);
        }
    }
    Err(Trouble::Useless(format!("the socket closed within a turn: {}", socket.asked)))
}

/// On a socket, an error has the shape of HTTP's; the SDK's event has its fields beside its type.
fn bare(event: &Value) -> Value {
    if event["type"] != "error" {
        return event.clone();
    }
    let error = &event["error"];
    json!({"type": "error", "code": error["code"], "message": error["message"], "param": error["param"],
        "sequence_number": 0})
}

async fn say(probe: &mut Probe, socket: &mut Socket, body: Value) -> Result<Vec<Value>, Trouble> {
    socket.send(&body).await?;
    turn(probe, socket).await
}

fn end(events: &[Value]) -> Value {
    events.last().map(|event| event["response"].clone()).unwrap_or_default()
}

fn came(events: &[Value]) -> String {
    events.last().map(ToString::to_string).unwrap_or_default()
}

/// The code of a turn that failed; empty of one that did not.
fn code(events: &[Value]) -> String {
    let last = events.last().cloned().unwrap_or_default();
    let code = last.pointer("/error/code").or_else(|| last.pointer("/response/error/code"));
    code.and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn completed(probe: &mut Probe, id: &str, events: &[Value]) {
    let response = end(events);
    let fine = response["status"] == "completed" && !text_of(&response).is_empty();
    probe.that(id, fine, "a completed response", came(events), "");
}

/// The `error` of a socket, as HTTP has it, with a status beside it.
fn error(probe: &mut Probe, events: &[Value]) {
    let last = events.last().cloned().unwrap_or_default();
    let error = &last["error"];
    let text = |key: &str| error[key].is_string();
    let fine = last["type"] == "error"
        && last["status"].is_u64()
        && text("type")
        && text("code")
        && text("message")
        && error.get("param").is_some();
    probe.that("websocket.error", fine, "type, status, error", &last, "");
}

async fn turns(probe: &mut Probe) -> Result<(), Trouble> {
    let mut socket = connect(probe).await?;
    let mut ids = Vec::new();
    for text in ["say one two three", "say four five"] {
        let mut body = create(probe, text);
        body["store"] = json!(true);
        let events = say(probe, &mut socket, body).await?;
        completed(probe, if ids.is_empty() { "websocket.turn" } else { "websocket.sequential" }, &events);
        let faults = told::faults(&events);
        probe.that("websocket.rules", faults.is_empty(), "all rules", format!("{faults:?}"), &came(&events));
        let odd = lacking(&end(&events));
        probe.that("websocket.resource", odd.is_empty(), "every key", odd.join("; "), &came(&events));
        ids.push(end(&events)["id"].clone());
    }
    probe.that("websocket.sequential", ids[0] != ids[1], "two responses", &ids[0], "");
    socket.close().await;
    Ok(())
}

async fn queued(probe: &mut Probe) -> Result<(), Trouble> {
    let mut socket = connect(probe).await?;
    for text in ["say first", "say second"] {
        let body = create(probe, text);
        socket.send(&body).await?;
    }
    for word in ["first", "second"] {
        let events = turn(probe, &mut socket).await?;
        completed(probe, "websocket.queued", &events);
        let text = text_of(&end(&events));
        probe.that("websocket.queued", text == word || !probe.facts.scripted, word, text, "");
    }
    socket.close().await;
    Ok(())
}

async fn memory(probe: &mut Probe) -> Result<(), Trouble> {
    let mut socket = connect(probe).await?;
    let body = create(probe, "Remember the word cobalt.");
    let first = say(probe, &mut socket, body).await?;
    let id = end(&first)["id"].clone();
    let mut next = create(probe, "Go on.");
    next["previous_response_id"] = id.clone();
    let second = say(probe, &mut socket, next).await?;
    completed(probe, "websocket.continuation", &second);
    let named = &end(&second)["previous_response_id"];
    probe.that("websocket.continuation", *named == id, &id, named, "");
    let last = end(&second)["id"].clone();
    socket.close().await;

    let mut socket = connect(probe).await?;
    for (check, previous) in [("websocket.reconnect", last), ("websocket.unknown", json!("resp_that_is_not_there"))] {
        let mut next = create(probe, "Go on.");
        next["previous_response_id"] = previous;
        let events = say(probe, &mut socket, next).await?;
        let code = code(&events);
        probe.that(check, code == "previous_response_not_found", "previous_response_not_found", code, &came(&events));
        error(probe, &events);
    }
    let body = create(probe, "Begin anew.");
    let events = say(probe, &mut socket, body).await?;
    completed(probe, "websocket.recovery", &events);
    socket.close().await;
    Ok(())
}

async fn evicts(probe: &mut Probe) -> Result<(), Trouble> {
    let mut socket = connect(probe).await?;
    let body = create(probe, "Remember the word ember.");
    let first = say(probe, &mut socket, body).await?;
    let id = end(&first)["id"].clone();
    let stray = json!([{"type": "function_call_output", "call_id": "call_that_never_was", "output": ""}]);
    let mut wrong = create(probe, stray);
    wrong["previous_response_id"] = id.clone();
    let failed = say(probe, &mut socket, wrong).await?;
    let fine = !code(&failed).is_empty() || end(&failed)["status"] == "failed";
    probe.that("websocket.stray", fine, "a failure", came(&failed), "");
    let mut again = create(probe, "Go on all the same.");
    again["previous_response_id"] = id;
    let events = say(probe, &mut socket, again).await?;
    let code = code(&events);
    let wanted = "previous_response_not_found";
    probe.that("websocket.evicts", code == wanted, wanted, code, &came(&events));
    socket.close().await;
    Ok(())
}

async fn compacted(probe: &mut Probe) -> Result<(), Trouble> {
    let answer = probe.post("/responses/compact", talk(&probe.facts.model)).await?;
    let mut input = answer.json["output"].as_array().cloned().unwrap_or_default();
    input.push(json!({"type": "message", "role": "user", "content": "Go on from here."}));
    let mut socket = connect(probe).await?;
    let mut body = create(probe, json!(input));
    body["tools"] = json!([]);
    let events = say(probe, &mut socket, body).await?;
    completed(probe, "websocket.compacted", &events);
    socket.close().await;
    Ok(())
}

async fn warm(probe: &mut Probe) -> Result<(), Trouble> {
    let mut socket = connect(probe).await?;
    let mut body = create(probe, "Know this.");
    body["generate"] = json!(false);
    let events = say(probe, &mut socket, body).await?;
    let response = end(&events);
    let fine = response["status"] == "completed" && response["output"] == json!([]);
    probe.that("websocket.warm", fine, "completed, without output", came(&events), "");
    let mut next = create(probe, "Go on.");
    next["previous_response_id"] = response["id"].clone();
    let events = say(probe, &mut socket, next).await?;
    completed(probe, "websocket.warm", &events);
    socket.close().await;
    Ok(())
}

async fn lanes(probe: &mut Probe) -> Result<(), Trouble> {
    let mut socket = connect(probe).await?;
    let mut slow = probe.asked_long(100);
    slow["type"] = json!("response.create");
    slow["store"] = json!(false);
    slow["stream_id"] = json!("slow");
    socket.send(&slow).await?;
    let mut quick = create(probe, "say quick");
    quick["stream_id"] = json!("quick.1");
    socket.send(&quick).await?;
    let (mut ended, mut odd) = (Vec::new(), Vec::new());
    while ended.len() < 2 {
        let Some(event) = socket.next().await? else { break };
        match event["stream_id"].as_str() {
            Some(lane @ ("slow" | "quick.1")) => {
                if event["type"].as_str().is_some_and(|kind| TERMINAL.contains(&kind) || kind == "error") {
                    ended.push(lane.to_owned());
                }
            }
            _ => {
                odd.push(event);
                break;
            }
        }
    }
    let fine = odd.is_empty() && ended == ["quick.1", "slow"];
    probe.that("websocket.lanes", fine, "quick.1, slow", format!("{ended:?} {odd:?}"), "");
    let mut wrong = create(probe, "hello");
    wrong["stream_id"] = json!("no spaces!");
    let events = say(probe, &mut socket, wrong).await?;
    let code = code(&events);
    probe.that("websocket.lane-name", code == "invalid_stream_id", "invalid_stream_id", code, &came(&events));
    socket.close().await;
    Ok(())
}

async fn wrong(probe: &mut Probe) -> Result<(), Trouble> {
    let mut socket = connect(probe).await?;
    socket.send_text("{\"type\":".to_owned()).await?;
    let events = turn(probe, &mut socket).await?;
    error(probe, &events);
    let fine = events.last().is_some_and(|event| event["type"] == "error");
    probe.that("websocket.garbage", fine, "an error", came(&events), "");
    let body = create(probe, "hello");
    let events = say(probe, &mut socket, body).await?;
    completed(probe, "websocket.garbage", &events);
    socket.close().await;
    Ok(())
}
