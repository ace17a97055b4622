//! A request in the words of the Responses wire.

use crate::{sampling, schema};
use serde_json::{Map, Value, json};
use types::{CallOutput, Content, ContextItem, FunctionTool, ModelRequest, TextFormat, ToolChoice, Verbosity};

pub(super) fn question(request: &ModelRequest) -> Value {
    let mut body = Map::new();
    body.insert("model".into(), json!(request.model));
    if let Some(instructions) = &request.instructions {
        body.insert("instructions".into(), json!(instructions));
    }
    body.insert("input".into(), request.context.iter().filter_map(item).collect());
    if !request.tools.is_empty() {
        body.insert("tools".into(), request.tools.iter().map(tool).collect());
        if let Some(choice) = choice(&request.tool_choice) {
            body.insert("tool_choice".into(), choice);
        }
    }
    if let Some(text) = text(request) {
        body.insert("text".into(), text);
    }
    if let Some(reasoning) = reasoning(request) {
        body.insert("reasoning".into(), reasoning);
        // A model that does not reason refuses to be asked for this.
        body.insert("include".into(), json!(["reasoning.encrypted_content"]));
    }
    if let Some(limit) = request.max_output_tokens {
        body.insert("max_output_tokens".into(), json!(limit));
    }
    // This wire knows neither seeds nor stop texts.
    sampling::insert(&request.sampling, &mut body);
    body.insert("prompt_cache_key".into(), json!(request.cache_key));
    body.insert("store".into(), json!(false));
    body.insert("stream".into(), json!(true));
    Value::Object(body)
}

fn item(item: &ContextItem) -> Option<Value> {
    Some(match item {
        ContextItem::User { content } => {
            json!({"type": "message", "role": "user", "content": parts(content)})
        }
        ContextItem::Assistant { text } if text.is_empty() => return None,
        ContextItem::Assistant { text } => {
            json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]})
        }
        ContextItem::Reasoning { opaque, .. } => return carries_reasoning(opaque).then(|| opaque.clone()),
        ContextItem::Call { call_id, name, arguments } => {
            json!({"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments})
        }
        ContextItem::Output { call_id, output } => {
            let output = match output {
                CallOutput::Text(text) => json!(text),
                CallOutput::Parts(content) => parts(content),
            };
            json!({"type": "function_call_output", "call_id": call_id, "output": output})
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
        })
        .collect()
}

/// Auto is the wire's default.
fn choice(choice: &ToolChoice) -> Option<Value> {
    match choice {
        ToolChoice::Auto => None,
        ToolChoice::None => Some(json!("none")),
        ToolChoice::Required => Some(json!("required")),
        ToolChoice::Function(name) => Some(json!({"type": "function", "name": name})),
    }
}

fn tool(tool: &FunctionTool) -> Value {
    json!({
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": schema::parameters(&tool.parameters),
        // Said always: the wire's default is strict.
        "strict": schema::fits_strict(&tool.parameters),
    })
}

/// Medium is the default everywhere, and models that know no verbosity refuse the field.
fn text(request: &ModelRequest) -> Option<Value> {
    let mut text = Map::new();
    if let TextFormat::JsonSchema { schema } = &request.format {
        let strict = schema::fits_strict(schema);
        text.insert(
            "format".into(),
            json!({"type": "json_schema", "name": schema::ANSWER, "schema": schema, "strict": strict}),
        );
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
