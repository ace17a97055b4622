//! What is made of good and bad bodies. A bad one is shown as `param: message`.

use super::*;
use crate::demand::{CustomFormat, FileSource, Syntax};
use serde_json::json;

/// A request that is fine, with `fields` put over it.
fn read(fields: Value) -> Result<ChatCreate, String> {
    let mut body = json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] });
    let (Value::Object(body), Value::Object(fields)) = (&mut body, fields) else { panic!("no object") };
    body.extend(fields);
    ChatCreate::read(std::mem::take(body))
        .map_err(|fault| format!("{}: {}", fault.param.as_deref().unwrap_or("-"), fault.message))
}

fn messages(messages: Value) -> Result<Vec<Message>, String> {
    read(json!({ "messages": messages })).map(|request| request.messages)
}

fn function(name: &str) -> Value {
    json!({ "type": "function", "function": { "name": name } })
}

fn call(id: &str) -> Value {
    json!({ "role": "assistant", "tool_calls": [
        { "id": id, "type": "function", "function": { "name": "f", "arguments": "{}" } },
    ] })
}

fn result(id: &str) -> Value {
    json!({ "role": "tool", "tool_call_id": id, "content": "42" })
}

fn text(text: &str) -> Vec<Part> {
    vec![Part::Text(text.into())]
}

#[test]
fn a_plain_request_gets_the_originals_defaults() {
    let plain = read(json!({})).unwrap();
    assert_eq!(plain.messages, [Message::User { content: text("hi") }]);
    assert_eq!((plain.choices, plain.stream, plain.include_usage, plain.store), (1, false, false, None));
    assert_eq!((plain.tool_choice, plain.parallel_tool_calls, plain.top_logprobs), (ToolChoice::Auto, true, None));
    assert_eq!((plain.format, plain.sampling, plain.max_tokens), (Format::Text, Sampling::default(), None));
    let nulls = read(json!({
        "tools": null, "temperature": null, "stop": null, "n": null, "logit_bias": null, "stream": null,
        "stream_options": null, "response_format": null, "user": null, "audio": null, "metadata": null,
    }));
    assert_eq!(nulls.unwrap(), read(json!({})).unwrap());
}

#[test]
fn everything_that_may_be_said_is_read() {
    let full = read(json!({
        "temperature": 0.5, "top_p": 1, "presence_penalty": -2, "frequency_penalty": 2.0, "seed": -5, "stop": ["a", "b"],
        "max_completion_tokens": 9, "n": 3, "logprobs": true, "top_logprobs": 4, "stream": true,
        "stream_options": { "include_usage": true, "include_obfuscation": false }, "reasoning_effort": "xhigh",
        "verbosity": "low", "service_tier": "scale", "store": false, "metadata": { "a": "b" }, "user": "u",
        "safety_identifier": "s", "prompt_cache_key": "p", "prompt_cache_retention": "24h", "logit_bias": {},
        "modalities": ["text"], "prediction": { "type": "content", "content": [{ "type": "text", "text": "t" }] },
        "response_format": { "type": "json_schema", "json_schema": {
            "name": "n", "description": "d", "schema": { "type": "object" }, "strict": true,
        } },
    }))
    .unwrap();
    let sampling = Sampling {
        temperature: Some(0.5),
        top_p: Some(1.0),
        presence_penalty: Some(-2.0),
        frequency_penalty: Some(2.0),
        seed: Some(-5),
        stop: vec!["a".into(), "b".into()],
    };
    assert_eq!((full.sampling, full.max_tokens, full.choices, full.top_logprobs), (sampling, Some(9), 3, Some(4)));
    assert_eq!((full.stream, full.include_usage, full.store, full.tier), (true, true, Some(false), Some(Tier::Scale)));
    assert_eq!((full.effort, full.verbosity), (Some(Effort::Xhigh), Some(Verbosity::Low)));
    assert_eq!(
        full.labels.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>(),
        ["prompt_cache_key=p", "safety_identifier=s", "user=u"]
    );
    assert!(matches!(full.format, Format::JsonSchema { strict: Some(true), .. }));
    assert_eq!(read(json!({ "stop": "x", "logprobs": true })).unwrap().top_logprobs, Some(0));
}

