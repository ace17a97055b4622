//! Requests into what the runtime takes.

use crate::failure::Failure;
use crate::words::Translate;
use types::{
    AgentSettings, Compaction, Content, Input, McpTool, McpTransport, Message, MicroUsd, MultiAgent, Reasoning,
    SessionChange, Text, TextFormat, Tool, WebSearch,
};
use wire::Word;
use wire::agents::request::{
    AgentPatch, CallOutput, Format, Input as WireInput, InputContent, Message as WireMessage, SessionUpdate,
    TextSettings, ToolParam, TransportParam,
};

/// Puts `patch` over `settings`: what is given replaces what was, whole.
pub fn patch(settings: &mut AgentSettings, patch: AgentPatch) {
    let AgentPatch {
        model,
        instructions,
        tools,
        reasoning,
        text,
        service_tier,
        async_compaction,
        multi_agent,
        time_awareness,
    } = patch;
    if let Some(model) = model {
        settings.model = model;
    }
    if let Some(instructions) = instructions {
        settings.instructions = instructions;
    }
    if let Some(tools) = tools {
        settings.tools = tools.into_iter().map(tool).collect();
    }
    if let Some(given) = reasoning {
        settings.reasoning = Reasoning {
            effort: given.effort.map(Translate::translate),
            summary: given.summary.map(Translate::translate),
        };
    }
    if let Some(given) = text {
        settings.text = text_settings(given);
    }
    if let Some(tier) = service_tier {
        settings.service_tier = tier.translate();
    }
    if let Some(is_async) = async_compaction {
        settings.compaction = Compaction { is_async };
    }
    if let Some(given) = multi_agent {
        settings.multi_agent =
            MultiAgent { enabled: given.enabled, max_concurrent_subagents: given.max_concurrent_subagents };
    }
    if let Some(value) = time_awareness {
        settings.experimental.time_awareness = value;
    }
}

fn text_settings(text: TextSettings) -> Text {
    let format = match text.format {
        Format::Text => TextFormat::Text,
        Format::JsonSchema(schema) => TextFormat::schema(schema),
    };
    Text { format, verbosity: text.verbosity.translate() }
}

fn tool(tool: ToolParam) -> Tool {
    match tool {
        ToolParam::Function { name, description, parameters, defer_loading, is_async } => {
            Tool::Function { name, description, parameters, defer_loading, is_async, strict: None }
        }
        ToolParam::ToolSearch => Tool::ToolSearch,
        ToolParam::ProgrammaticToolCalling { enabled } => Tool::ProgrammaticToolCalling { enabled },
        ToolParam::Mcp(mcp) => Tool::Mcp(McpTool {
            server_label: mcp.server_label,
            transport: transport(mcp.transport),
            allowed_tools: mcp.allowed_tools,
            connection_origin: mcp.connection_origin.as_str().to_owned(),
            credential_id: mcp.credential_id,
            request_metadata: mcp.request_metadata,
            required: mcp.required,
        }),
        ToolParam::WebSearch(search) => Tool::WebSearch(WebSearch {
            mode: search.mode.as_str().to_owned(),
            context_size: search.context_size.as_str().to_owned(),
            allowed_domains: search.allowed_domains,
            location: search.location,
        }),
        ToolParam::ComputerUse { include_screenshots } => Tool::ComputerUse { include_screenshots },
        ToolParam::Automations => Tool::Automations,
    }
}

fn transport(transport: TransportParam) -> McpTransport {
    match transport {
        TransportParam::Http { server_url, headers, authorization } => {
            McpTransport::Http { server_url, headers, authorization }
        }
        TransportParam::Stdio { command, cwd, args, env, env_vars } => {
            McpTransport::Stdio { command, cwd, args, env, env_vars }
        }
    }
}

pub fn messages(messages: Vec<WireMessage>) -> Vec<Message> {
    messages.into_iter().map(|message| Message { content: contents(message.content) }).collect()
}

fn contents(parts: Vec<InputContent>) -> Vec<Content> {
    let content = |part| match part {
        InputContent::Text(text) => Content::Text { text },
        InputContent::Image(image_url) => Content::Image { image_url },
    };
    parts.into_iter().map(content).collect()
}

pub fn change(update: SessionUpdate) -> SessionChange {
    SessionChange {
        model: update.model,
        effort: update.effort.map(|effort| effort.map(Translate::translate)),
        service_tier: update.service_tier.map(Translate::translate),
        tools: update.tools.map(|tools| tools.into_iter().map(tool).collect()),
        metadata: update.metadata,
        prompt_cache: update.prompt_cache.map(|ttl| ttl.map(Translate::translate)),
        review: update.review.map(Translate::translate),
        spend_limit: update.spend_limit.map(|limit| limit.map(MicroUsd::from_cents)),
    }
}

/// Input events in order. No session asks about a computer's use, so an answer to that answers nothing.
pub fn inputs(inputs: Vec<WireInput>) -> Result<Vec<Input>, Failure> {
    inputs.into_iter().map(input).collect()
}

fn input(input: WireInput) -> Result<Input, Failure> {
    match input {
        WireInput::Message(given) => Ok(Input::Message(messages(given))),
        WireInput::Cancel => Ok(Input::Cancel),
        WireInput::ToolResult { turn_id, call_id, success, output, error } => Ok(Input::ToolResult {
            turn: types::TurnId::new(turn_id),
            call_id: types::CallId::new(call_id),
            success,
            output: output.map(|output| match output {
                CallOutput::Text(text) => types::CallOutput::Text(text),
                CallOutput::Parts(parts) => types::CallOutput::Parts(contents(parts)),
            }),
            error,
        }),
        WireInput::McpApproval { request_id, decision } => Ok(Input::Approval {
            request: types::RequestId::new(request_id),
            decision: match decision {
                wire::agents::Decision::Approve => types::Decision::Approve,
                wire::agents::Decision::Deny => types::Decision::Deny,
                wire::agents::Decision::Cancel => types::Decision::Cancel,
            },
        }),
        WireInput::ComputerUseApproval { request_id } => {
            let shown: String = request_id.chars().take(100).collect();
            Err(Failure::invalid(format!("Unknown pending approval request: {shown}")))
        }
    }
}
