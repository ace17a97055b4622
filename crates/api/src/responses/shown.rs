//! What the runtime says, as the Responses API shows it. Everything borrows.

use super::opaque;
use crate::words::Translate;
use serde_json::{Value, json};
use std::sync::Arc;
use types::{
    AgentSettings, CallOutput, CallResult, CustomFormat, Item, ItemBody, ItemKind, Role, TextFormat, Timestamp,
    TokenLogprob, Tool, ToolChoice, TurnError, TurnRequest, TurnStatus, TurnView, Usage,
};
use wire::Word;
use wire::responses::{
    self as outer, Content, IncompleteReason, ItemStatus, Logprob, Output, Response, ResponseError, ResponseStatus,
    TopLogprob, Truncation,
};

/// What a response is, however far it has come.
#[derive(Clone, Debug)]
pub struct Facts {
    pub id: String,
    /// As it was when it was asked for.
    pub agent: AgentSettings,
    pub request: Arc<TurnRequest>,
    /// The conversation that it belongs to.
    pub conversation: Option<String>,
    /// Whether it outlives its answer.
    pub store: bool,
    /// Whether reasoning comes with what its provider wants back.
    pub encrypted: bool,
}

impl Facts {
    /// The same for a reader who asks for more.
    pub fn including(self, asks: &[outer::Include]) -> Self {
        let encrypted = self.encrypted || asks.contains(&outer::Include::EncryptedReasoning);
        Self { encrypted, ..self }
    }
}

/// How far a response has come.
#[derive(Clone, Debug)]
pub struct Progress<'a> {
    pub status: ResponseStatus,
    pub created_at: Timestamp,
    pub completed_at: Option<Timestamp>,
    pub error: Option<&'a TurnError>,
    pub reason: Option<IncompleteReason>,
    pub usage: Option<Usage>,
    pub items: &'a [Arc<Item>],
}

impl<'a> Progress<'a> {
    pub fn of(view: &'a TurnView, items: &'a [Arc<Item>]) -> Self {
        let reason = view.error.as_ref().and_then(incomplete);
        let status = match view.status {
            TurnStatus::Queued => ResponseStatus::Queued,
            TurnStatus::InProgress | TurnStatus::Waiting => ResponseStatus::InProgress,
            TurnStatus::Completed => ResponseStatus::Completed,
            TurnStatus::Failed if reason.is_some() => ResponseStatus::Incomplete,
            TurnStatus::Failed => ResponseStatus::Failed,
            TurnStatus::Cancelled => ResponseStatus::Cancelled,
        };
        Self {
            status,
            created_at: view.created_at,
            completed_at: view.completed_at.filter(|_| status == ResponseStatus::Completed),
            error: view.error.as_ref().filter(|_| reason.is_none()),
            reason,
            usage: view.usage,
            items,
        }
    }
}

/// What ends a turn before its answer is whole, and is no error to this API.
fn incomplete(error: &TurnError) -> Option<IncompleteReason> {
    match error.code.as_str() {
        "max_output_tokens" => Some(IncompleteReason::MaxOutputTokens),
        "content_filter" => Some(IncompleteReason::ContentFilter),
        _ => None,
    }
}

pub fn response<'a>(facts: &'a Facts, progress: &Progress<'a>) -> Response<'a> {
    let (agent, request) = (&facts.agent, &*facts.request);
    let said = |key: &str| request.echo.get(key).and_then(Value::as_str);
    Response {
        id: &facts.id,
        created_at: progress.created_at.seconds(),
        status: progress.status,
        background: request.background,
        completed_at: progress.completed_at.map(Timestamp::seconds),
        conversation: facts.conversation.as_deref().map(|id| outer::Conversation { id }),
        error: progress.error.map(error),
        incomplete_details: progress.reason.map(|reason| outer::Incomplete { reason }),
        instructions: agent.instructions.as_deref(),
        max_output_tokens: request.max_output_tokens,
        max_tool_calls: request.echo.get("max_tool_calls").and_then(Value::as_u64),
        model: &agent.model,
        output: progress
            .items
            .iter()
            .filter_map(|item| self::item(item, ItemStatus::Completed, facts.encrypted))
            .collect(),
        parallel_tool_calls: request.parallel_tool_calls,
        presence_penalty: 0.0,
        frequency_penalty: 0.0,
        previous_response_id: request.previous.as_deref(),
        prompt_cache_key: said("prompt_cache_key"),
        prompt_cache_retention: said("prompt_cache_retention"),
        reasoning: outer::Reasoning {
            effort: agent.reasoning.effort.map(Translate::translate),
            summary: agent.reasoning.summary.map(Translate::translate),
        },
        safety_identifier: said("safety_identifier"),
        service_tier: said("service_tier").and_then(Word::parse).unwrap_or(outer::ServiceTier::Default),
        store: facts.store,
        temperature: request.sampling.temperature.unwrap_or(1.0),
        text: text(&agent.text),
        tool_choice: tool_choice(facts),
        tools: agent.tools.iter().filter_map(tool).collect(),
        top_logprobs: request.top_logprobs.map_or(0, u64::from),
        top_p: request.sampling.top_p.unwrap_or(1.0),
        truncation: if request.truncate { Truncation::Auto } else { Truncation::Disabled },
        usage: progress.usage.as_ref().map(usage),
        user: said("user"),
        metadata: request.echo.get("metadata").unwrap_or(&Value::Null),
    }
}

