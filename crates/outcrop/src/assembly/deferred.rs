//! A local model whose weights are read at its first call, so that a server is ready at once and an unused model costs
//! no memory. A file that was missing may be fetched while the server runs: every call looks again.

use crate::shelf;
use models::local::{Local, Options};
use models::{Model, SchemaRefusal, Sink};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{Mutex, oneshot};
use types::{BoxFuture, FunctionTool, ModelError, ModelErrorKind, ModelFinish, ModelRequest, TextFormat};

pub struct Deferred {
    path: PathBuf,
    /// What the operator can do where the file is missing.
    remedy: String,
    options: Options,
    /// Set by the first call that loads it; held while it loads, so that it is loaded by one.
    loaded: Mutex<Option<Arc<Local>>>,
}

impl Deferred {
    pub fn new(path: PathBuf, remedy: String, options: Options) -> Self {
        Self { path, remedy, options, loaded: Mutex::default() }
    }

    async fn model(&self) -> Result<Arc<Local>, ModelError> {
        let mut loaded = self.loaded.lock().await;
        if let Some(model) = &*loaded {
            return Ok(model.clone());
        }
        if !self.path.is_file() {
            tracing::error!(file = %self.path.display(), "the local model's file is not there; {}", self.remedy);
            let message = format!("The local model's file is not on the server; its operator can {}.", self.remedy);
            return Err(ModelError::new(ModelErrorKind::Internal, message));
        }
        let model = Arc::new(self.load().await?);
        *loaded = Some(model.clone());
        Ok(model)
    }

    /// On a thread of its own: reading takes seconds of computing.
    async fn load(&self) -> Result<Local, ModelError> {
        // Paths and memory are the operator's business: they go to the log, and the client hears that it failed.
        let failed = |error: &dyn std::fmt::Display| {
            tracing::error!(%error, "the local model cannot be loaded");
            ModelError::new(
                ModelErrorKind::Internal,
                "The local model cannot be loaded; the server's log and `outcrop doctor` say why.",
            )
        };
        let licence = shelf::gguf::glimpse(&self.path).ok().and_then(|glimpse| glimpse.licence);
        let licence = licence.as_deref().unwrap_or("not in the file");
        tracing::info!(file = %self.path.display(), licence, "loading the local model");
        let options = self.options;
        let (sender, receiver) = oneshot::channel();
        let path = self.path.clone();
        std::thread::Builder::new()
            .name("local-model-load".to_owned())
            .spawn(move || {
                // Nobody listens any more where the call was cancelled; the next one loads again.
                let _ = sender.send(Local::load(&path, options));
            })
            .map_err(|error| failed(&error))?;
        match receiver.await {
            Ok(Ok(model)) => Ok(model),
            Ok(Err(error)) => Err(failed(&error)),
            Err(_) => Err(failed(&"its loading broke off")),
        }
    }
}

impl Model for Deferred {
    fn call<'a>(&'a self, request: &'a ModelRequest, sink: Sink<'a>) -> BoxFuture<'a, Result<ModelFinish, ModelError>> {
        Box::pin(async move { self.model().await?.call(request, sink).await })
    }

    /// The same for every local model: it need not be loaded.
    fn check(&self, tools: &[FunctionTool], format: &TextFormat) -> Result<(), SchemaRefusal> {
        Local::check_schemas(tools, format)
    }
}
