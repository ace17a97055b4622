//! One call of a server's tool: sent once, and said to be unknown wherever it may have been performed and nobody can tell.

use crate::offer::is_allowed;
use crate::pin;
use crate::servers::{Place, Servers, address};
use mcp::{Arguments, Call, Called, Failure, Kind, Progress};
use serde_json::Value;
use std::time::Duration;
use types::{BoxFuture, CallOutput, Class, Content, McpTool, SessionSettings, Tool, ToolOutcome, ToolRequest};

/// Below the time that a call may take at all: whoever is cut off there is told less.
const TIME: Duration = Duration::from_secs(590);
/// Bytes of what a tool says of its own failure.
const MAX_ERROR: usize = 16 << 10;

/// The session's server of this label.
pub fn server<'a>(settings: &'a SessionSettings, label: &str) -> Option<&'a McpTool> {
    settings.agent.tools.iter().find_map(|tool| match tool {
        Tool::Mcp(server) if server.server_label == label => Some(server),
        _ => None,
    })
}

pub async fn perform(servers: &Servers, request: &ToolRequest, cancel: BoxFuture<'_, ()>) -> ToolOutcome {
    let (server, arguments) = match admitted(request) {
        Ok(admitted) => admitted,
        Err(error) => return ToolOutcome::Failed(format!("{error}; nothing was sent")),
    };
    let (project, session, settings) = (&request.project, &request.session, &*request.settings);
    let connection = match servers.connection(&Place { project, session, settings, server }).await {
        Ok(connection) => connection,
        Err(error) => return ToolOutcome::Failed(format!("{error}; nothing was sent")),
    };
    let label = &server.server_label;
    let heard = |heard: Progress| {
        let Progress { progress, total, .. } = heard;
        tracing::debug!(%session, label, tool = request.call.shown_name(), progress, total, "an MCP call goes on");
    };
    let call = Call { cancel, progress: Some(&heard), ..Call::new(request.call.shown_name(), arguments, TIME) };
    match connection.call(call).await {
        Ok(called) if called.is_error => ToolOutcome::Failed(error(&called)),
        Ok(called) => ToolOutcome::Done(output(called, request.call.parent.is_some())),
        Err(failure) => failed(request.call.class, failure),
    }
}

/// The server that the call is for, as long as that is the one whose tool the model saw.
fn admitted(request: &ToolRequest) -> Result<(&McpTool, Arguments), String> {
    let (label, tool) = (&request.call.server_label, request.call.shown_name());
    let server = server(&request.settings, label).ok_or(format!("the session has no MCP server {label:?} any more"))?;
    let address = address(server);
    if request.call.pin.as_deref().is_some_and(|known| !pin::is_of(known, &address, label)) {
        return Err(format!("the MCP server {label:?} is another one by now"));
    }
    if !is_allowed(server, tool) {
        return Err(format!("the tool {tool:?} of the MCP server {label:?} is not allowed any more"));
    }
    // What was agreed to is what is sent, to the letter.
    let arguments = Arguments::read(&request.call.arguments);
    Ok((server, arguments.map_err(|error| format!("the arguments are no JSON object: {error}"))?))
}

fn failed(class: Class, failure: Failure) -> ToolOutcome {
    let message = failure.message;
    match failure.kind {
        Kind::NotSent => ToolOutcome::Failed(format!("{message}; nothing was sent")),
        Kind::Refused(_) => ToolOutcome::Failed(message),
        Kind::Unauthorized(_) => ToolOutcome::Failed(format!("{message}; nothing was done")),
        // Whoever may be called again without harm has only failed.
        Kind::Unknown | Kind::TooLarge if matches!(class, Class::Pure | Class::Idempotent) => {
            ToolOutcome::Failed(message)
        }
        Kind::Unknown => ToolOutcome::Unknown(message),
        Kind::TooLarge => ToolOutcome::Unknown(format!("the server answered, but {message}")),
    }
}

/// A program takes what is structured; a model what was written for it.
fn output(called: Called, for_program: bool) -> CallOutput {
    let Called { content, structured, .. } = called;
    match structured {
        Some(structured) if for_program || content.is_empty() => CallOutput::Text(structured.to_string()),
        _ if content.iter().all(|part| matches!(part, Content::Text { .. })) => CallOutput::Text(texts(&content)),
        _ => CallOutput::Parts(content),
    }
}

fn error(called: &Called) -> String {
    let mut text = texts(&called.content);
    if text.trim().is_empty() {
        text = called.structured.as_ref().map_or("the tool failed and does not say why".to_owned(), Value::to_string);
    }
    text.truncate(text.floor_char_boundary(MAX_ERROR));
    text
}

fn texts(content: &[Content]) -> String {
    let texts = content.iter().filter_map(|part| match part {
        Content::Text { text } => Some(text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn failure(kind: Kind) -> Failure {
        Failure { kind, message: "m".to_owned() }
    }

    #[test]
    fn what_may_have_happened_is_unknown_unless_it_may_happen_again() {
        let challenge = || Kind::Unauthorized(Box::default());
        for (class, kind, expected) in [
            (Class::Irreversible, Kind::NotSent, ToolOutcome::Failed("m; nothing was sent".into())),
            (Class::Irreversible, Kind::Refused(None), ToolOutcome::Failed("m".into())),
            (Class::Irreversible, challenge(), ToolOutcome::Failed("m; nothing was done".into())),
            (Class::Irreversible, Kind::Unknown, ToolOutcome::Unknown("m".into())),
            (Class::Irreversible, Kind::TooLarge, ToolOutcome::Unknown("the server answered, but m".into())),
            (Class::Idempotent, Kind::Unknown, ToolOutcome::Failed("m".into())),
            (Class::Idempotent, Kind::TooLarge, ToolOutcome::Failed("m".into())),
        ] {
            assert_eq!(failed(class, failure(kind.clone())), expected, "{class:?} {kind:?}");
        }
    }

    #[test]
    fn a_model_reads_text_and_a_program_structure() {
        let text = |text: &str| Content::Text { text: text.to_owned() };
        let called = |content: Vec<Content>| Called { content, structured: Some(json!({"n": 1})), is_error: false };
        assert_eq!(output(called(vec![text("one"), text("two")]), false), CallOutput::Text("one\ntwo".into()));
        assert_eq!(output(called(vec![text("one")]), true), CallOutput::Text("{\"n\":1}".into()));
        assert_eq!(output(called(Vec::new()), false), CallOutput::Text("{\"n\":1}".into()));
        let parts = vec![text("one"), Content::Image { image_url: "data:x".into() }];
        assert_eq!(output(called(parts.clone()), false), CallOutput::Parts(parts));
        assert_eq!(error(&called(Vec::new())), "{\"n\":1}");
        assert_eq!(error(&called(vec![text("why")])), "why");
    }
}
