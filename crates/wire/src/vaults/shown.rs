//! Answers.

use super::EndpointAuthKind;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize, Clone, Debug)]
#[serde(tag = "object", rename = "vault")]
pub struct Vault<'a> {
    pub id: &'a str,
    pub created_at: u64,
    pub metadata: &'a BTreeMap<String, String>,
    pub name: Option<&'a str>,
}

#[derive(Serialize, Clone, Debug)]
#[serde(tag = "object", rename = "vault.credential")]
pub struct Credential<'a> {
    pub id: &'a str,
    pub auth: Auth<'a>,
    pub created_at: u64,
    pub metadata: &'a BTreeMap<String, String>,
    pub name: &'a str,
    pub updated_at: u64,
    pub vault_id: &'a str,
}

#[derive(Serialize, Clone, Debug)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Auth<'a> {
    McpOauth { expires_at: Option<&'a str>, mcp_server_url: &'a str, refresh: Option<Refresh<'a>> },
    StaticBearer { mcp_server_url: &'a str },
    EnvironmentVariable { networking: Networking<'a>, secret_name: &'a str },
}

#[derive(Serialize, Clone, Debug)]
pub struct Refresh<'a> {
    pub client_id: &'a str,
    pub resource: Option<&'a str>,
    pub scope: Option<&'a str>,
    pub token_endpoint: &'a str,
    pub token_endpoint_auth: EndpointAuth,
}

#[derive(Serialize, Clone, Copy, Debug)]
pub struct EndpointAuth {
    pub r#type: EndpointAuthKind,
}

#[derive(Serialize, Clone, Debug)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Networking<'a> {
    Unrestricted,
    Limited { allowed_hosts: &'a [String] },
}
