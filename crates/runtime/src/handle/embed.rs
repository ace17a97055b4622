//! Vectors of texts. No session and no record: what is asked changes nothing, so a client that hears nothing asks again.
//! Upstreams are asked as often as for conversations, within the same budget of retries, and counted alike.

use super::Handle;
use crate::actor::unavailable;
use crate::call::Pulse;
use models::Entry;
use models::embedding::{Embedder, Failure};
use std::time::Duration;
use types::{
    EmbeddingRequest, Embeddings, ModelError, ModelErrorKind as Kind, ModelRules, Refusal, RefusalKind, Stamp, Usage,
};

/// When to ask a model again that said that it is asked too much, and not when.
const SOON: Duration = Duration::from_secs(1);

impl Handle {
    /// One vector for each input. `request.model` is the name that the client wrote. Errors: `ModelNotFound`, `Invalid`
    /// (the model makes no vectors, or not these), `Busy`, `Unavailable`.
    pub async fn embed(&self, mut request: EmbeddingRequest) -> Result<Embeddings, Refusal> {
        if self.registry.is_draining() {
            return Err(unavailable());
        }
        let name = self.world.models.entry_name(&request.model);
        let name = name.to_owned();
        self.check_exists(&request.model, "model")?;
        let Some(entry) = self.world.models.entry(&name) else { return Err(unavailable()) };
        // Which names an entry for all others answers, and with what, is known by its upstream alone.
        let makes = name == "*" || !entry.model.converses();
        let Some(embedder) = entry.model.embedder().filter(|_| makes) else {
            let message = format!("The model '{}' answers conversations and makes no embeddings.", request.model);
            return Err(Refusal::invalid(message).at("model"));
        };
        if let Some(upstream_model) = &entry.upstream_model {
            request.model.clone_from(upstream_model);
        }
        let retries = &self.registry.retries;
        retries.asked(&name, self.world.clock.monotonic());
        let mut tried = 0;
        loop {
            tried += 1;
            let failure = match self.embed_once(entry, embedder, &request).await {
                Ok(made) => {
                    let usage = Usage { input_tokens: made.prompt_tokens, ..Usage::default() };
                    self.registry.count_call(&name, Some(usage));
                    return Ok(made);
                }
                Err(failure) => failure,
            };
            self.registry.count_call(&name, None);
            match failure {
                Failure::Refused { param, message } => return Err(Refusal::invalid(message).at(param)),
                Failure::Failed(error) => match self.pause(&name, tried, &error) {
                    Some(pause) => self.world.clock.sleep(pause).await,
                    None => return Err(refusal(error)),
                },
            }
        }
    }

    async fn embed_once(
        &self,
        entry: &Entry,
        embedder: &dyn Embedder,
        request: &EmbeddingRequest,
    ) -> Result<Embeddings, Failure> {
        let pulse = Pulse::new(self.world.clock.clone());
        let alive = || pulse.beat();
        tokio::select! {
            biased;
            made = embedder.embed(request, &alive) => made,
            error = pulse.silence(entry.first_byte, entry.stall) => Err(Failure::Failed(error)),
        }
    }

    /// How long to wait before the next try; None where there is none.
    fn pause(&self, name: &str, tried: u32, error: &ModelError) -> Option<Duration> {
        let limits = &self.world.rules.limits;
        let attempts = self.world.rules.model(name).map_or(ModelRules::default().attempts, |rules| rules.attempts);
        let asked = error.retry_after.unwrap_or_default();
        let may = tried < attempts && error.kind.is_retryable() && asked <= limits.retry_pause_max;
        if !may || !self.registry.retries.take(name, self.world.clock.monotonic()) {
            return None;
        }
        let doubled = limits.retry_pause.saturating_mul(1_u32.checked_shl(tried - 1).unwrap_or(u32::MAX));
        let pause = doubled.min(limits.retry_pause_max);
        let permille = Stamp::new(self.world.clock.now(), &*self.world.entropy).permille();
        Some((pause / 2 + (pause / 2).mul_f64(permille as f64 / 1000.0)).max(asked))
    }
}

/// A failed call, as a client is told of it.
fn refusal(error: ModelError) -> Refusal {
    let kind = match error.kind {
        Kind::Invalid | Kind::ContextLength | Kind::Policy => RefusalKind::Invalid,
        Kind::NotFound => RefusalKind::ModelNotFound,
        Kind::RateLimited => RefusalKind::Busy { retry_after: error.retry_after.unwrap_or(SOON) },
        _ => RefusalKind::Unavailable,
    };
    Refusal::new(kind, error.message)
}
