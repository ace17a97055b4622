//! A session, whole: as it is read, and as every session event carries it.

use super::agent::{Compaction, Experimental, MultiAgent, Reasoning, Text};
use super::environment::Environment;
use super::tool::Tool;
use super::turn::TokenUsage;
use super::words::{CacheTtl, Review, ServiceTier, SessionStatus};
use crate::Verbatim;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize, Clone, Debug)]
#[serde(tag = "object", rename = "agent.session")]
pub struct Session<'a> {
    pub id: &'a str,
    pub status: SessionStatus,
    pub agent: SessionAgent<'a>,
    pub environment: Environment<'a>,
    pub required_actions: Vec<RequiredAction<'a>>,
    /// Why it failed.
    pub error: Option<&'a str>,
    pub usage: Option<TokenUsage>,
    pub metadata: &'a BTreeMap<String, String>,
    pub vault_ids: &'a [String],
    pub prompt_cache_options: Option<PromptCacheOptions>,
    /// Left out where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review: Option<Review>,
    pub spend_control: SpendControl,
    /// Left out where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<&'a str>,
    pub created_at: u64,
    pub last_active_at: u64,
}

/// The session's own copy of its agent.
#[derive(Serialize, Clone, Debug)]
pub struct SessionAgent<'a> {
    pub id: &'a str,
    pub name: Option<&'a str>,
    pub model: &'a str,
    pub instructions: Option<&'a str>,
    pub tools: Vec<Tool<'a>>,
    pub reasoning: Reasoning,
    pub text: Text<'a>,
    pub service_tier: ServiceTier,
    pub compaction: Compaction,
    pub multi_agent: MultiAgent,
    pub experimental: Experimental,
}

#[derive(Serialize, Clone, Debug)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RequiredAction<'a> {
    FunctionCall { turn_id: &'a str, call_id: &'a str, name: &'a str, arguments: Verbatim<'a> },
    EnvironmentConnection { environment_id: &'a str },
    McpApprovalRequest { request_id: &'a str, turn_id: &'a str, request: ApprovalRequest<'a> },
}

/// What people are asked to agree to.
#[derive(Serialize, Clone, Debug)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ApprovalRequest<'a> {
    McpToolCall { server_label: &'a str, name: &'a str, arguments: Verbatim<'a>, message: &'a str },
}

#[derive(Serialize, Clone, Copy, Debug)]
pub struct PromptCacheOptions {
    pub ttl: CacheTtl,
}

/// Whole US cents.
#[derive(Serialize, Clone, Copy, Debug)]
pub struct SpendControl {
    pub limit: Option<u64>,
    pub consumed: u64,
}
