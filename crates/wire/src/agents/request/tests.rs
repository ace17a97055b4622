//! What each request makes of good and bad bodies. A bad one is shown as `param: message`.

use super::*;
use crate::agents::words::{CacheTtl, ConnectionOrigin, Decision, Effort, Review, SearchMode, ServiceTier, Verbosity};
use crate::agents::{MultiAgent, Reasoning};
use serde_json::{Map, Value, json};

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no object"),
    }
}

fn shown(fault: Fault) -> String {
    format!("{}: {}", fault.param.as_deref().unwrap_or("-"), fault.message)
}

/// A new session that is fine, with `fields` put over it; null removes.
fn session(fields: Value) -> Result<SessionCreate, String> {
    let mut body = object(json!({ "environment": { "type": "none" }, "agent": { "model": "m" }, "input": "hi" }));
    for (key, value) in object(fields) {
        match value.as_str() {
            Some("(absent)") => body.remove(&key),
            _ => body.insert(key, value),
        };
    }
    SessionCreate::read(body).map_err(shown)
}

fn agent(fields: Value) -> Result<AgentCreate, String> {
    let mut body = object(json!({ "model": "m" }));
    body.extend(object(fields));
    AgentCreate::read(body).map_err(shown)
}

fn update(body: Value) -> Result<SessionUpdate, String> {
    SessionUpdate::read(object(body)).map_err(shown)
}

fn events(events: Value) -> Result<Vec<Input>, String> {
    Input::read_all(object(json!({ "events": events }))).map_err(shown)
}

fn function(name: &str) -> Value {
    json!({ "type": "function", "name": name, "description": "d", "parameters": { "type": "object" } })
}

#[test]
fn agents_get_the_originals_defaults() {
    let plain = AgentCreate::read(object(json!({ "model": "any name/at:all" }))).unwrap();
    assert_eq!(plain.model, "any name/at:all");
    assert_eq!((plain.name, plain.metadata.len(), plain.settings), (None, 0, AgentPatch::default()));

    let full = agent(json!({
        "name": null, "metadata": null, "instructions": null, "tools": null, "reasoning": {}, "text": null,
        "service_tier": null, "compaction": {}, "multi_agent": { "enabled": true }, "experimental": {},
    }))
    .unwrap();
    assert_eq!(
        full.settings,
        AgentPatch {
            model: None,
            instructions: Some(None),
            tools: Some(Vec::new()),
            reasoning: Some(Reasoning::default()),
            text: Some(TextSettings { format: Format::Text, verbosity: Verbosity::Medium }),
            service_tier: Some(ServiceTier::Auto),
            async_compaction: Some(false),
            multi_agent: Some(MultiAgent { enabled: true, max_concurrent_subagents: Some(6) }),
            time_awareness: None,
        }
    );
    let off = agent(json!({ "multi_agent": { "enabled": false, "max_concurrent_subagents": 9 } })).unwrap();
    assert_eq!(off.settings.multi_agent, Some(MultiAgent { enabled: false, max_concurrent_subagents: None }));
    let tier = agent(json!({ "service_tier": "flex", "reasoning": { "effort": "max" } })).unwrap().settings;
    assert_eq!(tier.service_tier, Some(ServiceTier::Flex));
    assert_eq!(tier.reasoning.unwrap().effort, Some(Effort::Max));
}

