//! A request in the words of the Chat Completions wire.

use super::messages::messages;
use crate::{sampling, schema};
use serde_json::{Map, Value, json};
use types::{FunctionTool, ModelRequest, TextFormat, ToolChoice, Verbosity};

pub(super) fn question(request: &ModelRequest, is_openai: bool) -> Value {
    let mut body = Map::new();
    body.insert("model".into(), json!(request.model));
    body.insert("messages".into(), messages(request.instructions.as_deref(), &request.context));
    if !request.tools.is_empty() {
        body.insert("tools".into(), request.tools.iter().map(tool).collect());
        if let Some(choice) = choice(&request.tool_choice) {
            body.insert("tool_choice".into(), choice);
        }
    }
    if let TextFormat::JsonSchema { schema } = &request.format {
        let strict = schema::fits_strict(schema);
        body.insert(
            "response_format".into(),
            json!({
                "type": "json_schema",
                "json_schema": {"name": schema::ANSWER, "schema": schema, "strict": strict},
            }),
        );
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
    if let Some(seed) = request.sampling.seed {
        body.insert("seed".into(), json!(seed));
    }
    if !request.sampling.stop.is_empty() {
        body.insert("stop".into(), json!(request.sampling.stop));
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
    function.insert("parameters".into(), schema::parameters(&tool.parameters));
    if schema::fits_strict(&tool.parameters) {
        function.insert("strict".into(), json!(true));
    }
    json!({"type": "function", "function": function})
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::Sampling;

    #[test]
    fn newer_fields_go_to_openai_only() {
        let request = ModelRequest {
            model: "m".into(),
            instructions: None,
            context: std::sync::Arc::default(),
            tools: Vec::new(),
            tool_choice: ToolChoice::Auto,
            format: TextFormat::Text,
            verbosity: Verbosity::Medium,
            effort: None,
            summary: None,
            max_output_tokens: Some(7),
            sampling: Sampling::default(),
            cache_key: "cache".into(),
        };
        let at_openai = question(&request, true);
        assert_eq!((&at_openai["max_completion_tokens"], &at_openai["prompt_cache_key"]), (&json!(7), &json!("cache")));
        assert_eq!(at_openai.get("max_tokens"), None);
        let elsewhere = question(&request, false);
        assert_eq!(elsewhere["max_tokens"], 7);
        assert_eq!((elsewhere.get("max_completion_tokens"), elsewhere.get("prompt_cache_key")), (None, None));
    }
}
