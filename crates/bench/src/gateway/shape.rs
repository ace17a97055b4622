//! What is asked: a door, and whether the answer is streamed.

use super::mock;
use crate::client::Connection;
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::fmt;
use std::sync::Arc;

/// The configured entries: one for each wire that the mock speaks.
pub const CHAT_MODEL: &str = "mock";
pub const RESPONSES_MODEL: &str = "mock-responses";
const ASKED: &str = "Say something about stones.";

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Shape {
    Chat,
    ChatStream,
    Responses,
    ResponsesStream,
    Converse,
    ConverseStream,
}

/// A request's path and body.
#[derive(Clone, Debug)]
pub struct Request {
    path: Arc<str>,
    body: Arc<[u8]>,
}

impl Request {
    /// `before` stands before `/v1`; `model` where the server has its own name for it; `store` where it is said.
    pub fn new(shape: Shape, before: &str, model: Option<&str>, store: Option<bool>) -> Self {
        if let Some(operation) = shape.operation() {
            let body = json!({"messages": [{"role": "user", "content": [{"text": ASKED}]}]});
            let path = format!("/model/{CHAT_MODEL}/{operation}").into();
            return Self { path, body: body.to_string().into_bytes().into() };
        }
        let (path, name, input) = match shape.is_chat() {
            true => ("/v1/chat/completions", CHAT_MODEL, "messages"),
            false => ("/v1/responses", RESPONSES_MODEL, "input"),
        };
        let mut body = json!({
            "model": model.unwrap_or(name),
            input: [{"role": "user", "content": ASKED}],
            "stream": shape.is_streamed(),
        });
        if let Some(store) = store {
            body["store"] = Value::Bool(store);
        }
        Self { path: format!("{before}{path}").into(), body: body.to_string().into_bytes().into() }
    }
}

impl Shape {
    pub const ALL: [Self; 6] =
        [Self::Chat, Self::ChatStream, Self::Responses, Self::ResponsesStream, Self::Converse, Self::ConverseStream];

    pub fn is_chat(self) -> bool {
        matches!(self, Self::Chat | Self::ChatStream)
    }

    /// What Bedrock's runtime calls it, which only our server speaks.
    pub fn operation(self) -> Option<&'static str> {
        match self {
            Self::Converse => Some("converse"),
            Self::ConverseStream => Some("converse-stream"),
            _ => None,
        }
    }

    /// The same question in Chat's words, for what is asked in Bedrock's.
    pub fn in_chat(self) -> Option<Self> {
        match self {
            Self::Converse => Some(Self::Chat),
            Self::ConverseStream => Some(Self::ChatStream),
            _ => None,
        }
    }

    pub fn is_streamed(self) -> bool {
        matches!(self, Self::ChatStream | Self::ResponsesStream)
    }

    /// Asks and reads the whole answer. Err where it is not whole.
    pub async fn ask(self, connection: &mut Connection, request: &Request) -> Result<()> {
        let answer = connection.post(&request.path, &request.body, None).await?;
        answer.expect(200)?;
        let end: &[u8] = match self {
            Self::Chat | Self::Responses | Self::Converse => mock::LAST.as_bytes(),
            Self::ConverseStream => b"latencyMs",
            Self::ChatStream => b"[DONE]",
            Self::ResponsesStream => b"response.completed",
        };
        let is_whole = answer.body.windows(end.len()).any(|window| window == end);
        ensure!(is_whole, "an answer that is not whole: {}", String::from_utf8_lossy(&answer.body));
        Ok(())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Chat => "chat",
            Self::ChatStream => "chat, streamed",
            Self::Responses => "responses",
            Self::ResponsesStream => "responses, streamed",
            Self::Converse => "converse",
            Self::ConverseStream => "converse, streamed",
        })
    }
}
