//! The provider `openai-responses`: `POST {base_url}/responses` of OpenAI and of what speaks its wire, streamed.
//!
//! Nothing is kept at the upstream (`store: false`): reasoning comes back encrypted and is returned with later calls.

mod answer;
mod question;

use crate::upstream::Upstream;
use crate::{Model, SchemaRefusal, Sink};
use types::{BoxFuture, ModelError, ModelFinish, ModelRequest, TurnRequest};

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

    fn check_turn(&self, request: &TurnRequest) -> Result<(), SchemaRefusal> {
        let sampling = &request.sampling;
        let is_set = |number: Option<f32>| number.is_some_and(|number| number != 0.0);
        let unknown = [
            ("stop", !sampling.stop.is_empty()),
            ("presence_penalty", is_set(sampling.presence_penalty)),
            ("frequency_penalty", is_set(sampling.frequency_penalty)),
        ];
        match unknown.into_iter().find(|(_, is_asked)| *is_asked) {
            Some((name, _)) => Err(SchemaRefusal::new(name, "this model's upstream does not know it")),
            None => Ok(()),
        }
    }

    /// For the names of embedding models among those that one entry answers.
    fn embedder(&self) -> Option<&dyn crate::embedding::Embedder> {
        Some(&self.upstream)
    }
}

/// What reads an answer of this wire.
#[cfg(feature = "fuzz")]
pub(crate) fn reader() -> Box<dyn crate::upstream::Reader> {
    Box::new(answer::Answer::default())
}
