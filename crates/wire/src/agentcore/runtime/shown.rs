//! Answers. Times are texts, as this service has them.

use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeMade<'a> {
    pub agent_runtime_arn: &'a str,
    pub agent_runtime_id: &'a str,
    pub agent_runtime_version: &'a str,
    pub created_at: &'a str,
    pub status: &'static str,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeChanged<'a> {
    #[serde(flatten)]
    pub made: RuntimeMade<'a>,
    pub last_updated_at: &'a str,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeDeleted<'a> {
    pub status: &'static str,
    pub agent_runtime_id: &'a str,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Runtime<'a> {
    #[serde(flatten)]
    pub changed: RuntimeChanged<'a>,
    pub agent_runtime_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'a str>,
    pub role_arn: &'a str,
    pub agent_runtime_artifact: Artifact<'a>,
    pub network_configuration: Network,
    pub lifecycle_configuration: Lifecycle,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol_configuration: Option<Protocol<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_header_configuration: Option<Headers<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment_variables: &'a BTreeMap<String, String>,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Artifact<'a> {
    pub code_configuration: CodeConfiguration<'a>,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct CodeConfiguration<'a> {
    pub code: Code<'a>,
    pub runtime: &'static str,
    pub entry_point: &'a [String],
}

#[derive(Serialize, Clone, Debug)]
pub struct Code<'a> {
    pub s3: S3<'a>,
}

#[derive(Serialize, Clone, Debug)]
pub struct S3<'a> {
    pub bucket: &'a str,
    pub prefix: &'a str,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Network {
    pub network_mode: &'static str,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Lifecycle {
    pub idle_runtime_session_timeout: u32,
    pub max_lifetime: u32,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Protocol<'a> {
    pub server_protocol: &'a str,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Headers<'a> {
    pub request_header_allowlist: &'a [String],
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeSummary<'a> {
    pub agent_runtime_arn: String,
    pub agent_runtime_id: &'a str,
    pub agent_runtime_version: String,
    pub agent_runtime_name: &'a str,
    /// Empty where there is none: it may not be missing.
    pub description: &'a str,
    pub last_updated_at: String,
    pub status: &'static str,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Runtimes<'a> {
    pub agent_runtimes: Vec<RuntimeSummary<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct EndpointMade<'a> {
    pub target_version: &'a str,
    pub agent_runtime_endpoint_arn: &'a str,
    pub agent_runtime_arn: &'a str,
    pub agent_runtime_id: &'a str,
    pub endpoint_name: &'a str,
    pub status: &'static str,
    pub created_at: &'a str,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct EndpointChanged<'a> {
    pub live_version: &'a str,
    pub target_version: &'a str,
    pub agent_runtime_endpoint_arn: &'a str,
    pub agent_runtime_arn: &'a str,
    pub status: &'static str,
    pub created_at: &'a str,
    pub last_updated_at: &'a str,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct EndpointDeleted<'a> {
    pub status: &'static str,
    pub agent_runtime_id: &'a str,
    pub endpoint_name: &'a str,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    pub live_version: String,
    pub target_version: String,
    pub agent_runtime_endpoint_arn: String,
    pub agent_runtime_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub status: &'static str,
    pub created_at: String,
    pub last_updated_at: String,
    pub name: String,
    pub id: String,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Endpoints {
    pub runtime_endpoints: Vec<Endpoint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}