#[test]
fn every_kind_of_tool_is_read() {
    let tools = agent(json!({ "tools": [
        { "type": "function", "name": "an odd näme!", "description": "", "parameters": {}, "async": true },
        { "type": "tool_search" },
        { "type": "programmatic_tool_calling" },
        { "type": "mcp", "server_label": "a", "transport": { "type": "http", "server_url": "https://a.example",
            "headers": { "x": "y" } }, "allowed_tools": ["t"], "connection_origin": null, "required": true },
        { "type": "mcp", "server_label": "b", "transport": { "type": "stdio", "command": "c", "cwd": "/", "args": null,
            "env_vars": ["HOME"] } },
        { "type": "web_search", "location": { "city": "Rome" }, "allowed_domains": ["a.example"] },
        { "type": "computer_use" },
        { "type": "automations" },
    ] }))
    .unwrap()
    .settings
    .tools
    .unwrap();
    let [function, ToolParam::ToolSearch, code, ToolParam::Mcp(http), ToolParam::Mcp(stdio), search, screen, last] =
        tools.as_slice()
    else {
        panic!("{tools:?}")
    };
    assert!(matches!(function, ToolParam::Function { is_async: Some(true), defer_loading: false, .. }));
    assert_eq!(*code, ToolParam::ProgrammaticToolCalling { enabled: true });
    assert_eq!((http.connection_origin, http.required), (ConnectionOrigin::Service, true));
    assert!(matches!(&http.transport, TransportParam::Http { headers, authorization: None, .. } if headers.len() == 1));
    assert!(
        matches!(&stdio.transport, TransportParam::Stdio { args, env_vars, .. } if args.is_empty() && env_vars == &["HOME"])
    );
    let ToolParam::WebSearch(search) = search else { panic!("{search:?}") };
    assert_eq!(search.mode, SearchMode::Live);
    assert_eq!(search.location.as_ref().unwrap().len(), 4);
    assert_eq!(*screen, ToolParam::ComputerUse { include_screenshots: false });
    assert_eq!(*last, ToolParam::Automations);
}

