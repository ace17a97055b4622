//! The JSON of the Responses API: the request that makes a response, the response, its items, its stream events, and
//! what the smaller routes say. Nothing here knows how a response is made, or over which transport it is asked for.
//!
//! Requests are read by path and come out with every default of the original filled in. What this server does not serve
//! is refused with its path, never left aside: a client that asked for it would wait for what does not come.

pub mod request;

mod event;
mod frame;
mod item;
mod resource;
mod words;

pub use event::{Event, EventBody};
pub use frame::{ErrorFrame, RequiredInput, SteerError, SteerEvent, Steered, lane_of};
pub use item::{Content, Item, Logprob, Output, TopLogprob};
pub use resource::{
    Compaction, Conversation, Deleted, Format, Incomplete, InputTokens, Items, Reasoning, Response, ResponseError,
    Text, Tool, Usage,
};
pub use words::{
    FrameKind, Include, IncompleteReason, ItemStatus, ResponseStatus, Role, ServiceTier, Summary, Truncation,
};
