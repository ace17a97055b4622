//! A request in the words of the Chat Completions wire.

use super::messages::messages;
use crate::{custom, sampling, schema};
use serde_json::{Map, Value, json};
use types::{FunctionKind, FunctionTool, ModelRequest, ToolChoice, Verbosity};

pub(super) fn question(request: &ModelRequest, is_openai: bool) -> Value {
    let mut body = Map::new();
    body.insert("model".into(), json!(request.model));
    body.insert("messages".into(), messages(request.instructions.as_deref(), &request.context));
    if !request.tools.is_empty() {
        body.insert("tools".into(), request.tools.iter().map(tool).collect());
        if let Some(choice) = choice(&request.tool_choice) {
            body.insert("tool_choice".into(), choice);
        }
        if !request.parallel_tool_calls {
            body.insert("parallel_tool_calls".into(), json!(false));
        }
    }
    if let Some(parts) = schema::format(&request.format) {
        let format = if parts.is_empty() {
            json!({"type": "json_object"})
        } else {
            json!({"type": "json_schema", "json_schema": parts})
        };
        body.insert("response_format".into(), format);
    }
    // Medium is the default everywhere, and most servers know no verbosity.
    if request.verbosity != Verbosity::Medium {
        body.insert("verbosity".into(), json!(request.verbosity));
    }
    if let Some(effort) = request.effort {
        body.insert("reasoning_effort".into(), json!(effort));
    }
    if let Some(limit) = request.max_output_tokens {
        let name = if is_openai { "max_completion_tokens" } else { "max_tokens" };
        body.insert(name.into(), json!(limit));
    }
    sampling::insert(&request.sampling, &mut body);
    sampling::insert_more(&request.sampling, &mut body);
    if let Some(top) = request.top_logprobs {
        body.insert("logprobs".into(), json!(true));
        body.insert("top_logprobs".into(), json!(top));
    }
    if is_openai {
        body.insert("prompt_cache_key".into(), json!(request.cache_key));
    }
    body.insert("stream".into(), json!(true));
    body.insert("stream_options".into(), json!({"include_usage": true}));
    Value::Object(body)
}

/// Auto is the wire's default.
fn choice(choice: &ToolChoice) -> Option<Value> {
    match choice {
        ToolChoice::Auto => None,
        ToolChoice::None => Some(json!("none")),
        ToolChoice::Required => Some(json!("required")),
        ToolChoice::Function(name) => Some(json!({"type": "function", "function": {"name": name}})),
    }
}

fn tool(tool: &FunctionTool) -> Value {
    let mut function = Map::new();
    function.insert("name".into(), json!(tool.name));
    if !tool.description.is_empty() {
        function.insert("description".into(), json!(tool.description));
    }
    let (parameters, strict) = match &tool.kind {
        FunctionKind::Function { strict } => (schema::parameters(&tool.parameters), *strict),
        FunctionKind::Custom { .. } => (Value::Object(custom::parameters()), None),
    };
    // Not strict is the wire's default, and some servers do not know the word.
    if strict.unwrap_or_else(|| parameters.as_object().is_some_and(schema::fits_strict)) {
        function.insert("strict".into(), json!(true));
    }
    function.insert("parameters".into(), parameters);
    json!({"type": "function", "function": function})
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::{Sampling, TextFormat};

    #[test]
    fn newer_fields_go_to_openai_only() {
        let request = ModelRequest {
            model: "m".into(),
            instructions: None,
            context: std::sync::Arc::default(),
            tools: Default::default(),
            tool_choice: ToolChoice::Auto,
            format: TextFormat::Text,
            verbosity: Verbosity::Medium,
            effort: None,
            summary: None,
            max_output_tokens: Some(7),
            sampling: Sampling::default(),
            cache_key: "cache".into(),
            parallel_tool_calls: true,
            top_logprobs: None,
        };
        let at_openai = question(&request, true);
        assert_eq!((&at_openai["max_completion_tokens"], &at_openai["prompt_cache_key"]), (&json!(7), &json!("cache")));
        assert_eq!(at_openai.get("max_tokens"), None);
        let elsewhere = question(&request, false);
        assert_eq!(elsewhere["max_tokens"], 7);
        assert_eq!((elsewhere.get("max_completion_tokens"), elsewhere.get("prompt_cache_key")), (None, None));
    }
}
