//! What the tests of this crate stand on.

use std::sync::Arc;
use types::{
    AgentSettings, Attempt, CallId, Class, Door, EffectId, EnvironmentSettings, Offer, OfferedTool, ProjectId, Review,
    SessionId, SessionSettings, ToolRequest, TurnId,
};

pub fn settings() -> SessionSettings {
    SessionSettings {
        agent_id: "agent_1".into(),
        agent_name: None,
        agent: AgentSettings::new("m"),
        environment: EnvironmentSettings::None,
        vault_ids: Vec::new(),
        prompt_cache: None,
        review: Review::None,
        spend_limit: None,
        metadata: std::collections::BTreeMap::new(),
        door: Door::Agents,
        aws: None,
    }
}

/// A call of an offered tool of which only the name is known.
pub fn request(name: &str, arguments: &str) -> ToolRequest {
    request_of(&OfferedTool { name: name.to_owned(), class: Class::Pure, ..OfferedTool::default() }, arguments)
}

pub fn request_of(tool: &OfferedTool, arguments: &str) -> ToolRequest {
    ToolRequest {
        project: ProjectId::new("proj"),
        session: SessionId::new("sess_1"),
        turn: TurnId::new("turn_1"),
        call: tool.called(EffectId(1), CallId::new("call_1"), arguments.to_owned()),
        attempt: Attempt(1),
        key: None,
        attach: false,
        settings: Arc::new(settings()),
        offer: Arc::new(Offer::default()),
        resume: None,
    }
}
