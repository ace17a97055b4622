//! A chat request into what the runtime takes.

use crate::attachment::{Named, file};
use crate::demand::{self, narrow};
use crate::failure::Failure;
use crate::words::Translate;
use serde_json::{Map, Value};
use types::{
    AgentSettings, CallId, CallOutput, Content, InputBody, InputItem, ProjectId, Role, Sampling, ServiceTier,
    TurnRequest,
};
use wire::chat::request::{ChatCreate, Message, Part};

/// The session's agent.
pub fn agent(wanted: &mut ChatCreate) -> AgentSettings {
    AgentSettings {
        tools: std::mem::take(&mut wanted.tools).into_iter().map(demand::tool).collect(),
        reasoning: types::Reasoning { effort: wanted.effort.map(Translate::translate), summary: None },
        text: demand::text(std::mem::take(&mut wanted.format), wanted.verbosity),
        service_tier: wanted.tier.map_or(ServiceTier::Auto, Translate::translate),
        ..AgentSettings::new(wanted.model.clone())
    }
}

/// How the one turn is answered.
pub fn turn(wanted: &mut ChatCreate) -> TurnRequest {
    let (tool_choice, allowed_tools) = demand::tool_choice(std::mem::take(&mut wanted.tool_choice));
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

/// What the client calls the request, for those who read the log.
fn echo(wanted: &mut ChatCreate) -> Map<String, Value> {
    let mut echo: Map<String, Value> = Map::new();
    for (key, label) in std::mem::take(&mut wanted.labels) {
        echo.insert(key.to_owned(), label.into());
    }
    let metadata = std::mem::take(&mut wanted.metadata);
    if !metadata.is_empty() {
        echo.insert("metadata".to_owned(), demand::metadata(metadata));
    }
    echo
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
            Part::File { filename, source } => {
                file(named, project, (filename, source), &format!("{path}[{index}].file.file_id")).await?
            }
        });
    }
    Ok(content)
}
