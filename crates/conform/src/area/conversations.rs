//! Conversations and their items, and responses that go on in them.

use super::Row;
use crate::client::{Answer, Call};
use crate::endpoint::Method;
use crate::probe::{FUNCTION, Probe, Said, asked, data_of, text_of, types_of};
use crate::trouble::Trouble;
use serde_json::{Value, json};

const SDK: &str = "§2c; SDK: conversations";

pub const CHECKS: &[Row] = &[
    ("conversations.create", "A conversation is made, also of nothing.", SDK),
    ("conversations.shown", "It shows its metadata, and is retrieved as it was made.", SDK),
    ("conversations.update", "Its metadata can be changed.", SDK),
    ("conversations.items", "Items that it was made with are listed.", SDK),
    ("conversations.items-added", "More can be added, and are answered as a list.", SDK),
    ("conversations.order", "Items are listed newest first, or as they came.", SDK),
    ("conversations.walk", "Pages of one hold every item a single time.", "SDK: AsyncConversationCursorPage"),
    ("conversations.item", "One item can be retrieved.", SDK),
    ("conversations.item-delete", "One can be deleted: the conversation is answered, and it is gone.", SDK),
    ("conversations.item-unknown", "An unknown item is a 404.", SDK),
    (
        "conversations.response",
        "A response in a conversation names it, and adds its input and its output.",
        "SDK: Response.conversation",
    ),
    ("conversations.hears", "The next response hears what came before.", "SDK: conversation"),
    ("conversations.both", "A conversation and a previous response at once: 400.", "SDK: conversation"),
    ("conversations.response-unknown", "A response in an unknown conversation is refused.", "SDK: conversation"),
    ("conversations.delete", "A deletion says so; then the conversation is a 404.", SDK),
    ("conversations.unknown", "An unknown conversation is a 404 on each of its routes.", SDK),
    ("conversations.types", "Metadata or items of another type: 400.", SDK),
];

pub async fn run(probe: &mut Probe) {
    parts!(probe: made, items, responses, wrong);
}

async fn open(probe: &mut Probe, items: Value) -> Result<Answer, Trouble> {
    let body = json!({"metadata": {"conform": probe.facts.run}, "items": items});
    probe.post("/conversations", body).await
}

fn message(text: &str) -> Value {
    json!({"type": "message", "role": "user", "content": text})
}

async fn made(probe: &mut Probe) -> Result<(), Trouble> {
    let bare = probe.post("/conversations", json!({})).await?;
    probe.status("conversations.create", &bare, 200);
    probe.value("conversations.create", &bare, "/object", &json!("conversation"));
    let answer = open(probe, json!([])).await?;
    probe.status("conversations.create", &answer, 200);
    probe.value("conversations.shown", &answer, "/metadata/conform", &json!(probe.facts.run));
    let path = format!("/conversations/{}", answer.need("/id")?);
    let again = probe.get(path.as_str()).await?;
    probe.that("conversations.shown", again.json == answer.json, &answer.json, &again.json, &again.evidence);
    let changed = probe.post(path.as_str(), json!({"metadata": {"now": "another"}})).await?;
    probe.value("conversations.update", &changed, "/metadata", &json!({"now": "another"}));
    let again = probe.get(path.as_str()).await?;
    probe.value("conversations.update", &again, "/metadata", &json!({"now": "another"}));
    let deleted = probe.delete(path.as_str()).await?;
    probe.status("conversations.delete", &deleted, 200);
    probe.value("conversations.delete", &deleted, "/deleted", &json!(true));
    let gone = probe.get(path).await?;
    probe.status("conversations.delete", &gone, 404);
    Ok(())
}

