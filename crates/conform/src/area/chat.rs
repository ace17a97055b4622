//! Chat completions: whole and streamed, calls, choices, and what is refused.

use super::Row;
use crate::client::Call;
use crate::endpoint::Method;
use crate::probe::{FUNCTION, Probe, Said};
use crate::trouble::Trouble;
use serde_json::{Value, json};

const SDK: &str = "SDK: ChatCompletion";
const CHUNK: &str = "SDK: ChatCompletionChunk";

pub const CHECKS: &[Row] = &[
    ("chat.answer", "A completion has one choice, an assistant's message with text.", SDK),
    ("chat.finish", "It ends with stop.", SDK),
    ("chat.object", "It has an id, the model and the time.", SDK),
    ("chat.usage", "Usage adds up.", "SDK: CompletionUsage"),
    ("chat.choices", "n choices, numbered from 0.", "SDK: n"),
    ("chat.length", "An answer cut by its limit ends with length.", "SDK: max_completion_tokens"),
    ("chat.json", "Text in the form of a schema is JSON of it.", "SDK: chat.completions.parse"),
    (
        "chat.roles",
        "System, developer and assistant messages are taken, and content in parts.",
        "SDK: ChatCompletionMessageParam",
    ),
    (
        "chat.call",
        "A tool is called with an id and arguments that are JSON in a text; it ends with tool_calls.",
        "SDK: ChatCompletionMessageToolCall",
    ),
    ("chat.round-trip", "With its result the model goes on.", "SDK: ChatCompletionToolMessageParam"),
    ("chat.stray", "A result without its call: 400.", "SDK: ChatCompletionToolMessageParam"),
    ("chat.unanswered", "A call without its result: 400.", "SDK: ChatCompletionToolMessageParam"),
    ("chat.stream-type", "A stream is text/event-stream.", CHUNK),
    ("chat.stream-role", "Its first chunk names the role.", CHUNK),
    ("chat.stream-text", "Its pieces add up to the text.", CHUNK),
    ("chat.stream-ids", "Its chunks have one id, and the object chat.completion.chunk.", CHUNK),
    ("chat.stream-finish", "Each choice ends one time, and nothing of it follows.", CHUNK),
    ("chat.stream-done", "[DONE] is the last, and comes once.", CHUNK),
    (
        "chat.stream-usage",
        "A chunk without choices has the usage where it was asked for, and no other has any.",
        "SDK: stream_options",
    ),
    ("chat.stream-no-usage", "Where it was not asked for, there is none.", "SDK: stream_options"),
    ("chat.stream-choices", "Several choices are told apart by their index.", "SDK: n"),
    ("chat.stream-call", "A call is streamed by its index, and its arguments add up.", "SDK: ChoiceDeltaToolCall"),
    ("chat.model-missing", "Without a model: 400, param model.", SDK),
    ("chat.model-unknown", "An unknown model: model_not_found.", "SDK: NotFoundError"),
    ("chat.types", "A value of the wrong type is a 400 that names the parameter.", "SDK: BadRequestError"),
];

pub async fn run(probe: &mut Probe) {
    parts!(probe: whole, forms, calls, streams, stream_calls, wrong);
}

fn ask(probe: &Probe, text: &str) -> Value {
    json!({"model": probe.facts.model, "messages": [{"role": "user", "content": text}]})
}

fn lookup() -> Value {
    let mut function = FUNCTION("lookup");
    if let Some(map) = function.as_object_mut() {
        map.remove("type");
    }
    json!([{"type": "function", "function": function}])
}

