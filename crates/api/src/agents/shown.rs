//! What the runtime says, as wire JSON shows it. Everything borrows: a session may hold megabytes of tools, and every
//! session event carries them.

use super::{environment, web};
use crate::words::Translate;
use types::{
    AgentSettings, CallOutput, CallResult, Citation, Content, Item, ItemBody, McpTransport, PromptCacheTtl,
    RequiredAction, Review, Role, SavedAgent, SessionId, SessionView, TextFormat, Tool, ToolCall, ToolKind,
    ToolOutcome, TurnView, Usage,
};
use wire::agents as outer;
use wire::agents::{ConnectionOrigin, ContextSize, ItemStatus, SearchMode};
use wire::{Verbatim, Word};

pub fn agent(agent: &SavedAgent) -> outer::Agent<'_> {
    let settings = &agent.settings;
    outer::Agent {
        id: agent.id.as_str(),
        created_at: agent.created_at.seconds(),
        updated_at: agent.updated_at.seconds(),
        name: agent.name.as_deref(),
        model: &settings.model,
        instructions: settings.instructions.as_deref(),
        tools: settings.tools.iter().map(|tool| shown_tool(tool, true)).collect(),
        reasoning: reasoning(settings),
        text: text(settings),
        service_tier: settings.service_tier.translate(),
        compaction: outer::Compaction { is_async: settings.compaction.is_async },
        multi_agent: multi_agent(settings),
        experimental: outer::Experimental { time_awareness: settings.experimental.time_awareness },
        metadata: &agent.metadata,
    }
}

/// `remote_url` is where executors of self-hosted environments register.
pub fn session<'a>(view: &'a SessionView, remote_url: &'a str) -> outer::Session<'a> {
    let (head, settings) = (&*view.head, &*view.settings);
    let spend = view.spend_control();
    outer::Session {
        id: head.session.as_str(),
        status: head.status.translate(),
        agent: session_agent(view),
        environment: environment::of_session(settings, remote_url),
        required_actions: head.required_actions.iter().map(required_action).collect(),
        error: head.error.as_deref(),
        usage: head.usage.as_ref().map(usage),
        metadata: &settings.metadata,
        vault_ids: &settings.vault_ids,
        prompt_cache_options: prompt_cache(settings.prompt_cache),
        review: (settings.review != Review::None).then(|| settings.review.translate()),
        spend_control: outer::SpendControl {
            limit: spend.limit.map(types::MicroUsd::cents),
            consumed: spend.consumed.cents(),
        },
        role_arn: settings.aws.as_ref().map(|aws| aws.role_arn.as_str()),
        created_at: head.created_at.seconds(),
        last_active_at: head.last_active_at.seconds(),
    }
}

fn session_agent(view: &SessionView) -> outer::SessionAgent<'_> {
    let settings = &view.settings.agent;
    let shown = settings.tools.iter().filter(|tool| !matches!(tool, Tool::ToolSearch));
    outer::SessionAgent {
        id: view.settings.agent_id.as_str(),
        name: view.settings.agent_name.as_deref(),
        model: &settings.model,
        instructions: settings.instructions.as_deref(),
        tools: shown.map(|tool| shown_tool(tool, false)).collect(),
        reasoning: reasoning(settings),
        text: text(settings),
        service_tier: settings.service_tier.translate(),
        compaction: outer::Compaction { is_async: settings.compaction.is_async },
        multi_agent: multi_agent(settings),
        experimental: outer::Experimental { time_awareness: settings.experimental.time_awareness },
    }
}

fn reasoning(settings: &AgentSettings) -> outer::Reasoning {
    outer::Reasoning {
        effort: settings.reasoning.effort.map(Translate::translate),
        summary: settings.reasoning.summary.map(Translate::translate),
    }
}

fn text(settings: &AgentSettings) -> outer::Text<'_> {
    let format = match &settings.text.format {
        // The Agents API has no word for an object without a schema.
        TextFormat::Text | TextFormat::JsonObject => outer::TextFormat::Text,
        TextFormat::JsonSchema { schema, .. } => outer::TextFormat::JsonSchema { schema },
    };
    outer::Text { format, verbosity: settings.text.verbosity.translate() }
}

fn multi_agent(settings: &AgentSettings) -> outer::MultiAgent {
    let multi = &settings.multi_agent;
    outer::MultiAgent { enabled: multi.enabled, max_concurrent_subagents: multi.max_concurrent_subagents }
}