#[test]
fn every_kind_of_message_is_read() {
    let all = messages(json!([
        { "role": "system", "content": "s" },
        { "role": "developer", "content": [{ "type": "text", "text": "d" }], "name": "boss" },
        { "role": "user", "name": "me", "content": [
            { "type": "text", "text": "look", "prompt_cache_breakpoint": { "mode": "explicit" } },
            { "type": "image_url", "image_url": { "url": "https://a.example/b.png", "detail": "high" } },
            { "type": "file", "file": { "file_data": "AA==", "filename": "a.pdf" } },
            { "type": "file", "file": { "file_id": "file-1" } },
        ] },
        { "role": "assistant", "content": [{ "type": "text", "text": "well" }, { "type": "refusal", "refusal": ", no" }] },
        { "role": "assistant", "content": null, "refusal": "never", "tool_calls": null, "audio": null, "annotations": [] },
        { "role": "assistant", "content": "", "tool_calls": [
            { "id": "a", "type": "function", "function": { "name": "f", "arguments": "{\"n\": 1.0}" } },
            { "id": "b", "type": "custom", "custom": { "name": "g", "input": "free" } },
        ] },
        { "role": "tool", "tool_call_id": "b", "content": [{ "type": "text", "text": "of b" }] },
        { "role": "tool", "tool_call_id": "a", "content": "of a" },
    ]))
    .unwrap();
    let said = |text: &str| Message::Assistant { text: text.into(), calls: Vec::new() };
    let one = |id: &str, name: &str, arguments: &str, is_custom| Call {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
        is_custom,
    };
    let file = |filename: Option<&str>, source| Part::File { filename: filename.map(str::to_owned), source };
    assert_eq!(
        all,
        [
            Message::System { content: text("s") },
            Message::Developer { content: text("d") },
            Message::User {
                content: vec![
                    Part::Text("look".into()),
                    Part::Image { url: "https://a.example/b.png".into() },
                    file(Some("a.pdf"), FileSource::Data("AA==".into())),
                    file(None, FileSource::Id("file-1".into())),
                ]
            },
            said("well, no"),
            said("never"),
            Message::Assistant {
                text: String::new(),
                calls: vec![one("a", "f", "{\"n\": 1.0}", false), one("b", "g", "free", true)]
            },
            Message::Tool { call_id: "b".into(), text: "of b".into() },
            Message::Tool { call_id: "a".into(), text: "of a".into() },
        ]
    );
}

#[test]
fn the_older_forms_become_the_newer_ones() {
    let old = read(json!({
        "functions": [{ "name": "f", "parameters": { "type": "object" } }], "function_call": { "name": "f" },
        "messages": [
            { "role": "user", "content": "hi" },
            { "role": "assistant", "content": null, "function_call": { "name": "f", "arguments": "{}" } },
            { "role": "function", "name": "f", "content": "1" },
            { "role": "assistant", "content": null, "function_call": { "name": "f", "arguments": "{}" } },
            { "role": "user", "content": "never mind" },
        ],
    }))
    .unwrap();
    assert!(old.is_legacy && !old.parallel_tool_calls);
    assert_eq!(old.tool_choice, ToolChoice::Function("f".into()));
    let told: Vec<String> = old.messages.iter().map(shown).collect();
    assert_eq!(told, ["user", "call_function", "call_function = 1", "call_function_2", "call_function_2 = ", "user"]);
}

/// Ids alone.
fn shown(message: &Message) -> String {
    match message {
        Message::Assistant { calls, .. } => calls.iter().map(|call| call.id.as_str()).collect::<Vec<_>>().join(" "),
        Message::Tool { call_id, text } => format!("{call_id} = {text}"),
        _ => "user".to_owned(),
    }
}

#[test]
fn ids_that_are_used_again_are_told_apart() {
    let user = json!({ "role": "user", "content": "hi" });
    let all = messages(json!([user, call("c"), result("c"), call("c"), result("c"), call("c_2"), result("c_2")]));
    let told: Vec<String> = all.unwrap().iter().map(shown).collect();
    assert_eq!(told, ["user", "c", "c = 42", "c_2", "c_2 = 42", "c_2_2", "c_2_2 = 42"]);
}