#[test]
fn bad_agents_are_refused() {
    let mcp = |transport: Value| json!({ "tools": [{ "type": "mcp", "server_label": "s", "transport": transport }] });
    let long_name = "n".repeat(129);
    let pairs: Map<String, Value> = (0..17).map(|i| (format!("k{i}"), json!("v"))).collect();
    let key = "k".repeat(65);
    let cases = [
        (json!({ "model": 7 }), "model: Invalid type for 'model': expected a string, but got an integer instead."),
        (
            json!({ "model": "" }),
            "model: Invalid 'model': empty string. Expected a string with minimum length 1, but got an empty string instead.",
        ),
        (json!({ "x": 1 }), "x: Unknown parameter: 'x'."),
        (
            json!({ "name": long_name }),
            "name: Invalid 'name': string too long. Expected a string with maximum length 128, but got a string with length 129 instead.",
        ),
        (
            json!({ "metadata": pairs }),
            "metadata: Invalid 'metadata': too many properties. Expected an object with at most 16 properties, but got an object with 17 properties instead.",
        ),
        (
            json!({ "metadata": { "a": 1 } }),
            "metadata.a: Invalid type for 'metadata.a': expected a string, but got an integer instead.",
        ),
        (
            json!({ "metadata": { "a": "v".repeat(513) } }),
            "metadata.a: Invalid 'metadata.a': string too long. Expected a string with maximum length 512, but got a string with length 513 instead.",
        ),
        (
            json!({ "metadata": { key.clone(): "v" } }),
            &format!(
                "metadata: Invalid property name in 'metadata': '{key}' is too long. Expected a string with maximum length 64, but got a string with length 65 instead."
            ),
        ),
        (
            json!({ "metadata": { "": "v" } }),
            "metadata: Invalid property name in 'metadata': '' is too short. Expected a string with minimum length 1, but got an empty string instead.",
        ),
        (
            json!({ "model": "m".repeat(257) }),
            "model: Invalid 'model': string too long. Expected a string with maximum length 256, but got a string with length 257 instead.",
        ),
        (
            json!({ "service_tier": "x" }),
            "service_tier: Invalid value: 'x'. Supported values are: 'auto', 'default', 'flex', 'priority', 'fast', and 'ultrafast'.",
        ),
        (
            json!({ "experimental": { "time_awareness": "yes" } }),
            "experimental.time_awareness: Invalid type for 'experimental.time_awareness': expected a boolean, but got a string instead.",
        ),
        (
            json!({ "experimental": null }),
            "experimental: Invalid type for 'experimental': expected an object, but got null instead.",
        ),
        (json!({ "multi_agent": {} }), "multi_agent.enabled: Missing required parameter: 'multi_agent.enabled'."),
        (
            json!({ "multi_agent": { "enabled": true, "max_concurrent_subagents": 0 } }),
            "multi_agent.max_concurrent_subagents: Invalid 'multi_agent.max_concurrent_subagents': integer below minimum value. Expected a value >= 1, but got 0 instead.",
        ),
        (
            json!({ "multi_agent": { "enabled": true, "max_concurrent_subagents": 1_u64 << 32 } }),
            "multi_agent.max_concurrent_subagents: Invalid 'multi_agent.max_concurrent_subagents': integer above maximum value. Expected a value <= 4294967295, but got 4294967296 instead.",
        ),
        (json!({ "tools": [{}] }), "tools[0].type: Missing required parameter: 'tools[0].type'."),
        (
            json!({ "tools": [{ "type": "shell" }] }),
            "tools[0].type: Invalid value: 'shell'. Supported values are: 'function', 'tool_search', 'programmatic_tool_calling', 'mcp', 'web_search', 'computer_use', and 'automations'.",
        ),
        (
            json!({ "tools": [{ "type": "function", "name": "f", "description": "" }] }),
            "tools[0].parameters: Missing required parameter: 'tools[0].parameters'.",
        ),
        (
            json!({ "tools": [{ "type": "function", "name": "f", "description": "", "parameters": { "type": "array" } }] }),
            "tools[0].parameters: Invalid schema for function 'f': schema must be a JSON Schema of 'type: \"object\"', got 'type: \"array\"'.",
        ),
        (json!({ "tools": [function("f"), function("f")] }), "tools: duplicate function tool name: f"),
        (json!({ "tools": [{ "type": "web_search" }, { "type": "web_search" }] }), "tools: duplicate web_search tool"),
        (json!({ "tools": [{ "type": "automations", "x": 1 }] }), "tools[0].x: Unknown parameter: 'tools[0].x'."),
        (
            mcp(json!({ "type": "http", "server_url": "u", "authorization": "secret" })),
            "tools[0].transport.authorization: Unknown parameter: 'tools[0].transport.authorization'.",
        ),
        (
            mcp(json!({ "type": "stdio", "command": "c", "cwd": "/", "env": {} })),
            "tools[0].transport.env: Unknown parameter: 'tools[0].transport.env'.",
        ),
        (
            json!({ "tools": [{ "type": "web_search", "allowed_domains": [] }] }),
            "tools[0].allowed_domains: Invalid 'tools[0].allowed_domains': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        ),
        (
            json!({ "text": { "format": { "type": "json_schema" } } }),
            "text.format.schema: Missing required parameter: 'text.format.schema'.",
        ),
    ];
    for (fields, expected) in cases {
        assert_eq!(agent(fields.clone()).unwrap_err(), expected, "{fields}");
    }
    assert_eq!(
        AgentCreate::read(Map::new()).map_err(shown).unwrap_err(),
        "model: Missing required parameter: 'model'."
    );
}

#[test]
fn names_of_models_have_a_bound_everywhere() {
    let (fits, long) = ("m".repeat(256), "m".repeat(257));
    let over = |path: &str| {
        format!(
            "{path}: Invalid '{path}': string too long. Expected a string with maximum length 256, but got a string with length 257 instead."
        )
    };
    let changed = |model: &str| AgentUpdate::read(object(json!({ "model": model }))).map_err(shown);
    assert_eq!(changed(&fits).unwrap().settings.model.as_ref(), Some(&fits));
    assert_eq!(changed(&long).unwrap_err(), over("model"));
    assert_eq!(session(json!({ "agent": { "model": long } })).unwrap_err(), over("agent.model"));
    assert_eq!(update(json!({ "agent": { "model": long } })).unwrap_err(), over("agent.model"));
}

#[test]
fn schemas_keep_the_order_of_their_keys() {
    let schema = r#"{"type":"object","properties":{"z":{"type":"string","enum":["b","a"]},"a":{}},"$comment":"c"}"#;
    let body = format!(
        r#"{{"model":"m","tools":[{{"type":"function","parameters":{schema},"name":"f","description":"d"}}],
            "text":{{"format":{{"type":"json_schema","schema":{schema}}}}}}}"#
    );
    let agent = AgentCreate::read(crate::body::parse(Some("application/json"), body.as_bytes()).unwrap()).unwrap();
    let tools = agent.settings.tools.unwrap();
    let ToolParam::Function { parameters, .. } = &tools[0] else { panic!("{tools:?}") };
    let Format::JsonSchema(format) = agent.settings.text.unwrap().format else { panic!("no schema") };
    for (name, read) in [("parameters", parameters), ("format", &format)] {
        assert_eq!(serde_json::to_string(read).unwrap(), schema, "{name}");
    }
}

