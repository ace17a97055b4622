//! The endpoints of the Agents API, and in `doors` those of the others: path, name in the SDK, and what a good answer holds. It sends nothing.

mod doors;

pub use doors::DOORS;

use Answered::{Bytes, Empty, Events, One, Page, TokenPage};
use Method::{Delete, Get, Post};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    Delete,
    Get,
    Post,
}

impl Method {
    pub fn word(self) -> &'static str {
        match self {
            Delete => "DELETE",
            Get => "GET",
            Post => "POST",
        }
    }
}

/// The body of a 2xx answer; the names are shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    One(&'static str),
    /// `object`, `data`, `has_more`, `first_id`, `last_id`.
    Page(&'static str),
    /// `data`, `has_more`, `next`.
    TokenPage(&'static str),
    /// `object` and `data` alone.
    List(&'static str),
    /// JSON that no type of an SDK describes.
    Any,
    Empty,
    Bytes,
    Events,
}

#[derive(Debug)]
pub struct Endpoint {
    pub method: Method,
    /// Below the base URL, with `{names}` for ids.
    pub path: &'static str,
    /// Below `client.beta`, or below `client.beta.agents` for all but the agents' own; of the other doors, below `client`.
    pub sdk: &'static str,
    pub answered: Answered,
}

const fn row(method: Method, path: &'static str, sdk: &'static str, answered: Answered) -> Endpoint {
    Endpoint { method, path, sdk, answered }
}

/// Literal segments stand before ids that they could be taken for.
pub const ENDPOINTS: [Endpoint; 57] = [
    row(Get, "/agents", "agents.list", Page("Agent")),
    row(Post, "/agents", "agents.create", One("Agent")),
    row(Get, "/agents/automations", "automations.list", Page("Automation")),
    row(Post, "/agents/automations", "automations.create", One("Automation")),
    row(Delete, "/agents/automations/{automation_id}", "automations.delete", One("AutomationDeleted")),
    row(Get, "/agents/automations/{automation_id}", "automations.retrieve", One("Automation")),
    row(Post, "/agents/automations/{automation_id}", "automations.update", One("Automation")),
    row(
        Get,
        "/agents/automations/{automation_id}/invocations",
        "automations.invocations.list",
        Page("AutomationInvocation"),
    ),
    row(
        Post,
        "/agents/automations/{automation_id}/invocations",
        "automations.invocations.create",
        One("AutomationInvocation"),
    ),
    row(
        Get,
        "/agents/automations/{automation_id}/invocations/{invocation_id}",
        "automations.invocations.retrieve",
        One("AutomationInvocation"),
    ),
    row(Post, "/agents/automations/{automation_id}/pause", "automations.pause", One("Automation")),
    row(Post, "/agents/automations/{automation_id}/resume", "automations.resume", One("Automation")),
    row(Get, "/agents/environments", "environments.list", Page("EnvironmentInfo")),
    row(Post, "/agents/environments", "environments.create", One("EnvironmentInfo")),
    row(Get, "/agents/environments/templates", "environments.templates.list", Page("EnvironmentTemplate")),
    row(Post, "/agents/environments/templates", "environments.templates.create", One("EnvironmentTemplate")),
    row(
        Delete,
        "/agents/environments/templates/{environment_template_id}",
        "environments.templates.delete",
        One("EnvironmentTemplateDeleted"),
    ),
    row(
        Get,
        "/agents/environments/templates/{environment_template_id}",
        "environments.templates.retrieve",
        One("EnvironmentTemplate"),
    ),
    row(
        Post,
        "/agents/environments/templates/{environment_template_id}",
        "environments.templates.update",
        One("EnvironmentTemplate"),
    ),
    row(Get, "/agents/environments/{environment_id}", "environments.retrieve", One("EnvironmentInfo")),
    row(Get, "/agents/environments/{environment_id}/files", "environments.files.list", TokenPage("EnvironmentFile")),
    row(Post, "/agents/environments/{environment_id}/files", "environments.files.create", One("EnvironmentFile")),
    row(Get, "/agents/sessions", "sessions.list", Page("AgentSession")),
    row(Post, "/agents/sessions", "sessions.create", One("AgentSession")),
    row(Delete, "/agents/sessions/{session_id}", "sessions.delete", One("AgentSessionDeleted")),
    row(Get, "/agents/sessions/{session_id}", "sessions.retrieve", One("AgentSession")),
    row(Post, "/agents/sessions/{session_id}", "sessions.update", One("AgentSession")),
    row(Get, "/agents/sessions/{session_id}/artifacts", "sessions.artifacts.list", Page("SessionArtifact")),
    row(
        Delete,
        "/agents/sessions/{session_id}/artifacts/{artifact_id}",
        "sessions.artifacts.delete",
        One("SessionArtifactDeleted"),
    ),
    row(
        Get,
        "/agents/sessions/{session_id}/artifacts/{artifact_id}",
        "sessions.artifacts.retrieve",
        One("SessionArtifact"),
    ),
    row(Get, "/agents/sessions/{session_id}/artifacts/{artifact_id}/content", "sessions.artifacts.content", Bytes),
    row(Get, "/agents/sessions/{session_id}/events", "sessions.events.stream", Events),
    row(Post, "/agents/sessions/{session_id}/events", "sessions.events.create", Empty),
    row(Get, "/agents/sessions/{session_id}/items", "sessions.items.list", Page("AgentSessionItem")),
    row(Get, "/agents/sessions/{session_id}/subagents", "sessions.subagents.list", Page("Subagent")),
    row(Get, "/agents/sessions/{session_id}/subagents/{subagent_id}", "sessions.subagents.retrieve", One("Subagent")),
    row(
        Get,
        "/agents/sessions/{session_id}/subagents/{subagent_id}/items",
        "sessions.subagents.items.list",
        Page("AgentSessionItem"),
    ),
    row(
        Get,
        "/agents/sessions/{session_id}/subagents/{subagent_id}/turns",
        "sessions.subagents.turns.list",
        Page("Turn"),
    ),
    row(
        Get,
        "/agents/sessions/{session_id}/subagents/{subagent_id}/turns/{turn_id}",
        "sessions.subagents.turns.retrieve",
        One("Turn"),
    ),
    row(
        Get,
        "/agents/sessions/{session_id}/subagents/{subagent_id}/turns/{turn_id}/items",
        "sessions.subagents.turns.items.list",
        Page("AgentSessionItem"),
    ),
    row(Get, "/agents/sessions/{session_id}/traces", "sessions.traces.list", Page("SessionTrace")),
    row(Get, "/agents/sessions/{session_id}/turns", "sessions.turns.list", Page("Turn")),
    row(Get, "/agents/sessions/{session_id}/turns/{turn_id}", "sessions.turns.retrieve", One("Turn")),
    row(
        Get,
        "/agents/sessions/{session_id}/turns/{turn_id}/items",
        "sessions.turns.items.list",
        Page("AgentSessionItem"),
    ),
    row(Delete, "/agents/{agent_id}", "agents.delete", One("AgentDeleted")),
    row(Get, "/agents/{agent_id}", "agents.retrieve", One("Agent")),
    row(Post, "/agents/{agent_id}", "agents.update", One("Agent")),
    row(Get, "/vaults", "vaults.list", Page("Vault")),
    row(Post, "/vaults", "vaults.create", One("Vault")),
    row(Delete, "/vaults/{vault_id}", "vaults.delete", One("VaultDeleted")),
    row(Get, "/vaults/{vault_id}", "vaults.retrieve", One("Vault")),
    row(Post, "/vaults/{vault_id}", "vaults.update", One("Vault")),
    row(Get, "/vaults/{vault_id}/credentials", "vaults.credentials.list", Page("Credential")),
    row(Post, "/vaults/{vault_id}/credentials", "vaults.credentials.create", One("Credential")),
    row(
        Delete,
        "/vaults/{vault_id}/credentials/{credential_id}",
        "vaults.credentials.delete",
        One("CredentialDeleted"),
    ),
    row(Get, "/vaults/{vault_id}/credentials/{credential_id}", "vaults.credentials.retrieve", One("Credential")),
    row(Post, "/vaults/{vault_id}/credentials/{credential_id}", "vaults.credentials.update", One("Credential")),
];

/// Those of every door.
pub fn all() -> impl Iterator<Item = &'static Endpoint> {
    ENDPOINTS.iter().chain(&DOORS)
}

/// Which endpoint a request goes to; `path` is below the base URL, with or without a query.
pub fn find(method: Method, path: &str) -> Option<&'static Endpoint> {
    let path = path.split('?').next().unwrap_or_default();
    let fits = |endpoint: &&Endpoint| {
        let mut given = path.split('/');
        let same = endpoint.path.split('/').all(|wanted| {
            given.next().is_some_and(|segment| wanted == segment || (wanted.starts_with('{') && !segment.is_empty()))
        });
        same && given.next().is_none()
    };
    all()
        .filter(|endpoint| endpoint.method == method)
        .filter(fits)
        .min_by_key(|endpoint| endpoint.path.split('/').filter(|segment| segment.starts_with('{')).count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Shapes;
    use serde_json::Value;

    #[test]
    fn requests_find_their_endpoint() {
        for (method, path, sdk) in [
            (Get, "/agents", "agents.list"),
            (Get, "/agents/agent_1", "agents.retrieve"),
            (Get, "/agents/sessions", "sessions.list"),
            (Get, "/agents/sessions?limit=1", "sessions.list"),
            (Get, "/agents/environments/templates", "environments.templates.list"),
            (Post, "/agents/sessions/sess_1", "sessions.update"),
            (Delete, "/vaults/v/credentials/c", "vaults.credentials.delete"),
            (Get, "/agents/sessions/s/turns/t/items", "sessions.turns.items.list"),
            (Post, "/responses/compact", "responses.compact"),
            (Post, "/agents/sessions/s/fork", "sessions.fork"),
        ] {
            assert_eq!(find(method, path).map(|endpoint| endpoint.sdk), Some(sdk), "{path}");
        }
        assert!(find(Get, "/nothing").is_none() && find(Delete, "/agents").is_none());
    }

    #[test]
    fn answers_have_shapes_and_names_are_different() {
        let shapes = Shapes::load().unwrap();
        let mut names: Vec<&str> = all().map(|endpoint| endpoint.sdk).collect();
        for endpoint in all() {
            if let One(name) | Page(name) | TokenPage(name) | Answered::List(name) = endpoint.answered {
                let faults = shapes.faults(name, &Value::Null);
                assert!(!faults.is_empty() && !faults[0].what.starts_with("there is no shape"), "{name}");
            }
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all().count());
    }
}
