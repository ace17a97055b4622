//! Responses that go on from others: chains, trees, calls across them, and wrong ones.

use super::Row;
use crate::client::Answer;
use crate::probe::{FUNCTION, Probe, Said, asked, text_of};
use crate::trouble::Trouble;
use serde_json::{Value, json};

pub const CHECKS: &[Row] = &[
    ("chains.continued", "A response that goes on from another names it.", "§2a, previous_response_id"),
    ("chains.round-trip", "A call's result goes on from it, and the model hears both.", "§2a; SDK: FunctionCallOutput"),
    ("chains.history", "The same works where the client sends the whole history.", "Open Responses: ItemParam"),
    ("chains.tree", "Two may go on from one, also at once; each is its own.", "Open Responses: guide, state"),
    ("chains.settings", "Instructions and tools are not carried over.", "SDK: instructions"),
    ("chains.deleted-parent", "What was built on a deleted response lives on.", "§2a"),
    ("chains.deleted", "From a deleted response nothing goes on.", "§2a"),
    ("chains.unknown", "An unknown previous response is refused by its code.", "§2b"),
    ("chains.missing-output", "A call that is not answered is refused, by name.", "§2a"),
    (
        "chains.stray-output",
        "A result without a call is refused, by name.",
        "Open Responses: websocket-failed-continuation",
    ),
    ("chains.running", "From a response that still runs nothing goes on.", "§2a"),
    ("chains.store-false", "What goes on from a stored response need not be stored.", "SDK: store"),
];

pub async fn run(probe: &mut Probe) {
    parts!(probe: plain, calls, tree, wrong, running);
}

fn after(mut body: Value, parent: &str) -> Value {
    body["previous_response_id"] = json!(parent);
    body
}

async fn plain(probe: &mut Probe) -> Result<(), Trouble> {
    let mut body = asked(probe, "one");
    body["instructions"] = json!("Be brief.");
    body["tools"] = json!([FUNCTION("lookup")]);
    let first = probe.responded(body).await?.need("/id")?;
    let body = json!({"model": probe.facts.model, "input": "two"});
    let second = probe.responded(after(body.clone(), &first)).await?;
    probe.value("chains.continued", &second, "/previous_response_id", &json!(first));
    let id = second.need("/id")?;
    let stored = probe.get(format!("/responses/{id}")).await?;
    probe.value("chains.continued", &stored, "/previous_response_id", &json!(first));
    probe.value("chains.settings", &second, "/instructions", &Value::Null);
    probe.value("chains.settings", &second, "/tools", &json!([]));
    let mut passing = after(body.clone(), &first);
    passing["store"] = json!(false);
    let passing = probe.respond(passing).await?;
    let fine = passing.json["status"] == "completed" && passing.json["previous_response_id"] == first;
    probe.that("chains.store-false", fine, "completed", &passing.json["status"], &passing.evidence);

    probe.delete(format!("/responses/{first}")).await?;
    let still = probe.get(format!("/responses/{id}")).await?;
    probe.status("chains.deleted-parent", &still, 200);
    let third = probe.respond(after(body.clone(), &id)).await?;
    probe.value("chains.deleted-parent", &third, "/status", &json!("completed"));
    let lost = probe.respond(after(body, &first)).await?;
    let fine = matches!(lost.status, 400 | 404) && lost.json["error"]["param"] == "previous_response_id";
    probe.that("chains.deleted", fine, "refused", &lost.json["error"], &lost.evidence);
    Ok(())
}

const CALLS: &str = "call lookup {\"n\":1} & call lookup {\"n\":2}\nsay both are there";

/// A response with two calls; None where the model made none.
async fn called(probe: &mut Probe, ids: &[&str]) -> Result<Option<(Answer, Vec<Value>)>, Trouble> {
    let mut body = asked(probe, CALLS);
    body["tools"] = json!([FUNCTION("lookup")]);
    let answer = probe.responded(body).await?;
    let output = answer.json["output"].as_array().into_iter().flatten();
    let made: Vec<Value> = output.filter(|item| item["type"] == "function_call").cloned().collect();
    Ok(probe.called(&made, 2, ids, &answer.evidence).then_some((answer, made)))
}

