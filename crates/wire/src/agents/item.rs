//! Items: what a conversation is made of.

use super::words::{ItemStatus, Phase};
use crate::Verbatim;
use serde::Serialize;
use std::borrow::Cow;

#[derive(Serialize, Clone, Debug)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Item<'a> {
    Message {
        id: &'a str,
        turn_id: &'a str,
        /// `user` or `assistant`.
        role: &'static str,
        status: ItemStatus,
        /// Null for user messages.
        phase: Option<Phase>,
        content: Vec<Content<'a>>,
    },
    Reasoning {
        id: &'a str,
        turn_id: &'a str,
        status: ItemStatus,
        summary: Vec<Content<'a>>,
    },
    FunctionCall {
        id: &'a str,
        turn_id: &'a str,
        call_id: &'a str,
        name: &'a str,
        arguments: Verbatim<'a>,
        status: ItemStatus,
    },
    FunctionCallOutput {
        id: &'a str,
        turn_id: &'a str,
        call_id: &'a str,
        status: ItemStatus,
        output: Option<Output<'a>>,
        error: Option<&'a str>,
    },
    /// A call that the server performs.
    McpCall {
        id: &'a str,
        turn_id: &'a str,
        server_label: &'a str,
        name: &'a str,
        arguments: Verbatim<'a>,
        status: ItemStatus,
        output: Option<Output<'a>>,
        error: Option<String>,
    },
    /// A look at the web.
    WebSearchCall {
        id: &'a str,
        turn_id: &'a str,
        action: Option<WebSearchAction<'a>>,
        status: ItemStatus,
    },
    /// A command in the session's environment.
    CommandExecution {
        id: &'a str,
        turn_id: &'a str,
        command: Cow<'a, str>,
        cwd: Option<Cow<'a, str>>,
        status: ItemStatus,
        output: Option<Cow<'a, str>>,
        exit_code: Option<i32>,
        duration_ms: Option<u64>,
    },
}

#[derive(Serialize, Clone, Debug)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Content<'a> {
    InputText {
        text: &'a str,
    },
    InputImage {
        image_url: &'a str,
    },
    OutputText {
        text: &'a str,
        /// Beyond the Agents API, which has no word for it; left out where there are none.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        annotations: Vec<Annotation<'a>>,
    },
    SummaryText {
        text: &'a str,
    },
}

/// A place in the text that names a page. Characters, the last one not included.
#[derive(Serialize, Clone, Debug)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Annotation<'a> {
    UrlCitation { start_index: u32, end_index: u32, url: &'a str, title: &'a str },
}

/// What was looked at on the web.
#[derive(Serialize, Clone, Debug)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum WebSearchAction<'a> {
    Search { query: Cow<'a, str> },
    OpenPage { url: Cow<'a, str> },
}

/// What a function returned.
#[derive(Serialize, Clone, Debug)]
#[serde(untagged)]
pub enum Output<'a> {
    Text(&'a str),
    Parts(Vec<Content<'a>>),
}
