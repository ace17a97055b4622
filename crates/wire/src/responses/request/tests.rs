//! Requests as clients write them, and what is said of those that are wrong.

use super::*;
use crate::agents::{Effort, Phase, Verbosity};
use crate::demand::{CustomFormat, Syntax, ToolChoice, ToolParam};
use crate::responses::{Include, Role, ServiceTier, Summary, Truncation};
use serde_json::{Map, Value, json};

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else { panic!("not an object") };
    map
}

fn read(value: Value) -> ResponseCreate {
    ResponseCreate::read(object(value)).unwrap()
}

/// What is said of a request, and of which parameter.
fn fault(value: Value) -> (String, String) {
    let fault = ResponseCreate::read(object(value)).unwrap_err();
    (fault.param.unwrap_or_default(), fault.message)
}

/// What is said of one input item.
fn item_fault(item: Value) -> (String, String) {
    fault(json!({ "model": "m", "input": [item] }))
}

fn item(item: Value) -> InputItem {
    read(json!({ "model": "m", "input": [item] })).input.remove(0)
}

fn pair(param: &str, message: &str) -> (String, String) {
    (param.to_owned(), message.to_owned())
}

#[test]
fn a_short_request_gets_every_default() {
    let request = read(json!({ "model": "m", "input": "hi" }));
    let content = vec![Part::Text("hi".to_owned())];
    assert_eq!(request.input, [InputItem::Message { id: None, role: Role::User, content }]);
    assert!(request.store && request.parallel_tool_calls && request.include_obfuscation);
    assert!(!request.background && !request.stream);
    assert_eq!(request.tool_choice, ToolChoice::Auto);
    assert_eq!(request.truncation, Truncation::Disabled);
    assert_eq!(request.service_tier, ServiceTier::Auto);
    assert_eq!(request.text, TextSettings::default());
    assert!(request.tools.is_empty() && request.echo.is_empty() && request.include.is_empty());
    let nulls = json!({
        "model": "m", "input": "hi", "instructions": null, "tools": null, "tool_choice": null, "text": null,
        "reasoning": null, "truncation": null, "include": null, "metadata": null, "service_tier": null,
        "temperature": null, "top_p": null, "top_logprobs": null, "max_output_tokens": null, "store": null,
        "background": null, "stream": null, "stream_options": null, "previous_response_id": null,
        "conversation": null, "prompt": null, "user": null, "max_tool_calls": null, "prompt_cache_key": null,
        "context_management": null, "parallel_tool_calls": null, "safety_identifier": null, "moderation": null,
    });
    assert_eq!(read(nulls), request);
}

#[test]
fn a_long_request_is_read_whole() {
    let request = read(json!({
        "model": "m", "input": [], "instructions": "be brief", "previous_response_id": "resp_1",
        "tools": [
            { "type": "function", "name": "f", "parameters": { "type": "object" }, "strict": true },
            { "type": "custom", "name": "g", "description": "d",
              "format": { "type": "grammar", "syntax": "lark", "definition": "start: x" } },
        ],
        "tool_choice": { "type": "allowed_tools", "mode": "required", "tools": [{ "type": "function", "name": "f" }] },
        "text": { "format": { "type": "json_schema", "name": "n", "schema": { "type": "object" }, "strict": true },
                  "verbosity": "low" },
        "reasoning": { "effort": "high", "summary": "auto" }, "truncation": "auto",
        "include": ["reasoning.encrypted_content"], "metadata": { "k": "v" }, "service_tier": "flex",
        "temperature": 0.5, "top_p": 1, "top_logprobs": 2, "max_output_tokens": 16, "background": true,
        "stream": true, "stream_options": { "include_obfuscation": false }, "parallel_tool_calls": false,
        "max_tool_calls": 3, "user": "u", "safety_identifier": "s", "prompt_cache_key": "p",
        "prompt_cache_retention": "24h", "prompt_cache_options": { "ttl": "12h" },
        "context_management": [{ "type": "compaction", "compact_threshold": 2000 }],
    }));
    assert!(
        matches!(&request.tools[1], ToolParam::Custom { format: CustomFormat::Grammar { syntax: Syntax::Lark, definition }, .. } if definition == "start: x")
    );
    assert_eq!(request.tool_choice, ToolChoice::Allowed { required: true, names: vec!["f".to_owned()] });
    assert_eq!(request.text.verbosity, Some(Verbosity::Low));
    assert_eq!((request.reasoning.effort, request.reasoning.summary), (Some(Effort::High), Some(Summary::Auto)));
    assert!(request.includes(Include::EncryptedReasoning) && !request.includes(Include::Logprobs));
    assert_eq!(request.prompt_cache, Some(CacheOptions { long: true }));
    assert!(!request.include_obfuscation && !request.parallel_tool_calls);
    let echo = json!({ "max_tool_calls": 3, "user": "u", "safety_identifier": "s", "prompt_cache_key": "p",
        "prompt_cache_retention": "24h" });
    assert_eq!(request.echo, object(echo));
}

