//! A request in the words of the Responses wire.

use crate::{custom, sampling, schema};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use types::{
    CallId, CallOutput, Content, ContextItem, CustomFormat, FunctionKind, FunctionTool, ModelRequest, ToolChoice,
    Verbosity,
};

pub(super) fn question(request: &ModelRequest) -> Value {
    let mut body = Map::new();
    body.insert("model".into(), json!(request.model));
    if let Some(instructions) = &request.instructions {
        body.insert("instructions".into(), json!(instructions));
    }
    body.insert("input".into(), input(&request.context));
    if !request.tools.is_empty() {
        body.insert("tools".into(), request.tools.iter().map(tool).collect());
        if let Some(choice) = choice(request) {
            body.insert("tool_choice".into(), choice);
        }
        if !request.parallel_tool_calls {
            body.insert("parallel_tool_calls".into(), json!(false));
        }
    }
    if let Some(text) = text(request) {
        body.insert("text".into(), text);
    }
    let mut include = Vec::new();
    if let Some(reasoning) = reasoning(request) {
        body.insert("reasoning".into(), reasoning);
        // A model that does not reason refuses to be asked for this.
        include.push("reasoning.encrypted_content");
    }
    if let Some(top) = request.top_logprobs {
        body.insert("top_logprobs".into(), json!(top));
        include.push("message.output_text.logprobs");
    }
    if !include.is_empty() {
        body.insert("include".into(), json!(include));
    }
    if let Some(limit) = request.max_output_tokens {
        body.insert("max_output_tokens".into(), json!(limit));
    }
    // This wire knows neither seeds nor stop texts nor penalties.
    sampling::insert(&request.sampling, &mut body);
    body.insert("prompt_cache_key".into(), json!(request.cache_key));
    body.insert("store".into(), json!(false));
    body.insert("stream".into(), json!(true));
    Value::Object(body)
}

fn input(context: &[ContextItem]) -> Value {
    let customs: BTreeSet<&CallId> = context
        .iter()
        .filter_map(|item| match item {
            ContextItem::Call { call_id, custom: true, .. } => Some(call_id),
            _ => None,
        })
        .collect();
    context.iter().filter_map(|one| item(one, &customs)).collect()
}

/// `customs` are the calls of custom tools.
fn item(item: &ContextItem, customs: &BTreeSet<&CallId>) -> Option<Value> {
    Some(match item {
        ContextItem::User { content } => {
            json!({"type": "message", "role": "user", "content": parts(content)})
        }
        ContextItem::System { content } => {
            json!({"type": "message", "role": "developer", "content": parts(content)})
        }
        ContextItem::Assistant { text } if text.is_empty() => return None,
        ContextItem::Assistant { text } => {
            json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]})
        }
        ContextItem::Reasoning { opaque, .. } => return carries_reasoning(opaque).then(|| opaque.clone()),
        ContextItem::Call { call_id, name, arguments, custom: true } => {
            json!({"type": "custom_tool_call", "call_id": call_id, "name": name, "input": arguments})
        }
        ContextItem::Call { call_id, name, arguments, custom: false } => {
            json!({"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments})
        }
        ContextItem::Output { call_id, output } => {
            let output = match output {
                CallOutput::Text(text) => json!(text),
                CallOutput::Parts(content) => parts(content),
            };
            let is_custom = customs.contains(call_id);
            let kind = if is_custom { "custom_tool_call_output" } else { "function_call_output" };
            json!({"type": kind, "call_id": call_id, "output": output})
        }
    })
}

/// An upstream that keeps nothing refuses a reasoning item that is only a name; and what another provider wrote is not
/// ours to send.
fn carries_reasoning(opaque: &Value) -> bool {
    opaque["type"] == "reasoning"
        && (opaque["encrypted_content"].is_string()
            || opaque["content"].as_array().is_some_and(|content| !content.is_empty()))
}

fn parts(content: &[Content]) -> Value {
    content
        .iter()
        .map(|part| match part {
            Content::Text { text } => json!({"type": "input_text", "text": text}),
            Content::Image { image_url } => json!({"type": "input_image", "image_url": image_url, "detail": "auto"}),
            Content::File { filename, data } => {
                let filename = filename.as_deref().unwrap_or("file");
                json!({"type": "input_file", "filename": filename, "file_data": data})
            }
        })
        .collect()
}

/// Auto is the wire's default.
fn choice(request: &ModelRequest) -> Option<Value> {
    match &request.tool_choice {
        ToolChoice::Auto => None,
        ToolChoice::None => Some(json!("none")),
        ToolChoice::Required => Some(json!("required")),
        ToolChoice::Function(name) => {
            let kind = if custom::is_named(&request.tools, name) { "custom" } else { "function" };
            Some(json!({"type": kind, "name": name}))
        }
    }
}

fn tool(tool: &FunctionTool) -> Value {
    match &tool.kind {
        FunctionKind::Function { strict } => json!({
            "type": "function",
            "name": tool.name,
            "description": tool.description,
            "parameters": schema::parameters(&tool.parameters),
            // Said always: the wire's default is strict.
            "strict": strict.unwrap_or_else(|| schema::fits_strict(&tool.parameters)),
        }),
        FunctionKind::Custom { format } => json!({
            "type": "custom",
            "name": tool.name,
            "description": tool.description,
            "format": match format {
                CustomFormat::Text => json!({"type": "text"}),
                CustomFormat::Grammar { syntax, definition } => {
                    json!({"type": "grammar", "syntax": syntax, "definition": definition})
                }
            },
        }),
    }
}

/// Medium is the default everywhere, and models that know no verbosity refuse the field.
fn text(request: &ModelRequest) -> Option<Value> {
    let mut text = Map::new();
    if let Some(mut parts) = schema::format(&request.format) {
        let kind = if parts.is_empty() { "json_object" } else { "json_schema" };
        parts.insert("type".into(), json!(kind));
        text.insert("format".into(), Value::Object(parts));
    }
    if request.verbosity != Verbosity::Medium {
        text.insert("verbosity".into(), json!(request.verbosity));
    }
    (!text.is_empty()).then_some(Value::Object(text))
}

fn reasoning(request: &ModelRequest) -> Option<Value> {
    let mut reasoning = Map::new();
    if let Some(effort) = request.effort {
        reasoning.insert("effort".into(), json!(effort));
    }
    if let Some(summary) = request.summary {
        reasoning.insert("summary".into(), json!(summary));
    }
    (!reasoning.is_empty()).then_some(Value::Object(reasoning))
}
