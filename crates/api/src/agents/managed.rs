//! What Bedrock's managed agents say of a session beside what all say, and what they do not have. The handlers are those of
//! the Agents API: a request that came by `/openai/v1` has [`Managed`] in its extensions.

use super::environment::WORKSPACE;
use super::recipe::hosting;
use crate::Door;
use crate::failure::Failure;
use axum::Extension;
use hosting::record::SetupCommand;
use hosting::{Claim, Wanted};
use serde_json::{Map, Value};
use types::{AgentCoreEnvironment, Arn, AwsSession, ProjectId};
use wire::agents::request::{AgentCoreParam, Input, InputContent, ManagedCreate, Message, SessionCreate, ToolParam};
use wire::agents::{EnvironmentKind, Session, SessionStatus};

/// In the extensions of requests that came by the door of managed agents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Managed {
    /// Whether there is no more than the original has.
    pub is_strict: bool,
}

/// What is wanted, and of it what only such sessions have.
pub struct Asked {
    pub wanted: SessionCreate,
    pub aws: Option<Box<AwsSession>>,
}

/// A new session as the request's door reads it.
pub fn read(managed: Option<Extension<Managed>>, object: Map<String, Value>) -> Result<Asked, Failure> {
    let Some(Extension(managed)) = managed else {
        return Ok(Asked { wanted: SessionCreate::read(object)?, aws: None });
    };
    let ManagedCreate { role_arn, environment, session } = ManagedCreate::read(object)?;
    check_role(&role_arn)?;
    if managed.is_strict {
        check_strict(&session)?;
        if session.environment.kind == EnvironmentKind::OpenaiHosted && environment.is_none() {
            return Err(lacking("environments of this kind").at("environment.type"));
        }
    }
    let environment = environment.map(|param| {
        let AgentCoreParam { runtime_arn, runtime_qualifier, workspace_directory } = param;
        AgentCoreEnvironment { runtime_arn, runtime_qualifier, workspace_directory }
    });
    Ok(Asked { wanted: session, aws: Some(Box::new(AwsSession { role_arn, environment })) })
}

/// Its form alone: this server is no party to whom a role could be passed.
fn check_role(text: &str) -> Result<(), Failure> {
    let is_role =
        |arn: Arn| arn.service == "iam" && arn.resource.strip_prefix("role/").is_some_and(|name| !name.is_empty());
    if text.parse().is_ok_and(is_role) {
        return Ok(());
    }
    Err(Failure::invalid("Invalid 'role_arn': expected the ARN of an IAM role.").at("role_arn"))
}

fn check_strict(session: &SessionCreate) -> Result<(), Failure> {
    only_text(&session.input, "input")?;
    let tools = session.agent.tools.iter().flatten().enumerate();
    for (index, tool) in tools {
        if matches!(tool, ToolParam::ProgrammaticToolCalling { enabled: true }) {
            return Err(lacking("programmatic tool calling").at(format!("agent.tools[{index}]")));
        }
    }
    if session.agent.multi_agent.as_ref().is_some_and(|agents| agents.enabled) {
        return Err(lacking("subagents").at("agent.multi_agent"));
    }
    if !session.vault_ids.is_empty() {
        return Err(lacking("vaults").at("vault_ids"));
    }
    Ok(())
}

/// Input of a session that runs.
pub fn check_input(managed: Option<Extension<Managed>>, inputs: &[Input]) -> Result<(), Failure> {
    if !managed.is_some_and(|Extension(managed)| managed.is_strict) {
        return Ok(());
    }
    for (index, input) in inputs.iter().enumerate() {
        if let Input::Message(messages) = input {
            only_text(messages, &format!("events[{index}]"))?;
        }
    }
    Ok(())
}

fn only_text(messages: &[Message], at: &str) -> Result<(), Failure> {
    let is_text = |content: &InputContent| matches!(content, InputContent::Text(_));
    if messages.iter().all(|message| message.content.iter().all(is_text)) {
        return Ok(());
    }
    Err(lacking("input other than text").at(at))
}

