//! Requests into what the runtime takes.

use super::{names, opaque};
use crate::Door;
use crate::attachment::{Named, file, uploaded};
use crate::demand::{self, narrow};
use crate::failure::Failure;
use crate::words::Translate;
use runtime::Handle;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use types::{
    AgentSettings, CallId, CallOutput, CallResult, Content, InputBody, InputItem, Item, ItemBody, ItemId, ProjectId,
    RefusalKind, Role, Sampling, SessionId, TurnRequest,
};
use wire::Word;
use wire::responses as outer;
use wire::responses::request::{CallOutput as WireOutput, InputItem as WireItem, Part, ResponseCreate};

/// The session's agent, as this request wants it: whole, for nothing of it is carried over from a response before.
pub fn agent(wanted: &mut ResponseCreate) -> AgentSettings {
    AgentSettings {
        instructions: wanted.instructions.take(),
        tools: std::mem::take(&mut wanted.tools).into_iter().map(demand::tool).collect(),
        reasoning: types::Reasoning {
            effort: wanted.reasoning.effort.map(Translate::translate),
            summary: wanted.reasoning.summary.map(Translate::translate),
        },
        text: demand::text(std::mem::take(&mut wanted.text.format), wanted.text.verbosity),
        service_tier: wanted.service_tier.translate(),
        ..AgentSettings::new(wanted.model.clone())
    }
}

/// What counts for this response only.
pub fn turn(wanted: &mut ResponseCreate) -> TurnRequest {
    let (tool_choice, allowed_tools) = demand::tool_choice(std::mem::take(&mut wanted.tool_choice));
    let asks = wanted.includes(outer::Include::Logprobs).then_some(0);
    let top_logprobs = wanted.top_logprobs.and_then(|top| u8::try_from(top).ok()).filter(|top| *top > 0);
    TurnRequest {
        hands_over: true,
        tool_choice,
        allowed_tools,
        parallel_tool_calls: wanted.parallel_tool_calls,
        sampling: Sampling {
            temperature: wanted.temperature.map(narrow),
            top_p: wanted.top_p.map(narrow),
            ..Sampling::default()
        },
        max_output_tokens: wanted.max_output_tokens,
        top_logprobs: top_logprobs.or(asks),
        truncate: wanted.truncation == outer::Truncation::Auto,
        background: wanted.background,
        previous: wanted.previous_response_id.clone(),
        echo: echo(wanted),
        ..TurnRequest::default()
    }
}

fn echo(wanted: &mut ResponseCreate) -> Map<String, Value> {
    let mut echo = std::mem::take(&mut wanted.echo);
    echo.insert("metadata".to_owned(), demand::metadata(std::mem::take(&mut wanted.metadata)));
    if !wanted.include.is_empty() {
        let words = wanted.include.iter().map(|word| Value::from(word.as_str()));
        echo.insert("include".to_owned(), words.collect());
    }
    if wanted.service_tier != outer::ServiceTier::Auto {
        echo.insert("service_tier".to_owned(), wanted.service_tier.as_str().into());
    }
    echo
}

/// Input items, with the files that they name. `list` is the parameter that they stand in; what a reference names may be
/// in the session `beside`. `named` takes their memory.
pub async fn items(
    door: &Door,
    named: &mut Named<'_>,
    project: &ProjectId,
    (list, items): (&str, Vec<WireItem>),
    beside: Option<&SessionId>,
) -> Result<Vec<InputItem>, Failure> {
    let mut taken = Vec::with_capacity(items.len());
    for (item, index) in items.into_iter().zip(0_usize..) {
        let path = format!("{list}[{index}]");
        taken.push(match item {
            WireItem::Reference { id } => {
                referred(&door.handle, named, project, (&id, beside), &format!("{path}.id")).await?
            }
            item => item_at(door, named, project, item, &path).await?,
        });
    }
    Ok(taken)
}

async fn item_at(
    door: &Door,
    named: &mut Named<'_>,
    project: &ProjectId,
    item: WireItem,
    path: &str,
) -> Result<InputItem, Failure> {
    let (id, body) = match item {
        WireItem::Message { id, role, content } => {
            let content = contents(named, project, content, &format!("{path}.content")).await?;
            (id, InputBody::Message { role: self::role(role), content })
        }
        WireItem::Assistant { id, text, phase } => {
            (id, InputBody::Assistant { text, phase: phase.map(Translate::translate) })
        }
        WireItem::Call { id, call_id, name, arguments, custom } => {
            (id, InputBody::Call { call_id: CallId::new(call_id), name, arguments, custom })
        }
        WireItem::Output { id, call_id, output } => {
            let output = match output {
                WireOutput::Text(text) => CallOutput::Text(text),
                WireOutput::Parts(parts) => {
                    CallOutput::Parts(contents(named, project, parts, &format!("{path}.output")).await?)
                }
            };
            (id, InputBody::Output { call_id: CallId::new(call_id), output })
        }
        WireItem::Reasoning { id, summary, encrypted_content } => {
            let opaque = encrypted_content.as_deref().and_then(opaque::read_reasoning);
            (id, InputBody::Reasoning { summary, opaque })
        }
        WireItem::Compaction { id, encrypted_content } => {
            let Some(text) = opaque::read_compaction(&encrypted_content) else {
                let message = "The content of this compaction was not made by this server and cannot be read.";
                return Err(Failure::invalid(message).at(format!("{path}.encrypted_content")));
            };
            (id, InputBody::Compaction { text })
        }
        WireItem::Reference { id } => return referred(&door.handle, named, project, (&id, None), path).await,
    };
    Ok(InputItem { id, body })
}

