//! Answers. Times are texts, as these services have them.

use serde::Serialize;

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct InterpreterMade {
    pub code_interpreter_id: String,
    pub code_interpreter_arn: String,
    pub status: &'static str,
    pub created_at: String,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct InterpreterSummary {
    #[serde(flatten)]
    pub made: InterpreterMade,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub last_updated_at: String,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Interpreter {
    #[serde(flatten)]
    pub summary: InterpreterSummary,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_role_arn: Option<String>,
    pub network_configuration: Network,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Network {
    pub network_mode: &'static str,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct InterpreterDeleted<'a> {
    pub code_interpreter_id: &'a str,
    pub status: &'static str,
    pub last_updated_at: String,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Interpreters {
    pub code_interpreter_summaries: Vec<InterpreterSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct SessionBegun<'a> {
    pub code_interpreter_identifier: &'a str,
    pub session_id: &'a str,
    pub created_at: String,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct SessionStopped<'a> {
    pub code_interpreter_identifier: &'a str,
    pub session_id: &'a str,
    pub last_updated_at: String,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Session<'a> {
    #[serde(flatten)]
    pub begun: SessionBegun<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    pub session_timeout_seconds: u32,
    pub status: &'static str,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct SessionSummary<'a> {
    #[serde(flatten)]
    pub begun: SessionBegun<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    pub status: &'static str,
    pub last_updated_at: String,
}

#[derive(Serialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Sessions<'a> {
    pub items: Vec<SessionSummary<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
}

/// The one event that a tool's use comes to.
#[derive(Serialize, Clone, PartialEq, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Outcome<'a> {
    pub content: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub structured_content: Option<Structured<'a>>,
    pub is_error: bool,
}

#[derive(Serialize, Clone, PartialEq, Debug)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Content<'a> {
    Text { text: &'a str },
    Resource { resource: Resource<'a> },
    ResourceLink(Entry<'a>),
}

#[derive(Serialize, Clone, PartialEq, Eq, Debug)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Resource<'a> {
    Text {
        uri: String,
        mime_type: &'a str,
        text: &'a str,
    },
    /// Base64.
    Blob {
        uri: String,
        mime_type: &'a str,
        blob: String,
    },
}

#[derive(Serialize, Clone, PartialEq, Eq, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Entry<'a> {
    pub uri: String,
    pub name: &'a str,
    /// `File` or `Directory`.
    pub description: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

#[derive(Serialize, Clone, Copy, PartialEq, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Structured<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_status: Option<&'static str>,
    pub stdout: &'a str,
    pub stderr: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_time: Option<f64>,
}
