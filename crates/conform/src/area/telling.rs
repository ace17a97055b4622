//! The stream of a response: its events, their order, and that it can be read again from any place.

use super::Row;
use crate::client::Call;
use crate::endpoint::Method;
use crate::frames::Frame;
use crate::probe::{FUNCTION, Probe, Said, asked, event_of, text_of};
use crate::told::{self, Broken};
use crate::trouble::Trouble;
use serde_json::{Value, json};

const SUITE: &str = "Open Responses: streaming-response; §2a";

pub const CHECKS: &[Row] = &[
    ("telling.type", "A stream is text/event-stream.", SUITE),
    ("telling.event-line", "The event line names the event's type.", SUITE),
    ("telling.starts", "First comes response.created, then response.in_progress, both without output.", SUITE),
    ("telling.numbers", "Sequence numbers begin at 0 and strictly increase.", SUITE),
    ("telling.terminal", "One terminal event, of the same response, ends the stream.", SUITE),
    ("telling.items", "Each item is added and done, and what is between names its id and its place.", SUITE),
    ("telling.parts", "Each part is added empty, told and done within its item.", SUITE),
    ("telling.deltas", "Deltas add up to the text, and to the arguments.", SUITE),
    ("telling.final", "The last event's output is the items that were done, in their order.", SUITE),
    ("telling.text", "A text is told from created to completed in one order.", "§2a"),
    ("telling.call", "A call is added, its arguments told and done, and its item done.", "§2a"),
    (
        "telling.custom",
        "A custom tool's input is told and done in the same way.",
        "SDK: ResponseCustomToolCallInputDoneEvent",
    ),
    (
        "telling.incomplete",
        "An answer cut by max_output_tokens ends with response.incomplete, which says why.",
        "§2a; SDK: IncompleteDetails",
    ),
    (
        "telling.failed",
        "An answer that fails ends with response.failed, which has the error.",
        "§2a; SDK: ResponseError",
    ),
    ("telling.stored", "What the last event holds is what GET answers.", "§2a"),
    ("telling.no-done", "No [DONE] follows.", "§2a"),
    ("telling.replay", "A stored response's stream can be read again, event by event the same.", "§2a, resume"),
    ("telling.after", "starting_after leaves out what came up to that number, and nothing else.", "§2a, resume"),
    ("telling.padding", "Deltas are not padded where include_obfuscation is false.", "SDK: stream_options"),
    ("telling.unknown", "The stream of an unknown response is a 404.", "§2a"),
    ("telling.refused", "A wrong request for a stream is an HTTP error.", "SDK: APIStatusError"),
    ("telling.background", "A background response is streamed to its end, and told again the same.", "§2a, resume"),
];

pub async fn run(probe: &mut Probe) {
    parts!(probe: text, call, custom, cut, refusals, background);
}

/// Takes down each rule, kept or broken.
fn rules(probe: &mut Probe, events: &[Value], evidence: &str) {
    let broken: Vec<Broken> = told::faults(events);
    for rule in ["starts", "numbers", "terminal", "items", "parts", "deltas", "final"] {
        let came: Vec<&str> = broken.iter().filter(|(name, _)| *name == rule).map(|(_, how)| how.as_str()).collect();
        probe.that(&format!("telling.{rule}"), came.is_empty(), "as it says", came.join("; "), evidence);
    }
}

fn kinds(events: &[Value]) -> Vec<&str> {
    let mut kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap_or_default()).collect();
    kinds.dedup();
    kinds.iter().map(|kind| kind.trim_start_matches("response.")).filter(|kind| *kind != "queued").collect()
}

fn data(frames: &[Frame]) -> Vec<Value> {
    frames.iter().map(|frame| frame.data.clone()).filter(|data| data != "[DONE]").collect()
}

async fn text(probe: &mut Probe) -> Result<(), Trouble> {
    let script = if probe.facts.scripted { "slow 4 one two three four five" } else { "say one two three four five" };
    let mut body = asked(probe, script);
    body["stream"] = json!(true);
    body["stream_options"] = json!({"include_obfuscation": false});
    let opened = probe.open(Call::new(Method::Post, "/responses").json(body)).await?;
    let mut reader = opened.map_err(|answer| Trouble::Useless(format!("no stream: {}", answer.evidence)))?;
    let kind = reader.stream.header("content-type").unwrap_or_default().to_owned();
    probe.that("telling.type", kind.starts_with("text/event-stream"), "text/event-stream", kind, &reader.evidence());
    while probe.next(&mut reader).await?.is_some() {}
    let evidence = reader.evidence();
    let told = reader.frames.iter().filter(|frame| frame.data != "[DONE]");
    let odd = told.clone().find(|frame| frame.event.as_deref() != Some(frame.kind()));
    probe.that("telling.event-line", odd.is_none(), "the type", format!("{odd:?}"), &evidence);
    let ends = reader.frames.iter().any(|frame| frame.data == "[DONE]");
    probe.that("telling.no-done", !ends, "the terminal event last", "[DONE]", &evidence);
    let events = data(&reader.frames);
    rules(probe, &events, &evidence);
    let wanted = [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ];
    let came = kinds(&events);
    // A model may think before it speaks.
    let fine = if probe.facts.scripted { came == wanted } else { came.ends_with(&wanted[2..]) };
    probe.that("telling.text", fine, wanted.join(" "), came.join(" "), &evidence);
    let padded = events.iter().any(|event| event.get("obfuscation").is_some());
    probe.that("telling.padding", !padded, "no obfuscation", "obfuscation", &evidence);

    let last = events.last().map(|event| event["response"].clone()).unwrap_or_default();
    let id = last["id"].as_str().unwrap_or_default().to_owned();
    let stored = probe.get(format!("/responses/{id}")).await?;
    probe.that("telling.stored", stored.json == last, &last, &stored.json, &stored.evidence);
    let whole = probe.replayed(&id, None).await?;
    probe.that("telling.replay", whole == events, kinds(&events).join(" "), kinds(&whole).join(" "), &evidence);
    for event in &events {
        let Some(number) = event["sequence_number"].as_u64() else { continue };
        let rest: Vec<&Value> =
            events.iter().filter(|event| event["sequence_number"].as_u64().is_some_and(|at| at > number)).collect();
        let came = probe.replayed(&id, Some(number)).await?;
        let same = came.iter().collect::<Vec<_>>() == rest;
        let came: Vec<&Value> = came.iter().map(|event| &event["sequence_number"]).collect();
        probe.that("telling.after", same, format!("what comes after {number}"), format!("{came:?}"), &evidence);
    }
    Ok(())
}

