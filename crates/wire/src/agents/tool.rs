//! Tools as responses show them. A session's tools are shown without headers, a saved agent's with them: there they
//! are declared to be no secret. `authorization` and `env` are never shown.

use super::words::{ConnectionOrigin, ContextSize, SearchMode};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

#[derive(Serialize, Clone, Debug)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Tool<'a> {
    Function {
        name: &'a str,
        description: &'a str,
        parameters: &'a Map<String, Value>,
        defer_loading: bool,
        r#async: Option<bool>,
    },
    /// Only in sessions that another door made.
    Custom {
        name: &'a str,
        description: &'a str,
    },
    /// Only in saved agents.
    ToolSearch,
    ProgrammaticToolCalling {
        enabled: bool,
    },
    Mcp {
        server_label: &'a str,
        transport: Transport<'a>,
        allowed_tools: Option<&'a [String]>,
        connection_origin: ConnectionOrigin,
        credential_id: Option<&'a str>,
        request_metadata: &'a Map<String, Value>,
        required: bool,
    },
    WebSearch {
        mode: SearchMode,
        context_size: ContextSize,
        allowed_domains: Option<&'a [String]>,
        location: Option<Location<'a>>,
    },
    ComputerUse {
        include_screenshots: bool,
    },
    Automations,
}

#[derive(Serialize, Clone, Debug)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Transport<'a> {
    Http {
        server_url: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        headers: Option<&'a BTreeMap<String, String>>,
    },
    Stdio {
        command: &'a str,
        cwd: &'a str,
        args: &'a [String],
        env_vars: &'a [String],
    },
}

#[derive(Serialize, Clone, Copy, Default, Debug)]
pub struct Location<'a> {
    pub city: Option<&'a str>,
    pub country: Option<&'a str>,
    pub region: Option<&'a str>,
    pub timezone: Option<&'a str>,
}