/// `with_headers` only for saved agents, where headers are declared to be no secret.
fn shown_tool(tool: &Tool, with_headers: bool) -> outer::Tool<'_> {
    match tool {
        Tool::Function { name, description, parameters, defer_loading, is_async, .. } => {
            outer::Tool::Function { name, description, parameters, defer_loading: *defer_loading, r#async: *is_async }
        }
        Tool::Custom { name, description, .. } => outer::Tool::Custom { name, description },
        Tool::ToolSearch => outer::Tool::ToolSearch,
        Tool::ProgrammaticToolCalling { enabled } => outer::Tool::ProgrammaticToolCalling { enabled: *enabled },
        Tool::Mcp(mcp) => outer::Tool::Mcp {
            server_label: &mcp.server_label,
            transport: transport(&mcp.transport, with_headers),
            allowed_tools: mcp.allowed_tools.as_deref(),
            connection_origin: Word::parse(&mcp.connection_origin).unwrap_or(ConnectionOrigin::Service),
            credential_id: mcp.credential_id.as_deref(),
            request_metadata: &mcp.request_metadata,
            required: mcp.required,
        },
        Tool::WebSearch(search) => outer::Tool::WebSearch {
            mode: Word::parse(&search.mode).unwrap_or(SearchMode::Live),
            context_size: Word::parse(&search.context_size).unwrap_or(ContextSize::Medium),
            allowed_domains: search.allowed_domains.as_deref(),
            location: search.location.as_ref().map(|parts| {
                let part = |key| parts.get(key).and_then(|part| part.as_deref());
                outer::Location {
                    city: part("city"),
                    country: part("country"),
                    region: part("region"),
                    timezone: part("timezone"),
                }
            }),
        },
        Tool::ComputerUse { include_screenshots } => {
            outer::Tool::ComputerUse { include_screenshots: *include_screenshots }
        }
        Tool::Automations => outer::Tool::Automations,
    }
}

fn transport(transport: &McpTransport, with_headers: bool) -> outer::Transport<'_> {
    match transport {
        McpTransport::Http { server_url, headers, .. } => {
            outer::Transport::Http { server_url, headers: with_headers.then_some(headers) }
        }
        McpTransport::Stdio { command, cwd, args, env_vars, .. } => {
            outer::Transport::Stdio { command, cwd, args, env_vars }
        }
    }
}

fn required_action(action: &RequiredAction) -> outer::RequiredAction<'_> {
    match action {
        RequiredAction::FunctionCall { turn, call_id, name, arguments } => {
            let (turn_id, call_id, arguments) = (turn.as_str(), call_id.as_str(), Verbatim(arguments));
            outer::RequiredAction::FunctionCall { turn_id, call_id, name, arguments }
        }
        RequiredAction::McpApproval { turn, request, server_label, name, arguments, message } => {
            let asked =
                outer::ApprovalRequest::McpToolCall { server_label, name, arguments: Verbatim(arguments), message };
            outer::RequiredAction::McpApprovalRequest {
                request_id: request.as_str(),
                turn_id: turn.as_str(),
                request: asked,
            }
        }
        RequiredAction::EnvironmentConnection { environment } => {
            outer::RequiredAction::EnvironmentConnection { environment_id: environment.as_str() }
        }
    }
}

fn prompt_cache(ttl: Option<PromptCacheTtl>) -> Option<outer::PromptCacheOptions> {
    ttl.map(|ttl| outer::PromptCacheOptions { ttl: ttl.translate() })
}

pub fn usage(usage: &Usage) -> outer::TokenUsage {
    outer::TokenUsage::new(usage.input_tokens, usage.cached_tokens, usage.output_tokens, usage.reasoning_tokens)
}

pub fn turn<'a>(session: &'a SessionId, turn: &'a TurnView) -> outer::Turn<'a> {
    outer::Turn {
        id: turn.id.as_str(),
        session_id: session.as_str(),
        agent_id: turn.agent_id.as_str(),
        subagent_id: None,
        status: turn.status.translate(),
        error: turn.error.as_ref().map(|error| outer::TurnError { code: &error.code, message: &error.message }),
        usage: turn.usage.as_ref().map(usage),
        prompt_cache_options: prompt_cache(turn.prompt_cache),
        created_at: turn.created_at.seconds(),
        started_at: turn.started_at.map(types::Timestamp::seconds),
        completed_at: turn.completed_at.map(types::Timestamp::seconds),
    }
}

/// When an item is shown; what it has by then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    Added,
    Done,
    Listed,
}

