//! What a streamed conversation says, event by event. `ConverseStream` sends each in a frame of its name; Nova's
//! InvokeModelWithResponseStream sends objects with the name as their one member, as bytes in frames named `chunk`.

use super::answer::{Metrics, StopReason, Told, Usage};
use crate::eventstream::{self, Unwritable};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

#[derive(Serialize, Clone, Copy, Debug)]
#[serde(untagged)]
pub enum Event<'a> {
    MessageStart {
        role: &'static str,
    },
    #[serde(rename_all = "camelCase")]
    BlockStart {
        start: Start<'a>,
        content_block_index: u32,
    },
    #[serde(rename_all = "camelCase")]
    BlockDelta {
        delta: Delta<'a>,
        content_block_index: u32,
    },
    #[serde(rename_all = "camelCase")]
    BlockStop {
        content_block_index: u32,
    },
    #[serde(rename_all = "camelCase")]
    MessageStop {
        stop_reason: StopReason,
    },
    Metadata(Metadata),
}

/// Only calls have a beginning of their own.
#[derive(Serialize, Clone, Copy, Debug)]
#[serde(rename_all = "camelCase")]
pub enum Start<'a> {
    #[serde(rename_all = "camelCase")]
    ToolUse { tool_use_id: &'a str, name: &'a str },
}

#[derive(Serialize, Clone, Copy, Debug)]
#[serde(rename_all = "camelCase")]
pub enum Delta<'a> {
    Text(&'a str),
    ReasoningContent {
        text: &'a str,
    },
    /// A piece of the arguments as JSON.
    ToolUse {
        input: &'a str,
    },
}

#[derive(Serialize, Clone, Copy, Debug)]
pub struct Metadata {
    pub usage: Usage,
    pub metrics: Metrics,
    #[serde(flatten)]
    pub manner: Told,
}

impl Event<'_> {
    pub const BEGIN: Self = Self::MessageStart { role: "assistant" };

    /// As the stream names it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::MessageStart { .. } => "messageStart",
            Self::BlockStart { .. } => "contentBlockStart",
            Self::BlockDelta { .. } => "contentBlockDelta",
            Self::BlockStop { .. } => "contentBlockStop",
            Self::MessageStop { .. } => "messageStop",
            Self::Metadata(_) => "metadata",
        }
    }
}

/// What the last chunk of InvokeModelWithResponseStream says beside what the model says. Milliseconds.
#[derive(Serialize, Clone, Copy, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Invocation {
    pub input_token_count: u64,
    pub output_token_count: u64,
    pub invocation_latency: u64,
    pub first_byte_latency: u64,
}

/// An event as an object with its name.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a>(pub Event<'a>);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.0.name(), &self.0)?;
        map.end()
    }
}

/// What a chunk says, and where it is the last one, how the call went.
#[derive(Serialize, Clone, Copy, Debug)]
pub struct Chunk<T> {
    #[serde(flatten)]
    pub said: T,
    #[serde(rename = "amazon-bedrock-invocationMetrics", skip_serializing_if = "Option::is_none")]
    pub invocation: Option<Invocation>,
}

/// Writes a frame `chunk` whose bytes are `value` as JSON.
pub fn chunk(out: &mut Vec<u8>, value: &impl Serialize) -> Result<(), Unwritable> {
    #[derive(Serialize)]
    struct Part {
        bytes: String,
    }
    let json = serde_json::to_vec(value).map_err(|_| Unwritable::Payload)?;
    eventstream::event(out, "chunk", &Part { bytes: STANDARD.encode(json) })
}