/// The codes of the original are a closed set; what a turn may fail of beyond them is the server's.
fn error(error: &TurnError) -> ResponseError<'_> {
    let code = match error.code.as_str() {
        code @ ("rate_limit_exceeded" | "context_length_exceeded" | "misalignment_policy_violation") => code,
        "invalid_request" | "cyber_policy" => "invalid_prompt",
        _ => "server_error",
    };
    ResponseError { code, message: &error.message }
}

pub fn usage(usage: &Usage) -> outer::Usage {
    outer::Usage::new(usage.input_tokens, usage.cached_tokens, usage.output_tokens, usage.reasoning_tokens)
}

fn text(text: &types::Text) -> outer::Text<'_> {
    let format = match &text.format {
        TextFormat::Text => outer::Format::Text,
        TextFormat::JsonObject => outer::Format::JsonObject,
        TextFormat::JsonSchema { schema, name, description, strict } => {
            outer::Format::JsonSchema { name, description: description.as_deref(), schema, strict: *strict }
        }
    };
    outer::Text { format, verbosity: text.verbosity.translate() }
}

/// None for the kinds that this API does not declare here.
fn tool(tool: &Tool) -> Option<outer::Tool<'_>> {
    match tool {
        Tool::Function { name, description, parameters, strict, .. } => Some(outer::Tool::Function {
            name,
            description: given(description),
            parameters: (!parameters.is_empty()).then_some(parameters),
            strict: *strict,
        }),
        Tool::Custom { name, description, format } => {
            let format = match format {
                CustomFormat::Text => json!({ "type": "text" }),
                CustomFormat::Grammar { syntax, definition } => {
                    json!({ "type": "grammar", "syntax": syntax, "definition": definition })
                }
            };
            Some(outer::Tool::Custom { name, description: given(description), format })
        }
        _ => None,
    }
}

fn given(description: &str) -> Option<&str> {
    (!description.is_empty()).then_some(description)
}

fn tool_choice(facts: &Facts) -> Value {
    let request = &facts.request;
    let named = |name: &str| {
        let tools = &facts.agent.tools;
        let is_custom = tools.iter().any(|tool| matches!(tool, Tool::Custom { name: known, .. } if known == name));
        json!({ "type": if is_custom { "custom" } else { "function" }, "name": name })
    };
    if let Some(allowed) = &request.allowed_tools {
        let mode = if request.tool_choice == ToolChoice::Required { "required" } else { "auto" };
        let tools: Vec<Value> = allowed.iter().map(|name| named(name)).collect();
        return json!({ "type": "allowed_tools", "mode": mode, "tools": tools });
    }
    match &request.tool_choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Function(name) => named(name),
    }
}

