//! One response: everything that it shows, what it may be asked with, and what is refused.

use super::Row;
use crate::client::{Answer, Call};
use crate::endpoint::Method;
use crate::probe::{FUNCTION, Probe, Said, asked, text_of};
use crate::trouble::Trouble;
use serde_json::{Value, json};

pub const CHECKS: &[Row] = &[
    (
        "responses.resource",
        "A response has every key that the specification wants, of its kind.",
        "Open Responses: ResponseResource; §1c",
    ),
    (
        "responses.completed",
        "It is completed, with output, and a time after that of its creation.",
        "Open Responses: basic-response",
    ),
    (
        "responses.output",
        "Output is of the five kinds of items, and texts have annotations.",
        "Open Responses: ItemField; §1c",
    ),
    ("responses.usage", "Usage adds up.", "SDK: ResponseUsage"),
    ("responses.echo", "It shows what the request set.", "SDK: Response"),
    ("responses.defaults", "It shows the defaults of what was not set.", "SDK: Response"),
    (
        "responses.tool-shown",
        "A function is shown with description, parameters and strict, also null.",
        "Open Responses: FunctionTool; §1c",
    ),
    ("responses.system", "A system message is taken.", "Open Responses: system-prompt"),
    ("responses.multi-turn", "Earlier turns may come with the input.", "Open Responses: multi-turn"),
    (
        "responses.phases",
        "Assistant messages may have a phase, and text for content.",
        "Open Responses: assistant-phase",
    ),
    ("responses.image", "An image is taken as a data URL.", "Open Responses: image-input"),
    (
        "responses.call",
        "A tool is called with a call_id and arguments that are JSON in a text.",
        "Open Responses: tool-calling",
    ),
    ("responses.custom", "A custom tool is called with free text.", "SDK: ResponseCustomToolCall"),
    ("responses.json", "Text in the form of a schema is JSON of it.", "SDK: responses.parse"),
    ("responses.retrieve", "GET answers what POST did.", "§2a"),
    ("responses.store-false", "What is not stored cannot be retrieved.", "SDK: store"),
    ("responses.delete", "A deletion is a 2xx; then the response is a 404.", "§2a"),
    ("responses.unknown", "An unknown response is a 404 on each of its routes.", "§2a"),
    ("responses.background", "A background response is answered at once and ends later.", "SDK: background"),
    ("responses.cancel", "A background response can be cancelled, also again.", "§2a"),
    ("responses.cancel-synchronous", "One that is not in the background cannot.", "§2a"),
    ("responses.input-tokens", "Tokens are counted without asking the model, more for more.", "§2a"),
    ("responses.model-missing", "Without a model: 400, param model.", "§2a"),
    ("responses.model-unknown", "An unknown model is an error that says so.", "SDK: NotFoundError"),
    ("responses.types", "A value of the wrong type is a 400 that names the parameter.", "SDK: BadRequestError"),
    ("responses.item-unknown", "An item of an unknown type is a 400.", "SDK: ResponseInputItem"),
    ("responses.no-json", "A body that is no JSON is a 400.", "§2a"),
    ("responses.no-key", "Without a key: 401.", "SDK: AuthenticationError"),
];

/// A small picture: 1 pixel, red.
pub const PICTURE: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";

/// Key and kinds, as in the specification's resource.
const RESOURCE: [(&str, &str); 30] = [
    ("id", "text"),
    ("object", "text"),
    ("created_at", "whole"),
    ("completed_at", "whole null"),
    ("status", "text"),
    ("incomplete_details", "object null"),
    ("model", "text"),
    ("previous_response_id", "text null"),
    ("instructions", "text null"),
    ("output", "list"),
    ("error", "object null"),
    ("tools", "list"),
    ("tool_choice", "text object"),
    ("truncation", "text"),
    ("parallel_tool_calls", "bool"),
    ("text", "object"),
    ("top_p", "number"),
    ("presence_penalty", "number"),
    ("frequency_penalty", "number"),
    ("top_logprobs", "whole"),
    ("temperature", "number"),
    ("reasoning", "object null"),
    ("usage", "object null"),
    ("max_output_tokens", "whole null"),
    ("max_tool_calls", "whole null"),
    ("store", "bool"),
    ("background", "bool"),
    ("service_tier", "text"),
    ("metadata", "object"),
    ("safety_identifier", "text null"),
];

pub async fn run(probe: &mut Probe) {
    parts!(probe: plain, settings, inputs, calls, kept, background, tokens, refusals);
}

