//! What of interpreters, their sessions and their results is shown, and under which names.

use super::super::runtimes::iso;
use crate::Door;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hosting::record::Environment;
use hosting::{Block, Interpreter, Kind, Mode, OWN, Structured, TaskStatus, ToolResult};
use types::{Arn, Timestamp};
use wire::agentcore::interpreter as wired;

/// Everything is there, or gone, as soon as it was asked for.
const READY: &str = "READY";
/// When AWS made the one that everybody has: it is as old as anything here.
const OWN_SINCE: Timestamp = Timestamp(1_752_624_000_000);

pub fn made(door: &Door, interpreter: &Interpreter) -> wired::InterpreterMade {
    let resource = format!("code-interpreter-custom/{}", interpreter.id);
    wired::InterpreterMade {
        code_interpreter_id: interpreter.id.clone(),
        code_interpreter_arn: door.aws.account.arn("bedrock-agentcore", resource).to_string(),
        status: READY,
        created_at: iso(interpreter.created_at),
    }
}

pub fn summary(door: &Door, interpreter: &Interpreter) -> wired::InterpreterSummary {
    wired::InterpreterSummary {
        made: made(door, interpreter),
        name: interpreter.name.clone(),
        description: interpreter.description.clone(),
        last_updated_at: iso(interpreter.created_at),
    }
}

pub fn interpreter(door: &Door, interpreter: Interpreter) -> wired::Interpreter {
    wired::Interpreter {
        summary: summary(door, &interpreter),
        execution_role_arn: interpreter.role,
        network_configuration: wired::Network { network_mode: mode(interpreter.mode) },
    }
}

pub fn own_summary(door: &Door) -> wired::InterpreterSummary {
    let arn = door.aws.account.arn("bedrock-agentcore", format!("code-interpreter/{OWN}"));
    let made = wired::InterpreterMade {
        code_interpreter_id: OWN.to_owned(),
        code_interpreter_arn: Arn { account: "aws".to_owned(), ..arn }.to_string(),
        status: READY,
        created_at: iso(OWN_SINCE),
    };
    wired::InterpreterSummary { made, name: "system".to_owned(), description: None, last_updated_at: iso(OWN_SINCE) }
}

pub fn own(door: &Door) -> wired::Interpreter {
    wired::Interpreter {
        summary: own_summary(door),
        execution_role_arn: None,
        network_configuration: wired::Network { network_mode: mode(Mode::Sandbox) },
    }
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Sandbox => "SANDBOX",
        Mode::Public => "PUBLIC",
    }
}

fn begun<'a>(row: &'a Environment, interpreter: &'a str) -> wired::SessionBegun<'a> {
    wired::SessionBegun {
        code_interpreter_identifier: interpreter,
        session_id: row.code_session_id(),
        created_at: iso(row.created_at),
    }
}

fn status(end: Option<Timestamp>) -> &'static str {
    if end.is_some() { "TERMINATED" } else { READY }
}

pub fn session<'a>(door: &Door, row: &'a Environment, interpreter: &'a str) -> wired::Session<'a> {
    let session = row.code_session.as_ref();
    wired::Session {
        begun: begun(row, interpreter),
        name: session.and_then(|session| session.name.as_deref()),
        session_timeout_seconds: session.map_or(0, |session| session.timeout),
        status: status(row.code_session_end(door.clock.now())),
    }
}

pub fn session_summary<'a>(door: &Door, row: &'a Environment, interpreter: &'a str) -> wired::SessionSummary<'a> {
    let end = row.code_session_end(door.clock.now());
    wired::SessionSummary {
        begun: begun(row, interpreter),
        name: row.code_session.as_ref().and_then(|session| session.name.as_deref()),
        status: status(end),
        last_updated_at: iso(end.unwrap_or(row.created_at)),
    }
}

pub fn outcome(result: &ToolResult) -> wired::Outcome<'_> {
    wired::Outcome {
        content: result.content.iter().map(content).collect(),
        structured_content: result.structured.as_ref().map(structured),
        is_error: result.is_error,
    }
}

fn content(block: &Block) -> wired::Content<'_> {
    match block {
        Block::Text(text) => wired::Content::Text { text },
        Block::File { path, media_type, bytes } => {
            let uri = format!("file://{path}");
            // What would be long when it is escaped is no text either.
            let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains(is_strange));
            let resource = match text {
                Some(text) => wired::Resource::Text { uri, mime_type: media_type, text },
                None => wired::Resource::Blob { uri, mime_type: media_type, blob: STANDARD.encode(bytes) },
            };
            wired::Content::Resource { resource }
        }
        Block::Entry { path, name, kind } => wired::Content::ResourceLink(wired::Entry {
            uri: format!("file:///{path}"),
            name,
            description: if *kind == Kind::Folder { "Directory" } else { "File" },
            size: match kind {
                Kind::Folder => None,
                Kind::File { bytes } => Some(*bytes),
            },
            mime_type: None,
        }),
    }
}

fn is_strange(character: char) -> bool {
    character.is_ascii_control() && !matches!(character, '\n' | '\r' | '\t')
}

fn structured(said: &Structured) -> wired::Structured<'_> {
    let task = said.task.as_ref();
    wired::Structured {
        task_id: task.map(|(id, _)| id.as_str()),
        task_status: task.map(|(_, status)| match status {
            TaskStatus::Submitted => "submitted",
            TaskStatus::Working => "working",
            TaskStatus::Completed => "completed",
            TaskStatus::Canceled => "canceled",
            TaskStatus::Failed => "failed",
        }),
        stdout: &said.stdout,
        stderr: &said.stderr,
        exit_code: said.exit_code,
        execution_time: said.time,
    }
}
