//! A local embedding model whose files are read at its first call, as those of other local models are. Files that were
//! missing may be fetched while the server runs: every call looks again.

use crate::shelf;
use anyhow::{Context, Result};
use models::embedding::{Embedder, Failure};
use models::local::embedding::{Encoder, Options};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{Mutex, oneshot};
use types::{BoxFuture, EmbeddingRequest, Embeddings, ModelError, ModelErrorKind};

pub struct Deferred {
    path: PathBuf,
    /// What the operator can do where the files are missing.
    remedy: String,
    /// Set by the first call that loads it; held while it loads, so that it is loaded by one.
    loaded: Mutex<Option<Arc<Encoder>>>,
}

impl Deferred {
    pub fn new(path: PathBuf, remedy: String) -> Self {
        Self { path, remedy, loaded: Mutex::default() }
    }

    async fn encoder(&self) -> Result<Arc<Encoder>, ModelError> {
        let mut loaded = self.loaded.lock().await;
        if let Some(encoder) = &*loaded {
            return Ok(encoder.clone());
        }
        if !self.path.exists() {
            tracing::error!(file = %self.path.display(), "the embedding model's file is not there; {}", self.remedy);
            let message = format!("The embedding model's file is not on the server; its operator can {}.", self.remedy);
            return Err(ModelError::new(ModelErrorKind::Internal, message));
        }
        let encoder = Arc::new(self.load().await?);
        *loaded = Some(encoder.clone());
        Ok(encoder)
    }

    /// On a thread of its own: reading takes a while of computing.
    async fn load(&self) -> Result<Encoder, ModelError> {
        // Paths and memory are the operator's business: they go to the log, and the client hears that it failed.
        let failed = |error: anyhow::Error| {
            tracing::error!(error = format!("{error:#}"), "the embedding model cannot be loaded");
            ModelError::new(
                ModelErrorKind::Internal,
                "The embedding model cannot be loaded; the server's log and `outcrop doctor` say why.",
            )
        };
        tracing::info!(file = %self.path.display(), "loading the embedding model");
        let (sender, receiver) = oneshot::channel();
        let path = self.path.clone();
        std::thread::Builder::new()
            .name("local-embedding-load".to_owned())
            .spawn(move || {
                // Nobody listens any more where the call was cancelled; the next one loads again.
                let _ = sender.send(read(&path));
            })
            .map_err(|error| failed(error.into()))?;
        match receiver.await {
            Ok(encoder) => encoder.map_err(failed),
            Err(_) => Err(failed(anyhow::anyhow!("its loading broke off"))),
        }
    }
}

fn read(path: &Path) -> Result<Encoder> {
    let files = shelf::files(path).with_context(|| path.display().to_string())?;
    Encoder::load(&files, Options::default()).with_context(|| path.display().to_string())
}

impl Embedder for Deferred {
    fn embed<'a>(
        &'a self,
        request: &'a EmbeddingRequest,
        alive: &'a (dyn Fn() + Sync),
    ) -> BoxFuture<'a, Result<Embeddings, Failure>> {
        Box::pin(async move { self.encoder().await?.embed(request, alive).await })
    }
}
