//! Environments as wire JSON shows them: their settings, their state, and what was run in them.

use super::event::error_type;
use crate::words::Translate;
use serde_json::{Map, Value};
use std::borrow::Cow;
use types::{
    Capability, EnvironmentSettings, EnvironmentStatus, HostedFile, HostedSettings, Item, ItemBody, NetworkSettings,
    Packages, SessionSettings, SessionView, ToolCall, ToolKind, ToolOutcome,
};
use wire::agents as outer;
use wire::agents::{EventBody as Shown, ItemStatus};

/// Where commands of a hosted environment begin.
pub const WORKSPACE: &str = "/workspace";

/// The environment of a session, in the words in which it was asked for.
pub fn of_session<'a>(session: &'a SessionSettings, remote_url: &'a str) -> outer::Environment<'a> {
    match (session.agentcore(), session.environment.hosted()) {
        (Some(asked), Some(hosted)) => outer::Environment::AwsBedrockAgentcore {
            id: hosted.id.as_str(),
            runtime_arn: &asked.runtime_arn,
            runtime_qualifier: &asked.runtime_qualifier,
            workspace_directory: asked.workspace_directory.as_deref().unwrap_or(WORKSPACE),
            capability_directories: &hosted.capability_directories,
        },
        _ => settings(&session.environment, remote_url),
    }
}

fn settings<'a>(settings: &'a EnvironmentSettings, remote_url: &'a str) -> outer::Environment<'a> {
    match settings {
        EnvironmentSettings::None => outer::Environment::None,
        EnvironmentSettings::SelfHosted { id, workspace_directory, capability_directories } => {
            outer::Environment::SelfHosted { id: id.as_str(), workspace_directory, capability_directories, remote_url }
        }
        EnvironmentSettings::OpenaiHosted(settings) => outer::Environment::OpenaiHosted(hosted(settings)),
    }
}

pub fn hosted(settings: &HostedSettings) -> outer::Hosted<'_> {
    outer::Hosted {
        id: settings.id.as_str(),
        capability_directories: &settings.capability_directories,
        container_size: settings.container_size.translate(),
        desktop: None,
        files: settings.files.iter().map(file).collect(),
        network: network(&settings.network),
        packages: packages(&settings.packages),
        plugins: capabilities(&settings.plugins),
        skills: capabilities(&settings.skills),
    }
}

fn file(file: &HostedFile) -> outer::HostedFile<'_> {
    let HostedFile { id, path, bytes, file_id } = file;
    match file_id {
        Some(file_id) => outer::HostedFile::FileId { id, file_id, path, size_bytes: *bytes },
        None => outer::HostedFile::Inline { id, path, size_bytes: *bytes },
    }
}

pub fn network(network: &NetworkSettings) -> outer::Network<'_> {
    let NetworkSettings { access, allowed_domains, blocked_domains } = network;
    outer::Network { access: access.translate(), allowed_domains, blocked_domains }
}

pub fn packages(packages: &Packages) -> outer::Packages<'_> {
    let Packages { npm, python, system } = packages;
    outer::Packages { npm, python, system }
}

pub fn capabilities(capabilities: &[Capability]) -> Vec<outer::Capability<'_>> {
    capabilities.iter().map(|one| outer::Capability { name: &one.name, description: &one.description }).collect()
}

/// The event that tells of the environment's state; None where the session has none.
pub fn event<'a>(session_id: &'a str, view: &'a SessionView) -> Option<Shown<'a>> {
    let known = view.head.environment.as_ref()?;
    let environment = outer::EnvironmentState {
        id: known.id.as_str(),
        r#type: view.settings.environment_kind(),
        status: known.status.translate(),
        error: known.error.as_ref().map(|error| outer::EnvironmentError {
            r#type: error_type(&error.code),
            code: &error.code,
            message: &error.message,
        }),
    };
    let turn_id = None;
    Some(match known.status {
        EnvironmentStatus::Pending => Shown::EnvironmentPending { session_id, turn_id, environment },
        EnvironmentStatus::Ready => Shown::EnvironmentReady { session_id, turn_id, environment },
        EnvironmentStatus::Suspended => Shown::EnvironmentSuspended { session_id, turn_id, environment },
        EnvironmentStatus::Expired => Shown::EnvironmentExpired { session_id, turn_id, environment },
        EnvironmentStatus::Connected => Shown::EnvironmentConnected { session_id, turn_id, environment },
        EnvironmentStatus::Disconnected => Shown::EnvironmentDisconnected { session_id, turn_id, environment },
        EnvironmentStatus::Failed => Shown::EnvironmentFailed { session_id, turn_id, environment },
    })
}

/// A call of one of the environment's tools. One that came to nothing says why where its output would be: there is no
/// other place for it.
pub fn command<'a>(item: &'a Item, call: &'a ToolCall) -> outer::Item<'a> {
    let (outcome, said) = match &item.body {
        ItemBody::ToolOutcome { outcome, said, .. } => (Some(outcome), said.as_deref()),
        _ => (None, None),
    };
    let arguments = serde_json::from_str::<Map<String, Value>>(&call.arguments).unwrap_or_default();
    let ran = match outcome {
        Some(ToolOutcome::Ran(result)) => Some(result),
        _ => None,
    };
    let status = match outcome {
        None => ItemStatus::InProgress,
        Some(ToolOutcome::Ran(result)) if result.exit_code.is_some_and(|code| code != 0) => ItemStatus::Failed,
        Some(ToolOutcome::Done(_) | ToolOutcome::Ran(_) | ToolOutcome::Found(_) | ToolOutcome::Web(_)) => {
            ItemStatus::Completed
        }
        Some(ToolOutcome::Paused(_)) => ItemStatus::InProgress,
        Some(ToolOutcome::Failed(_) | ToolOutcome::Unknown(_)) => ItemStatus::Failed,
    };
    // Where a relative one leads is known when it has been run.
    let asked = arguments.get("workdir").and_then(Value::as_str).filter(|directory| directory.starts_with('/'));
    outer::Item::CommandExecution {
        id: item.id.as_str(),
        turn_id: item.turn.as_str(),
        command: line(call, &arguments),
        cwd: ran
            .and_then(|result| result.working_directory.as_deref().map(Cow::Borrowed))
            .or_else(|| asked.map(|directory| Cow::Owned(directory.to_owned()))),
        status,
        output: outcome.map(|outcome| outcome.shown(said)),
        exit_code: ran.and_then(|result| result.exit_code),
        duration_ms: ran.and_then(|result| result.duration_ms),
    }
}

/// What was run: the command or the program where the call has one, else the tool and its arguments.
fn line<'a>(call: &'a ToolCall, arguments: &Map<String, Value>) -> Cow<'a, str> {
    let line = if call.kind == ToolKind::Program { "code" } else { "command" };
    match arguments.get(line) {
        Some(Value::String(command)) => Cow::Owned(command.clone()),
        _ => Cow::Owned(format!("{} {}", call.name, call.arguments)),
    }
}

#[cfg(test)]
mod tests;
