//! `outcrop.toml` as it stands: names, places and nothing else. What a value means is decided in `resolve`. A field
//! that is not named here is an error, and docs/configuration.md names every one of them (a test compares).

use serde::Deserialize;
use toml::Spanned;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    #[serde(default)]
    pub server: Server,
    #[serde(default)]
    pub model: Vec<Spanned<Model>>,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub approvals: Approvals,
    #[serde(default)]
    pub environments: Environments,
    #[serde(default)]
    pub vaults: Vaults,
    #[serde(default)]
    pub mcp: Mcp,
    #[serde(default)]
    pub aws: Aws,
    #[serde(default)]
    pub agentcore: AgentCore,
    pub web_search: Option<Spanned<WebSearch>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    pub listen: Option<Spanned<String>>,
    pub data: Option<Spanned<String>>,
    pub store: Option<Spanned<String>>,
    pub blobs: Option<Spanned<String>>,
    pub drain: Option<Spanned<String>>,
    pub public_url: Option<Spanned<String>>,
    pub journal: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    pub name: Spanned<String>,
    #[serde(default)]
    pub aliases: Vec<Spanned<String>>,
    pub provider: Spanned<String>,
    pub task: Option<Spanned<String>>,
    pub source: Option<Spanned<String>>,
    pub sha256: Option<Spanned<String>>,
    pub base_url: Option<Spanned<String>>,
    pub upstream_model: Option<Spanned<String>>,
    pub api_key_env: Option<Spanned<String>>,
    #[serde(default)]
    pub fallback: Vec<Spanned<String>>,
    pub context_tokens: Option<Spanned<i64>>,
    pub max_output_tokens: Option<Spanned<i64>>,
    pub price: Option<Price>,
    #[serde(default)]
    pub timeout: Timeout,
    pub attempts: Option<Spanned<i64>>,
}

/// The numbers are read from the file's text, digit by digit; the floats only hold the place.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    pub input: Spanned<f64>,
    pub cached_input: Option<Spanned<f64>>,
    pub output: Spanned<f64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timeout {
    pub connect: Option<Spanned<String>>,
    pub first_byte: Option<Spanned<String>>,
    pub stall: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub body: Option<Spanned<String>>,
    pub unjournaled: Option<Spanned<String>>,
    pub streams: Option<Spanned<i64>>,
    pub running_sessions_per_project: Option<Spanned<i64>>,
    pub running_sessions: Option<Spanned<i64>>,
    pub queued_sessions_per_project: Option<Spanned<i64>>,
    pub model_calls_per_turn: Option<Spanned<i64>>,
    pub tool_calls_per_turn: Option<Spanned<i64>>,
    pub turn_time: Option<Spanned<String>>,
    pub function_call_time: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approvals {
    pub expires: Option<Spanned<String>>,
    pub reviewer: Option<Spanned<String>>,
    #[serde(default)]
    pub rule: Vec<ApprovalRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalRule {
    pub host: Spanned<String>,
    pub tools: Option<Vec<String>>,
    pub calls: Spanned<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environments {
    pub driver: Option<Spanned<String>>,
    pub base: Option<Spanned<String>>,
    pub allow_weak_sandbox: Option<bool>,
    pub suspend_after: Option<Spanned<String>>,
    pub background_after: Option<Spanned<String>>,
    pub expire_after: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mcp {
    pub allow_private: Option<bool>,
    pub allowed_hosts: Option<Vec<Spanned<String>>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aws {
    pub partition: Option<Spanned<String>>,
    pub region: Option<Spanned<String>>,
    pub account: Option<Spanned<String>>,
    pub managed_agents: Option<Spanned<String>>,
    pub unsigned_payload: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentCore {
    pub code: Option<Spanned<String>>,
    pub idle_after: Option<Spanned<String>>,
    pub lifetime: Option<Spanned<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebSearch {
    pub provider: Option<Spanned<String>>,
    pub url: Option<Spanned<String>>,
    pub api_key_env: Option<Spanned<String>>,
    pub tool: Option<Spanned<String>>,
    pub argument: Option<Spanned<String>>,
    pub blocked_domains: Option<Vec<Spanned<String>>>,
    pub allowed_hosts: Option<Vec<Spanned<String>>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vaults {
    pub root_key_file: Option<Spanned<String>>,
    pub root_key_env: Option<Spanned<String>>,
    pub kms: Option<Spanned<Kms>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kms {
    #[serde(default)]
    pub keys: Vec<Spanned<String>>,
    pub endpoint: Option<Spanned<String>>,
    pub wraps: Option<bool>,
}
