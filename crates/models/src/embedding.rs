//! Texts to vectors: what makes them, inside this process (`local::embedding`) or behind an upstream's wire
//! (`upstream`). Like a model that converses it asks once, and what goes wrong is the caller's to repeat.

#[cfg(feature = "providers")]
mod upstream;

#[cfg(feature = "providers")]
pub use upstream::OpenaiEmbeddings;
#[cfg(all(test, feature = "local"))]
pub(crate) use upstream::unpacked;

use crate::{Model, Sink};
use std::sync::Arc;
use types::{BoxFuture, EmbeddingRequest, Embeddings, ModelError, ModelErrorKind, ModelFinish, ModelRequest};

/// What makes vectors of texts.
pub trait Embedder: Send + Sync {
    /// Asks once: one vector for each input, in their order. `alive` is called at every sign of life. Dropping the future
    /// cancels.
    fn embed<'a>(
        &'a self,
        request: &'a EmbeddingRequest,
        alive: &'a (dyn Fn() + Sync),
    ) -> BoxFuture<'a, Result<Embeddings, Failure>>;
}

/// Why there are no vectors.
#[derive(Clone, PartialEq, Debug)]
pub enum Failure {
    /// The request is wrong for this model.
    Refused {
        /// The parameter at fault: `dimensions`.
        param: &'static str,
        message: String,
    },
    Failed(ModelError),
}

impl Failure {
    pub fn refused(param: &'static str, message: impl Into<String>) -> Self {
        Self::Refused { param, message: message.into() }
    }
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Self {
        Self::Failed(error)
    }
}

/// An entry that makes vectors and answers no conversation.
pub struct EmbeddingModel {
    embedder: Arc<dyn Embedder>,
}

impl EmbeddingModel {
    pub fn new(embedder: Arc<dyn Embedder>) -> Self {
        Self { embedder }
    }
}

impl Model for EmbeddingModel {
    /// No door lets one in; a session of before the entry was changed still may.
    fn call<'a>(&'a self, _: &'a ModelRequest, _: Sink<'a>) -> BoxFuture<'a, Result<ModelFinish, ModelError>> {
        let message = "The model makes embeddings and answers no conversations.";
        Box::pin(async move { Err(ModelError::new(ModelErrorKind::Invalid, message)) })
    }

    fn embedder(&self) -> Option<&dyn Embedder> {
        Some(&*self.embedder)
    }

    fn converses(&self) -> bool {
        false
    }
}