#[test]
fn calls_without_results_and_results_without_calls_are_refused() {
    let user = json!({ "role": "user", "content": "hi" });
    let alone = |at: usize| {
        format!(
            "messages.[{at}].role: Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
        )
    };
    let missing = "messages: An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: c";
    for (list, expected) in [
        (json!([result("c")]), alone(0).as_str()),
        (json!([user, call("c"), result("d")]), &alone(2)),
        (json!([user, call("c"), result("c"), result("c")]), &alone(3)),
        (json!([user, call("c"), result("c"), user, result("c")]), &alone(4)),
        (json!([user, call("c")]), missing),
        (json!([user, call("c"), user, result("c")]), missing),
        (
            json!([user, { "role": "function", "name": "f", "content": "" }]),
            "messages.[1].role: Invalid parameter: messages with role 'function' must be a response to a preceeding message with 'function_call'.",
        ),
    ] {
        assert_eq!(messages(list.clone()).unwrap_err(), expected, "{list}");
    }
}

#[test]
fn tools_are_read() {
    let tools = read(json!({
        "tools": [
            { "type": "function", "function": {
                "name": "f", "description": "d", "parameters": { "type": "object" }, "strict": true,
            } },
            { "type": "function", "function": { "name": "g", "strict": null } },
            { "type": "custom", "custom": { "name": "h", "format": {
                "type": "grammar", "grammar": { "syntax": "regex", "definition": "a+" },
            } } },
            { "type": "custom", "custom": { "name": "i" } },
        ],
        "tool_choice": { "type": "allowed_tools", "allowed_tools": {
            "mode": "required", "tools": [function("f"), { "type": "custom", "custom": { "name": "h" } }],
        } },
        "parallel_tool_calls": false,
    }))
    .unwrap();
    assert_eq!(tools.tool_choice, ToolChoice::Allowed { required: true, names: vec!["f".into(), "h".into()] });
    assert!(!tools.parallel_tool_calls && !tools.is_legacy);
    let [ToolParam::Function { strict: Some(true), .. }, ToolParam::Function { strict: None, .. }, regex, plain] =
        tools.tools.as_slice()
    else {
        panic!("{:?}", tools.tools)
    };
    assert!(matches!(regex, ToolParam::Custom { format: CustomFormat::Grammar { syntax: Syntax::Regex, .. }, .. }));
    assert!(matches!(plain, ToolParam::Custom { format: CustomFormat::Text, .. }));
    for (choice, expected) in [
        (json!("none"), ToolChoice::None),
        (json!("required"), ToolChoice::Required),
        (function("f"), ToolChoice::Function("f".into())),
    ] {
        let request = read(json!({ "tools": [function("f")], "tool_choice": choice })).unwrap();
        assert_eq!(request.tool_choice, expected);
    }
}

