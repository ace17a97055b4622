//! Items of a session and of a turn, as lists show them.

use super::Row;
use crate::client::Answer;
use crate::probe::{CANCEL, Probe};
use crate::trouble::Trouble;
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub const CHECKS: &[Row] = &[
    ("items.order", "With order=asc the conversation is listed as it went: user, assistant, user, assistant.", "§7"),
    ("items.newest-first", "Without an order the newest comes first.", "§1"),
    ("items.ids", "Every item has an id of its own.", "§1"),
    ("items.turn", "Every item names its turn.", "§7"),
    ("items.user", "The user's text is an input_text, word for word.", "§7"),
    ("items.assistant", "The assistant's text is an output_text, as it was streamed.", "§7"),
    ("items.same-id", "An item has the same id on the list as on the stream.", "§6"),
    ("items.completed", "Listed messages are completed.", "observed 7"),
    ("items.phase", "phase is always there, and null for users.", "observed 5"),
    ("items.cut-off", "What was cut off by a cancel is not on the list.", "observed 7"),
    ("items.of-turn", "A turn's items are those of that turn alone.", "§2"),
    ("items.of-turn-page", "A turn's items come in a page whose last_id goes on.", "§1"),
    ("items.image", "An image given by URL is shown as it was given.", "§7"),
    ("items.unknown-session", "Items of a session that is not there: 404.", "§1"),
    ("items.unknown-turn", "Items of a turn that is not there: 404.", "§1"),
    ("items.foreign-turn", "Items of another session's turn: 404.", "§1"),
];

pub async fn run(probe: &mut Probe) {
    parts!(probe: conversation, cut_off, image);
}

fn list(answer: &Answer) -> Vec<Value> {
    answer.json["data"].as_array().cloned().unwrap_or_default()
}

fn ids(items: &[Value]) -> Vec<&str> {
    items.iter().filter_map(|item| item["id"].as_str()).collect()
}

async fn conversation(probe: &mut Probe) -> Result<(), Trouble> {
    let turned = probe.idle("hello").await?;
    let second = probe.say(&turned.session, "hello again").await?;
    let up = probe.get(turned.path("/items?order=asc&limit=100")).await?;
    let mut items = list(&up);
    items.retain(|item| item["type"] != "reasoning");
    let roles: Vec<&str> = items.iter().filter_map(|item| item["role"].as_str()).collect();
    let wanted = ["user", "assistant", "user", "assistant"];
    probe.that("items.order", roles == wanted, wanted.join(" "), roles.join(" "), &up.evidence);
    let down = probe.get(turned.path("/items?limit=100")).await?;
    let whole = list(&up);
    let mut back = list(&down);
    back.reverse();
    probe.that("items.newest-first", ids(&back) == ids(&whole), "the other way round", &down.json, &down.evidence);
    let distinct: BTreeSet<&str> = ids(&items).into_iter().collect();
    probe.that("items.ids", distinct.len() == 4, "4 ids", distinct.len(), &up.evidence);
    let turns: BTreeSet<&str> = items.iter().filter_map(|item| item["turn_id"].as_str()).collect();
    probe.that("items.turn", turns.len() == 2, "2 turns", turns.len(), &up.evidence);
    probe.value("items.user", &up, "/data/0/content", &json!([{"type": "input_text", "text": "hello"}]));
    let streamed = second.frames.iter().rfind(|frame| frame.text("/item/role") == Some("assistant"));
    let streamed = streamed.map(|frame| frame.data["item"].clone()).unwrap_or_default();
    let last = items.last().cloned().unwrap_or_default();
    let same = last["content"] == streamed["content"] && last["content"][0]["type"] == "output_text";
    probe.that("items.assistant", same, &streamed["content"], &last["content"], &up.evidence);
    probe.that("items.same-id", last["id"] == streamed["id"], &streamed["id"], &last["id"], &up.evidence);
    let completed = items.iter().all(|item| item["status"] == "completed");
    probe.that("items.completed", completed, "completed", "another status", &up.evidence);
    let phases = items.iter().all(|item| match item.get("phase") {
        Some(phase) => item["role"] != "user" || phase.is_null(),
        None => false,
    });
    probe.that("items.phase", phases, "phase, null for users", "none, or not null", &up.evidence);

    let turn = items.first().and_then(|item| item["turn_id"].as_str()).unwrap_or_default().to_owned();
    let page = probe.get(turned.path(&format!("/turns/{turn}/items?order=asc"))).await?;
    let mut own = list(&page);
    own.retain(|item| item["type"] != "reasoning");
    let fits = ids(&own) == ids(&items[..2.min(items.len())]);
    probe.that("items.of-turn", fits, "the first two items", &page.json, &page.evidence);
    let first = probe.get(turned.path(&format!("/turns/{turn}/items?order=asc&limit=1"))).await?;
    let cursor = first.json["last_id"].as_str().unwrap_or_default().to_owned();
    let next = probe.get(turned.path(&format!("/turns/{turn}/items?order=asc&limit=1&after={cursor}"))).await?;
    let all = list(&page);
    let goes_on = first.json["has_more"] == true && ids(&list(&next)) == ids(&all[1.min(all.len())..2.min(all.len())]);
    probe.that("items.of-turn-page", goes_on, "one item, then the next", &next.json, &next.evidence);
    let answer = probe.get("/agents/sessions/sess_that_is_not_there/items").await?;
    probe.missing("items.unknown-session", &answer);
    let answer = probe.get(turned.path("/turns/turn_that_is_not_there/items")).await?;
    probe.missing("items.unknown-turn", &answer);
    let other = probe.idle("hello").await?;
    let answer = probe.get(other.path(&format!("/turns/{turn}/items"))).await?;
    probe.missing("items.foreign-turn", &answer);
    Ok(())
}

async fn cut_off(probe: &mut Probe) -> Result<(), Trouble> {
    let (session, mut reader) = probe.speaking(400).await?;
    let during = probe.get(format!("/agents/sessions/{session}/items")).await?;
    probe.input(&session, &[CANCEL()]).await?;
    probe.until(&mut reader, &["agent.session.idle"]).await?;
    let after = probe.get(format!("/agents/sessions/{session}/items")).await?;
    for answer in [during, after] {
        let open = list(&answer).iter().any(|item| item["role"] == "assistant");
        probe.that("items.cut-off", !open, "the user's item alone", "the assistant's too", &answer.evidence);
    }
    Ok(())
}

async fn image(probe: &mut Probe) -> Result<(), Trouble> {
    let url = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=";
    let content = json!([{"type": "input_text", "text": "hello"}, {"type": "input_image", "image_url": url}]);
    let mut body = probe.session("hello");
    body["input"] = json!([{"role": "user", "content": content}]);
    let made = probe.post("/agents/sessions", body).await?;
    if !made.is_good() {
        probe.skip("items.image", format!("images are refused: {}", made.json["error"]["message"]));
        return Ok(());
    }
    let id = made.need("/id")?;
    probe.settle(&id, &["idle"]).await?;
    let items = probe.get(format!("/agents/sessions/{id}/items?order=asc")).await?;
    probe.value("items.image", &items, "/data/0/content/1", &content[1]);
    Ok(())
}