#[test]
fn large_tools_and_schemas_are_refused() {
    let big = json!({ "type": "object", "description": "x".repeat(2 << 20) });
    let tool = |name: &str| json!({ "type": "function", "name": name, "description": "", "parameters": big });
    let format = json!({ "format": { "type": "json_schema", "schema": big } });
    assert!(agent(json!({ "tools": [tool("a")], "text": null })).is_ok());
    let two = agent(json!({ "tools": [tool("a"), tool("b")] })).unwrap_err();
    assert!(two.starts_with("tools: Invalid 'tools': tool list too large."), "{two}");
    let both = agent(json!({ "tools": [tool("a")], "text": format })).unwrap_err();
    assert!(both.contains("schemas too large"), "{both}");
}

#[test]
fn agent_updates_tell_missing_from_null() {
    let update = |body| AgentUpdate::read(object(body)).map_err(shown).unwrap();
    let nothing = update(json!({}));
    assert_eq!((nothing.name, nothing.metadata, nothing.settings), (None, None, AgentPatch::default()));
    let reset = update(json!({ "name": null, "metadata": null, "reasoning": null }));
    assert_eq!((reset.name, reset.metadata), (Some(None), Some(BTreeMap::new())));
    assert_eq!(reset.settings.reasoning, Some(Reasoning::default()));
}

