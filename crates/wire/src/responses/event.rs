//! Stream events of a response.

use super::item::{Content, Item, Logprob};
use super::resource::Response;
use serde::Serialize;

/// One event. `sequence_number` is its place in the stream.
#[derive(Serialize, Clone, Debug)]
pub struct Event<'a> {
    #[serde(flatten)]
    pub body: EventBody<'a>,
    pub sequence_number: u64,
    /// Padding of deltas; left out where it is not wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub obfuscation: Option<&'a str>,
}

macro_rules! events {
    ($($variant:ident $name:literal { $($field:ident: $type:ty),+ $(,)? })+) => {
        #[derive(Serialize, Clone, Debug)]
        #[serde(tag = "type")]
        pub enum EventBody<'a> {
            $(#[serde(rename = $name)] $variant { $($field: $type),+ },)+
        }

        impl EventBody<'_> {
            /// The event's `type`.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $name),+ }
            }
        }
    };
}

events! {
    Created "response.created" { response: Box<Response<'a>> }
    Queued "response.queued" { response: Box<Response<'a>> }
    InProgress "response.in_progress" { response: Box<Response<'a>> }
    Completed "response.completed" { response: Box<Response<'a>> }
    Failed "response.failed" { response: Box<Response<'a>> }
    Incomplete "response.incomplete" { response: Box<Response<'a>> }

    ItemAdded "response.output_item.added" { output_index: u32, item: Item<'a> }
    ItemDone "response.output_item.done" { output_index: u32, item: Item<'a> }

    PartAdded "response.content_part.added" {
        item_id: &'a str, output_index: u32, content_index: u32, part: Content<'a>,
    }
    TextDelta "response.output_text.delta" {
        item_id: &'a str, output_index: u32, content_index: u32, delta: &'a str, logprobs: Vec<Logprob<'a>>,
    }
    TextDone "response.output_text.done" {
        item_id: &'a str, output_index: u32, content_index: u32, text: &'a str, logprobs: Vec<Logprob<'a>>,
    }
    PartDone "response.content_part.done" {
        item_id: &'a str, output_index: u32, content_index: u32, part: Content<'a>,
    }

    SummaryPartAdded "response.reasoning_summary_part.added" {
        item_id: &'a str, output_index: u32, summary_index: u32, part: Content<'a>,
    }
    SummaryDelta "response.reasoning_summary_text.delta" {
        item_id: &'a str, output_index: u32, summary_index: u32, delta: &'a str,
    }
    SummaryDone "response.reasoning_summary_text.done" {
        item_id: &'a str, output_index: u32, summary_index: u32, text: &'a str,
    }
    SummaryPartDone "response.reasoning_summary_part.done" {
        item_id: &'a str, output_index: u32, summary_index: u32, part: Content<'a>,
    }

    ArgumentsDelta "response.function_call_arguments.delta" { item_id: &'a str, output_index: u32, delta: &'a str }
    ArgumentsDone "response.function_call_arguments.done" {
        item_id: &'a str, output_index: u32, name: &'a str, arguments: &'a str,
    }
    InputDelta "response.custom_tool_call_input.delta" { item_id: &'a str, output_index: u32, delta: &'a str }
    InputDone "response.custom_tool_call_input.done" { item_id: &'a str, output_index: u32, input: &'a str }
}
