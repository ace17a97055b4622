//! A new session of Bedrock's managed agents: what it says beside what all sessions say.

use super::hosted::{directories, directory};
use super::session::SessionCreate;
use crate::error::Fault;
use crate::reader::{Node, Object};
use serde_json::{Map, Value, json};

const AGENTCORE: &str = "aws_bedrock_agentcore";
/// Of an ARN.
const MAX_ARN: usize = 2048;
/// Of an endpoint of a runtime.
const MAX_QUALIFIER: usize = 48;
const DEFAULT_QUALIFIER: &str = "DEFAULT";

/// `POST /openai/v1/agents/sessions`.
#[derive(Clone, PartialEq, Debug)]
pub struct ManagedCreate {
    pub role_arn: String,
    /// Where the environment is in AWS's words; `session` then asks for a hosted one with the same directories.
    pub environment: Option<AgentCoreParam>,
    pub session: SessionCreate,
}

/// An environment in a runtime of AgentCore.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AgentCoreParam {
    pub runtime_arn: String,
    pub runtime_qualifier: String,
    pub workspace_directory: Option<String>,
}

impl ManagedCreate {
    pub fn read(mut body: Map<String, Value>) -> Result<Self, Fault> {
        let mut own = Object::root(body.remove_entry("role_arn").into_iter().collect());
        let role_arn = own.required("role_arn")?.short_text(MAX_ARN)?;
        let is_agentcore = body.get("environment").and_then(|environment| environment.get("type")?.as_str());
        let environment = if is_agentcore == Some(AGENTCORE) { Some(agentcore(&mut body)?) } else { None };
        Ok(Self { role_arn, environment, session: SessionCreate::read(body)? })
    }
}

/// Takes AWS's words out of the body and leaves ours.
fn agentcore(body: &mut Map<String, Value>) -> Result<AgentCoreParam, Fault> {
    let mut outer = Object::root(body.remove_entry("environment").into_iter().collect());
    let mut object = outer.required("environment")?.object()?;
    object.required("type")?.string()?;
    let runtime_arn = object.required("runtime_arn")?.short_text(MAX_ARN)?;
    let qualifier = object.optional("runtime_qualifier").map(|node| node.short_text(MAX_QUALIFIER)).transpose()?;
    let workspace_directory = object.optional("workspace_directory").map(directory).transpose()?;
    let directories = object.present("capability_directories").map_or(Ok(Vec::new()), unique)?;
    object.finish()?;
    let ours = json!({ "type": "openai_hosted", "capability_directories": directories });
    body.insert("environment".to_owned(), ours);
    let runtime_qualifier = qualifier.unwrap_or_else(|| DEFAULT_QUALIFIER.to_owned());
    Ok(AgentCoreParam { runtime_arn, runtime_qualifier, workspace_directory })
}

fn unique(node: Node) -> Result<Vec<String>, Fault> {
    let path = node.path().to_owned();
    let directories = directories(node)?;
    let mut sorted = directories.clone();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Fault::at(&path, format!("Invalid '{path}': each directory may stand there once.")));
    }
    Ok(directories)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::EnvironmentKind;

    fn read(body: Value) -> Result<ManagedCreate, Fault> {
        let Value::Object(body) = body else { panic!("no object") };
        ManagedCreate::read(body)
    }

    fn with(environment: Value) -> Result<ManagedCreate, Fault> {
        let agent = json!({ "model": "m" });
        read(json!({ "role_arn": "arn:aws:iam::000000000000:role/r", "agent": agent, "environment": environment }))
    }

    #[test]
    fn a_role_is_beside_what_all_sessions_say() {
        let plain = with(json!({ "type": "self_hosted", "workspace_directory": "/work" })).unwrap();
        assert_eq!(plain.role_arn, "arn:aws:iam::000000000000:role/r");
        assert_eq!((plain.environment, plain.session.environment.kind), (None, EnvironmentKind::SelfHosted));
        let none = json!({ "type": "none" });
        let without = read(json!({ "agent": { "model": "m" }, "input": "hi", "environment": none }));
        assert_eq!(without.unwrap_err().param.as_deref(), Some("role_arn"));
        let wrong = read(json!({ "role_arn": 1, "agent": { "model": "m" }, "input": "hi", "environment": none }));
        assert_eq!(wrong.unwrap_err().param.as_deref(), Some("role_arn"));
    }

    #[test]
    fn an_environment_in_a_runtime_is_a_hosted_one() {
        let environment = json!({
            "type": AGENTCORE, "runtime_arn": "arn:x", "workspace_directory": "/mnt", "capability_directories": ["/a", "/b"],
        });
        let read = with(environment).unwrap();
        let expected = AgentCoreParam {
            runtime_arn: "arn:x".to_owned(),
            runtime_qualifier: "DEFAULT".to_owned(),
            workspace_directory: Some("/mnt".to_owned()),
        };
        assert_eq!(read.environment, Some(expected));
        assert_eq!(read.session.environment.kind, EnvironmentKind::OpenaiHosted);
        for (wrong, param) in [
            (json!({ "type": AGENTCORE }), "environment.runtime_arn"),
            (json!({ "type": AGENTCORE, "runtime_arn": "a", "more": 1 }), "environment.more"),
            (
                json!({ "type": AGENTCORE, "runtime_arn": "a", "runtime_qualifier": "q".repeat(49) }),
                "environment.runtime_qualifier",
            ),
            (
                json!({ "type": AGENTCORE, "runtime_arn": "a", "capability_directories": ["/a", "/a"] }),
                "environment.capability_directories",
            ),
        ] {
            assert_eq!(with(wrong).unwrap_err().param.as_deref(), Some(param));
        }
    }
}
