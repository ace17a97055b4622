//! The JSON of Chat Completions: what a client may ask, the completion that it gets, and the chunks of a streamed one.
//!
//! What the older forms of the wire say (`functions`, `function_call`, messages of the role `function`) is read into the
//! newer ones, so that nothing behind this crate knows of them, save that who asked so is answered so.

mod answer;
pub mod request;

pub use answer::{
    Choice, Chunk, ChunkChoice, Completion, Delta, FinishReason, Likelihood, Logprobs, Message, PromptDetails, Tier,
    TokenDetails, TokenLogprob, ToolCall, ToolCalls, Usage,
};