fn is_of(value: &Value, kinds: &str) -> bool {
    kinds.split(' ').any(|kind| match kind {
        "text" => value.is_string(),
        "whole" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "bool" => value.is_boolean(),
        "list" => value.is_array(),
        "object" => value.is_object(),
        _ => value.is_null(),
    })
}

/// What the specification wants and is not there.
pub fn lacking(response: &Value) -> Vec<String> {
    let keys = RESOURCE.iter().chain(&[("prompt_cache_key", "text null")]);
    let odd = keys.filter(|(key, kinds)| !response.get(key).is_some_and(|value| is_of(value, kinds)));
    let mut odd: Vec<String> = odd.map(|(key, kinds)| format!("{key} is not {kinds}")).collect();
    if !response["text"]["format"]["type"].is_string() {
        odd.push("text.format has no type".to_owned());
    }
    let details = ["input_tokens_details/cached_tokens", "output_tokens_details/reasoning_tokens"];
    for path in details.iter().filter(|_| response["usage"].is_object()) {
        if !response["usage"].pointer(&format!("/{path}")).is_some_and(Value::is_u64) {
            odd.push(format!("usage has no {path}"));
        }
    }
    odd
}

/// Why the output is not of the specification's items.
fn strange(response: &Value) -> Vec<String> {
    let known = ["message", "function_call", "function_call_output", "reasoning", "compaction"];
    let mut strange = Vec::new();
    for item in response["output"].as_array().into_iter().flatten() {
        let kind = item["type"].as_str().unwrap_or_default();
        if !known.contains(&kind) || !item["id"].is_string() {
            strange.push(item.to_string());
        }
        let parts = item["content"].as_array().into_iter().flatten().filter(|_| kind == "message");
        strange.extend(parts.filter(|part| !part["annotations"].is_array()).map(ToString::to_string));
    }
    strange
}

fn completed(probe: &mut Probe, id: &str, answer: &Answer) {
    let said = !text_of(&answer.json).is_empty();
    let fine = answer.status == 200 && answer.json["status"] == "completed" && said;
    probe.that(id, fine, "200, completed, with text", &answer.json["status"], &answer.evidence);
}

async fn plain(probe: &mut Probe) -> Result<(), Trouble> {
    let body = asked(probe, "Say hello in three words.");
    let answer = probe.respond(body).await?;
    completed(probe, "responses.completed", &answer);
    let made = &answer.json;
    let in_order = made["completed_at"].as_i64() >= made["created_at"].as_i64();
    probe.that("responses.completed", in_order, "created, then completed", &made["completed_at"], &answer.evidence);
    let odd = lacking(made);
    probe.that("responses.resource", odd.is_empty(), "every key", odd.join("; "), &answer.evidence);
    let odd = strange(made);
    probe.that("responses.output", odd.is_empty(), "known items", odd.join("; "), &answer.evidence);
    let count = |key: &str| made["usage"][key].as_u64().unwrap_or_default();
    let fine = count("total_tokens") == count("input_tokens") + count("output_tokens") && count("output_tokens") > 0;
    probe.that("responses.usage", fine, "a sum", &made["usage"], &answer.evidence);
    for (pointer, wanted) in [
        ("/object", json!("response")),
        ("/background", json!(false)),
        ("/store", json!(true)),
        ("/error", json!(null)),
        ("/incomplete_details", json!(null)),
        ("/previous_response_id", json!(null)),
        ("/tools", json!([])),
        ("/tool_choice", json!("auto")),
        ("/parallel_tool_calls", json!(true)),
        ("/truncation", json!("disabled")),
        ("/text/format/type", json!("text")),
        ("/max_output_tokens", json!(null)),
    ] {
        probe.value("responses.defaults", &answer, pointer, &wanted);
    }
    let id = answer.need("/id")?;
    let stored = probe.get(format!("/responses/{id}")).await?;
    probe.that("responses.retrieve", stored.json == answer.json, &answer.json, &stored.json, &stored.evidence);
    Ok(())
}

