//! What holds where nobody said anything, and the models of a server without a file.

use super::{ModelEntry, Provider, Secret, Source, Task, Timeouts, Upstream, Variables, Weights};
use std::time::Duration;
use types::ModelRules;

pub const LISTEN: &str = "127.0.0.1:8080";
pub const DATA: &str = "outcrop-data";
/// 64 MiB.
pub const BODY: u64 = 64 << 20;
/// 256 MiB.
pub const UNJOURNALED: u64 = 256 << 20;
pub const DRAIN: Duration = Duration::from_secs(25);
pub const SUSPEND_AFTER: Duration = Duration::from_secs(10 * 60);
pub const BACKGROUND_AFTER: Duration = Duration::from_secs(8 * 60 * 60);
pub const EXPIRE_AFTER: Duration = Duration::from_secs(60 * 60);
pub const AGENT_IDLE_AFTER: Duration = Duration::from_secs(15 * 60);
pub const AGENT_LIFETIME: Duration = Duration::from_secs(8 * 60 * 60);
pub const OPENAI_URL: &str = "https://api.openai.com/v1";
pub const OPENAI_KEY: &str = "OPENAI_API_KEY";
pub const TIMEOUTS: Timeouts =
    Timeouts { connect: Duration::from_secs(5), first_byte: Duration::from_secs(60), stall: Duration::from_secs(30) };
/// The first answer of a local model may wait for its weights and for the calls before it.
pub const LOCAL_FIRST_BYTE: Duration = Duration::from_secs(600);

/// The local models, `small` and the one for vectors, and one entry for each provider whose usual key is there. Names are exact or `*`,
/// so the one provider of this version takes `*`: it knows its own models' names best.
pub fn models(variables: &Variables) -> Vec<ModelEntry> {
    let mut models = Vec::new();
    if cfg!(feature = "local") {
        models.push(local("small", Source::smollm2(), Task::Chat));
        models.push(local("all-minilm-l6-v2", Source::minilm(), Task::Embedding));
    }
    if let Some(key) = variables.get(OPENAI_KEY) {
        models.push(ModelEntry {
            name: "*".to_owned(),
            aliases: Vec::new(),
            provider: Provider::OpenaiResponses(Upstream {
                base_url: OPENAI_URL.to_owned(),
                key: Some(Secret(key.to_owned())),
            }),
            task: Task::Chat,
            upstream_model: None,
            rules: ModelRules::default(),
            timeouts: TIMEOUTS,
        });
    }
    models
}

fn local(name: &str, source: Source, task: Task) -> ModelEntry {
    ModelEntry {
        name: name.to_owned(),
        aliases: Vec::new(),
        provider: Provider::Local(Weights { source, sha256: None, task }),
        task,
        upstream_model: None,
        rules: ModelRules { attempts: attempts(task, true), ..ModelRules::default() },
        timeouts: Timeouts { first_byte: LOCAL_FIRST_BYTE, ..TIMEOUTS },
    }
}

/// The scripted model.
pub fn script(name: &str) -> ModelEntry {
    ModelEntry {
        name: name.to_owned(),
        aliases: Vec::new(),
        provider: Provider::Script,
        task: Task::Chat,
        upstream_model: None,
        rules: ModelRules::default(),
        timeouts: TIMEOUTS,
    }
}

/// An embedding model in this process fails of what another try does not change.
pub fn attempts(task: Task, is_local: bool) -> u32 {
    if is_local && task == Task::Embedding { 1 } else { ModelRules::default().attempts }
}
