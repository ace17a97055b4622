//! The relay frames of codex exec-server and the Noise channel within them, for both roles.
//!
//! Bytes go in, frames and messages come out. Nothing here reads a socket or a clock, or starts a task, and nothing that a
//! peer sends makes it panic or keep more than its limits. Fresh keys come from the kernel: the library that does the
//! handshake takes its randomness from nowhere else.

mod assembly;
mod channel;
mod frame;
mod noise;
mod protobuf;
mod window;

pub use assembly::MESSAGE_LIMIT;
pub use channel::{Channel, PROTOCOL_RESET};
pub use frame::{Body, Data, FRAME_LIMIT, Frame, REASON_LIMIT, STREAM_LIMIT};
pub use noise::{AUTHORIZATION_LIMIT, Claim, Keys, MLKEM768_BYTES, Place, PublicKeys, X25519_BYTES};

/// What ends a channel, or keeps a frame from being read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    #[error("not a relay frame: {0}")]
    Malformed(&'static str),
    #[error("relay frames of version {0} are not known")]
    Version(u32),
    #[error("{0} is larger than allowed")]
    TooLarge(&'static str),
    #[error("a key does not have the length that its suite says")]
    Key,
    #[error("the handshake failed: {0}")]
    Handshake(String),
    #[error("a record could not be read: it is no record of this channel, or not the next one")]
    Record,
    #[error("records are missing, or numbers are used up")]
    Sequence,
    /// The peer ended the stream, in its own words.
    #[error("the peer reset the stream: {0}")]
    Reset(String),
    #[error("the channel is not open")]
    NotOpen,
}