async fn settings(probe: &mut Probe) -> Result<(), Trouble> {
    let mut body = asked(probe, "hello");
    let set = json!({
        "instructions": "Be brief.", "temperature": 0.5, "top_p": 0.5, "max_output_tokens": 400,
        "parallel_tool_calls": false, "truncation": "auto", "tool_choice": "none", "user": "conform",
        "safety_identifier": "conform", "prompt_cache_key": "conform", "max_tool_calls": 3,
    });
    for (key, value) in set.as_object().into_iter().flatten() {
        body[key.as_str()] = value.clone();
    }
    let tool = json!({"type": "function", "name": "lookup", "parameters": null, "strict": null});
    body["tools"] = json!([tool]);
    let answer = probe.respond(body.clone()).await?;
    for (key, value) in set.as_object().into_iter().flatten() {
        probe.value("responses.echo", &answer, &format!("/{key}"), value);
    }
    probe.value("responses.echo", &answer, "/metadata", &body["metadata"]);
    let shown = &answer.json["tools"][0];
    let all = ["description", "parameters", "strict"].iter().all(|key| shown.get(key).is_some());
    probe.that("responses.tool-shown", all && shown["name"] == "lookup", "every key", shown, &answer.evidence);
    Ok(())
}

async fn inputs(probe: &mut Probe) -> Result<(), Trouble> {
    let message = |role: &str, content: Value| json!({"type": "message", "role": role, "content": content});
    let user = |text: &str| message("user", json!(text));
    let said =
        |phase: &str, text: &str| json!({"type": "message", "role": "assistant", "phase": phase, "content": text});
    let picture = json!([
        {"type": "input_text", "text": "What do you see in this image?"},
        {"type": "input_image", "image_url": PICTURE},
    ]);
    for (id, input) in [
        ("responses.system", json!([message("system", json!("You are a pirate.")), user("Say hello.")])),
        (
            "responses.multi-turn",
            json!([user("My name is Ada."), message("assistant", json!("Hello Ada.")), user("What is my name?")]),
        ),
        (
            "responses.phases",
            json!([said("commentary", "It was saved."), said("final_answer", "It is four."), user("Say it.")]),
        ),
        ("responses.image", json!([message("user", picture)])),
    ] {
        let body = asked(probe, input);
        let answer = probe.respond(body).await?;
        completed(probe, id, &answer);
    }
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"],
        "additionalProperties": false});
    let mut body = asked(probe, "json {\"n\": 4}");
    if !probe.facts.scripted {
        body["input"] = json!("Answer with n being four.");
    }
    body["text"] = json!({"format": {"type": "json_schema", "name": "number", "schema": schema, "strict": true}});
    let answer = probe.respond(body).await?;
    let parsed: Value = serde_json::from_str(&text_of(&answer.json)).unwrap_or_default();
    let fine = parsed["n"].is_i64() && answer.json["text"]["format"]["name"] == "number";
    probe.that("responses.json", fine, "an object with n", &parsed, &answer.evidence);
    Ok(())
}

async fn calls(probe: &mut Probe) -> Result<(), Trouble> {
    let outputs = |answer: &Answer, kind: &str| -> Vec<Value> {
        let output = answer.json["output"].as_array().into_iter().flatten();
        output.filter(|item| item["type"] == kind).cloned().collect()
    };
    let mut body = asked(probe, "call lookup {\"n\":1}\nsay done");
    body["tools"] = json!([FUNCTION("lookup")]);
    let answer = probe.respond(body).await?;
    let made = outputs(&answer, "function_call");
    if probe.called(&made, 1, &["responses.call"], &answer.evidence) {
        let parsed = made[0]["arguments"].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
        let fine = parsed == Some(json!({"n": 1})) && made[0]["call_id"].is_string() && made[0]["name"] == "lookup";
        probe.that("responses.call", fine, "lookup with n = 1", &made[0], &answer.evidence);
    }
    let mut body = asked(probe, "call shout hello, world\nsay done");
    body["tools"] = json!([{"type": "custom", "name": "shout", "description": "Shouts a text."}]);
    let answer = probe.respond(body).await?;
    let made = outputs(&answer, "custom_tool_call");
    if probe.called(&made, 1, &["responses.custom"], &answer.evidence) {
        let fine = made[0]["input"].is_string() && made[0]["name"] == "shout" && made[0]["call_id"].is_string();
        probe.that("responses.custom", fine, "shout with a text", &made[0], &answer.evidence);
    }
    Ok(())
}

