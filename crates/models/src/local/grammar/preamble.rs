//! What a model is told of functions and of the form of its answer: its template knows neither.

use super::{CLOSING, MARKER};
use crate::custom;
use serde_json::{Value, json};
use types::{FunctionTool, ModelRequest, TextFormat, ToolChoice};

/// What is added to the instructions; empty where there is nothing to say.
pub(in crate::local) fn preamble(request: &ModelRequest) -> String {
    let mut parts = Vec::new();
    if has_functions(request) {
        let list: Vec<String> = request.tools.iter().map(described).collect();
        parts.push(format!(
            "You can call functions. These are the functions:\n{}\nTo call, answer with the name and the arguments of \
             the function, in this form and without other words:\n{}\nThe result comes back to you. Call a function \
             when it helps to answer, and answer in words when it does not or when you have its result.",
            list.join("\n"),
            written(&[("FUNCTION", "{\"ARGUMENT\": \"VALUE\"}")]),
        ));
    }
    match &request.format {
        TextFormat::Text => {}
        TextFormat::JsonObject => parts.push("Answer with a JSON object.".to_owned()),
        TextFormat::JsonSchema { schema, .. } => {
            let schema = serde_json::to_string(schema).unwrap_or_default();
            parts.push(format!("Answer with JSON that fits this schema:\n{schema}"));
        }
    }
    parts.join("\n\n")
}

/// Whether functions are offered in this request.
pub(in crate::local) fn has_functions(request: &ModelRequest) -> bool {
    !request.tools.is_empty() && request.tool_choice != ToolChoice::None
}

fn described(tool: &FunctionTool) -> String {
    let mut described = json!({"name": tool.name});
    if !tool.description.is_empty() {
        described["description"] = Value::from(tool.description.as_str());
    }
    let parameters = if custom::is_custom(tool) { custom::parameters() } else { tool.parameters.clone() };
    described["parameters"] = Value::Object(parameters);
    described.to_string()
}

/// Calls, by name and arguments, as the model writes them.
pub(in crate::local) fn written(calls: &[(&str, &str)]) -> String {
    let each = calls.iter().map(|(name, arguments)| {
        let name = Value::from(*name);
        format!("{{\"name\": {name}, \"arguments\": {arguments}}}")
    });
    format!("{MARKER}[{}]{CLOSING}", each.collect::<Vec<_>>().join(", "))
}

/// The results of calls, by the functions' names, as the model reads them.
pub(in crate::local) fn returned(results: &[(&str, String)]) -> String {
    let each = results.iter().map(|(name, result)| format!("<tool_response>\n{name}: {result}\n</tool_response>"));
    each.collect::<Vec<_>>().join("\n")
}
