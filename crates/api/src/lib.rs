//! The doors: HTTP in, HTTP out, and nothing in between. A door parses, authenticates and turns wire JSON into
//! `types::Input`; it serialises what the runtime's answers and a session's events say. It decides nothing, keeps
//! nothing, and sees neither the store nor the engine: [`runtime::Handle`] is its only way to a session,
//! [`runtime::Catalog`] its only way to agents and keys, [`runtime::Files`] to files, [`hosting::Hosting`] to
//! environments that the server makes, [`::vaults::Vaults`] to secrets, of which none comes back, [`::recall::Recall`] to
//! what agents remember.
//!
//! | door | paths | who may pass |
//! |---|---|---|
//! | `agents` | `/v1/agents/**` | `OpenAI-Beta: agents=v1`, then a key with `api.agents.read` (GET) or `api.agents.write` |
//! | `models` | `/v1/models/**` | any key |
//! | `chat` | `/v1/chat/completions` | a key with `api.responses.write` |
//! | `embeddings` | `/v1/embeddings` | a key with `api.embeddings.write` |
//! | `responses` | `/v1/responses/**` | a key with `api.responses.read` (GET) or `api.responses.write` |
//! | `conversations` | `/v1/conversations/**` | the same |
//! | `files`, `uploads` | `/v1/files/**`, `/v1/uploads/**` | a key with `api.files.read` (GET) or `api.files.write` |
//! | `vaults` | `/v1/vaults/**` | `OpenAI-Beta: agents=v1`, then a key with `api.vaults.read` (GET) or `api.vaults.write` |
//! | `mantle` | `/openai/v1/**`: agents, responses, chat and models of the above | their scopes, by a key or by a signature |
//! | `agentcore` | `/memories/**` and the rest of AgentCore | `api.agents.read` (GET) or `api.agents.write`, by a key or by a signature |
//! | `health` | `/healthz`, `/readyz` | everyone |
//!
//! # The one error shape
//!
//! Whatever goes wrong, at whichever door, leaves as `{"error":{"message","type","code","param"}}` from [`Failure`]:
//! a wrong request with the original's words and the JSON path at fault, a refusal of the runtime by its kind, a bug
//! without its inside. A 409 tells SDKs not to try again, a 429 when to.
//!
//! # Every answer
//!
//! `x-request-id`, `openai-version`, `openai-processing-ms`, `x-content-type-options`; and it is counted in
//! [`Traffic`], from which the binary makes its metrics.

mod agentcore;
mod agents;
mod answer;
mod attachment;
mod aws;
mod bedrock;
mod body;
mod chat;
mod conversations;
mod demand;
mod embeddings;
mod executors;
mod failure;
mod files;
#[cfg(test)]
mod gone;
mod health;
mod identity;
mod mantle;
mod models;
mod query;
mod repeat;
mod responses;
mod sse;
#[cfg(test)]
mod stage;
mod traffic;
mod uploads;
mod vaults;
mod words;

pub use agents::effect;
pub use aws::Aws;
pub use bedrock::Directory;
pub use failure::Failure;
pub use identity::AccessSecrets;
pub use traffic::{Answered, Traffic};

use axum::Router;
use runtime::{Catalog, Files, Handle};
use std::sync::Arc;
use types::{Clock, Entropy};

/// What the doors are given.
#[derive(Clone)]
pub struct Door {
    pub handle: Handle,
    /// To sessions that are kept in memory and are gone with the process, or when they are deleted.
    pub passing: Handle,
    /// Whether a chat whose request says nothing of it is kept in the log, as against in memory.
    pub journal: bool,
    pub catalog: Catalog,
    /// What clients of Bedrock call the models.
    pub models: Arc<Directory>,
    pub files: Files,
    pub vaults: ::vaults::Vaults,
    /// What agents remember.
    pub recall: recall::Recall,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub traffic: Arc<Traffic>,
    pub limits: Limits,
    /// Where executors of self-hosted environments register, as clients reach it. None: there are no such environments.
    pub remote_url: Option<Arc<str>>,
    /// Who waits for them there.
    pub rendezvous: Option<Arc<environments::rendezvous::Rendezvous>>,
    /// Who makes hosted environments. None: nobody does.
    pub hosting: Option<hosting::Hosting>,
    /// Why nobody does, where that is so: a sentence for clients.
    pub no_hosting: Arc<str>,
    /// Who knows the secrets of access keys. None: there are no such keys.
    pub access_secrets: Option<Arc<dyn AccessSecrets>>,
    /// Whose names AWS's doors write, and how strict they are.
    pub aws: Aws,
}

impl Door {
    /// Empty where there are no environments.
    fn remote_url(&self) -> &str {
        self.remote_url.as_deref().unwrap_or_default()
    }
}

/// Bounds on what one client, and all of them, may hold open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The largest body, in bytes.
    pub body: usize,
    /// Open event streams; more are answered 429.
    pub streams: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body: 64 << 20, streams: 10_000 }
    }
}

/// Every route of every door.
pub fn router(door: Door) -> Router {
    let door = Arc::new(door);
    Router::new()
        .merge(agents::routes(&door))
        .merge(executors::routes(&door))
        .merge(mantle::routes(&door))
        .merge(models::routes(&door))
        .merge(embeddings::routes(&door))
        .merge(chat::routes(&door))
        .merge(responses::routes(&door))
        .merge(conversations::routes(&door))
        .merge(files::routes(&door))
        .merge(uploads::routes(&door))
        .merge(vaults::routes(&door))
        .merge(agentcore::routes(&door))
        .merge(bedrock::routes(&door))
        .merge(health::routes())
        .fallback(aws::no_such_path)
        .method_not_allowed_fallback(failure::no_such_method)
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&door), answer::dress))
        .with_state(door)
}
