//! The public JSON of every door: what a client may send, and what it is sent. Serde only; nothing here knows a
//! session, a store or a clock, and no type of this crate ever reaches the engine.
//!
//! Requests come in through [`body`] (bytes to JSON) and [`reader`] (JSON to values, by path); both fail with one
//! [`Fault`], whose texts are those of the API that we follow. Responses are structs that borrow what they show.

pub mod agentcore;
pub mod agents;
mod attached;
pub mod bedrock;
pub mod body;
pub mod chat;
pub mod conversations;
pub mod demand;
pub mod embeddings;
pub mod error;
pub mod eventstream;
pub mod executor;
pub mod files;
pub mod reader;
pub mod responses;
pub mod vaults;
mod verbatim;
mod words;

pub use error::{ErrorBody, ErrorEnvelope, Fault};
pub use verbatim::Verbatim;
pub use words::Word;
