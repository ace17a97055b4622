//! Vectors from an upstream: `POST embeddings` of OpenAI's wire. Vectors may come as numbers or as bytes in base64,
//! whatever was asked for: not every server knows both.

use super::{Embedder, Failure};
use crate::upstream::{Fault, Reader};
use crate::{Sink, Upstream};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use types::{
    BoxFuture, EmbeddingInput, EmbeddingRequest, Embeddings, ModelErrorKind, ModelEvent, ModelFinish, Stop, Usage,
};

/// An upstream that makes vectors.
pub struct OpenaiEmbeddings {
    upstream: Upstream,
}

impl OpenaiEmbeddings {
    pub fn new(upstream: Upstream) -> Self {
        Self { upstream }
    }
}

impl Embedder for OpenaiEmbeddings {
    fn embed<'a>(
        &'a self,
        request: &'a EmbeddingRequest,
        alive: &'a (dyn Fn() + Sync),
    ) -> BoxFuture<'a, Result<Embeddings, Failure>> {
        self.upstream.embed(request, alive)
    }
}

/// So that an entry that answers every name can be asked for vectors too.
impl Embedder for Upstream {
    fn embed<'a>(
        &'a self,
        request: &'a EmbeddingRequest,
        alive: &'a (dyn Fn() + Sync),
    ) -> BoxFuture<'a, Result<Embeddings, Failure>> {
        Box::pin(async move {
            let mut answer = Answer { expected: request.input.len(), embeddings: None };
            let mut sink = |_: ModelEvent| alive();
            self.ask("embeddings", &question(request), &mut answer, &mut sink).await?;
            let nothing = || Failure::refused("input", "the upstream gave no vectors");
            answer.embeddings.ok_or_else(nothing)
        })
    }
}

fn question(request: &EmbeddingRequest) -> Value {
    let input = match &request.input {
        EmbeddingInput::Texts(texts) => json!(texts),
        EmbeddingInput::Tokens(inputs) => json!(inputs),
    };
    let format = if request.packed { "base64" } else { "float" };
    let mut question = json!({ "model": request.model, "input": input, "encoding_format": format });
    if let Some(dimensions) = request.dimensions {
        question["dimensions"] = json!(dimensions);
    }
    if let Some(user) = &request.user {
        question["user"] = json!(user);
    }
    question
}

struct Answer {
    /// Inputs that were sent.
    expected: usize,
    embeddings: Option<Embeddings>,
}

impl Reader for Answer {
    fn event(&mut self, _: &str, _: Sink<'_>) -> Result<Option<ModelFinish>, Fault> {
        Err(Fault::new(ModelErrorKind::Protocol, "the upstream answered with a stream where there is none"))
    }

    fn whole(&mut self, answer: Value, _: Sink<'_>) -> Result<ModelFinish, Fault> {
        if answer["error"].is_object() {
            return Err(Fault::of_error_object(&answer["error"]));
        }
        let strange = || Fault::new(ModelErrorKind::Protocol, "the upstream's answer holds no vectors for the inputs");
        let data = answer["data"].as_array().filter(|data| data.len() == self.expected).ok_or_else(strange)?;
        let mut vectors = vec![Vec::new(); self.expected];
        for (place, entry) in data.iter().enumerate() {
            let index = entry["index"].as_u64().map_or(Some(place), |index| usize::try_from(index).ok());
            let vector = index.and_then(|index| vectors.get_mut(index)).filter(|vector| vector.is_empty());
            *vector.ok_or_else(strange)? = numbers(&entry["embedding"]).ok_or_else(strange)?;
        }
        let count = |name: &str| answer["usage"][name].as_u64();
        let prompt_tokens = count("prompt_tokens").unwrap_or_default();
        let total_tokens = count("total_tokens").unwrap_or(prompt_tokens);
        self.embeddings = Some(Embeddings { vectors, prompt_tokens, total_tokens });
        Ok(ModelFinish { stop: Stop::End, usage: Some(Usage { input_tokens: prompt_tokens, ..Usage::default() }) })
    }
}

/// A vector in either form; at least one number.
fn numbers(value: &Value) -> Option<Vec<f32>> {
    let numbers = match value {
        Value::String(packed) => unpacked(packed)?,
        Value::Array(numbers) => numbers.iter().map(|x| x.as_f64().map(|x| x as f32)).collect::<Option<_>>()?,
        _ => return None,
    };
    let is_sound = !numbers.is_empty() && numbers.iter().all(|x| x.is_finite());
    is_sound.then_some(numbers)
}

/// Numbers of 32 bits, little endian, in base64.
pub(crate) fn unpacked(text: &str) -> Option<Vec<f32>> {
    let bytes = BASE64_STANDARD.decode(text).ok()?;
    let (numbers, rest) = bytes.as_chunks::<4>();
    rest.is_empty().then(|| numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(answer: Value) -> Option<Embeddings> {
        let mut reader = Answer { expected: 2, embeddings: None };
        reader.whole(answer, &mut |_| {}).ok()?;
        reader.embeddings
    }

    #[test]
    fn vectors_come_in_either_form_and_in_any_order() {
        let data = json!([
            { "index": 1, "embedding": [0.25, -1] },
            { "index": 0, "embedding": "AACAPwAAAMA=" },
        ]);
        let read = read(json!({ "data": data, "usage": { "prompt_tokens": 7, "total_tokens": 7 } })).unwrap();
        assert_eq!(
            read,
            Embeddings { vectors: vec![vec![1.0, -2.0], vec![0.25, -1.0]], prompt_tokens: 7, total_tokens: 7 }
        );
    }

    #[test]
    fn what_is_not_a_vector_for_each_input_is_no_answer() {
        let good = json!({ "index": 0, "embedding": [1.0] });
        for data in [
            json!(null),
            json!([]),
            json!([good]),
            json!([good, good]),
            json!([good, { "index": 2, "embedding": [1.0] }]),
            json!([good, { "index": 1, "embedding": [] }]),
            json!([good, { "index": 1, "embedding": ["1"] }]),
            json!([good, { "index": 1, "embedding": "AAAA" }]),
            json!([good, { "index": 1, "embedding": "AACAfw==" }]),
        ] {
            assert_eq!(read(json!({ "data": data })), None, "{data}");
        }
    }
}
