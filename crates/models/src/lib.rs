//! Models: one streaming trait, one small file a provider.
//!
//! A provider translates a [`ModelRequest`] into its upstream's wire and what comes back into [`ModelEvent`]s. It asks
//! once: it never retries, glues or decides; a failed or torn answer is the engine's to repeat. Pauses between bytes
//! are watched by the runtime; a provider reports every sign of life as `Alive`.

#[cfg(any(feature = "local", feature = "providers"))]
mod custom;
pub mod embedding;
#[cfg(feature = "fuzz")]
pub mod fuzz;
#[cfg(feature = "local")]
pub mod local;
#[cfg(feature = "providers")]
mod logprobs;
#[cfg(feature = "providers")]
mod openai_chat;
#[cfg(feature = "providers")]
mod openai_responses;
#[cfg(feature = "providers")]
mod sampling;
#[cfg(feature = "providers")]
mod schema;
#[cfg(feature = "providers")]
mod script;
#[cfg(feature = "providers")]
mod secret;
#[cfg(feature = "providers")]
mod speech;
#[cfg(any(feature = "local", feature = "providers"))]
mod stop;
#[cfg(feature = "providers")]
pub mod upstream;

#[cfg(feature = "providers")]
pub use openai_chat::OpenaiChat;
#[cfg(feature = "providers")]
pub use openai_responses::OpenaiResponses;
#[cfg(feature = "providers")]
pub use script::Script;
#[cfg(feature = "providers")]
pub use secret::Secret;
#[cfg(feature = "providers")]
pub use upstream::Upstream;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use types::{BoxFuture, FunctionTool, ModelError, ModelEvent, ModelFinish, ModelRequest, TextFormat, TurnRequest};

/// Takes what a model says, as it says it.
pub type Sink<'a> = &'a mut (dyn FnMut(ModelEvent) + Send);

/// A model that can be asked.
pub trait Model: Send + Sync + 'static {
    /// Asks once. Events go to `sink` in the order in which they are said; after an error nothing of the answer counts.
    /// Dropping the future cancels the call: the upstream's connection is closed, the local model stops within a token.
    fn call<'a>(&'a self, request: &'a ModelRequest, sink: Sink<'a>) -> BoxFuture<'a, Result<ModelFinish, ModelError>>;

    /// Whether its answers can be held to these schemas: asked before a session has them, and answered within
    /// milliseconds. A model that leaves schemas to its upstream takes all.
    fn check(&self, tools: &[FunctionTool], format: &TextFormat) -> Result<(), SchemaRefusal> {
        let _ = (tools, format);
        Ok(())
    }

    /// Whether it can answer a turn as this says: asked before anything of the turn is written. The path of a refusal is
    /// a name of the request or of its sampling. What only makes an answer a little different (a seed) may be passed
    /// over; what a client relies on may not.
    fn check_turn(&self, request: &TurnRequest) -> Result<(), SchemaRefusal> {
        let _ = request;
        Ok(())
    }

    /// What makes vectors of texts under the same name; None where nothing does.
    fn embedder(&self) -> Option<&dyn embedding::Embedder> {
        None
    }

    /// Whether it answers conversations at all: an embedding model does not.
    fn converses(&self) -> bool {
        true
    }
}

/// Why a schema cannot be held to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SchemaRefusal {
    /// Where, within the agent: `tools[0].parameters.properties.x.pattern`, `text.format.schema.not`.
    pub path: String,
    pub message: String,
}

impl SchemaRefusal {
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

/// The configured models, by the names that clients write; `*` answers every other name.
#[derive(Clone, Default)]
pub struct Models {
    pub entries: BTreeMap<String, Entry>,
}

/// One configured model: how to reach it and what is known of it.
#[derive(Clone)]
pub struct Entry {
    pub model: Arc<dyn Model>,
    /// The name that the upstream knows; None: the one that the client wrote.
    pub upstream_model: Option<String>,
    /// How long the first sign of life may take.
    pub first_byte: Duration,
    /// How long the upstream may be silent after that.
    pub stall: Duration,
}

impl Models {
    /// The name of the entry that answers `name`: its own, or the wildcard.
    pub fn entry_name<'a>(&self, name: &'a str) -> &'a str {
        if self.entries.contains_key(name) { name } else { "*" }
    }

    /// The entry that answers `name`.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name).or_else(|| self.entries.get("*"))
    }
}
