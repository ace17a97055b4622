//! Answers. Times are seconds since the Unix epoch, with a fraction.

use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Event<'a> {
    pub memory_id: &'a str,
    pub actor_id: &'a str,
    pub session_id: &'a str,
    pub event_id: &'a str,
    pub event_timestamp: f64,
    /// Empty where it was not asked for: it may not be missing.
    pub payload: &'a [Value],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<Branch<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<&'a str, Text<'a>>,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Branch<'a> {
    pub name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_event_id: Option<&'a str>,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Text<'a> {
    pub string_value: &'a str,
}

#[derive(Serialize, Clone, Debug)]
pub struct EventEnvelope<'a> {
    pub event: Event<'a>,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Events<'a> {
    pub events: Vec<Event<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<&'a str>,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct EventDeleted<'a> {
    pub event_id: &'a str,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Session<'a> {
    pub session_id: &'a str,
    pub actor_id: &'a str,
    pub created_at: f64,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Sessions<'a> {
    pub session_summaries: Vec<Session<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<&'a str>,
}

/// `{"actorId": …}` each.
#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Actors<'a> {
    pub actor_summaries: Vec<BTreeMap<&'static str, &'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<&'a str>,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Memory<'a> {
    pub arn: String,
    pub id: &'a str,
    pub name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_execution_role_arn: Option<&'a str>,
    pub event_expiry_duration: u32,
    pub status: &'static str,
    pub created_at: f64,
    pub updated_at: f64,
    /// None are kept here.
    pub strategies: [(); 0],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub indexed_keys: Vec<IndexedKey<'a>>,
}

#[derive(Serialize, Clone, Debug)]
pub struct IndexedKey<'a> {
    pub key: &'a str,
    pub r#type: &'a str,
}

#[derive(Serialize, Clone, Debug)]
pub struct MemoryEnvelope<'a> {
    pub memory: Memory<'a>,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct MemorySummary<'a> {
    pub arn: String,
    pub id: &'a str,
    pub status: &'static str,
    pub created_at: f64,
    pub updated_at: f64,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Memories<'a> {
    pub memories: Vec<MemorySummary<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<&'a str>,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct MemoryDeleted<'a> {
    pub memory_id: &'a str,
    pub status: &'static str,
}
