//! The transcript as chat messages. This wire wants the results of calls directly after the message that made them, one
//! message each, whatever was said in between; and it takes images and
//! files from users only.

use crate::custom;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use types::{CallId, CallOutput, Content, ContextItem};

pub(super) fn messages(instructions: Option<&str>, context: &[ContextItem]) -> Value {
    let outputs: BTreeMap<&CallId, &CallOutput> = context
        .iter()
        .filter_map(|item| match item {
            ContextItem::Output { call_id, output } => Some((call_id, output)),
            _ => None,
        })
        .collect();
    let mut messages: Vec<Value> = Vec::new();
    if let Some(instructions) = instructions {
        messages.push(json!({"role": "system", "content": instructions}));
    }
    let mut rest = context;
    while let Some((item, tail)) = rest.split_first() {
        rest = tail;
        match item {
            ContextItem::User { content } => messages.push(json!({"role": "user", "content": user(content)})),
            ContextItem::System { content } => messages.push(json!({"role": "system", "content": user(content)})),
            ContextItem::Assistant { text } => {
                let calls = take_calls(&mut rest);
                if !text.is_empty() || !calls.is_empty() {
                    assistant(text, &calls, &outputs, &mut messages);
                }
            }
            ContextItem::Call { .. } => {
                // The run begins with this very item.
                rest = &context[context.len() - tail.len() - 1..];
                let calls = take_calls(&mut rest);
                assistant("", &calls, &outputs, &mut messages);
            }
            // Told with its call.
            ContextItem::Output { .. } => {}
            // This wire has no place for it.
            ContextItem::Reasoning { .. } => {}
        }
    }
    Value::Array(messages)
}

type Call<'a> = (&'a CallId, &'a str, Cow<'a, str>);

/// The calls with which `rest` begins; reasoning between them is passed over.
fn take_calls<'a>(rest: &mut &'a [ContextItem]) -> Vec<Call<'a>> {
    let mut calls = Vec::new();
    while let Some((item, tail)) = rest.split_first() {
        match item {
            ContextItem::Call { call_id, name, arguments, custom: false } => {
                calls.push((call_id, name.as_str(), Cow::from(arguments)));
            }
            ContextItem::Call { call_id, name, arguments, custom: true } => {
                calls.push((call_id, name.as_str(), Cow::from(custom::written(arguments))));
            }
            ContextItem::Reasoning { .. } => {}
            _ => break,
        }
        *rest = tail;
    }
    calls
}

fn assistant(text: &str, calls: &[Call<'_>], outputs: &BTreeMap<&CallId, &CallOutput>, messages: &mut Vec<Value>) {
    let mut message = Map::new();
    message.insert("role".into(), json!("assistant"));
    message.insert("content".into(), if text.is_empty() { Value::Null } else { json!(text) });
    if !calls.is_empty() {
        let calls = calls.iter().map(|(call_id, name, arguments)| {
            json!({"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}})
        });
        message.insert("tool_calls".into(), calls.collect());
    }
    messages.push(Value::Object(message));
    let mut images = Vec::new();
    for (call_id, ..) in calls {
        let content = match outputs.get(call_id) {
            None => String::new(),
            Some(CallOutput::Text(text)) => text.clone(),
            Some(CallOutput::Parts(content)) => {
                let shown = content.iter().filter(|part| !matches!(part, Content::Text { .. }));
                let before = images.len();
                images.extend(shown.map(part));
                let mut text = joined(content);
                if images.len() > before && text.is_empty() {
                    text = "What it returned follows.".to_owned();
                }
                text
            }
        };
        messages.push(json!({"role": "tool", "tool_call_id": call_id, "content": content}));
    }
    if !images.is_empty() {
        messages.push(json!({"role": "user", "content": images}));
    }
}

/// A plain string where it says the same: many servers take nothing else.
fn user(content: &[Content]) -> Value {
    match content {
        [] => json!(""),
        [Content::Text { text }] => json!(text),
        parts => parts.iter().map(part).collect(),
    }
}

fn part(content: &Content) -> Value {
    match content {
        Content::Text { text } => json!({"type": "text", "text": text}),
        Content::Image { image_url } => json!({"type": "image_url", "image_url": {"url": image_url}}),
        Content::File { filename, data } => {
            let filename = filename.as_deref().unwrap_or("file");
            json!({"type": "file", "file": {"filename": filename, "file_data": data}})
        }
    }
}

fn joined(content: &[Content]) -> String {
    let texts = content.iter().filter_map(|part| match part {
        Content::Text { text } => Some(text.as_str()),
        Content::Image { .. } | Content::File { .. } => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}
