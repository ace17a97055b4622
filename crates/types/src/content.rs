//! What people and tools say: text, images, files.

use serde::{Deserialize, Serialize};

/// One part of a message or of a tool's output.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Content {
    Text {
        text: String,
    },
    /// A URL, often a `data:` URL; passed through to the model as it is.
    Image {
        image_url: String,
    },
    /// `data` is a `data:` URL.
    File {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        filename: Option<String>,
        data: String,
    },
}

impl Content {
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Text { text } => text.len(),
            Self::Image { image_url } => image_url.len(),
            Self::File { filename, data } => filename.as_ref().map_or(0, String::len) + data.len(),
        }
    }
}

/// One user message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Message {
    pub content: Vec<Content>,
}

impl Message {
    pub fn text(text: impl Into<String>) -> Self {
        Self { content: vec![Content::Text { text: text.into() }] }
    }
}

/// What a function returned.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CallOutput {
    Text(String),
    Parts(Vec<Content>),
}

impl CallOutput {
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Parts(parts) => parts.iter().map(Content::bytes).sum(),
        }
    }
}