#[test]
fn sessions_are_read() {
    let plain = session(json!({})).unwrap();
    assert_eq!(plain.input, vec![Message { content: vec![InputContent::Text("hi".into())] }]);
    assert_eq!((plain.stream, plain.include_obfuscation, plain.review), (false, true, Review::None));
    assert_eq!((plain.spend_limit, plain.prompt_cache, plain.agent.model.as_deref()), (None, None, Some("m")));

    let saved = session(json!({
        "agent_id": "agent_1", "agent": "(absent)", "input": [
            { "role": "user", "content": [{ "type": "input_text", "text": " " }, { "type": "input_image", "image_url": "https://u" }] },
            { "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "\u{0}" }] },
        ],
        "metadata": null, "vault_ids": null, "spend_control": { "limit": 5 }, "prompt_cache_options": {},
        "review": "auto_review", "stream": true, "stream_options": { "include_obfuscation": false },
    }))
    .unwrap();
    assert_eq!((saved.input.len(), saved.input[0].content.len()), (2, 2));
    assert_eq!((saved.spend_limit, saved.prompt_cache), (Some(5), Some(CacheTtl::ThirtyMinutes)));
    assert_eq!((saved.stream, saved.include_obfuscation, saved.review), (true, false, Review::AutoReview));

    let secret = session(json!({ "agent": { "model": "m", "tools": [{ "type": "mcp", "server_label": "s",
        "transport": { "type": "http", "server_url": "u", "authorization": "secret" } }] } }))
    .unwrap();
    assert!(matches!(&secret.agent.tools.unwrap()[0], ToolParam::Mcp(mcp)
        if matches!(&mcp.transport, TransportParam::Http { authorization: Some(_), .. })));
}

fn self_hosted(fields: Value) -> Result<SelfHosted, String> {
    let mut environment = json!({ "type": "self_hosted" });
    environment.as_object_mut().unwrap().extend(object(fields));
    session(json!({ "environment": environment, "input": "(absent)" }))?.environment.self_hosted().map_err(shown)
}

#[test]
fn self_hosted_environments_are_read() {
    let plain = self_hosted(json!({ "workspace_directory": "/w/a b/..c", "capability_directories": null })).unwrap();
    assert_eq!((plain.workspace_directory.as_str(), plain.capability_directories.len()), ("/w/a b/..c", 0));
    let whole = self_hosted(json!({ "workspace_directory": "/", "capability_directories": ["/a", "/b"] })).unwrap();
    assert_eq!(whole.capability_directories, ["/a", "/b"]);
    let (path, list) = ("environment.workspace_directory", "environment.capability_directories");
    let unclean =
        |at: &str, name: &str| format!("{at}: {name} must be an absolute POSIX path without '.' or '..' in it");
    let cases = [
        (json!({}), format!("{path}: Missing required parameter: '{path}'.")),
        (json!({ "workspace_directory": "w" }), unclean(path, "workspace_directory")),
        (json!({ "workspace_directory": "/w/../x" }), unclean(path, "workspace_directory")),
        (json!({ "workspace_directory": "/w/./x" }), unclean(path, "workspace_directory")),
        (json!({ "workspace_directory": "/w\u{0}" }), unclean(path, "workspace_directory")),
        (
            json!({ "workspace_directory": 1 }),
            format!("{path}: Invalid type for '{path}': expected a string, but got an integer instead."),
        ),
        (
            json!({ "workspace_directory": "" }),
            format!(
                "{path}: Invalid '{path}': empty string. Expected a string with minimum length 1, but got an empty string instead."
            ),
        ),
        (
            json!({ "workspace_directory": "/w", "capability_directories": ["/a", "b"] }),
            unclean(&format!("{list}[1]"), "capability_directories[1]"),
        ),
        (
            json!({ "workspace_directory": "/w", "remote_url": "u" }),
            "environment.remote_url: Unknown parameter: 'environment.remote_url'.".to_owned(),
        ),
    ];
    for (fields, expected) in cases {
        assert_eq!(self_hosted(fields.clone()).unwrap_err(), expected, "{fields}");
    }
    assert!(self_hosted(json!({ "workspace_directory": format!("/{}", "w".repeat(5000)) })).is_err());
    let many = json!({ "workspace_directory": "/w", "capability_directories": vec!["/a"; 65] });
    assert!(self_hosted(many).is_err());
    let streamed = json!({ "environment": { "type": "self_hosted" }, "input": "(absent)", "stream": true });
    assert!(session(streamed).is_ok());
}

#[test]
fn bad_sessions_are_refused() {
    let empty_text = |path: &str| {
        format!(
            "{path}: Invalid '{path}': empty string. Expected a string with minimum length 1, but got an empty string instead."
        )
    };
    let empty_array = |path: &str| {
        format!(
            "{path}: Invalid '{path}': empty array. Expected an array with minimum length 1, but got an empty array instead."
        )
    };
    let typed = |kind: Value| json!({ "input": [{ "type": kind, "role": "user", "content": [] }] });
    let cases = [
        (json!({ "environment": "(absent)" }), "environment: Missing required parameter: 'environment'.".to_owned()),
        (
            json!({ "environment": { "type": "vm" } }),
            "environment.type: Invalid value: 'vm'. Supported values are: 'none', 'openai_hosted', and 'self_hosted'.".into(),
        ),
        (json!({ "environment": { "type": "none", "id": 1 } }), "environment.id: Unknown parameter: 'environment.id'.".into()),
        (json!({ "agent": "(absent)" }), "agent: Missing required parameter: 'agent'.".into()),
        (json!({ "agent": {} }), "agent.model: Missing required parameter: 'agent.model'.".into()),
        (json!({ "agent": { "model": "m", "name": "n" } }), "agent.name: Unknown parameter: 'agent.name'.".into()),
        (
            json!({ "agent": { "model": "m", "tools": [function("f"), function("f")] } }),
            "agent.tools: duplicate function tool name: f".into(),
        ),
        (
            json!({ "agent": { "model": "m", "tools": [{ "type": "function", "name": "f", "description": "d", "parameters": 1 }] } }),
            "agent.tools[0].parameters: Invalid type for 'agent.tools[0].parameters': expected an object, but got an integer instead.".into(),
        ),
        (
            json!({ "agent_id": "a".repeat(65) }),
            "agent_id: Invalid 'agent_id': string too long. Expected a string with maximum length 64, but got a string with length 65 instead.".into(),
        ),
        (json!({ "input": "(absent)" }), "input: conversation-only sessions currently require initial input".into()),
        (json!({ "input": null }), "input: conversation-only sessions currently require initial input".into()),
        (
            json!({ "input": "(absent)", "environment": { "type": "openai_hosted" }, "stream": true }),
            "input: streaming sessions require initial input".into(),
        ),
        (json!({ "input": "" }), empty_text("input")),
        (json!({ "input": [] }), empty_array("input")),
        (json!({ "input": [{ "role": "user", "content": [] }] }), empty_array("input[0].content")),
        (
            json!({ "input": [{ "role": "user", "content": [{ "type": "input_text", "text": "" }] }] }),
            empty_text("input[0].content[0].text"),
        ),
        (json!({ "input": 1 }), "input: Invalid type for 'input': expected one of a string or an array of objects, but got an integer instead.".into()),
        (typed(json!("x")), "input[0].type: Invalid value: 'x'. Supported values are: 'message'.".into()),
        (typed(json!("")), "input[0].type: Invalid value: ''. Supported values are: 'message'.".into()),
        (
            typed(json!(null)),
            "input[0].type: Invalid type for 'input[0].type': expected one of 'message', but got null instead.".into(),
        ),
        (
            json!({ "input": [{ "role": "system", "content": [] }] }),
            "input[0].role: Invalid value: 'system'. Supported values are: 'user'.".into(),
        ),
        (
            json!({ "input": [{ "role": "user", "content": "hi" }] }),
            "input[0].content: Invalid type for 'input[0].content': expected an array of objects, but got a string instead.".into(),
        ),
        (
            json!({ "spend_control": { "limit": 0 } }),
            "spend_control.limit: Invalid 'spend_control.limit': integer below minimum value. Expected a value >= 1, but got 0 instead.".into(),
        ),
        (json!({ "spend_control": {} }), "spend_control.limit: Missing required parameter: 'spend_control.limit'.".into()),
        (json!({ "stream": "yes" }), "stream: Invalid type for 'stream': expected a boolean, but got a string instead.".into()),
        (
            json!({ "stream_options": {} }),
            "stream_options: The 'stream_options' parameter is only allowed when 'stream' is true.".into(),
        ),
        (
            json!({ "prompt_cache_options": { "ttl": "1h" } }),
            "prompt_cache_options.ttl: Invalid value: '1h'. Supported values are: '30m' and '12h'.".into(),
        ),
        (json!({ "colour": 1 }), "colour: Unknown parameter: 'colour'.".into()),
    ];
    for (fields, expected) in cases {
        assert_eq!(session(fields.clone()).unwrap_err(), expected, "{fields}");
    }
}

#[test]
fn session_updates_tell_missing_from_null() {
    for nothing in [json!({}), json!({ "agent": {} }), json!({ "agent": { "reasoning": {} } })] {
        assert_eq!(update(nothing).unwrap_err(), "-: At least one field to update is required.");
    }
    assert_eq!(update(json!({ "agent": {}, "x": 1 })).unwrap_err(), "x: Unknown parameter: 'x'.");
    assert_eq!(update(json!({ "input": "x" })).unwrap_err(), "input: Unknown parameter: 'input'.");
    assert_eq!(
        update(json!({ "agent": { "instructions": "x" } })).unwrap_err(),
        "agent.instructions: Unknown parameter: 'agent.instructions'."
    );
    let reset = update(json!({
        "agent": { "reasoning": { "effort": null }, "service_tier": null, "tools": null },
        "metadata": null, "prompt_cache_options": null, "spend_control": null,
    }))
    .unwrap();
    assert_eq!(
        (reset.effort, reset.service_tier, reset.tools),
        (Some(None), Some(ServiceTier::Auto), Some(Vec::new()))
    );
    assert_eq!(
        (reset.metadata, reset.prompt_cache, reset.spend_limit),
        (Some(BTreeMap::new()), Some(None), Some(None))
    );
    let kept =
        update(json!({ "agent": { "model": "n", "reasoning": {} }, "spend_control": { "limit": null } })).unwrap();
    assert_eq!((kept.effort, kept.service_tier, kept.tools), (None, None, None));
    assert_eq!((kept.model.as_deref(), kept.spend_limit, kept.review), (Some("n"), Some(None), None));
}

#[test]
fn all_input_events_are_read() {
    let read = events(json!([
        { "type": "agent.session.input.message", "input": [{ "role": "user", "content": [{ "type": "input_text", "text": "a" }] }] },
        { "type": "agent.session.input.cancel" },
        { "type": "agent.session.input.tool_result", "turn_id": "t", "call_id": "c", "success": true, "output": "" },
        { "type": "agent.session.input.tool_result", "turn_id": "t", "call_id": "c", "success": false, "error": "e",
          "output": [{ "type": "input_text", "text": "" }] },
        { "type": "agent.session.input.mcp_approval_request_result", "request_id": "r",
          "response": { "type": "mcp_tool_call", "decision": "deny" } },
        { "type": "agent.session.input.computer_use_approval_request_result", "request_id": "r",
          "response": { "type": "browser_authentication", "action": "submit", "fields": [{ "field_id": "f", "value": "v" }] } },
        { "type": "agent.session.input.computer_use_approval_request_result", "request_id": "r",
          "response": { "type": "browser_origin_access", "decision": "approve" } },
    ]))
    .unwrap();
    assert_eq!(read.len(), 7);
    assert_eq!(
        read[2],
        Input::ToolResult {
            turn_id: "t".into(),
            call_id: "c".into(),
            success: true,
            output: Some(CallOutput::Text(String::new())),
            error: None
        }
    );
    assert!(matches!(&read[3], Input::ToolResult { output: Some(CallOutput::Parts(parts)), .. } if parts.len() == 1));
    assert_eq!(read[4], Input::McpApproval { request_id: "r".into(), decision: Decision::Deny });
    assert_eq!(events(json!([])), Ok(Vec::new()));
}

#[test]
fn bad_input_events_are_refused() {
    let message = |input: Value| json!([{ "type": "agent.session.input.message", "input": input }]);
    let cases = [
        (json!(null), "events: Invalid type for 'events': expected an array of objects, but got null instead."),
        (json!([1]), "events[0]: Invalid type for 'events[0]': expected an object, but got an integer instead."),
        (json!([{}]), "events[0].type: Missing required parameter: 'events[0].type'."),
        (json!([{ "type": "agent.session.input.cancel", "x": 1 }]), "events[0].x: Unknown parameter: 'events[0].x'."),
        (
            message(json!("hi")),
            "events[0].input: Invalid type for 'events[0].input': expected an array of objects, but got a string instead.",
        ),
        (
            message(json!([])),
            "events[0].input: Invalid 'events[0].input': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        ),
        (
            message(json!(vec![json!({}); 10_001])),
            "events[0].input: Invalid 'events[0].input': array too long. Expected an array with maximum length 10000, but got an array with length 10001 instead.",
        ),
        (
            message(json!([{ "role": "user", "content": [{ "type": "input_image", "image_url": "cat.png" }] }])),
            "events[0].input[0].content[0].image_url: Invalid 'events[0].input[0].content[0].image_url'. Expected a valid URL, but got a value with an invalid format.",
        ),
        (
            json!([{ "type": "agent.session.input.cancel" }, { "type": "agent.session.input.tool_result", "turn_id": "t", "call_id": "c" }]),
            "events[1].success: Missing required parameter: 'events[1].success'.",
        ),
        (
            json!([{ "type": "agent.session.input.mcp_approval_request_result", "request_id": "r", "response": { "type": "mcp_tool_call", "decision": "yes" } }]),
            "events[0].response.decision: Invalid value: 'yes'. Supported values are: 'approve', 'deny', and 'cancel'.",
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(events(body).unwrap_err(), expected);
    }
    let event = |kind: &str, id: &str| {
        let mut event = json!({ "type": format!("agent.session.input.{kind}"), "turn_id": "t", "call_id": "c",
            "request_id": "r", "success": true });
        event[id] = json!("ö".repeat(257));
        events(json!([event])).unwrap_err()
    };
    for (kind, id) in [
        ("tool_result", "turn_id"),
        ("tool_result", "call_id"),
        ("mcp_approval_request_result", "request_id"),
        ("computer_use_approval_request_result", "request_id"),
    ] {
        let path = format!("events[0].{id}");
        let expected = format!(
            "{path}: Invalid '{path}': string too long. Expected a string with maximum length 256, but got a string with length 257 instead."
        );
        assert_eq!(event(kind, id), expected);
    }
    let missing = Input::read_all(Map::new()).map_err(shown).unwrap_err();
    assert_eq!(missing, "events: Missing required parameter: 'events'.");
}
