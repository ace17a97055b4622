//! Items of a response: what went in, and what came out.

use super::words::ItemStatus;
use crate::agents::Phase;
use serde::Serialize;

#[derive(Serialize, Clone, Debug)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Item<'a> {
    Message {
        id: &'a str,
        status: ItemStatus,
        content: Vec<Content<'a>>,
        /// `user`, `assistant`, `system` or `developer`.
        role: &'static str,
        /// Of the assistant's messages only.
        #[serde(skip_serializing_if = "Option::is_none")]
        phase: Option<Phase>,
    },
    FunctionCall {
        id: &'a str,
        status: ItemStatus,
        arguments: &'a str,
        call_id: &'a str,
        name: &'a str,
    },
    FunctionCallOutput {
        id: &'a str,
        status: ItemStatus,
        call_id: &'a str,
        output: Output<'a>,
    },
    CustomToolCall {
        id: &'a str,
        status: ItemStatus,
        input: &'a str,
        call_id: &'a str,
        name: &'a str,
    },
    CustomToolCallOutput {
        id: &'a str,
        status: ItemStatus,
        call_id: &'a str,
        output: Output<'a>,
    },
    Reasoning {
        id: &'a str,
        summary: Vec<Content<'a>>,
        /// Left out where the client did not ask for it.
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<String>,
    },
    Compaction {
        id: &'a str,
        encrypted_content: String,
    },
}

#[derive(Serialize, Clone, Debug)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Content<'a> {
    InputText {
        text: &'a str,
    },
    InputImage {
        /// Always `auto`.
        detail: &'static str,
        file_id: Option<&'a str>,
        image_url: Option<&'a str>,
    },
    InputFile {
        file_id: Option<&'a str>,
        filename: Option<&'a str>,
        file_data: Option<&'a str>,
    },
    OutputText {
        /// Always empty.
        annotations: [(); 0],
        logprobs: Vec<Logprob<'a>>,
        text: &'a str,
    },
    SummaryText {
        text: &'a str,
    },
}

impl<'a> Content<'a> {
    pub fn output_text(text: &'a str, logprobs: Vec<Logprob<'a>>) -> Self {
        Self::OutputText { annotations: [], logprobs, text }
    }

    pub fn input_image(image_url: &'a str) -> Self {
        Self::InputImage { detail: "auto", file_id: None, image_url: Some(image_url) }
    }
}

/// A token that was chosen, and the likeliest in its place.
#[derive(Serialize, Clone, PartialEq, Debug)]
pub struct Logprob<'a> {
    pub token: &'a str,
    pub bytes: &'a [u8],
    pub logprob: f64,
    pub top_logprobs: Vec<TopLogprob<'a>>,
}

#[derive(Serialize, Clone, Copy, PartialEq, Debug)]
pub struct TopLogprob<'a> {
    pub token: &'a str,
    pub bytes: &'a [u8],
    pub logprob: f64,
}

/// What a tool returned.
#[derive(Serialize, Clone, Debug)]
#[serde(untagged)]
pub enum Output<'a> {
    Text(&'a str),
    Parts(Vec<Content<'a>>),
}
