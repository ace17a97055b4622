//! HTTP from inside an environment: a request, its answer, and its body where that is streamed.

use super::Base64;
use serde::{Deserialize, Serialize};

/// `http/request`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpRequest {
    pub method: String,
    pub url: String,
    #[serde(default)]
    pub headers: Vec<Header>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<Base64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    #[serde(default)]
    pub redirect_policy: RedirectPolicy,
    /// Names the request in its body's notifications.
    pub request_id: String,
    /// The body comes as notifications, not in the answer.
    #[serde(default)]
    pub stream_response: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub name: String,
    pub value: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RedirectPolicy {
    #[default]
    Follow,
    Stop,
}

/// The answer to `http/request`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpResponse {
    pub status: u16,
    pub headers: Vec<Header>,
    pub body_base64: Base64,
}

/// `http/request/bodyDelta`, a notification.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BodyDelta {
    pub request_id: String,
    /// From 1.
    pub seq: u64,
    pub delta_base64: Base64,
    pub done: bool,
    pub error: Option<String>,
}
