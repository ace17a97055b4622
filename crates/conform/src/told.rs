//! What holds of the events of every response, whatever carried them. It judges a list of events that is whole, one rule
//! at a time, and asks nobody anything.

use serde_json::Value;
use std::collections::BTreeMap;

pub const TERMINAL: [&str; 3] = ["response.completed", "response.failed", "response.incomplete"];

/// A rule that was broken, and how.
pub type Broken = (&'static str, String);

/// One item while it is told.
#[derive(Debug, Default)]
struct Telling {
    id: String,
    /// Text by content index; None of a part that is closed.
    parts: BTreeMap<u64, Option<String>>,
    texts: Vec<String>,
    arguments: String,
}

/// All that is wrong, by the names `starts`, `numbers`, `terminal`, `items`, `parts`, `deltas`, `final`.
pub fn faults(events: &[Value]) -> Vec<Broken> {
    let mut broken = frame(events);
    let mut open: BTreeMap<u64, Telling> = BTreeMap::new();
    let mut done: Vec<Value> = Vec::new();
    for event in events {
        one(event, &mut open, &mut done, &mut broken);
    }
    for place in open.keys() {
        broken.push(("items", format!("the item at {place} is never done")));
    }
    if let Some(last) = events.last()
        && last["type"] == "response.completed"
        && last["response"]["output"] != Value::Array(done.clone())
    {
        broken
            .push(("final", format!("{} and the items done were {}", last["response"]["output"], Value::Array(done))));
    }
    broken
}

/// The beginning, the end and the numbers.
fn frame(events: &[Value]) -> Vec<Broken> {
    let mut broken = Vec::new();
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap_or("(no type)")).collect();
    let begun = matches!(
        kinds.as_slice(),
        ["response.created", "response.queued", "response.in_progress", ..]
            | ["response.created", "response.in_progress", ..]
    );
    let empty = events.iter().take(2).all(|event| event["response"]["output"] == Value::Array(Vec::new()));
    if !begun || !empty {
        broken.push(("starts", kinds.iter().take(3).copied().collect::<Vec<_>>().join(" ")));
    }
    let numbers: Vec<Option<u64>> = events.iter().map(|event| event["sequence_number"].as_u64()).collect();
    if numbers.first() != Some(&Some(0)) || numbers.windows(2).any(|pair| pair[1].is_none() || pair[0] >= pair[1]) {
        broken.push(("numbers", format!("{numbers:?}")));
    }
    let ends = kinds.iter().filter(|kind| TERMINAL.contains(kind)).count();
    let last = kinds.last().is_some_and(|kind| TERMINAL.contains(kind));
    let ids = |event: Option<&Value>| event.map(|event| event["response"]["id"].clone());
    if ends != 1 || !last {
        broken.push(("terminal", kinds.join(" ")));
    } else if ids(events.first()) != ids(events.last()) {
        broken.push(("terminal", "another response's id".to_owned()));
    }
    broken
}

fn one(event: &Value, open: &mut BTreeMap<u64, Telling>, done: &mut Vec<Value>, broken: &mut Vec<Broken>) {
    let kind = event["type"].as_str().unwrap_or_default();
    let Some(place) = event["output_index"].as_u64() else { return };
    if kind == "response.output_item.added" {
        let id = event["item"]["id"].as_str().unwrap_or_default().to_owned();
        if open.contains_key(&place) || place < done.len() as u64 {
            broken.push(("items", format!("{place} is added twice")));
        }
        open.insert(place, Telling { id, ..Telling::default() });
        return;
    }
    let Some(telling) = open.get_mut(&place) else {
        broken.push(("items", format!("{kind} where no item is open at {place}")));
        return;
    };
    let id = event["item_id"].as_str().or_else(|| event["item"]["id"].as_str());
    if id != Some(&telling.id) {
        broken.push(("items", format!("{kind} of {id:?} within {}", telling.id)));
    }
    if kind == "response.output_item.done" {
        ended(&event["item"], telling, broken);
        open.remove(&place);
        done.push(event["item"].clone());
        return;
    }
    within(kind, event, telling, broken);
}

/// What comes between an item's beginning and its end.
fn within(kind: &str, event: &Value, telling: &mut Telling, broken: &mut Vec<Broken>) {
    let delta = event["delta"].as_str().unwrap_or_default();
    let index = event["content_index"].as_u64().unwrap_or(u64::MAX);
    match kind {
        "response.content_part.added" => {
            let again = telling.parts.insert(index, Some(String::new())).is_some();
            if again || event["part"]["text"] != "" {
                broken.push(("parts", format!("part {index} begins as {}", event["part"])));
            }
        }
        "response.output_text.delta" => match telling.parts.get_mut(&index) {
            Some(Some(text)) => text.push_str(delta),
            _ => broken.push(("parts", format!("a delta without an open part {index}"))),
        },
        "response.output_text.done" => match telling.parts.get(&index) {
            Some(Some(text)) if event["text"] == text.as_str() => telling.texts.push(text.clone()),
            Some(Some(text)) => broken.push(("deltas", format!("`{text}` and then {}", event["text"]))),
            _ => broken.push(("parts", format!("a text without an open part {index}"))),
        },
        "response.content_part.done" => {
            let told = telling.texts.last().is_some_and(|text| event["part"]["text"] == text.as_str());
            if !told || !matches!(telling.parts.insert(index, None), Some(Some(_))) {
                broken.push(("parts", format!("part {index} ends as {}", event["part"])));
            }
        }
        "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
            telling.arguments.push_str(delta);
        }
        "response.function_call_arguments.done" if event["arguments"] != telling.arguments.as_str() => {
            broken.push(("deltas", format!("`{}` and then {}", telling.arguments, event["arguments"])));
        }
        _ => {}
    }
}

/// An item at its end against what was told of it.
fn ended(item: &Value, telling: &Telling, broken: &mut Vec<Broken>) {
    let texts: Vec<&str> =
        item["content"].as_array().into_iter().flatten().filter_map(|part| part["text"].as_str()).collect();
    match item["type"].as_str() {
        Some("message") if texts != telling.texts || telling.parts.values().any(Option::is_some) => {
            broken.push(("parts", format!("{texts:?} at the end, {:?} were told", telling.texts)));
        }
        Some("function_call") if item["arguments"] != telling.arguments.as_str() => {
            broken.push(("deltas", format!("`{}` and at the end {}", telling.arguments, item["arguments"])));
        }
        _ => {}
    }
}