async fn whole(probe: &mut Probe) -> Result<(), Trouble> {
    let mut body = ask(probe, "say hello, world");
    if !probe.facts.scripted {
        body = ask(probe, "Say hello in three words.");
    }
    let answer = probe.post("/chat/completions", body.clone()).await?;
    let made = &answer.json;
    let choices = made["choices"].as_array().cloned().unwrap_or_default();
    let message = &made["choices"][0]["message"];
    let text = message["content"].as_str().unwrap_or_default();
    let right = if probe.facts.scripted { text == "hello, world" } else { !text.is_empty() };
    let fine = answer.status == 200 && choices.len() == 1 && message["role"] == "assistant" && right;
    probe.that("chat.answer", fine, "hello, world", message, &answer.evidence);
    probe.value("chat.finish", &answer, "/choices/0/finish_reason", &json!("stop"));
    let known = made["object"] == "chat.completion" && made["id"].is_string();
    let fine = known && made["model"].is_string() && made["created"].as_i64().is_some_and(|at| at > 1_600_000_000);
    probe.that("chat.object", fine, "id, object, model, created", made, &answer.evidence);
    let count = |key: &str| made["usage"][key].as_u64().unwrap_or_default();
    let sum = count("prompt_tokens") + count("completion_tokens");
    let fine = count("total_tokens") == sum && count("completion_tokens") > 0;
    probe.that("chat.usage", fine, "a sum", &made["usage"], &answer.evidence);
    body["n"] = json!(3);
    let answer = probe.post("/chat/completions", body).await?;
    let places: Vec<&Value> =
        answer.json["choices"].as_array().into_iter().flatten().map(|choice| &choice["index"]).collect();
    let fine = json!(places) == json!([0, 1, 2]);
    probe.that("chat.choices", fine, "0, 1, 2", format!("{places:?}"), &answer.evidence);
    Ok(())
}

async fn forms(probe: &mut Probe) -> Result<(), Trouble> {
    let long = "say one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen";
    let mut body = ask(probe, if probe.facts.scripted { long } else { "Count to one hundred." });
    body["max_completion_tokens"] = json!(4);
    let answer = probe.post("/chat/completions", body).await?;
    probe.value("chat.length", &answer, "/choices/0/finish_reason", &json!("length"));
    let mut body = ask(probe, if probe.facts.scripted { "json {\"n\": 4}" } else { "n is four." });
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"],
        "additionalProperties": false});
    body["response_format"] =
        json!({"type": "json_schema", "json_schema": {"name": "number", "schema": schema, "strict": true}});
    let answer = probe.post("/chat/completions", body).await?;
    let text = answer.json["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned();
    let parsed: Value = serde_json::from_str(&text).unwrap_or_default();
    probe.that("chat.json", parsed["n"].is_i64(), "an object with n", text, &answer.evidence);
    let body = json!({"model": probe.facts.model, "messages": [
        {"role": "system", "content": "You are brief."},
        {"role": "developer", "content": "You are kind."},
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "hello"},
        {"role": "user", "content": [{"type": "text", "text": "say all is well"}]},
    ]});
    let answer = probe.post("/chat/completions", body).await?;
    let text = answer.json["choices"][0]["message"]["content"].as_str().unwrap_or_default();
    let fine = answer.status == 200 && (text == "all is well" || !probe.facts.scripted);
    probe.that("chat.roles", fine, "all is well", text, &answer.evidence);
    Ok(())
}

async fn calls(probe: &mut Probe) -> Result<(), Trouble> {
    let mut body = ask(probe, "call lookup {\"n\":1}\nsay it was found");
    body["tools"] = lookup();
    let answer = probe.post("/chat/completions", body.clone()).await?;
    let message = answer.json["choices"][0]["message"].clone();
    let made = message["tool_calls"].as_array().cloned().unwrap_or_default();
    if probe.called(&made, 1, &["chat.call", "chat.round-trip", "chat.unanswered"], &answer.evidence) {
        let function = &made[0]["function"];
        let parsed = function["arguments"].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
        let fine = parsed == Some(json!({"n": 1})) && function["name"] == "lookup" && made[0]["id"].is_string();
        probe.that("chat.call", fine, "lookup with n = 1", &made[0], &answer.evidence);
        probe.value("chat.call", &answer, "/choices/0/finish_reason", &json!("tool_calls"));
        let mut messages = body["messages"].as_array().cloned().unwrap_or_default();
        messages.push(message);
        let mut unanswered = body.clone();
        unanswered["messages"] = json!([messages.clone(), vec![json!({"role": "user", "content": "and?"})]].concat());
        let refused = probe.post("/chat/completions", unanswered).await?;
        probe.invalid("chat.unanswered", &refused);
        messages.push(json!({"role": "tool", "tool_call_id": made[0]["id"], "content": "1"}));
        body["messages"] = json!(messages);
        let answer = probe.post("/chat/completions", body).await?;
        let text = answer.json["choices"][0]["message"]["content"].as_str().unwrap_or_default();
        let fine = if probe.facts.scripted { text == "it was found" } else { !text.is_empty() };
        probe.that("chat.round-trip", fine, "it was found", text, &answer.evidence);
    }
    let stray = json!({"model": probe.facts.model, "messages": [
        {"role": "user", "content": "hello"}, {"role": "tool", "tool_call_id": "call_x", "content": "1"},
    ]});
    let answer = probe.post("/chat/completions", stray).await?;
    probe.invalid("chat.stray", &answer);
    Ok(())
}