/// An item that has come as far as `status` says; None for what this API does not show. A message that was cut off
/// stays incomplete. `encrypted`: reasoning comes with what its provider wants back.
pub fn item(item: &Item, status: ItemStatus, encrypted: bool) -> Option<outer::Item<'_>> {
    let id = item.id.as_str();
    let begins = status == ItemStatus::InProgress;
    Some(match &item.body {
        ItemBody::UserMessage { role, content } => {
            outer::Item::Message { id, status, content: contents(content), role: self::role(*role), phase: None }
        }
        ItemBody::AssistantMessage { text, phase, complete, logprobs, .. } => outer::Item::Message {
            id,
            status: if *complete || begins { status } else { ItemStatus::Incomplete },
            content: if begins { Vec::new() } else { vec![Content::output_text(text, self::logprobs(logprobs))] },
            role: "assistant",
            phase: (!begins).then(|| phase.translate()),
        },
        ItemBody::Reasoning { summary, opaque } => outer::Item::Reasoning {
            id,
            summary: summary.iter().filter(|_| !begins).map(|text| Content::SummaryText { text }).collect(),
            encrypted_content: opaque.as_ref().filter(|_| !begins && encrypted).and_then(opaque::reasoning),
        },
        ItemBody::FunctionCall { call_id, name, arguments, custom, .. } => {
            let (call_id, said) = (call_id.as_str(), if begins { "" } else { arguments });
            if *custom {
                outer::Item::CustomToolCall { id, status, input: said, call_id, name }
            } else {
                outer::Item::FunctionCall { id, status, arguments: said, call_id, name }
            }
        }
        ItemBody::FunctionCallOutput { call_id, result, custom, .. } => {
            let call_id = call_id.as_str();
            let output = match result {
                CallResult::Success(Some(CallOutput::Text(text))) => Output::Text(text),
                CallResult::Success(Some(CallOutput::Parts(parts))) => Output::Parts(contents(parts)),
                CallResult::Success(None) => Output::Text(""),
                CallResult::Failure { error, .. } => Output::Text(error.as_deref().unwrap_or_default()),
            };
            if *custom {
                outer::Item::CustomToolCallOutput { id, status, call_id, output }
            } else {
                outer::Item::FunctionCallOutput { id, status, call_id, output }
            }
        }
        ItemBody::Compaction { text } => outer::Item::Compaction { id, encrypted_content: opaque::compaction(text) },
        ItemBody::MalformedCall { .. }
        | ItemBody::ClosedCall { .. }
        | ItemBody::Settled { .. }
        | ItemBody::ToolCall(_)
        | ItemBody::ToolOutcome { .. } => return None,
    })
}

/// One page of items.
pub fn list<'a>(items: impl Iterator<Item = &'a Arc<Item>>, has_more: bool, encrypted: bool) -> outer::Items<'a> {
    let shown = items.filter_map(|item| Some((item.id.as_str(), self::item(item, ItemStatus::Completed, encrypted)?)));
    let (ids, data): (Vec<_>, Vec<_>) = shown.unzip();
    let (first_id, last_id) = (ids.first().copied().unwrap_or_default(), ids.last().copied().unwrap_or_default());
    outer::Items { data, first_id, has_more, last_id }
}

/// A streamed item of which only its beginning is known.
pub fn begun(id: &str, kind: ItemKind) -> outer::Item<'_> {
    match kind {
        ItemKind::Message => outer::Item::Message {
            id,
            status: ItemStatus::InProgress,
            content: Vec::new(),
            role: "assistant",
            phase: None,
        },
        ItemKind::Reasoning => outer::Item::Reasoning { id, summary: Vec::new(), encrypted_content: None },
    }
}

/// A streamed item whose attempt came to nothing.
pub fn torn<'a>(id: &'a str, kind: ItemKind, texts: impl Iterator<Item = &'a str>) -> outer::Item<'a> {
    match kind {
        ItemKind::Message => outer::Item::Message {
            id,
            status: ItemStatus::Incomplete,
            content: texts.map(|text| Content::output_text(text, Vec::new())).collect(),
            role: "assistant",
            phase: None,
        },
        ItemKind::Reasoning => {
            let summary = texts.map(|text| Content::SummaryText { text }).collect();
            outer::Item::Reasoning { id, summary, encrypted_content: None }
        }
    }
}

/// Whether the request asked for what its provider wants back.
pub fn asks_for_reasoning(request: &TurnRequest) -> bool {
    let include = request.echo.get("include").and_then(Value::as_array);
    include.is_some_and(|wanted| wanted.iter().any(|word| word == outer::Include::EncryptedReasoning.as_str()))
}

fn role(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::System => "system",
        Role::Developer => "developer",
    }
}

fn contents(content: &[types::Content]) -> Vec<Content<'_>> {
    let shown = content.iter().map(|part| match part {
        types::Content::Text { text } => Content::InputText { text },
        types::Content::Image { image_url } => Content::input_image(image_url),
        types::Content::File { filename, data } => {
            Content::InputFile { file_id: None, filename: filename.as_deref(), file_data: Some(data) }
        }
    });
    shown.collect()
}

pub fn logprobs(logprobs: &[TokenLogprob]) -> Vec<Logprob<'_>> {
    let shown = logprobs.iter().map(|of| Logprob {
        token: &of.token,
        bytes: bytes(of),
        logprob: of.logprob,
        top_logprobs: of
            .top
            .iter()
            .map(|top| TopLogprob { token: &top.token, bytes: bytes(top), logprob: top.logprob })
            .collect(),
    });
    shown.collect()
}

fn bytes(of: &TokenLogprob) -> &[u8] {
    of.bytes.as_deref().unwrap_or(of.token.as_bytes())
}