fn results(calls: &[Value]) -> Vec<Value> {
    let result = |call: &Value| json!({"type": "function_call_output", "call_id": call["call_id"], "output": "x"});
    calls.iter().map(result).collect()
}

async fn calls(probe: &mut Probe) -> Result<(), Trouble> {
    let ids = ["chains.round-trip", "chains.history", "chains.missing-output"];
    let Some((first, calls)) = called(probe, &ids).await? else { return Ok(()) };
    let id = first.need("/id")?;
    let said = |probe: &mut Probe, check: &str, answer: &Answer| {
        let text = text_of(&answer.json);
        let fine = if probe.facts.scripted { text == "both are there" } else { !text.is_empty() };
        probe.that(check, fine, "both are there", text, &answer.evidence);
    };
    let body = |probe: &Probe, input: Value| {
        let mut body = asked(probe, input);
        body["tools"] = json!([FUNCTION("lookup")]);
        body
    };
    let half = after(body(probe, json!(results(&calls[..1]))), &id);
    let refused = probe.respond(half).await?;
    let name = calls[1]["call_id"].as_str().unwrap_or_default().to_owned();
    let words = Said { param: Some("input"), holds: Some(&name), ..Said::default() };
    probe.refused("chains.missing-output", &refused, 400, words);
    let whole = after(body(probe, json!(results(&calls))), &id);
    let answer = probe.respond(whole).await?;
    said(probe, "chains.round-trip", &answer);

    let mut history = vec![json!({"role": "user", "content": CALLS})];
    history.extend(first.json["output"].as_array().cloned().unwrap_or_default());
    history.extend(results(&calls));
    let mut unstored = body(probe, json!(history));
    unstored["store"] = json!(false);
    let answer = probe.respond(unstored).await?;
    said(probe, "chains.history", &answer);
    Ok(())
}

async fn tree(probe: &mut Probe) -> Result<(), Trouble> {
    let body = asked(probe, "root");
    let root = probe.responded(body).await?.need("/id")?;
    let left = after(asked(probe, "say left"), &root);
    let right = after(asked(probe, "say right"), &root);
    let (client, mut other) = (probe.facts.clone(), Probe::new(probe.facts.clone()));
    let (left, right) = futures_util::future::join(probe.respond(left), other.respond(right)).await;
    probe.created.append(&mut other.created);
    let (left, right) = (left?, right?);
    for (answer, word) in [(&left, "left"), (&right, "right")] {
        let fine = answer.json["status"] == "completed" && answer.json["previous_response_id"] == root;
        probe.that("chains.tree", fine, "completed", &answer.json["status"], &answer.evidence);
        let text = text_of(&answer.json);
        probe.that("chains.tree", text == word || !client.scripted, word, text, &answer.evidence);
    }
    let same = left.json["id"] == right.json["id"];
    probe.that("chains.tree", !same, "two responses", "one", &left.evidence);
    Ok(())
}

async fn wrong(probe: &mut Probe) -> Result<(), Trouble> {
    let body = after(asked(probe, "hello"), "resp_that_is_not_there");
    let answer = probe.respond(body).await?;
    let error = &answer.json["error"];
    let fine = matches!(answer.status, 400 | 404) && error["code"] == "previous_response_not_found";
    probe.that("chains.unknown", fine, "previous_response_not_found", error, &answer.evidence);
    let stray = json!([{"type": "function_call_output", "call_id": "call_that_never_was", "output": ""}]);
    let body = asked(probe, "hello");
    let first = probe.responded(body).await?.need("/id")?;
    for body in [asked(probe, stray.clone()), after(asked(probe, stray), &first)] {
        let answer = probe.respond(body).await?;
        let said = Said { param: Some("input"), holds: Some("call_that_never_was"), ..Said::default() };
        probe.refused("chains.stray-output", &answer, 400, said);
    }
    Ok(())
}

async fn running(probe: &mut Probe) -> Result<(), Trouble> {
    let mut body = probe.asked_long(3000);
    body["background"] = json!(true);
    let first = probe.respond(body).await?.need("/id")?;
    let next = after(asked(probe, "hello"), &first);
    let answer = probe.respond(next).await?;
    let said = Said { param: Some("previous_response_id"), ..Said::default() };
    probe.refused("chains.running", &answer, 400, said);
    probe.post(format!("/responses/{first}/cancel"), json!({})).await?;
    Ok(())
}
