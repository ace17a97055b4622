//! Rows beside the sessions: saved agents and keys.

use crate::handle::Listed;
use crate::{Page, World};
use store::KeyRow;
use types::{AgentId, AgentSettings, KeyId, Metadata, ProjectId, Refusal, SavedAgent};

/// Saved agents and keys of all projects.
#[derive(Clone)]
pub struct Catalog {
    world: World,
}

/// Who is asking.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    pub project: ProjectId,
    pub key: KeyId,
    /// Empty for all scopes.
    pub scopes: Vec<String>,
}

/// A key at its birth: the only moment at which its secret is known.
#[derive(Clone, Debug)]
pub struct NewKey {
    pub secret: String,
    pub row: KeyRow,
}

impl Catalog {
    pub fn new(world: World) -> Self {
        Self { world }
    }
    /// None for a key that is unknown or revoked. Answers may be a second old.
    pub async fn authenticate(&self, secret: &str) -> Result<Option<Identity>, Refusal> {
        unimplemented!()
    }
    pub async fn create_key(&self, project: &ProjectId, scopes: Vec<String>) -> Result<NewKey, Refusal> {
        unimplemented!()
    }
    /// Makes `secret` (from the configuration) a key of `project`, if it is none yet.
    pub async fn ensure_key(&self, project: &ProjectId, secret: &str) -> Result<(), Refusal> {
        unimplemented!()
    }
    pub async fn keys(&self) -> Result<Vec<KeyRow>, Refusal> {
        unimplemented!()
    }
    pub async fn revoke_key(&self, id: &KeyId) -> Result<bool, Refusal> {
        unimplemented!()
    }
    pub async fn create_agent(
        &self,
        project: &ProjectId,
        name: Option<String>,
        metadata: Metadata,
        settings: AgentSettings,
    ) -> Result<SavedAgent, Refusal> {
        unimplemented!()
    }
    pub async fn agent(&self, project: &ProjectId, id: &AgentId) -> Result<SavedAgent, Refusal> {
        unimplemented!()
    }
    /// Replaces what `agent` holds beside its id and birth; `updated_at` is set here.
    pub async fn update_agent(&self, project: &ProjectId, agent: SavedAgent) -> Result<SavedAgent, Refusal> {
        unimplemented!()
    }
    pub async fn agents(&self, project: &ProjectId, page: Page) -> Result<Listed<SavedAgent>, Refusal> {
        unimplemented!()
    }
    pub async fn delete_agent(&self, project: &ProjectId, id: &AgentId) -> Result<(), Refusal> {
        unimplemented!()
    }
    /// The names that clients may write in `model`, in order, without `*`.
    pub fn model_names(&self) -> Vec<String> {
        unimplemented!()
    }
}