async fn kept(probe: &mut Probe) -> Result<(), Trouble> {
    let mut body = asked(probe, "hello");
    let answer = probe.responded(body.clone()).await?;
    let path = format!("/responses/{}", answer.need("/id")?);
    let deleted = probe.delete(path.as_str()).await?;
    probe.that("responses.delete", deleted.is_good(), "2xx", deleted.status, &deleted.evidence);
    let gone = probe.get(path).await?;
    probe.status("responses.delete", &gone, 404);
    body["store"] = json!(false);
    let answer = probe.responded(body).await?;
    probe.value("responses.store-false", &answer, "/store", &json!(false));
    let gone = probe.get(format!("/responses/{}", answer.need("/id")?)).await?;
    probe.status("responses.store-false", &gone, 404);
    let unknown = "/responses/resp_that_is_not_there";
    for (method, rest) in
        [(Method::Get, ""), (Method::Delete, ""), (Method::Post, "/cancel"), (Method::Get, "/input_items")]
    {
        let answer = probe.send(Call::new(method, format!("{unknown}{rest}"))).await?;
        probe.status("responses.unknown", &answer, 404);
    }
    Ok(())
}

async fn background(probe: &mut Probe) -> Result<(), Trouble> {
    let mut body = probe.asked_long(100);
    if !probe.facts.scripted {
        body["input"] = json!("Say where you come from.");
    }
    body["background"] = json!(true);
    let answer = probe.respond(body).await?;
    let running = matches!(answer.json["status"].as_str(), Some("queued" | "in_progress"));
    probe.that("responses.background", running, "queued", &answer.json["status"], &answer.evidence);
    probe.value("responses.background", &answer, "/background", &json!(true));
    let ended = probe.ended(&answer.need("/id")?).await?;
    completed(probe, "responses.background", &ended);
    let mut body = probe.asked_long(3000);
    body["background"] = json!(true);
    let answer = probe.respond(body).await?;
    let path = format!("/responses/{}", answer.need("/id")?);
    for _ in 0..2 {
        let cancelled = probe.send(Call::new(Method::Post, format!("{path}/cancel"))).await?;
        probe.value("responses.cancel", &cancelled, "/status", &json!("cancelled"));
    }
    let body = asked(probe, "hello");
    let answer = probe.responded(body).await?;
    let refused = probe.send(Call::new(Method::Post, format!("/responses/{}/cancel", answer.need("/id")?))).await?;
    probe.refused("responses.cancel-synchronous", &refused, 400, Said::default());
    Ok(())
}

async fn tokens(probe: &mut Probe) -> Result<(), Trouble> {
    let mut counts = Vec::new();
    for text in ["hello".to_owned(), "hello ".repeat(200)] {
        let body = json!({"model": probe.facts.model, "input": text});
        let answer = probe.post("/responses/input_tokens", body).await?;
        counts.push(answer.json["input_tokens"].as_u64().unwrap_or_default());
    }
    let fine = counts[0] > 0 && counts[1] > counts[0];
    probe.that("responses.input-tokens", fine, "more for more", format!("{counts:?}"), "");
    Ok(())
}

async fn refusals(probe: &mut Probe) -> Result<(), Trouble> {
    let answer = probe.respond(json!({"input": "hello"})).await?;
    probe.refused("responses.model-missing", &answer, 400, Said { param: Some("model"), ..Said::default() });
    let answer = probe.respond(json!({"model": "a-model-that-is-not-there", "input": "hello"})).await?;
    let fine = matches!(answer.status, 400 | 404) && answer.json["error"]["code"] == "model_not_found";
    probe.that("responses.model-unknown", fine, "model_not_found", &answer.json["error"], &answer.evidence);
    for (key, value) in [
        ("input", json!(7)),
        ("temperature", json!("warm")),
        ("store", json!("yes")),
        ("metadata", json!([])),
        ("max_output_tokens", json!(-1)),
        ("tools", json!({})),
        ("stream", json!("yes")),
        ("instructions", json!(7)),
    ] {
        let mut body = asked(probe, "hello");
        body[key] = value;
        let answer = probe.respond(body).await?;
        probe.refused("responses.types", &answer, 400, Said { param: Some(key), ..Said::default() });
    }
    let body = asked(probe, json!([{"type": "telegram", "text": "hello"}]));
    let answer = probe.respond(body).await?;
    probe.invalid("responses.item-unknown", &answer);
    let answer = probe.send(Call::new(Method::Post, "/responses").raw("{\"model\":")).await?;
    probe.invalid("responses.no-json", &answer);
    let answer = probe.send(Call::new(Method::Get, "/responses/resp_x").without("authorization")).await?;
    probe.status("responses.no-key", &answer, 401);
    Ok(())
}
