//! Resources as JSON, whole.

use super::*;
use crate::agents::samples;
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;
use types::{Attempt, Cause, Phase};

fn json_of(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

#[test]
fn a_saved_agent_is_shown_whole_and_without_secrets() {
    let shown = json_of(agent(&samples::saved()));
    assert_eq!(
        shown,
        json!({
            "id": "agent_1", "object": "agent", "created_at": 1, "updated_at": 2, "name": null, "model": "m",
            "instructions": null, "reasoning": { "effort": null, "summary": null },
            "text": { "format": { "type": "text" }, "verbosity": "medium" }, "service_tier": "auto",
            "compaction": { "async": false }, "multi_agent": { "enabled": false, "max_concurrent_subagents": null },
            "experimental": { "time_awareness": false }, "metadata": { "k": "v" },
            "tools": [
                { "type": "function", "name": "f", "description": "d", "parameters": { "type": "object" },
                  "defer_loading": false, "async": null },
                { "type": "tool_search" },
                { "type": "programmatic_tool_calling", "enabled": true },
                { "type": "mcp", "server_label": "http", "allowed_tools": null, "connection_origin": "service",
                  "credential_id": null, "request_metadata": {}, "required": false,
                  "transport": { "type": "http", "server_url": "u", "headers": { "x": "secret" } } },
                { "type": "mcp", "server_label": "stdio", "allowed_tools": null, "connection_origin": "service",
                  "credential_id": null, "request_metadata": {}, "required": false,
                  "transport": { "type": "stdio", "command": "c", "cwd": "/", "args": ["a"], "env_vars": ["HOME"] } },
                { "type": "web_search", "mode": "cached", "context_size": "low", "allowed_domains": null,
                  "location": { "city": "Rome", "country": null, "region": null, "timezone": null } },
                { "type": "computer_use", "include_screenshots": false },
                { "type": "automations" },
            ],
        })
    );
}

#[test]
fn a_session_is_shown_whole_and_without_secrets() {
    let view = samples::session();
    let mut shown = json_of(session(&view, ""));
    let tools = shown["agent"]["tools"].take();
    assert_eq!(
        shown,
        json!({
            "id": "sess_1", "object": "agent.session", "status": "requires_action",
            "agent": {
                "id": "agent_1", "name": "n", "model": "m", "instructions": null, "tools": null,
                "reasoning": { "effort": null, "summary": null },
                "text": { "format": { "type": "text" }, "verbosity": "medium" }, "service_tier": "auto",
                "compaction": { "async": false },
                "multi_agent": { "enabled": false, "max_concurrent_subagents": null },
                "experimental": { "time_awareness": false },
            },
            "environment": { "type": "none" },
            "required_actions": [
                { "type": "function_call", "turn_id": "turn_1", "call_id": "c", "name": "f", "arguments": { "a": 1 } },
            ],
            "error": null, "usage": null, "metadata": {}, "vault_ids": [], "prompt_cache_options": null,
            "spend_control": { "limit": 50, "consumed": 1 }, "created_at": 1, "last_active_at": 2,
        })
    );
    let kinds: Vec<_> = tools.as_array().unwrap().iter().map(|tool| tool["type"].as_str().unwrap()).collect();
    let expected = ["function", "programmatic_tool_calling", "mcp", "mcp", "web_search", "computer_use", "automations"];
    assert_eq!(kinds, expected);
    assert!(!tools.to_string().contains("secret"), "{tools}");
}

#[test]
fn a_turn_that_is_read_has_its_usage() {
    assert_eq!(
        json_of(turn(&"sess_1".into(), &samples::turn())),
        json!({
            "id": "turn_1", "object": "agent.session.turn", "session_id": "sess_1", "agent_id": "agent_1",
            "subagent_id": null, "status": "completed", "error": null, "prompt_cache_options": null,
            "usage": {
                "input_tokens": 10, "input_tokens_details": { "cached_tokens": 4 },
                "output_tokens": 5, "output_tokens_details": { "reasoning_tokens": 2 }, "total_tokens": 15,
            },
            "created_at": 1, "started_at": 1, "completed_at": 2,
        })
    );
}

fn of(body: ItemBody, stage: Stage) -> Option<Value> {
    let whole: Arc<Item> = samples::item(Some(0), body);
    item(&whole, stage).map(json_of)
}

#[test]
fn a_failed_result_is_listed_without_output() {
    let failed = || ItemBody::FunctionCallOutput {
        call_id: "c".into(),
        custom: false,
        apart: None,
        cause: types::Cause::Answered,
        result: CallResult::Failure {
            error: Some("e".into()),
            output: Some(CallOutput::Parts(vec![Content::Text { text: "t".into() }])),
        },
    };
    let mut expected = json!({
        "type": "function_call_output", "id": "item_1", "turn_id": "turn_1", "call_id": "c", "status": "failed",
        "output": [{ "type": "input_text", "text": "t" }], "error": "e",
    });
    assert_eq!(of(failed(), Stage::Added), Some(expected.clone()));
    expected["output"] = Value::Null;
    assert_eq!(of(failed(), Stage::Listed), Some(expected));
}

#[test]
fn messages_have_a_phase_or_null() {
    let user = of(
        ItemBody::UserMessage { role: types::Role::User, content: vec![Content::Image { image_url: "u".into() }] },
        Stage::Listed,
    );
    assert_eq!(
        user,
        Some(json!({
            "type": "message", "id": "item_1", "turn_id": "turn_1", "role": "user", "status": "completed",
            "phase": null, "content": [{ "type": "input_image", "image_url": "u" }],
        }))
    );
    let (phase, logprobs) = (Phase::FinalAnswer, Vec::new());
    let said =
        ItemBody::AssistantMessage { text: "hi".into(), phase, complete: true, logprobs, annotations: Vec::new() };
    assert_eq!(
        of(said, Stage::Listed),
        Some(json!({
            "type": "message", "id": "item_1", "turn_id": "turn_1", "role": "assistant", "status": "completed",
            "phase": "final_answer", "content": [{ "type": "output_text", "text": "hi" }],
        }))
    );
}

#[test]
fn hidden_items_are_never_shown() {
    let closed = ItemBody::ClosedCall { call_id: "c".into(), reason: "r".into(), apart: None };
    let malformed =
        ItemBody::MalformedCall { call_id: "c".into(), name: "n".into(), arguments: "{".into(), error: "e".into() };
    assert_eq!(of(closed, Stage::Added), None);
    assert_eq!(of(malformed, Stage::Listed), None);
}

fn mcp_call(status: &str, output: Value, error: Value) -> Option<Value> {
    Some(json!({
        "type": "mcp_call", "id": "item_1", "turn_id": "turn_1", "server_label": "label", "name": "t",
        "arguments": { "b": 1.10, "a": 1 }, "status": status, "output": output, "error": error,
    }))
}

#[test]
fn a_call_that_the_server_performs_is_shown_in_progress_and_with_its_outcome() {
    let call = || ItemBody::ToolCall(samples::tool_call());
    assert_eq!(of(call(), Stage::Added), mcp_call("in_progress", Value::Null, Value::Null));
    assert!(!samples::item(Some(0), call()).is_listed());
    let ended = |outcome| ItemBody::ToolOutcome {
        call: samples::tool_call(),
        attempt: Attempt(1),
        cause: Cause::Answered,
        outcome,
        said: None,
    };
    let text = |text: &str| CallOutput::Text(text.into());
    let parts = CallOutput::Parts(vec![Content::Text { text: "t".into() }]);
    let parts_shown = json!([{ "type": "input_text", "text": "t" }]);
    let unknown = "outcome unknown: it may have happened";
    for (outcome, expected) in [
        (ToolOutcome::Done(text("ok")), mcp_call("completed", json!("ok"), Value::Null)),
        (ToolOutcome::Done(parts), mcp_call("completed", parts_shown, Value::Null)),
        (ToolOutcome::Failed("no".into()), mcp_call("failed", Value::Null, json!("no"))),
        (ToolOutcome::Unknown("it may have happened".into()), mcp_call("failed", Value::Null, json!(unknown))),
    ] {
        assert!(samples::item(Some(0), ended(outcome.clone())).is_listed());
        for stage in [Stage::Done, Stage::Listed] {
            assert_eq!(of(ended(outcome.clone()), stage), expected);
        }
    }
}
