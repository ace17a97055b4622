//! The provider `openai-responses`: `POST {base_url}/responses` of OpenAI and of what speaks its wire, streamed.
//!
//! Nothing is kept at the upstream (`store: false`): reasoning comes back encrypted and is returned with later calls.

mod answer;
mod question;

use crate::upstream::Upstream;
use crate::{Model, Sink};
use types::{BoxFuture, ModelError, ModelFinish, ModelRequest};

pub struct OpenaiResponses {
    upstream: Upstream,
}

impl OpenaiResponses {
    pub fn new(upstream: Upstream) -> Self {
        Self { upstream }
    }
}

impl Model for OpenaiResponses {
    fn call<'a>(&'a self, request: &'a ModelRequest, sink: Sink<'a>) -> BoxFuture<'a, Result<ModelFinish, ModelError>> {
        Box::pin(async move {
            let question = question::question(request);
            self.upstream.ask("responses", &question, &mut answer::Answer::default(), sink).await
        })
    }
}

/// What reads an answer of this wire.
#[cfg(feature = "fuzz")]
pub(crate) fn reader() -> Box<dyn crate::upstream::Reader> {
    Box::new(answer::Answer::default())
}
