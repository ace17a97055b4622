//! What a WebSocket says beside the events of responses: that a request was refused, and what became of a steering.

use crate::error::ErrorBody;
use serde::Serialize;
use serde_json::Value;

/// A request that was refused, or what is wrong with the connection.
#[derive(Serialize, Clone, Debug)]
#[serde(tag = "type", rename = "error")]
pub struct ErrorFrame<'a> {
    /// As HTTP would have it.
    pub status: u16,
    pub error: ErrorBody<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_id: Option<&'a str>,
}

/// What became of a steering.
#[derive(Serialize, Clone, Debug)]
#[serde(tag = "type")]
pub enum SteerEvent<'a> {
    #[serde(rename = "response.steer.accepted")]
    Accepted { steer: Steered<'a>, sequence_number: u64 },
    #[serde(rename = "response.steer.pending")]
    Pending { steer: Steered<'a>, reason: &'static str, required_input: &'a [RequiredInput], sequence_number: u64 },
    #[serde(rename = "response.steer.failed")]
    Failed { steer: Steered<'a>, error: SteerError<'a>, sequence_number: u64 },
}

#[derive(Serialize, Clone, Copy, Debug)]
pub struct Steered<'a> {
    /// None where it was never accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    /// The response that it steers.
    pub previous_response_id: &'a str,
    /// Given back with a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<&'a Value>,
}

#[derive(Serialize, Clone, Copy, Debug)]
#[serde(tag = "type", rename = "invalid_request_error")]
pub struct SteerError<'a> {
    pub code: &'static str,
    pub message: &'a str,
}

/// What the next request must bring: a result without its content.
#[derive(Serialize, Clone, PartialEq, Eq, Debug)]
#[serde(tag = "type")]
pub enum RequiredInput {
    #[serde(rename = "function_call_output")]
    Function { call_id: String, name: String },
    #[serde(rename = "custom_tool_call_output")]
    Custom { call_id: String },
}

/// An event's JSON, with the lane that it is of. A lane's name needs no escaping.
pub fn lane_of(mut json: String, stream_id: Option<&str>) -> String {
    if let Some(name) = stream_id
        && json.pop() == Some('}')
    {
        json.push_str(",\"stream_id\":\"");
        json.push_str(name);
        json.push_str("\"}");
    }
    json
}
