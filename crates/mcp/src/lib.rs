//! The client of MCP servers: it finds out which revision a server speaks, lists its tools, calls them, and says of each
//! call whether the server may have had it.
//!
//! It owns the protocol (2025-06-18 and 2025-11-25 with a handshake, 2026-07-28 without state), the way to a server
//! (HTTP from this service, HTTP through an environment, lines of a program), which addresses may be dialled, and the
//! client's side of OAuth. It never decides whether a tool may be called, never keeps a secret, and never gives a
//! server anything but tool calls: it has no person to ask and no model to lend.
//!
//! [`Servers`] keeps connections; [`Connection::tools`] and [`Connection::call`] are what it is for.

mod authorization;
mod call;
mod challenge;
mod complaint;
mod connection;
mod content;
mod failure;
mod http;
mod limits;
mod line;
mod message;
mod mirror;
mod negotiation;
pub mod oauth;
mod pipe;
mod pool;
mod reach;
mod reading;
mod revision;
mod schema;
mod sse;
mod through;
mod time;
mod tool;

pub use authorization::Bearer;
pub use call::{Arguments, Call, Called, Progress};
pub use challenge::Challenge;
pub use complaint::Complaint;
pub use connection::{Connection, Listing, Server};
pub use failure::{Failure, Kind};
pub use http::{Http, Reply};
pub use limits::Limits;
pub use pipe::{Opener, Pipe};
pub use pool::{Owner, Servers};
pub use reach::{Reach, Refused};
pub use revision::Revision;
pub use through::{HttpAnswer, HttpBody, HttpLost, HttpRequest, HttpThrough, Method};
pub use tool::{Hints, LeftOut, Tool};

use std::sync::Arc;
use types::{Clock, Entropy, Spawn};

/// Time, chance and tasks, as they are passed in.
#[derive(Clone)]
pub struct World {
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub spawn: Arc<dyn Spawn>,
}

/// An MCP server behind HTTP, and what is sent with each request.
#[derive(Clone)]
pub struct Target {
    /// `http` or `https`, without user and password.
    pub url: url::Url,
    /// Sent with every request to the server's own origin, to no other.
    pub headers: Vec<(String, String)>,
    /// Goes into `_meta` of every request but the handshake.
    pub request_metadata: serde_json::Map<String, serde_json::Value>,
    /// Where the bearer token comes from. Without one, `Authorization` is what `headers` say.
    pub bearer: Option<Arc<dyn Bearer>>,
    /// Names the credential: connections with different ones are never shared. Not a secret.
    pub credential: Option<String>,
}

impl Target {
    #[must_use]
    pub fn new(url: url::Url) -> Self {
        Self { url, headers: Vec::new(), request_metadata: serde_json::Map::new(), bearer: None, credential: None }
    }
}

/// How a server is reached.
#[derive(Clone)]
pub enum Way {
    /// HTTP from this service, under its rules of reach.
    Service(Target),
    /// HTTP from somewhere else, such as an environment: its rules of reach are its own.
    Through(Target, Arc<dyn HttpThrough>),
    /// A program that speaks lines.
    Program { opener: Arc<dyn Opener>, request_metadata: serde_json::Map<String, serde_json::Value> },
}