/// Pieces of one choice, joined.
fn joined(chunks: &[Value], index: u64) -> String {
    let choices = chunks.iter().flat_map(|chunk| chunk["choices"].as_array().into_iter().flatten());
    let own = choices.filter(|choice| choice["index"] == index);
    own.filter_map(|choice| choice["delta"]["content"].as_str()).collect()
}

async fn chunks(probe: &mut Probe, mut body: Value) -> Result<Vec<Value>, Trouble> {
    body["stream"] = json!(true);
    let frames = probe.told(Call::new(Method::Post, "/chat/completions").json(body)).await?;
    Ok(frames.into_iter().map(|frame| frame.data).collect())
}

async fn streams(probe: &mut Probe) -> Result<(), Trouble> {
    let text = if probe.facts.scripted { "slow 4 one two three four" } else { "Count from one to four." };
    let mut body = ask(probe, text);
    body["stream_options"] = json!({"include_usage": true});
    body["stream"] = json!(true);
    let opened = probe.open(Call::new(Method::Post, "/chat/completions").json(body.clone())).await?;
    let mut reader = opened.map_err(|answer| Trouble::Useless(format!("no stream: {}", answer.evidence)))?;
    let kind = reader.stream.header("content-type").unwrap_or_default().to_owned();
    probe.that("chat.stream-type", kind.starts_with("text/event-stream"), "text/event-stream", kind, "");
    while probe.next(&mut reader).await?.is_some() {}
    let mut all: Vec<Value> = reader.frames.iter().map(|frame| frame.data.clone()).collect();
    let evidence = crate::client::short(&json!(all).to_string());
    let done = all.iter().filter(|chunk| **chunk == "[DONE]").count();
    let last = all.last().is_some_and(|chunk| chunk == "[DONE]");
    probe.that("chat.stream-done", done == 1 && last, "one, at the end", done, &evidence);
    all.retain(|chunk| chunk != "[DONE]");
    let role = all.first().map(|chunk| chunk["choices"][0]["delta"]["role"].clone()).unwrap_or_default();
    probe.that("chat.stream-role", role == "assistant", "assistant", role, &evidence);
    let told = joined(&all, 0);
    let fine = if probe.facts.scripted { told == "one two three four" } else { !told.is_empty() };
    probe.that("chat.stream-text", fine, "one two three four", told, &evidence);
    let id = all.first().map(|chunk| chunk["id"].clone()).unwrap_or_default();
    let same = all.iter().all(|chunk| chunk["id"] == id && chunk["object"] == "chat.completion.chunk");
    probe.that("chat.stream-ids", same && id.is_string(), "one id", id, &evidence);
    ends(probe, &all, &evidence);
    let bearing: Vec<&Value> = all.iter().filter(|chunk| chunk["usage"].is_object()).collect();
    let fine = bearing.len() == 1
        && bearing[0]["choices"] == json!([])
        && bearing[0]["usage"]["total_tokens"].as_u64() > Some(0)
        && all.last() == bearing.first().copied();
    probe.that("chat.stream-usage", fine, "one, the last", json!(bearing), &evidence);
    if let Some(map) = body.as_object_mut() {
        map.remove("stream_options");
    }
    body["n"] = json!(2);
    let all = chunks(probe, body).await?;
    let evidence = crate::client::short(&json!(all).to_string());
    let bearing = all.iter().filter(|chunk| chunk["usage"].is_object()).count();
    probe.that("chat.stream-no-usage", bearing == 0, 0, bearing, &evidence);
    let both = [joined(&all, 0), joined(&all, 1)];
    let fine = both.iter().all(|text| !text.is_empty()) && (both[0] == both[1] || !probe.facts.scripted);
    probe.that("chat.stream-choices", fine, "two texts", format!("{both:?}"), &evidence);
    ends(probe, &all, &evidence);
    Ok(())
}

