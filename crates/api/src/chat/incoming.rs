//! A chat request into what the runtime takes.

use crate::attachment::{Named, data_url, uploaded};
use crate::failure::Failure;
use serde_json::{Map, Value};
use types::{
    AgentSettings, CallId, CallOutput, Content, CustomFormat, Effort, InputBody, InputItem, ProjectId, Role, Sampling,
    ServiceTier, Text, TextFormat, Tool, ToolChoice, TurnRequest, Verbosity,
};
use wire::Word;
use wire::agents as words;
use wire::chat::request::{
    ChatCreate, Choice, CustomFormat as WireFormat, FileSource, Format, Message, Part, Tier, ToolParam,
};

/// The session's agent.
pub fn agent(wanted: &mut ChatCreate) -> AgentSettings {
    let format = match std::mem::replace(&mut wanted.format, Format::Text) {
        Format::Text => TextFormat::Text,
        Format::JsonObject => TextFormat::JsonObject,
        Format::JsonSchema { name, description, schema, strict } => {
            TextFormat::JsonSchema { schema, name, description, strict }
        }
    };
    let verbosity = match wanted.verbosity {
        Some(words::Verbosity::Low) => Verbosity::Low,
        Some(words::Verbosity::High) => Verbosity::High,
        Some(words::Verbosity::Medium) | None => Verbosity::Medium,
    };
    AgentSettings {
        tools: std::mem::take(&mut wanted.tools).into_iter().map(tool).collect(),
        reasoning: types::Reasoning { effort: wanted.effort.map(effort), summary: None },
        text: Text { format, verbosity },
        service_tier: wanted.tier.map_or(ServiceTier::Auto, tier),
        ..AgentSettings::new(wanted.model.clone())
    }
}

/// How the one turn is answered.
pub fn turn(wanted: &mut ChatCreate) -> TurnRequest {
    let (tool_choice, allowed_tools) = match std::mem::replace(&mut wanted.tool_choice, Choice::Auto) {
        Choice::Auto => (ToolChoice::Auto, None),
        Choice::None => (ToolChoice::None, None),
        Choice::Required => (ToolChoice::Required, None),
        Choice::Function(name) | Choice::Custom(name) => (ToolChoice::Function(name), None),
        Choice::Allowed { required: true, names } => (ToolChoice::Required, Some(names)),
        Choice::Allowed { required: false, names } => (ToolChoice::Auto, Some(names)),
    };
    let sampling = std::mem::take(&mut wanted.sampling);
    TurnRequest {
        hands_over: true,
        tool_choice,
        allowed_tools,
        parallel_tool_calls: wanted.parallel_tool_calls,
        sampling: Sampling {
            temperature: sampling.temperature.map(narrow),
            top_p: sampling.top_p.map(narrow),
            // The wire's seeds have a sign; the same 64 bits count.
            seed: sampling.seed.map(i64::cast_unsigned),
            stop: sampling.stop,
            presence_penalty: sampling.presence_penalty.map(narrow),
            frequency_penalty: sampling.frequency_penalty.map(narrow),
        },
        max_output_tokens: wanted.max_tokens,
        top_logprobs: wanted.top_logprobs,
        echo: echo(wanted),
        ..TurnRequest::default()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a temperature has no need of 53 bits")]
fn narrow(value: f64) -> f32 {
    value as f32
}

/// What the client calls the request, for those who read the log.
fn echo(wanted: &mut ChatCreate) -> Map<String, Value> {
    let mut echo: Map<String, Value> = Map::new();
    for (key, label) in std::mem::take(&mut wanted.labels) {
        echo.insert(key.to_owned(), label.into());
    }
    let metadata = std::mem::take(&mut wanted.metadata);
    if !metadata.is_empty() {
        let pairs = metadata.into_iter().map(|(key, value)| (key, Value::String(value)));
        echo.insert("metadata".to_owned(), Value::Object(pairs.collect()));
    }
    echo
}

fn tool(tool: ToolParam) -> Tool {
    match tool {
        ToolParam::Function { name, description, parameters, strict } => {
            Tool::Function { name, description, parameters, defer_loading: false, is_async: None, strict }
        }
        ToolParam::Custom { name, description, format } => {
            let format = match format {
                WireFormat::Text => CustomFormat::Text,
                WireFormat::Grammar { syntax, definition } => {
                    CustomFormat::Grammar { syntax: syntax.as_str().to_owned(), definition }
                }
            };
            Tool::Custom { name, description, format }
        }
    }
}

fn effort(effort: words::Effort) -> Effort {
    match effort {
        words::Effort::None => Effort::None,
        words::Effort::Minimal => Effort::Minimal,
        words::Effort::Low => Effort::Low,
        words::Effort::Medium => Effort::Medium,
        words::Effort::High => Effort::High,
        words::Effort::Xhigh => Effort::Xhigh,
        words::Effort::Max => Effort::Max,
    }
}

fn tier(tier: Tier) -> ServiceTier {
    match tier {
        Tier::Auto => ServiceTier::Auto,
        Tier::Default | Tier::Scale => ServiceTier::Default,
        Tier::Flex => ServiceTier::Flex,
        Tier::Priority => ServiceTier::Priority,
        Tier::Fast => ServiceTier::Fast,
    }
}

/// The messages, with the files that they name.
pub async fn items(
    named: &mut Named<'_>,
    project: &ProjectId,
    messages: Vec<Message>,
) -> Result<Vec<InputItem>, Failure> {
    let mut items = Vec::with_capacity(messages.len());
    for (message, index) in messages.into_iter().zip(0_usize..) {
        let (role, content) = match message {
            Message::System { content } => (Role::System, content),
            Message::Developer { content } => (Role::Developer, content),
            Message::User { content } => (Role::User, content),
            Message::Assistant { text, calls } => {
                if !text.is_empty() || calls.is_empty() {
                    items.push(InputBody::Assistant { text, phase: None }.into());
                }
                items.extend(calls.into_iter().map(|call| {
                    let (call_id, custom) = (CallId::new(call.id), call.is_custom);
                    InputBody::Call { call_id, name: call.name, arguments: call.arguments, custom }.into()
                }));
                continue;
            }
            Message::Tool { call_id, text } => {
                let (call_id, output) = (CallId::new(call_id), CallOutput::Text(text));
                items.push(InputBody::Output { call_id, output }.into());
                continue;
            }
        };
        let content = contents(named, project, content, &format!("messages[{index}].content")).await?;
        items.push(InputBody::Message { role, content }.into());
    }
    Ok(items)
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
            Part::Image { url } => Content::Image { image_url: url },
            Part::File { filename, source: FileSource::Data(data) } => Content::File { filename, data: data_url(data) },
            Part::File { filename, source: FileSource::Id(id) } => {
                let (name, data) = uploaded(named, project, &id, &format!("{path}[{index}].file.file_id")).await?;
                Content::File { filename: filename.or(Some(name)), data }
            }
        });
    }
    Ok(content)
}