fn lacking(what: &str) -> Failure {
    Failure::invalid(format!("Not available for managed agents: {what}."))
}

/// The claim of a session that asked for a runtime: what a session of that runtime would have, and the directories that
/// were asked for. A runtime of another project and none are told apart by nothing.
pub async fn claim(
    door: &Door,
    project: &ProjectId,
    asked: &AgentCoreEnvironment,
    claim: Option<Claim>,
) -> Result<Option<Claim>, Failure> {
    let Some(Claim::New(wanted)) = claim else { return Ok(claim) };
    let id = runtime_id(door, &asked.runtime_arn)?;
    let own = hosting(door)?.in_runtime(project, &id, &asked.runtime_qualifier).await;
    let own = own.map_err(|refusal| Failure::from(refusal).at("environment.runtime_arn"))?;
    let commands = asked.workspace_directory.as_deref().map(workspace).transpose()?.flatten();
    let capability_directories = wanted.capability_directories;
    Ok(Some(Claim::New(Box::new(Wanted { capability_directories, commands: commands.map(|one| vec![one]), ..own }))))
}

fn runtime_id(door: &Door, text: &str) -> Result<String, Failure> {
    let at = "environment.runtime_arn";
    let wrong = || Failure::invalid(format!("Invalid '{at}': expected the ARN of an agent runtime.")).at(at);
    let arn: Arn = text.parse().map_err(|_| wrong())?;
    let id = arn.resource.strip_prefix("runtime/").filter(|id| arn.service == "bedrock-agentcore" && !id.is_empty());
    let id = id.ok_or_else(wrong)?;
    if !door.aws.account.owns(&arn) {
        let message = "There is no such agent runtime, or no such version or endpoint of it.";
        return Err(Failure::not_found(message).at(at));
    }
    Ok(id.to_owned())
}

/// The command that makes the directory in which commands begin. What is elsewhere in a hosted environment is not kept.
fn workspace(directory: &str) -> Result<Option<SetupCommand>, Failure> {
    let below = directory.strip_prefix(WORKSPACE).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    match below {
        Some("") => Ok(None),
        Some(_) => {
            let quoted = directory.replace('\'', r"'\''");
            Ok(Some(SetupCommand { command: format!("mkdir -p -- '{quoted}'"), cwd: None }))
        }
        None => {
            let at = "environment.workspace_directory";
            let message = format!("Invalid '{at}': it is {WORKSPACE}, or below it, on this server.");
            Err(Failure::invalid(message).at(at))
        }
    }
}

/// A session with the words for its status that this door has.
pub fn said(managed: Option<Extension<Managed>>, mut session: Session<'_>) -> Session<'_> {
    if managed.is_some_and(|Extension(managed)| managed.is_strict) {
        session.status = match session.status {
            // Its turn has not ended.
            SessionStatus::RequiresAction => SessionStatus::InProgress,
            SessionStatus::BudgetReached => SessionStatus::Failed,
            known => known,
        };
    }
    session
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_has_the_form_of_one() {
        for good in ["arn:aws:iam::123456789012:role/r", "arn:aws-us-gov:iam::123456789012:role/path/r"] {
            assert_eq!(check_role(good), Ok(()), "{good}");
        }
        for bad in ["r", "arn:aws:iam::123456789012:user/r", "arn:aws:iam::123456789012:role/", "arn:aws:s3:::role/r"] {
            assert_eq!(check_role(bad).unwrap_err().param.as_deref(), Some("role_arn"), "{bad}");
        }
    }

    #[test]
    fn a_workspace_is_within_the_disk_that_is_kept() {
        assert_eq!(workspace("/workspace"), Ok(None));
        let made = workspace("/workspace/it's").unwrap().unwrap();
        assert_eq!(made.command, r"mkdir -p -- '/workspace/it'\''s'");
        for bad in ["/mnt", "/workspaces", "/"] {
            assert_eq!(workspace(bad).unwrap_err().param.as_deref(), Some("environment.workspace_directory"), "{bad}");
        }
    }
}