/// None for what clients never see.
pub fn item(item: &Item, stage: Stage) -> Option<outer::Item<'_>> {
    let (id, turn_id) = (item.id.as_str(), item.turn.as_str());
    let begins = stage == Stage::Added;
    let status = |done| if begins { ItemStatus::InProgress } else { done };
    Some(match &item.body {
        ItemBody::UserMessage { role, content } => outer::Item::Message {
            id,
            turn_id,
            role: match role {
                Role::User => "user",
                Role::System => "system",
                Role::Developer => "developer",
            },
            status: ItemStatus::Completed,
            phase: None,
            content: contents(content),
        },
        ItemBody::AssistantMessage { phase, complete, .. } => outer::Item::Message {
            id,
            turn_id,
            role: "assistant",
            status: status(if *complete { ItemStatus::Completed } else { ItemStatus::Incomplete }),
            phase: (!begins).then(|| phase.translate()),
            content: if begins { Vec::new() } else { vec![output_text(item)] },
        },
        ItemBody::Reasoning { summary, .. } => outer::Item::Reasoning {
            id,
            turn_id,
            status: status(ItemStatus::Completed),
            summary: if begins {
                Vec::new()
            } else {
                summary.iter().map(|text| outer::Content::SummaryText { text }).collect()
            },
        },
        ItemBody::FunctionCall { call_id, name, arguments, .. } => outer::Item::FunctionCall {
            id,
            turn_id,
            call_id: call_id.as_str(),
            name,
            arguments: Verbatim(arguments),
            status: status(ItemStatus::Completed),
        },
        ItemBody::FunctionCallOutput { call_id, result, .. } => {
            let (status, output, error) = match result {
                CallResult::Success(output) => (ItemStatus::Completed, output.as_ref(), None),
                // The event carries what came with a failure, lists do not.
                CallResult::Failure { error, output } => {
                    (ItemStatus::Failed, output.as_ref().filter(|_| stage != Stage::Listed), error.as_deref())
                }
            };
            let output = output.map(call_output);
            outer::Item::FunctionCallOutput { id, turn_id, call_id: call_id.as_str(), status, output, error }
        }
        ItemBody::ToolCall(call) | ItemBody::ToolOutcome { call, .. } if call.is_command() => {
            environment::command(item, call)
        }
        ItemBody::ToolCall(call) | ItemBody::ToolOutcome { call, .. } if call.kind == ToolKind::WebSearch => {
            web::call(item, call)
        }
        ItemBody::ToolCall(call) => mcp_call(item, call, None),
        ItemBody::ToolOutcome { call, outcome, .. } => mcp_call(item, call, Some(outcome)),
        ItemBody::MalformedCall { .. }
        | ItemBody::ClosedCall { .. }
        | ItemBody::Settled { .. }
        | ItemBody::Compaction { .. } => return None,
    })
}

/// What an assistant said, with what it cites.
pub(super) fn output_text(item: &Item) -> outer::Content<'_> {
    let (text, annotations): (&str, &[Citation]) = match &item.body {
        ItemBody::AssistantMessage { text, annotations, .. } => (text, annotations),
        _ => ("", &[]),
    };
    outer::Content::OutputText { text, annotations: annotations.iter().map(web::citation).collect() }
}

fn mcp_call<'a>(item: &'a Item, call: &'a ToolCall, outcome: Option<&'a ToolOutcome>) -> outer::Item<'a> {
    let (status, output) = match outcome {
        None => (ItemStatus::InProgress, None),
        Some(ToolOutcome::Done(output)) => (ItemStatus::Completed, Some(call_output(output))),
        Some(ToolOutcome::Ran(result)) => (ItemStatus::Completed, Some(outer::Output::Text(result.shown()))),
        Some(ToolOutcome::Found(found)) => (ItemStatus::Completed, Some(outer::Output::Text(&found.told))),
        Some(ToolOutcome::Web(result)) => (ItemStatus::Completed, Some(outer::Output::Text(&result.told))),
        Some(ToolOutcome::Paused(_)) => (ItemStatus::InProgress, None),
        Some(ToolOutcome::Failed(_) | ToolOutcome::Unknown(_)) => (ItemStatus::Failed, None),
    };
    outer::Item::McpCall {
        id: item.id.as_str(),
        turn_id: item.turn.as_str(),
        server_label: &call.server_label,
        name: call.shown_name(),
        arguments: Verbatim(&call.arguments),
        status,
        output,
        error: outcome.and_then(ToolOutcome::error),
    }
}

fn call_output(output: &CallOutput) -> outer::Output<'_> {
    match output {
        CallOutput::Text(text) => outer::Output::Text(text),
        CallOutput::Parts(parts) => outer::Output::Parts(contents(parts)),
    }
}

fn contents(content: &[Content]) -> Vec<outer::Content<'_>> {
    let shown = content.iter().map(|part| match part {
        Content::Text { text } => outer::Content::InputText { text },
        Content::Image { image_url } => outer::Content::InputImage { image_url },
        // The Agents API has no word for a file: its name stands for it.
        Content::File { filename, .. } => outer::Content::InputText { text: filename.as_deref().unwrap_or("file") },
    });
    shown.collect()
}

#[cfg(test)]
mod tests;
