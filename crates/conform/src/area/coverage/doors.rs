//! The same for the other doors: every endpoint, input item, part of a message and tool, asked one time.

use super::{path, word};
use crate::area::files::{form, put};
use crate::area::responses::PICTURE;
use crate::client::{Answer, Call};
use crate::endpoint::{DOORS, Method};
use crate::probe::{FUNCTION, Probe, asked};
use crate::trouble::Trouble;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub const ITEMS: [&str; 16] = [
    "message",
    "item_reference",
    "function_call_output",
    "custom_tool_call_output",
    "reasoning",
    "compaction",
    "web_search_call",
    "file_search_call",
    "computer_call_output",
    "code_interpreter_call",
    "image_generation_call",
    "local_shell_call_output",
    "shell_call_output",
    "apply_patch_call_output",
    "mcp_call",
    "mcp_approval_response",
];
pub const CONTENTS: [&str; 7] = [
    "input_text",
    "input_image: image_url",
    "input_image: file_id",
    "input_file: file_data",
    "input_file: file_id",
    "input_file: file_url",
    "input_audio",
];
pub const FUNCTIONS: [&str; 12] = [
    "function",
    "custom",
    "mcp",
    "web_search",
    "file_search",
    "code_interpreter",
    "image_generation",
    "computer_use_preview",
    "local_shell",
    "shell",
    "apply_patch",
    "tool_search",
];

pub async fn run(probe: &mut Probe) {
    parts!(probe: items, contents, functions, endpoints);
}

/// What an answer says of an input: an endpoint that is missing is no refusal.
fn state(answer: &Answer) -> &'static str {
    match answer.json["error"]["code"].as_str() {
        Some(_) if answer.status == 404 && answer.json["error"]["param"].is_string() => "refused",
        _ => word(answer),
    }
}