fn ends(probe: &mut Probe, all: &[Value], evidence: &str) {
    let choices: Vec<&Value> = all.iter().flat_map(|chunk| chunk["choices"].as_array().into_iter().flatten()).collect();
    let mut places: Vec<&Value> = choices.iter().map(|choice| &choice["index"]).collect();
    places.sort_by_key(|place| place.as_u64());
    places.dedup();
    for place in places {
        let own: Vec<&Value> =
            choices.iter().filter(|choice| choice["index"] == *place).map(|choice| &choice["finish_reason"]).collect();
        let ends = own.iter().filter(|reason| reason.is_string()).count();
        let fine = ends == 1 && own.last().is_some_and(|reason| reason.is_string());
        probe.that("chat.stream-finish", fine, "one end, last", json!(own), evidence);
    }
}

async fn stream_calls(probe: &mut Probe) -> Result<(), Trouble> {
    let mut body = ask(probe, "call lookup {\"n\":1} & call lookup {\"n\":2}\nsay done");
    body["tools"] = lookup();
    let all = chunks(probe, body).await?;
    let evidence = crate::client::short(&json!(all).to_string());
    let mut calls: Vec<(Value, String)> = Vec::new();
    let mut wild = false;
    let pieces =
        all.iter().flat_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].as_array().into_iter().flatten());
    for piece in pieces {
        let arguments = piece["function"]["arguments"].as_str().unwrap_or_default();
        match piece["index"].as_u64().and_then(|at| usize::try_from(at).ok()) {
            Some(at) if at == calls.len() => calls.push((piece.clone(), arguments.to_owned())),
            Some(at) if at < calls.len() => calls[at].1.push_str(arguments),
            _ => wild = true,
        }
    }
    let made: Vec<Value> = calls.iter().map(|(first, _)| first.clone()).collect();
    if probe.called(&made, 2, &["chat.stream-call"], &evidence) {
        let parsed: Vec<Value> = calls.iter().filter_map(|(_, text)| serde_json::from_str(text).ok()).collect();
        let named = made.iter().all(|call| call["id"].is_string() && call["function"]["name"] == "lookup");
        let fine = !wild && named && parsed == [json!({"n": 1}), json!({"n": 2})];
        probe.that("chat.stream-call", fine, "two calls", json!(made), &evidence);
    }
    Ok(())
}

async fn wrong(probe: &mut Probe) -> Result<(), Trouble> {
    let messages = json!([{"role": "user", "content": "hello"}]);
    let answer = probe.post("/chat/completions", json!({"messages": messages})).await?;
    probe.refused("chat.model-missing", &answer, 400, Said { param: Some("model"), ..Said::default() });
    let body = json!({"model": "a-model-that-is-not-there", "messages": messages});
    let answer = probe.post("/chat/completions", body).await?;
    let fine = matches!(answer.status, 400 | 404) && answer.json["error"]["code"] == "model_not_found";
    probe.that("chat.model-unknown", fine, "model_not_found", &answer.json["error"], &answer.evidence);
    for (key, value) in [
        ("messages", json!("hello")),
        ("temperature", json!("warm")),
        ("n", json!(0)),
        ("stream", json!("yes")),
        ("tools", json!({})),
        ("max_completion_tokens", json!(-1)),
        ("stop", json!(7)),
    ] {
        let mut body = ask(probe, "hello");
        body[key] = value;
        let answer = probe.post("/chat/completions", body).await?;
        probe.refused("chat.types", &answer, 400, Said { param: Some(key), ..Said::default() });
    }
    Ok(())
}