#[test]
fn bad_settings_are_refused() {
    for (fields, expected) in [
        (json!({ "x": 1 }), "x: Unknown parameter: 'x'."),
        (
            json!({ "temperature": 2.5 }),
            "temperature: Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 2.5 instead.",
        ),
        (
            json!({ "n": 129 }),
            "n: Invalid 'n': integer above maximum value. Expected a value <= 128, but got 129 instead.",
        ),
        (
            json!({ "max_tokens": 0 }),
            "max_tokens: Invalid 'max_tokens': integer below minimum value. Expected a value >= 1, but got 0 instead.",
        ),
        (
            json!({ "max_tokens": 1, "max_completion_tokens": 1 }),
            "max_tokens: Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
        ),
        (
            json!({ "stop": ["a", "b", "c", "d", "e"] }),
            "stop: Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with length 5 instead.",
        ),
        (
            json!({ "stop": 1 }),
            "stop: Invalid type for 'stop': expected one of a string or an array of strings, but got an integer instead.",
        ),
        (json!({ "seed": 1.5 }), "seed: Invalid type for 'seed': expected an integer, but got a decimal instead."),
        (
            json!({ "top_logprobs": 2 }),
            "top_logprobs: The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.",
        ),
        (
            json!({ "stream_options": {} }),
            "stream_options: The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        ),
        (json!({ "logit_bias": { "5": 1 } }), "logit_bias: A bias of tokens is not available on this server."),
        (json!({ "modalities": ["text", "audio"] }), "modalities[1]: Audio output is not available on this server."),
        (json!({ "audio": {} }), "audio: Audio output is not available on this server."),
        (json!({ "web_search_options": {} }), "web_search_options: Web search is not available on this server."),
        (
            json!({ "response_format": { "type": "json_object" } }),
            "messages: 'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
        ),
        (
            json!({ "response_format": { "type": "json_schema" } }),
            "response_format.json_schema: Missing required parameter: 'response_format.json_schema'.",
        ),
        (
            json!({ "response_format": { "type": "json_schema", "json_schema": { "name": "a", "schema": { "type": "array" } } } }),
            "response_format.json_schema.schema: Invalid schema for response_format 'a': schema must be a JSON Schema of 'type: \"object\"', got 'type: \"array\"'.",
        ),
    ] {
        assert_eq!(read(fields.clone()).unwrap_err(), expected, "{fields}");
    }
    assert!(read(json!({
        "response_format": { "type": "json_object" }, "messages": [{ "role": "user", "content": "in JSON, please" }],
    }))
    .is_ok());
}

#[test]
fn bad_tools_are_refused() {
    for (fields, expected) in [
        (json!({ "tool_choice": "auto" }), "tool_choice: 'tool_choice' is only allowed when 'tools' are specified."),
        (
            json!({ "tools": [] }),
            "tools: Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        ),
        (
            json!({ "tools": [function("a b")] }),
            "tools[0].function.name: Invalid 'tools[0].function.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
        ),
        (json!({ "tools": [function("f"), function("f")] }), "tools: Tool names must be unique: 'f'."),
        (
            json!({ "tools": [function("f")], "tool_choice": function("g") }),
            "tool_choice: Tool choice 'g' not found in 'tools' parameter.",
        ),
        (
            json!({ "tools": [function("f")], "tool_choice": { "type": "custom", "custom": { "name": "f" } } }),
            "tool_choice: Tool choice 'f' not found in 'tools' parameter.",
        ),
        (
            json!({ "tools": [function("f")], "tool_choice": "any" }),
            "tool_choice: Invalid value: 'any'. Supported values are: 'none', 'auto', and 'required'.",
        ),
        (
            json!({ "tools": [function("f")], "tool_choice": 1 }),
            "tool_choice: Invalid type for 'tool_choice': expected one of a string or an object, but got an integer instead.",
        ),
        (
            json!({ "tools": [function("f")], "functions": [{ "name": "f" }] }),
            "functions: 'functions' and 'tools' cannot be used at the same time.",
        ),
    ] {
        assert_eq!(read(fields.clone()).unwrap_err(), expected, "{fields}");
    }
}

#[test]
fn bad_messages_are_refused() {
    for (list, expected) in [
        (
            json!([]),
            "messages: Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        ),
        (json!("hi"), "messages: Invalid type for 'messages': expected an array of objects, but got a string instead."),
        (
            json!([{ "role": "robot", "content": "" }]),
            "messages[0].role: Invalid value: 'robot'. Supported values are: 'system', 'developer', 'user', 'assistant', 'tool', and 'function'.",
        ),
        (json!([{ "role": "user" }]), "messages[0].content: Missing required parameter: 'messages[0].content'."),
        (
            json!([{ "role": "user", "content": null }]),
            "messages[0].content: Invalid type for 'messages[0].content': expected one of a string or an array of objects, but got null instead.",
        ),
        (
            json!([{ "role": "system", "content": [{ "type": "image_url", "image_url": { "url": "u" } }] }]),
            "messages[0].content[0].type: Invalid value: 'image_url'. Supported values are: 'text'.",
        ),
        (
            json!([{ "role": "user", "content": [{ "type": "image_url", "image_url": { "url": "cat.png" } }] }]),
            "messages[0].content[0].image_url.url: Invalid 'messages[0].content[0].image_url.url'. Expected a valid URL, but got a value with an invalid format.",
        ),
        (
            json!([{ "role": "user", "content": [{ "type": "input_audio", "input_audio": {} }] }]),
            "messages[0].content[0].type: Audio input is not available on this server.",
        ),
        (
            json!([{ "role": "user", "content": [{ "type": "file", "file": { "filename": "a" } }] }]),
            "messages[0].content[0].file: Expected one of 'file_data' and 'file_id' in 'messages[0].content[0].file'.",
        ),
        (
            json!([{ "role": "user", "content": "hi", "extra": 1 }]),
            "messages[0].extra: Unknown parameter: 'messages[0].extra'.",
        ),
        (
            json!([{ "role": "assistant", "content": null }]),
            "messages[0].content: Invalid type for 'messages[0].content': expected one of a string or an array of objects, but got null instead.",
        ),
        (
            json!([{ "role": "assistant", "tool_calls": [] }]),
            "messages[0].tool_calls: Invalid 'messages[0].tool_calls': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        ),
    ] {
        assert_eq!(messages(list.clone()).unwrap_err(), expected, "{list}");
    }
}