async fn items(probe: &mut Probe) -> Result<(), Trouble> {
    let answer = open(probe, json!([message("one"), message("two")])).await?;
    let path = format!("/conversations/{}/items", answer.need("/id")?);
    let listed = probe.get(format!("{path}?order=asc")).await?;
    let texts = |items: &[Value]| -> Vec<String> {
        items.iter().filter_map(|item| item["content"][0]["text"].as_str()).map(str::to_owned).collect()
    };
    let came = texts(&data_of(&listed));
    probe.that("conversations.items", came == ["one", "two"], "one, two", came.join(", "), &listed.evidence);
    let more = json!([message("three"), {"type": "function_call", "call_id": "call_one", "name": "lookup",
        "arguments": "{}"}, {"type": "function_call_output", "call_id": "call_one", "output": "1"}]);
    let added = probe.post(path.as_str(), json!({"items": more})).await?;
    let wanted = ["message", "function_call", "function_call_output"];
    let fresh = data_of(&added);
    let kinds = types_of(&fresh);
    probe.that("conversations.items-added", kinds == wanted, wanted.join(" "), kinds.join(" "), &added.evidence);
    let all = data_of(&probe.get(format!("{path}?order=asc")).await?);
    let newest = probe.get(path.as_str()).await?;
    let mut backwards = data_of(&newest);
    backwards.reverse();
    let fine = backwards == all && all.len() == 5 && all.ends_with(&fresh);
    probe.that("conversations.order", fine, "5 items, both ways", types_of(&all).join(" "), &newest.evidence);
    let mut walked: Vec<Value> = Vec::new();
    while walked.len() <= all.len() {
        let after = walked.last().and_then(|item| item["id"].as_str()).map(|id| format!("&after={id}"));
        let page = probe.get(format!("{path}?order=asc&limit=1{}", after.unwrap_or_default())).await?;
        walked.extend(data_of(&page));
        if page.json["has_more"] != true {
            break;
        }
    }
    probe.that("conversations.walk", walked == all, all.len(), walked.len(), &newest.evidence);

    let first = format!("{path}/{}", all[0]["id"].as_str().unwrap_or_default());
    let one = probe.get(first.as_str()).await?;
    probe.that("conversations.item", one.json == all[0], &all[0], &one.json, &one.evidence);
    let deleted = probe.delete(first.as_str()).await?;
    probe.value("conversations.item-delete", &deleted, "/object", &json!("conversation"));
    let gone = probe.get(first).await?;
    probe.status("conversations.item-delete", &gone, 404);
    let left = data_of(&probe.get(format!("{path}?order=asc")).await?);
    probe.that("conversations.item-delete", left == all[1..], all.len() - 1, left.len(), &deleted.evidence);
    let unknown = probe.get(format!("{path}/msg_that_is_not_there")).await?;
    probe.status("conversations.item-unknown", &unknown, 404);
    Ok(())
}

async fn responses(probe: &mut Probe) -> Result<(), Trouble> {
    let id = open(probe, json!([message("hello")])).await?.need("/id")?;
    let within = |probe: &Probe, input: Value| {
        let mut body = asked(probe, input);
        body["conversation"] = json!(id);
        body["tools"] = json!([FUNCTION("lookup")]);
        body
    };
    let body = within(probe, json!("call lookup {\"n\":1}\nsay it was found"));
    let first = probe.respond(body).await?;
    probe.value("conversations.response", &first, "/conversation/id", &json!(id));
    let output = first.json["output"].as_array().cloned().unwrap_or_default();
    let calls: Vec<Value> = output.into_iter().filter(|item| item["type"] == "function_call").collect();
    if probe.called(&calls, 1, &["conversations.hears"], &first.evidence) {
        let result = json!([{"type": "function_call_output", "call_id": calls[0]["call_id"], "output": "1"}]);
        let body = within(probe, result);
        let second = probe.respond(body).await?;
        let text = text_of(&second.json);
        let fine = if probe.facts.scripted { text == "it was found" } else { !text.is_empty() };
        probe.that("conversations.hears", fine, "it was found", text, &second.evidence);
        let listed = probe.get(format!("/conversations/{id}/items?order=asc")).await?;
        let all = data_of(&listed);
        let kinds: Vec<&str> = types_of(&all).into_iter().filter(|kind| *kind != "reasoning").collect();
        let wanted = ["message", "message", "function_call", "function_call_output", "message"];
        probe.that("conversations.response", kinds == wanted, wanted.join(" "), kinds.join(" "), &listed.evidence);
    }
    let mut both = asked(probe, "hello");
    both["conversation"] = json!(id);
    both["previous_response_id"] = first.json["id"].clone();
    let answer = probe.respond(both).await?;
    probe.invalid("conversations.both", &answer);
    Ok(())
}

async fn wrong(probe: &mut Probe) -> Result<(), Trouble> {
    let mut body = asked(probe, "hello");
    body["conversation"] = json!("conv_that_is_not_there");
    let answer = probe.respond(body).await?;
    let fine = matches!(answer.status, 400 | 404);
    probe.that("conversations.response-unknown", fine, "400 or 404", answer.status, &answer.evidence);
    let unknown = "/conversations/conv_that_is_not_there";
    for (method, rest) in [(Method::Get, ""), (Method::Delete, ""), (Method::Get, "/items"), (Method::Get, "/items/i")]
    {
        let answer = probe.send(Call::new(method, format!("{unknown}{rest}"))).await?;
        probe.status("conversations.unknown", &answer, 404);
    }
    let answer = probe.post(unknown, json!({"metadata": {}})).await?;
    probe.status("conversations.unknown", &answer, 404);
    for body in [json!({"metadata": 7}), json!({"items": 7}), json!({"items": [{"type": "telegram"}]})] {
        let answer = probe.post("/conversations", body).await?;
        let named: Said<'_> = Said::default();
        probe.refused("conversations.types", &answer, 400, named);
    }
    Ok(())
}
