//! The provider `openai-chat`: `POST {base_url}/chat/completions`, streamed; the wire that nearly every model server
//! speaks, each in its own way. What they leave out is filled in here; what they cannot do is an error.
//!
//! Fields that only OpenAI itself knows (`max_completion_tokens`, `prompt_cache_key`) go to OpenAI only: other servers
//! know `max_tokens`, and some refuse what they do not know.

mod answer;
mod calls;
mod messages;
mod question;

use crate::upstream::Upstream;
use crate::{Model, SchemaRefusal, Sink, custom};
use types::{BoxFuture, FunctionTool, ModelError, ModelFinish, ModelRequest, TextFormat};

pub struct OpenaiChat {
    upstream: Upstream,
}

impl OpenaiChat {
    pub fn new(upstream: Upstream) -> Self {
        Self { upstream }
    }
}

impl Model for OpenaiChat {
    fn call<'a>(&'a self, request: &'a ModelRequest, sink: Sink<'a>) -> BoxFuture<'a, Result<ModelFinish, ModelError>> {
        Box::pin(async move {
            let question = question::question(request, self.upstream.is_openai());
            self.upstream.ask("chat/completions", &question, &mut answer::Answer::new(&request.tools), sink).await
        })
    }

    fn check(&self, tools: &[FunctionTool], _: &TextFormat) -> Result<(), SchemaRefusal> {
        custom::check(tools)
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