#[test]
fn what_is_missing_wrong_or_unknown_is_named() {
    let cases = [
        (json!({ "input": "hi" }), "model", "Missing required parameter: 'model'."),
        (json!({ "model": "m" }), "input", "Missing required parameter: 'input'."),
        (json!({ "model": "m", "input": "hi", "x": 1 }), "x", "Unknown parameter: 'x'."),
        (
            json!({ "model": "m", "input": 7 }),
            "input",
            "Invalid type for 'input': expected one of a string or an array of input items, but got an integer instead.",
        ),
        (
            json!({ "model": "m", "input": "hi", "temperature": 2.5 }),
            "temperature",
            "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 2.5 instead.",
        ),
        (
            json!({ "model": "m", "input": "hi", "max_output_tokens": 15 }),
            "max_output_tokens",
            "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got 15 instead.",
        ),
        (
            json!({ "model": "m", "input": "hi", "truncation": "middle" }),
            "truncation",
            "Invalid value: 'middle'. Supported values are: 'auto' and 'disabled'.",
        ),
        (
            json!({ "model": "m", "input": "hi", "prompt": { "id": "pmpt_1" } }),
            "prompt",
            "Unsupported parameter: 'prompt' is not supported by this server.",
        ),
        (
            json!({ "model": "m", "input": "hi", "previous_response_id": "resp_1", "conversation": { "id": "conv_1" } }),
            "previous_response_id",
            "Mutually exclusive parameters. Ensure you are only providing one of: 'previous_response_id' or 'conversation'.",
        ),
        (
            json!({ "model": "m", "input": "hi", "background": true, "store": false }),
            "background",
            "Background responses must be stored: 'store' must be true.",
        ),
        (
            json!({ "model": "m", "input": "hi", "stream_options": {} }),
            "stream_options",
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        ),
        (
            json!({ "model": "m", "input": "hi", "text": { "format": { "type": "json_schema", "schema": {} } } }),
            "text.format.name",
            "Missing required parameter: 'text.format.name'.",
        ),
        (
            json!({ "model": "m", "input": "hi", "user": "u".repeat(513) }),
            "user",
            "Invalid 'user': string too long. Expected a string with maximum length 512, but got a string with length 513 instead.",
        ),
    ];
    for (request, param, message) in cases {
        assert_eq!(fault(request), pair(param, message));
    }
}

#[test]
fn tools_are_those_that_are_served() {
    let with = |tools: Value, choice: Value| {
        fault(json!({ "model": "m", "input": "", "tools": tools, "tool_choice": choice }))
    };
    assert_eq!(
        with(json!([{ "type": "web_search" }]), Value::Null),
        pair("tools[0].type", "This server does not serve tools of type 'web_search' yet.")
    );
    assert!(with(json!([{ "type": "spell" }]), Value::Null).1.starts_with("Invalid value: 'spell'. Supported values"));
    let function = json!({ "type": "function", "name": "f" });
    assert_eq!(with(json!([function, function]), Value::Null), pair("tools", "Duplicate tool name: 'f'."));
    let missing = pair("tool_choice", "Tool choice 'g' not found in 'tools' parameter.");
    assert_eq!(with(json!([function]), json!({ "type": "function", "name": "g" })), missing);
    let other_kind = pair("tool_choice", "Tool choice 'f' not found in 'tools' parameter.");
    assert_eq!(with(json!([function]), json!({ "type": "custom", "name": "f" })), other_kind);
    let none = pair("tool_choice", "Tool choice 'required' must be specified with 'tools' parameter.");
    assert_eq!(with(json!([]), json!("required")), none);
    assert_eq!(with(json!([{ "type": "function", "name": "a b" }]), Value::Null).0, "tools[0].name");
    let late = json!([{ "type": "function", "name": "f", "defer_loading": true }]);
    assert_eq!(with(late, Value::Null).0, "tools[0].defer_loading");
}

