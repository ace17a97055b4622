//! From what is configured to models that can be asked and tools that can be called.

#[cfg(feature = "local")]
mod deferred;
#[cfg(feature = "local")]
mod encoder;
mod toolbox;

pub use toolbox::{toolbox, web};

use crate::configuration::{Configuration, ModelEntry, Provider, Task, Upstream, Weights};
use crate::data::DataFolder;
use anyhow::{Context, Result};
use models::embedding::{EmbeddingModel, OpenaiEmbeddings};
#[cfg(feature = "local")]
use models::local::{FirstCall, Options};
use models::{Entry, Model, Models, OpenaiChat, OpenaiResponses, Script, Secret};
use std::collections::BTreeMap;
use std::sync::Arc;
use types::{Clock, Entropy, Rules};

/// Makes every configured model. Opens no connection and reads no weights. `call_first` holds the first answers of
/// local models to calls.
pub fn models(
    configuration: &Configuration,
    data: &DataFolder,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
    call_first: bool,
) -> Result<Models> {
    let mut entries = BTreeMap::new();
    for entry in &configuration.models {
        let model: Arc<dyn Model> = match &entry.provider {
            Provider::Script => Arc::new(Script::new(clock.clone(), entropy.clone())),
            Provider::OpenaiChat(upstream) | Provider::OpenaiResponses(upstream) if entry.task == Task::Embedding => {
                let embedder = OpenaiEmbeddings::new(connect(entry, upstream, configuration)?);
                Arc::new(EmbeddingModel::new(Arc::new(embedder)))
            }
            Provider::OpenaiChat(upstream) => Arc::new(OpenaiChat::new(connect(entry, upstream, configuration)?)),
            Provider::OpenaiResponses(upstream) => {
                Arc::new(OpenaiResponses::new(connect(entry, upstream, configuration)?))
            }
            Provider::Local(weights) => local(weights, entry, data, call_first)?,
        };
        for name in entry.names() {
            let made = Entry {
                model: Arc::clone(&model),
                upstream_model: entry.asked_as(name),
                first_byte: entry.timeouts.first_byte,
                stall: entry.timeouts.stall,
            };
            entries.insert(name.clone(), made);
        }
    }
    if entries.is_empty() {
        tracing::warn!("no model is configured: sessions cannot be created; see docs/configuration.md");
    }
    Ok(Models { entries })
}

/// What the engine and the gate are told of them.
pub fn rules(configuration: &Configuration) -> Rules {
    let entries = configuration.models.iter();
    let models = entries.flat_map(|entry| entry.names().map(move |name| (name.clone(), entry.rules.clone())));
    Rules { limits: configuration.limits.clone(), models: models.collect(), reviewer: configuration.reviewer.clone() }
}

fn connect(entry: &ModelEntry, upstream: &Upstream, configuration: &Configuration) -> Result<models::Upstream> {
    let settings = models::upstream::Settings {
        base_url: upstream.base_url.clone(),
        api_key: upstream.key.as_ref().map(|key| Secret::new(key.expose())),
        connect_timeout: entry.timeouts.connect,
    };
    models::Upstream::new(settings).with_context(|| match &configuration.file {
        Some(file) => format!("{}: model `{}`", file.display(), entry.name),
        None => format!("model `{}`", entry.name),
    })
}

#[cfg(feature = "local")]
fn local(weights: &Weights, entry: &ModelEntry, data: &DataFolder, call_first: bool) -> Result<Arc<dyn Model>> {
    let path = crate::shelf::path(weights, data);
    let remedy = crate::shelf::remedy(&entry.name, &weights.source);
    if !path.exists() {
        tracing::warn!(
            model = entry.name,
            file = %path.display(),
            "the model's file is not there, and calls to it will fail; {remedy}"
        );
    }
    if weights.task == Task::Embedding {
        let embedder = Arc::new(encoder::Deferred::new(path, remedy));
        return Ok(Arc::new(EmbeddingModel::new(embedder)));
    }
    let context = entry.rules.context_tokens.and_then(|tokens| usize::try_from(tokens).ok());
    let first_call = if call_first { FirstCall::Required } else { FirstCall::Auto };
    let options = Options { context, first_call, ..Options::default() };
    Ok(Arc::new(deferred::Deferred::new(path, remedy, options)))
}

#[cfg(not(feature = "local"))]
fn local(_: &Weights, entry: &ModelEntry, _: &DataFolder, _: bool) -> Result<Arc<dyn Model>> {
    anyhow::bail!("model `{}`: this binary was built without local models", entry.name)
}