fn role(role: outer::Role) -> Role {
    match role {
        outer::Role::System => Role::System,
        outer::Role::Developer => Role::Developer,
        outer::Role::User | outer::Role::Assistant => Role::User,
    }
}

async fn contents(
    named: &mut Named<'_>,
    project: &ProjectId,
    parts: Vec<Part>,
    path: &str,
) -> Result<Vec<Content>, Failure> {
    let mut content = Vec::with_capacity(parts.len());
    for (part, index) in parts.into_iter().zip(0_usize..) {
        content.push(match part {
            Part::Text(text) => Content::Text { text },
            Part::Image(image_url) => Content::Image { image_url },
            Part::ImageFile(id) => {
                let (_, image_url) = uploaded(named, project, &id, &format!("{path}[{index}].file_id")).await?;
                Content::Image { image_url }
            }
            Part::File { filename, source } => {
                file(named, project, (filename, source), &format!("{path}[{index}].file_id")).await?
            }
        });
    }
    Ok(content)
}

/// What a reference names: an item of the session that made it, or of one that the request goes on from.
async fn referred(
    handle: &Handle,
    named: &mut Named<'_>,
    project: &ProjectId,
    (id, beside): (&str, Option<&SessionId>),
    path: &str,
) -> Result<InputItem, Failure> {
    let name = ItemId::new(id);
    for session in names::session_of_item(id).as_ref().into_iter().chain(beside) {
        match handle.item(project, session, &name).await {
            Ok(item) => {
                named.add(item.body.bytes(), path).await?;
                let body = carried(&item).ok_or_else(|| no_item(id, path))?;
                return Ok(InputItem { id: None, body });
            }
            Err(refusal) if refusal.kind == RefusalKind::NotFound => {}
            Err(refusal) => return Err(refusal.into()),
        }
    }
    Err(no_item(id, path))
}

fn no_item(id: &str, path: &str) -> Failure {
    let shown: String = id.chars().take(64).collect();
    Failure::not_found(format!("Item with id '{shown}' not found.")).at(path)
}

/// What was kept, and what is brought behind it, without the calls and results whose partner was taken out.
pub fn paired(kept: Vec<InputItem>, brought: Vec<InputItem>) -> Vec<InputItem> {
    let (mut calls, mut results) = (BTreeSet::new(), BTreeSet::new());
    for item in kept.iter().chain(&brought) {
        match &item.body {
            InputBody::Call { call_id, .. } => calls.insert(call_id.clone()),
            InputBody::Output { call_id, .. } => results.insert(call_id.clone()),
            _ => false,
        };
    }
    let pairs = |item: &InputItem| match &item.body {
        InputBody::Call { call_id, .. } => results.contains(call_id),
        InputBody::Output { call_id, .. } => calls.contains(call_id),
        _ => true,
    };
    kept.into_iter().filter(pairs).chain(brought).collect()
}

/// A kept item, as if the client had brought it. None for what only this server can have made.
pub fn carried(item: &Item) -> Option<InputBody> {
    Some(match &item.body {
        ItemBody::UserMessage { role, content } => InputBody::Message { role: *role, content: content.clone() },
        ItemBody::AssistantMessage { text, phase, .. } => {
            InputBody::Assistant { text: text.clone(), phase: Some(*phase) }
        }
        ItemBody::Reasoning { summary, opaque } => {
            InputBody::Reasoning { summary: summary.clone(), opaque: opaque.clone() }
        }
        ItemBody::FunctionCall { call_id, name, arguments, custom, .. } => InputBody::Call {
            call_id: call_id.clone(),
            name: name.clone(),
            arguments: arguments.clone(),
            custom: *custom,
        },
        ItemBody::FunctionCallOutput { call_id, result, .. } => {
            let output = match result {
                CallResult::Success(output) => output.clone(),
                CallResult::Failure { error, .. } => error.clone().map(CallOutput::Text),
            };
            let output = output.unwrap_or_else(|| CallOutput::Text(String::new()));
            InputBody::Output { call_id: call_id.clone(), output }
        }
        ItemBody::Compaction { text } => InputBody::Compaction { text: text.clone() },
        ItemBody::MalformedCall { .. }
        | ItemBody::ClosedCall { .. }
        | ItemBody::Settled { .. }
        | ItemBody::ToolCall(_)
        | ItemBody::ToolOutcome { .. } => return None,
    })
}
