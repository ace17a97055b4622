//! The providers against a mock upstream, and the scripted model against a clock of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

mod chat;
mod failures;
mod mock;
mod responses;
mod script;
mod tls;
mod wishes;

use models::{Model, OpenaiChat, OpenaiResponses, Secret, Upstream, upstream};
use std::time::Duration;
use types::{
    ContextItem, ModelError, ModelEvent, ModelFinish, ModelRequest, Sampling, TextFormat, ToolChoice, Usage, Verbosity,
};

/// A key that may be seen nowhere but in the header.
const KEY: &str = "very-secret-key";

fn request(context: Vec<ContextItem>) -> ModelRequest {
    ModelRequest {
        model: "m".into(),
        instructions: None,
        context: context.into(),
        tools: Default::default(),
        tool_choice: ToolChoice::Auto,
        format: TextFormat::Text,
        verbosity: Verbosity::Medium,
        effort: None,
        summary: None,
        max_output_tokens: None,
        sampling: Sampling::default(),
        cache_key: "cache".into(),
        parallel_tool_calls: true,
        top_logprobs: None,
    }
}

fn hello() -> ModelRequest {
    request(vec![user("hello")])
}

fn user(text: &str) -> ContextItem {
    ContextItem::User { content: vec![types::Content::Text { text: text.into() }] }
}

fn upstream_at(base_url: &str) -> Upstream {
    let settings = upstream::Settings {
        base_url: base_url.to_owned(),
        api_key: Some(Secret::new(KEY)),
        connect_timeout: Duration::from_secs(5),
    };
    Upstream::new(settings).unwrap()
}

/// Both providers at the same upstream.
fn providers(base_url: &str) -> [(&'static str, Box<dyn Model>); 2] {
    [
        ("chat", Box::new(OpenaiChat::new(upstream_at(base_url)))),
        ("responses", Box::new(OpenaiResponses::new(upstream_at(base_url)))),
    ]
}

/// Asks, and returns all events but `Alive`, of which there must be one before any other.
async fn ask(model: &dyn Model, request: &ModelRequest) -> (Vec<ModelEvent>, Result<ModelFinish, ModelError>) {
    let (events, end) = ask_raw(model, request).await;
    if end.is_ok() {
        assert_eq!(events.first(), Some(&ModelEvent::Alive), "a sign of life comes first");
    }
    (events.into_iter().filter(|event| *event != ModelEvent::Alive).collect(), end)
}

async fn ask_raw(model: &dyn Model, request: &ModelRequest) -> (Vec<ModelEvent>, Result<ModelFinish, ModelError>) {
    let mut events = Vec::new();
    let mut sink = |event| events.push(event);
    let end = model.call(request, &mut sink).await;
    (events, end)
}

fn text(events: &[ModelEvent]) -> String {
    let deltas = events.iter().filter_map(|event| match event {
        ModelEvent::Text { delta, .. } => Some(delta.as_str()),
        _ => None,
    });
    deltas.collect()
}

fn call(call_id: &str, name: &str, arguments: &str) -> ModelEvent {
    ModelEvent::Call { call_id: call_id.into(), name: name.into(), arguments: arguments.into() }
}

fn usage(input_tokens: u64, cached_tokens: u64, output_tokens: u64, reasoning_tokens: u64) -> Option<Usage> {
    Some(Usage { input_tokens, cached_tokens, output_tokens, reasoning_tokens })
}