#[test]
fn items_of_every_kind_are_read() {
    let text = |text: &str| vec![Part::Text(text.to_owned())];
    let message = InputItem::Message { id: None, role: Role::Developer, content: text("x") };
    assert_eq!(item(json!({ "role": "developer", "content": "x" })), message);
    let said = json!({ "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
        "phase": "commentary", "content": [
            { "type": "output_text", "text": "a", "annotations": [], "logprobs": [] },
            { "type": "refusal", "refusal": "b" },
        ] });
    let assistant =
        InputItem::Assistant { id: Some("msg_1".to_owned()), text: "ab".to_owned(), phase: Some(Phase::Commentary) };
    assert_eq!(item(said), assistant);
    let parts = item(json!({ "role": "user", "content": [
        { "type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low" },
        { "type": "input_file", "file_id": "file-1" },
        { "type": "input_file", "file_data": "AA==", "filename": "a.txt" },
    ] }));
    assert!(matches!(parts, InputItem::Message { content, .. } if content.len() == 3));
    let call = |kind: &str, key: &str| item(json!({ "type": kind, "call_id": "c", "name": "f", key: "{}" }));
    assert!(matches!(call("function_call", "arguments"), InputItem::Call { custom: false, .. }));
    assert!(matches!(call("custom_tool_call", "input"), InputItem::Call { custom: true, .. }));
    let output = item(json!({ "type": "function_call_output", "call_id": "c", "output": [
        { "type": "input_text", "text": "x" },
    ] }));
    assert!(matches!(output, InputItem::Output { output: CallOutput::Parts(parts), .. } if parts == text("x")));
    let reasoning = item(json!({ "type": "reasoning", "id": "rs_1", "encrypted_content": "e",
        "summary": [{ "type": "summary_text", "text": "s" }] }));
    assert!(matches!(reasoning, InputItem::Reasoning { summary, .. } if summary == ["s"]));
    assert!(matches!(item(json!({ "type": "compaction", "encrypted_content": "e" })), InputItem::Compaction { .. }));
    assert_eq!(item(json!({ "id": "msg_1" })), InputItem::Reference { id: "msg_1".to_owned() });
}

#[test]
fn items_that_are_wrong_are_named_by_their_path() {
    let wrong = item_fault(json!({ "role": "user", "content": [{ "type": "output_text", "text": "x" }] }));
    let message = "Invalid value: 'output_text'. Supported values are: 'input_text', 'input_image', and 'input_file'.";
    assert_eq!(wrong, pair("input[0].content[0].type", message));
    let both =
        json!({ "role": "user", "content": [{ "type": "input_image", "image_url": "https://u", "file_id": "f" }] });
    assert_eq!(item_fault(both).0, "input[0].content[0]");
    let image = json!({ "role": "user", "content": [{ "type": "input_image", "image_url": "cat.png" }] });
    assert_eq!(item_fault(image).0, "input[0].content[0].image_url");
    let file = json!({ "role": "user", "content": [{ "type": "input_file", "file_data": "no base64" }] });
    assert_eq!(item_fault(file).0, "input[0].content[0].file_data");
    let url = json!({ "role": "user", "content": [{ "type": "input_file", "file_url": "http://x" }] });
    assert_eq!(item_fault(url).0, "input[0].content[0].file_url");
    let nameless = json!({ "type": "function_call_output", "output": "" });
    assert_eq!(item_fault(nameless), pair("input[0].call_id", "Missing required parameter: 'input[0].call_id'."));
    let screen = json!({ "type": "computer_call", "id": "cu_1" });
    assert!(item_fault(screen).1.starts_with("Invalid value: 'computer_call'."));
    let odd = json!({ "role": "user", "content": "x", "mood": "good" });
    assert_eq!(item_fault(odd), pair("input[0].mood", "Unknown parameter: 'input[0].mood'."));
}

#[test]
fn a_request_brings_so_many_items_and_no_more() {
    let many = |count| json!({"model": "m", "input": vec![json!({"role": "user", "content": "a"}); count]});
    assert_eq!(read(many(10_000)).input.len(), 10_000);
    let expected = "Invalid 'input': array too long. Expected an array with maximum length 10000, but got an array with \
                    length 10001 instead.";
    assert_eq!(fault(many(10_001)), pair("input", expected));
}

#[test]
fn the_smaller_routes_read_what_they_need() {
    let count = TokenCount::read(object(json!({ "model": "m", "input": "hi" }))).unwrap();
    assert_eq!((count.model.as_deref(), count.input.len()), (Some("m"), 1));
    assert!(TokenCount::read(object(json!({}))).unwrap().input.is_empty());
    let compact = |value: Value| Compact::read(object(value)).map_err(|fault| fault.param.unwrap_or_default());
    assert_eq!(compact(json!({ "input": "hi" })), Err("model".to_owned()));
    assert_eq!(compact(json!({ "model": null, "input": "hi" })), Err("model".to_owned()));
    assert_eq!(compact(json!({ "model": "m" })), Err("input".to_owned()));
    assert_eq!(compact(json!({ "model": "m", "input": [] })).unwrap().model, "m");
    assert_eq!(compact(json!({ "model": "m", "input": [], "conversation": "conv_1" })), Err("conversation".to_owned()));
}
