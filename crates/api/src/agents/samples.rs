//! One of each thing that is shown, for tests.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use types::{
    AgentSettings, CallId, Capability, Class, ContainerSize, EffectId, EnvironmentError, EnvironmentId,
    EnvironmentSettings, EnvironmentState, EnvironmentStatus, Head, HostedFile, HostedSettings, Item, ItemBody,
    McpTool, McpTransport, MicroUsd, NetworkAccess, NetworkSettings, OfferedTool, Packages, RequiredAction, Review,
    SavedAgent, Seq, SessionSettings, SessionStatus, SessionView, Timestamp, Tool, ToolCall, TurnStatus, TurnView,
    Usage, WebSearch,
};

pub fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no object"),
    }
}

pub fn usage() -> Usage {
    Usage { input_tokens: 10, cached_tokens: 4, output_tokens: 5, reasoning_tokens: 2 }
}

/// Every kind of tool, with a secret wherever there is room for one.
pub fn tools() -> Vec<Tool> {
    let secrets = || BTreeMap::from([("x".to_owned(), "secret".to_owned())]);
    let mcp = |server_label: &str, transport| {
        Tool::Mcp(McpTool {
            server_label: server_label.into(),
            transport,
            allowed_tools: None,
            connection_origin: "service".into(),
            credential_id: None,
            request_metadata: Map::new(),
            required: false,
        })
    };
    vec![
        Tool::Function {
            name: "f".into(),
            description: "d".into(),
            parameters: object(json!({ "type": "object" })),
            defer_loading: false,
            is_async: None,
            strict: None,
        },
        Tool::ToolSearch,
        Tool::ProgrammaticToolCalling { enabled: true },
        mcp(
            "http",
            McpTransport::Http { server_url: "u".into(), headers: secrets(), authorization: Some("secret".into()) },
        ),
        mcp(
            "stdio",
            McpTransport::Stdio {
                command: "c".into(),
                cwd: "/".into(),
                args: vec!["a".into()],
                env: secrets(),
                env_vars: vec!["HOME".into()],
            },
        ),
        Tool::WebSearch(WebSearch {
            mode: "cached".into(),
            context_size: "low".into(),
            allowed_domains: None,
            location: Some(BTreeMap::from([("city".to_owned(), Some("Rome".to_owned()))])),
        }),
        Tool::ComputerUse { include_screenshots: false },
        Tool::Automations,
    ]
}

pub fn saved() -> SavedAgent {
    SavedAgent {
        id: "agent_1".into(),
        name: None,
        metadata: BTreeMap::from([("k".to_owned(), "v".to_owned())]),
        settings: AgentSettings { tools: tools(), ..AgentSettings::new("m") },
        created_at: Timestamp(1999),
        updated_at: Timestamp(2000),
    }
}

pub fn session() -> SessionView {
    SessionView {
        head: Arc::new(Head {
            base: None,
            session: "sess_1".into(),
            seq: Seq(9),
            status: SessionStatus::RequiresAction,
            required_actions: vec![RequiredAction::FunctionCall {
                turn: "turn_1".into(),
                call_id: CallId::new("c"),
                name: "f".into(),
                arguments: r#"{"a":1}"#.to_owned(),
            }],
            turn: Some(turn()),
            usage: None,
            spent: MicroUsd(19_999),
            error: None,
            created_at: Timestamp(1000),
            last_active_at: Timestamp(2000),
            needs_work: false,
            has_gaps: false,
            environment: None,
        }),
        settings: Arc::new(SessionSettings {
            agent_id: "agent_1".into(),
            agent_name: Some("n".into()),
            agent: AgentSettings { tools: tools(), ..AgentSettings::new("m") },
            environment: EnvironmentSettings::None,
            vault_ids: Vec::new(),
            prompt_cache: None,
            review: Review::None,
            spend_limit: Some(MicroUsd::from_cents(50)),
            metadata: BTreeMap::new(),
            door: types::Door::Agents,
            aws: None,
        }),
    }
}

/// One whose environment is in this state.
pub fn session_with_environment(status: EnvironmentStatus, error: Option<EnvironmentError>) -> SessionView {
    let mut view = session();
    let id = EnvironmentId::new("env_1");
    Arc::make_mut(&mut view.head).environment = Some(EnvironmentState { id: id.clone(), status, error, resets: 0 });
    let (workspace_directory, capability_directories) = ("/w".to_owned(), Vec::new());
    Arc::make_mut(&mut view.settings).environment =
        EnvironmentSettings::SelfHosted { id, workspace_directory, capability_directories };
    view
}

/// The same of one that the server made, with everything it can have.
pub fn session_with_hosted_environment(status: EnvironmentStatus, error: Option<EnvironmentError>) -> SessionView {
    let mut view = session_with_environment(status, error);
    let file = |id: &str, path: &str, bytes, file_id: Option<&str>| HostedFile {
        id: id.into(),
        path: path.into(),
        bytes,
        file_id: file_id.map(str::to_owned),
    };
    let hosted = HostedSettings {
        id: EnvironmentId::new("env_1"),
        container_size: ContainerSize::Small,
        network: NetworkSettings {
            access: NetworkAccess::Restricted,
            allowed_domains: vec!["example.com".into()],
            ..NetworkSettings::default()
        },
        capability_directories: vec!["/workspace/skills".into()],
        files: vec![file("envfile_1", "/workspace/a", 3, None), file("envfile_2", "/workspace/b", 4, Some("file_1"))],
        packages: Packages { npm: vec!["left-pad".into()], system: vec!["jq".into()], ..Packages::default() },
        plugins: Vec::new(),
        skills: vec![Capability { name: "s".into(), description: "d".into() }],
    };
    Arc::make_mut(&mut view.settings).environment = EnvironmentSettings::OpenaiHosted(Box::new(hosted));
    view
}

/// An ended turn with everything it can have.
pub fn turn() -> TurnView {
    TurnView {
        id: "turn_1".into(),
        agent_id: "agent_1".into(),
        status: TurnStatus::Completed,
        error: None,
        usage: Some(usage()),
        prompt_cache: None,
        created_at: Timestamp(1000),
        started_at: Some(Timestamp(1500)),
        completed_at: Some(Timestamp(2000)),
    }
}

pub fn item(output_index: Option<u32>, body: ItemBody) -> Arc<Item> {
    Arc::new(Item { id: "item_1".into(), turn: "turn_1".into(), output_index, origin: None, body })
}

pub fn call() -> Arc<Item> {
    item(
        Some(1),
        ItemBody::FunctionCall {
            effect: EffectId(3),
            call_id: CallId::new("c"),
            name: "f".into(),
            arguments: r#"{"a":1}"#.to_owned(),
            custom: false,
            told: types::Told::InPlace,
            expires: None,
        },
    )
}

/// A call that the server performs.
pub fn tool_call() -> ToolCall {
    let tool = OfferedTool {
        server_label: "label".into(),
        name: "t".into(),
        class: Class::Irreversible,
        ..OfferedTool::default()
    };
    tool.called(EffectId(3), CallId::new("c"), r#"{"b":1.10,"a":1}"#.to_owned())
}