async fn items(probe: &mut Probe) -> Result<(), Trouble> {
    let earlier = probe.respond(asked(probe, "hello")).await?.json["output"][0]["id"].clone();
    let short = json!({"model": probe.facts.model, "input": "hello"});
    let short = probe.post("/responses/compact", short).await?;
    let compacted = short.json["output"].as_array().into_iter().flatten().find(|item| item["type"] == "compaction");
    let call = |kind: &str| match kind {
        "function_call_output" => {
            Some(json!({"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}))
        }
        "custom_tool_call_output" => {
            Some(json!({"type": "custom_tool_call", "call_id": "call_1", "name": "f", "input": "x"}))
        }
        _ => None,
    };
    for kind in ITEMS {
        let item = match kind {
            "message" => json!({"type": kind, "role": "user", "content": "hello"}),
            "item_reference" => json!({"type": kind, "id": earlier}),
            "reasoning" => json!({"type": kind, "id": "rs_1", "summary": [{"type": "summary_text", "text": "so"}]}),
            "compaction" => compacted.cloned().unwrap_or_default(),
            "mcp_approval_response" => json!({"type": kind, "approval_request_id": "mcpr_1", "approve": true}),
            _ => json!({"type": kind, "id": "it_1", "call_id": "call_1", "status": "completed", "output": "x"}),
        };
        let mut input: Vec<Value> = call(kind).into_iter().collect();
        input.extend([item, json!({"role": "user", "content": "hello"})]);
        let body = asked(probe, json!(input));
        let answer = probe.respond(body).await?;
        probe.found.state("items", kind, state(&answer));
    }
    Ok(())
}

async fn contents(probe: &mut Probe) -> Result<(), Trouble> {
    let made = put(probe, "notes.txt", b"hello").await?;
    let file = made.json["id"].clone();
    for kind in CONTENTS {
        let (name, key) = kind.split_once(": ").unwrap_or((kind, ""));
        let mut part = json!({"type": name});
        match (name, key) {
            ("input_text", _) => part["text"] = json!("hello"),
            ("input_image", "image_url") => part[key] = json!(PICTURE),
            ("input_file", "file_data") => {
                part[key] = json!("data:text/plain;base64,aGVsbG8=");
                part["filename"] = json!("notes.txt");
            }
            (_, "file_url") => part[key] = json!("https://files.example.com/notes.txt"),
            ("input_audio", _) => part["input_audio"] = json!({"data": "AA==", "format": "wav"}),
            _ => part[key] = file.clone(),
        }
        let body = asked(probe, json!([{"role": "user", "content": [part]}]));
        let answer = probe.respond(body).await?;
        probe.found.state("contents", kind, state(&answer));
    }
    Ok(())
}

async fn functions(probe: &mut Probe) -> Result<(), Trouble> {
    for kind in FUNCTIONS {
        let tool = match kind {
            "function" => FUNCTION("lookup"),
            "custom" => json!({"type": kind, "name": "shout"}),
            "mcp" => json!({"type": kind, "server_label": "tools", "server_url": "https://mcp.example.com/mcp"}),
            "file_search" => json!({"type": kind, "vector_store_ids": ["vs_1"]}),
            "code_interpreter" => json!({"type": kind, "container": {"type": "auto"}}),
            "computer_use_preview" => {
                json!({"type": kind, "display_width": 800, "display_height": 600, "environment": "linux"})
            }
            _ => json!({"type": kind}),
        };
        let mut body = asked(probe, "hello");
        body["tools"] = json!([tool]);
        let answer = probe.respond(body).await?;
        probe.found.state("functions", kind, state(&answer));
    }
    Ok(())
}

async fn endpoints(probe: &mut Probe) -> Result<(), Trouble> {
    let mut ids = BTreeMap::from([("model", probe.facts.model.clone())]);
    let session = probe.idle("hello").await?.session;
    ids.insert("session_id", session);
    let messages = json!([{"role": "user", "content": "hello"}]);
    let mut background = asked(probe, "hello");
    background["background"] = json!(true);
    let upload = json!({"bytes": 5, "filename": "a.txt", "mime_type": "text/plain", "purpose": "user_data"});
    for (name, at, body) in [
        ("response_id", "/responses", background),
        ("conversation_id", "/conversations", json!({"items": [{"role": "user", "content": "hello"}]})),
        (
            "completion_id",
            "/chat/completions",
            json!({"model": probe.facts.model, "messages": messages, "store": true}),
        ),
        ("upload_id", "/uploads", upload),
        ("vector_store_id", "/vector_stores", json!({"name": "conform"})),
    ] {
        let answer = probe.post(at, body).await?;
        if let (true, Some(id)) = (answer.is_good(), answer.json["id"].as_str()) {
            ids.insert(name, id.to_owned());
        }
    }
    if let Some(id) = put(probe, "a.txt", b"hello").await?.json["id"].as_str() {
        ids.insert("file_id", id.to_owned());
    }
    if let Some(conversation) = ids.get("conversation_id") {
        let listed = probe.get(format!("/conversations/{conversation}/items")).await?;
        if let Some(id) = listed.json["data"][0]["id"].as_str() {
            ids.insert("item_id", id.to_owned());
        }
    }
    ask(probe, &ids).await
}

/// Every endpoint with these ids; what takes something away comes last.
async fn ask(probe: &mut Probe, ids: &BTreeMap<&str, String>) -> Result<(), Trouble> {
    let rank = |sdk: &str| match sdk {
        "uploads.cancel" => 2,
        "conversations.items.delete" => 3,
        _ if sdk.ends_with(".delete") => 4,
        "uploads.complete" => 1,
        _ => 0,
    };
    let mut all: Vec<_> = DOORS.iter().collect();
    all.sort_by_key(|endpoint| rank(endpoint.sdk));
    let mut part = Value::Null;
    for endpoint in all {
        let path = path(endpoint, ids);
        let call = Call::new(endpoint.method, path.as_str());
        let call = match endpoint.sdk {
            "uploads.parts.create" => form(path, &[("data", Some("part"), b"hello")]),
            "uploads.complete" => call.json(json!({"part_ids": [part]})),
            "files.create" | "uploads.create" | "responses.create" | "conversations.create" => continue,
            "chat.completions.create" | "vector_stores.create" => continue,
            "embeddings.create" => {
                call.json(json!({"model": probe.facts.embedding.clone().unwrap_or_default(), "input": "hello"}))
            }
            "responses.compact" | "responses.input_tokens.count" => {
                call.json(json!({"model": probe.facts.model, "input": "hello"}))
            }
            "conversations.items.create" => call.json(json!({"items": [{"role": "user", "content": "hello"}]})),
            "conversations.update" | "chat.completions.update" => call.json(json!({"metadata": {}})),
            "vector_stores.search" => call.json(json!({"query": "hello"})),
            _ if endpoint.method == Method::Post => call.json(json!({})),
            _ => call,
        };
        let answer = probe.send(call).await?;
        if endpoint.sdk == "uploads.parts.create" {
            part = answer.json["id"].clone();
        }
        if endpoint.sdk == "uploads.complete"
            && let Some(id) = answer.json["file"]["id"].as_str()
        {
            probe.created.push(format!("/files/{id}"));
        }
    }
    Ok(())
}
