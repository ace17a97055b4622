//! A response's input items: what they are, and their pages.

use super::Row;
use crate::probe::{Probe, asked, data_of, types_of};
use crate::trouble::Trouble;
use serde_json::{Value, json};

pub const CHECKS: &[Row] = &[
    ("listings.items", "Input items are what the request brought, in its order.", "§2a, input_items"),
    ("listings.ids", "Each has an id of its own.", "SDK: ResponseItem"),
    ("listings.newest", "Newest first where no order is named.", "SDK: input_items.list"),
    ("listings.walk", "Pages of one hold every item a single time.", "SDK: SyncCursorPage"),
    ("listings.has-more", "has_more is true but for the last page.", "SDK: SyncCursorPage"),
    ("listings.limit", "A limit of 0, of 101 or of text is a 400.", "SDK: limit"),
    ("listings.order", "An order that is none is a 400.", "SDK: order"),
];

pub async fn run(probe: &mut Probe) {
    parts!(probe: listed);
}

async fn listed(probe: &mut Probe) -> Result<(), Trouble> {
    let body = asked(
        probe,
        json!([
            {"role": "user", "content": "first"},
            {"role": "assistant", "content": "second"},
            {"type": "function_call", "call_id": "call_one", "name": "lookup", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_one", "output": "1"},
            {"role": "user", "content": "last"},
        ]),
    );
    let path = format!("/responses/{}/input_items", probe.responded(body).await?.need("/id")?);
    let all = probe.get(format!("{path}?order=asc")).await?;
    let items = data_of(&all);
    let kinds = types_of(&items);
    let wanted = ["message", "message", "function_call", "function_call_output", "message"];
    let ends = items.first().is_some_and(|item| item["content"][0]["text"] == "first")
        && items.last().is_some_and(|item| item["content"][0]["text"] == "last");
    probe.that("listings.items", kinds == wanted && ends, wanted.join(" "), kinds.join(" "), &all.evidence);
    let ids: Vec<&str> = items.iter().filter_map(|item| item["id"].as_str()).collect();
    let mut unique = ids.clone();
    unique.sort_unstable();
    unique.dedup();
    probe.that("listings.ids", unique.len() == items.len(), "ids", format!("{ids:?}"), &all.evidence);
    let newest = probe.get(path.as_str()).await?;
    let mut backwards = data_of(&newest);
    backwards.reverse();
    probe.that("listings.newest", backwards == items, "the other way round", "another order", &newest.evidence);
    probe.value("listings.has-more", &newest, "/has_more", &json!(false));

    let mut walked: Vec<Value> = Vec::new();
    while walked.len() <= items.len() {
        let after = walked.last().and_then(|item| item["id"].as_str()).map(|id| format!("&after={id}"));
        let page = probe.get(format!("{path}?order=asc&limit=1{}", after.unwrap_or_default())).await?;
        walked.extend(data_of(&page));
        let is_last = walked.len() >= items.len();
        probe.value("listings.has-more", &page, "/has_more", &json!(!is_last));
        if page.json["has_more"] != true {
            break;
        }
    }
    probe.that("listings.walk", walked == items, items.len(), walked.len(), &all.evidence);
    for query in ["limit=0", "limit=101", "limit=x"] {
        let answer = probe.get(format!("{path}?{query}")).await?;
        probe.invalid("listings.limit", &answer);
    }
    let answer = probe.get(format!("{path}?order=sideways")).await?;
    probe.invalid("listings.order", &answer);
    Ok(())
}