async fn call(probe: &mut Probe) -> Result<(), Trouble> {
    let mut body = asked(probe, "call lookup {\"n\":1}\nsay done");
    body["tools"] = json!([FUNCTION("lookup")]);
    let events = data(&probe.streamed(body).await?);
    let evidence = crate::client::short(&format!("{events:?}"));
    rules(probe, &events, &evidence);
    let made: Vec<Value> = events
        .iter()
        .filter(|event| event["type"] == "response.output_item.done" && event["item"]["type"] == "function_call")
        .cloned()
        .collect();
    if !probe.called(&made, 1, &["telling.call"], &evidence) {
        return Ok(());
    }
    let wanted = [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ];
    let came = kinds(&events);
    let named = event_of(&events, "response.output_item.added")["item"]["name"] == "lookup";
    let fine = came.ends_with(&wanted) && (named || !probe.facts.scripted);
    probe.that("telling.call", fine, wanted.join(" "), came.join(" "), &evidence);
    Ok(())
}

async fn custom(probe: &mut Probe) -> Result<(), Trouble> {
    let mut body = asked(probe, "call shout hello, world\nsay done");
    body["tools"] = json!([{"type": "custom", "name": "shout", "description": "Shouts a text."}]);
    let events = data(&probe.streamed(body).await?);
    let evidence = crate::client::short(&format!("{events:?}"));
    let of = |kind: &str| -> Vec<Value> {
        events
            .iter()
            .filter(|event| event["type"] == format!("response.custom_tool_call_input.{kind}"))
            .cloned()
            .collect()
    };
    let done = of("done");
    if probe.called(&done, 1, &["telling.custom"], &evidence) {
        let told: String = of("delta").iter().filter_map(|event| event["delta"].as_str()).collect();
        let fine = done[0]["input"] == told.as_str() && !told.is_empty();
        probe.that("telling.custom", fine, &done[0]["input"], told, &evidence);
    }
    Ok(())
}

/// Answers that do not come to their end.
async fn cut(probe: &mut Probe) -> Result<(), Trouble> {
    let long = "say one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen";
    let mut body = asked(probe, if probe.facts.scripted { long } else { "Count to one hundred." });
    body["max_output_tokens"] = json!(16);
    let events = data(&probe.streamed(body).await?);
    let last = events.last().cloned().unwrap_or_default();
    let why = &last["response"]["incomplete_details"]["reason"];
    let fine = last["type"] == "response.incomplete" && last["response"]["status"] == "incomplete";
    probe.that("telling.incomplete", fine && why == "max_output_tokens", "max_output_tokens", why, &last.to_string());
    if !probe.facts.scripted {
        probe.skip("telling.failed", "no model was named that fails when it is told to");
        return Ok(());
    }
    let body = asked(probe, "fail 400");
    let events = data(&probe.streamed(body).await?);
    let last = events.last().cloned().unwrap_or_default();
    let error = &last["response"]["error"];
    let fine = last["type"] == "response.failed" && error["code"].is_string() && error["message"].is_string();
    probe.that("telling.failed", fine, "response.failed with its error", &last["type"], &last.to_string());
    Ok(())
}

async fn refusals(probe: &mut Probe) -> Result<(), Trouble> {
    let answer = probe.get("/responses/resp_that_is_not_there?stream=true").await?;
    probe.refused("telling.unknown", &answer, 404, Said::default());
    let mut body = asked(probe, "hello");
    body["stream"] = json!(true);
    body["temperature"] = json!("warm");
    let answer = probe.respond(body).await?;
    probe.refused("telling.refused", &answer, 400, Said { param: Some("temperature"), ..Said::default() });
    Ok(())
}

async fn background(probe: &mut Probe) -> Result<(), Trouble> {
    let mut body = asked(probe, "say in the background");
    body["background"] = json!(true);
    body["stream_options"] = json!({"include_obfuscation": false});
    let events = data(&probe.streamed(body).await?);
    let id = events.last().map(|event| event["response"]["id"].as_str().unwrap_or_default().to_owned());
    let again = probe.replayed(&id.unwrap_or_default(), None).await?;
    let last = events.last().cloned().unwrap_or_default();
    let fine = events == again && last["type"] == "response.completed" && !text_of(&last["response"]).is_empty();
    probe.that("telling.background", fine, kinds(&events).join(" "), kinds(&again).join(" "), &last.to_string());
    rules(probe, &events, &last.to_string());
    Ok(())
}
