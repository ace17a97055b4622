//! Rows beside the sessions: saved agents and keys.

mod access;

use crate::actor::store_refusal;
use crate::handle::Listed;
use crate::{Page, World};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::{KeyRow, Row};
use types::{AgentId, AgentSettings, KeyId, Metadata, ProjectId, Refusal, RefusalKind, SavedAgent, Stamp, Timestamp};

/// The collection that holds saved agents.
const AGENTS: &str = "agent";
/// How long an answer about a key is believed: a new key counts and a revoked one stops within this.
const KEY_LIFE: Duration = Duration::from_millis(500);
/// Keys remembered at a time.
const KEYS_REMEMBERED: usize = 10_000;

/// Saved agents and keys of all projects. Cheap to clone.
#[derive(Clone)]
pub struct Catalog {
    world: World,
    known_keys: Arc<Mutex<KnownKeys>>,
    changing_agents: Arc<tokio::sync::Mutex<()>>,
}

/// By the key's hash: until when it is believed (monotonic), and whose it is.
type KnownKeys = BTreeMap<String, (Duration, Option<Identity>)>;

/// Who is asking.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    pub project: ProjectId,
    pub key: KeyId,
    /// Empty for all scopes.
    pub scopes: Vec<String>,
}

/// A key at its birth: the only moment at which its secret is known.
#[derive(Clone)]
pub struct NewKey {
    pub secret: String,
    pub row: KeyRow,
}

impl Catalog {
    pub fn new(world: World) -> Self {
        Self { world, known_keys: Arc::default(), changing_agents: Arc::default() }
    }

    // ---- keys

    /// None for a key that is unknown or revoked. Answers may be half a second old.
    pub async fn authenticate(&self, secret: &str) -> Result<Option<Identity>, Refusal> {
        self.holder(hash(secret)).await
    }

    /// Whose key has this hash.
    async fn holder(&self, hash: String) -> Result<Option<Identity>, Refusal> {
        let now = self.world.clock.monotonic();
        let known = {
            let keys = self.known_keys.lock().unwrap_or_else(PoisonError::into_inner);
            keys.get(&hash).filter(|(until, _)| *until > now).map(|(_, identity)| identity.clone())
        };
        if let Some(identity) = known {
            return Ok(identity);
        }
        let row = self.world.store.key_by_hash(&hash).await.map_err(|error| store_refusal(&error))?;
        let identity = row.filter(|row| row.revoked_at.is_none()).map(|row| Identity {
            project: row.project,
            key: row.id,
            scopes: row.scopes,
        });
        let mut keys = self.known_keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= KEYS_REMEMBERED {
            keys.retain(|_, (until, _)| *until > now);
        }
        if keys.len() < KEYS_REMEMBERED {
            keys.insert(hash, (now + KEY_LIFE, identity.clone()));
        }
        Ok(identity)
    }

    pub async fn create_key(&self, project: &ProjectId, scopes: Vec<String>) -> Result<NewKey, Refusal> {
        let mut bytes = [0_u8; 24];
        self.world.entropy.fill(&mut bytes);
        let secret = format!("sk-{}", types::hex(&bytes));
        let row = self.put_key(project, hash(&secret), hint(&secret), scopes).await?;
        Ok(NewKey { secret, row })
    }

    /// Makes `secret` (from the configuration) a key of `project`, if it is none yet.
    pub async fn ensure_key(&self, project: &ProjectId, secret: &str) -> Result<(), Refusal> {
        let known = self.world.store.key_by_hash(&hash(secret)).await.map_err(|error| store_refusal(&error))?;
        match known {
            Some(row) if row.revoked_at.is_none() && row.project == *project => Ok(()),
            Some(_) => {
                let message = "The configured API key was revoked or belongs to another project. Configure another.";
                Err(Refusal::conflict(message))
            }
            None => self.put_key(project, hash(secret), hint(secret), Vec::new()).await.map(|_| ()),
        }
    }

    async fn put_key(
        &self,
        project: &ProjectId,
        hash: String,
        hint: String,
        scopes: Vec<String>,
    ) -> Result<KeyRow, Refusal> {
        let (mut stamp, now) = self.stamp();
        let (id, project) = (KeyId::new(stamp.id("key")), project.clone());
        let row = KeyRow { id, project, hash, hint, scopes, created_at: now, revoked_at: None };
        types::failpoint!(BeforeKey);
        self.world.store.put_key(row.clone()).await.map_err(|error| store_refusal(&error))?;
        types::failpoint!(AfterKey);
        Ok(row)
    }

    pub async fn keys(&self) -> Result<Vec<KeyRow>, Refusal> {
        self.world.store.keys().await.map_err(|error| store_refusal(&error))
    }

    /// False where there is no such key.
    pub async fn revoke_key(&self, id: &KeyId) -> Result<bool, Refusal> {
        let now = self.world.clock.now();
        self.world.store.revoke_key(id, now).await.map_err(|error| store_refusal(&error))
    }

    // ---- agents

    pub async fn create_agent(
        &self,
        project: &ProjectId,
        name: Option<String>,
        metadata: Metadata,
        settings: AgentSettings,
    ) -> Result<SavedAgent, Refusal> {
        let (mut stamp, now) = self.stamp();
        let id = AgentId::new(stamp.id("agent"));
        let agent = SavedAgent { id, name, metadata, settings, created_at: now, updated_at: now };
        self.put_agent(project, &agent, true).await?;
        Ok(agent)
    }

    pub async fn agent(&self, project: &ProjectId, id: &AgentId) -> Result<SavedAgent, Refusal> {
        let row = self.world.store.row(project, AGENTS, id.as_str()).await.map_err(|error| store_refusal(&error))?;
        agent(&row.ok_or_else(|| Refusal::not_found("agent", id.as_str()))?)
    }

    /// Changes an agent. Changes of agents are made one after the other, so that none is lost.
    pub async fn update_agent(
        &self,
        project: &ProjectId,
        id: &AgentId,
        change: impl FnOnce(&mut SavedAgent) -> Result<(), Refusal> + Send,
    ) -> Result<SavedAgent, Refusal> {
        let _one_at_a_time = self.changing_agents.lock().await;
        let mut agent = self.agent(project, id).await?;
        change(&mut agent)?;
        agent.updated_at = self.world.clock.now();
        self.put_agent(project, &agent, false).await?;
        Ok(agent)
    }

    async fn put_agent(&self, project: &ProjectId, agent: &SavedAgent, insert: bool) -> Result<(), Refusal> {
        let body = serde_json::to_vec(agent)
            .map_err(|error| Refusal::new(RefusalKind::Internal, format!("The agent cannot be stored: {error}.")))?;
        let (collection, id) = (AGENTS.to_owned(), agent.id.to_string());
        let row = Row { collection, id, created_at: agent.created_at, body };
        types::failpoint!(BeforeRow);
        match self.world.store.put_row(project, row, insert).await {
            // Deleted since it was read: an id is never used again.
            Err(store::Error::Exists) => return Err(Refusal::not_found("agent", agent.id.as_str())),
            done => done.map_err(|error| store_refusal(&error))?,
        }
        types::failpoint!(AfterRow);
        Ok(())
    }

    /// By creation. Unknown `after`: `NotFound`.
    pub async fn agents(&self, project: &ProjectId, page: Page) -> Result<Listed<SavedAgent>, Refusal> {
        let after = page.after.clone().unwrap_or_default();
        match self.world.store.rows(project, AGENTS, page).await {
            Ok((rows, has_more)) => {
                let data: Result<Vec<_>, _> = rows.iter().map(agent).collect();
                Ok(Listed { data: data?, has_more })
            }
            Err(store::Error::NoSuchCursor) => Err(Refusal::not_found("agent", &after)),
            Err(error) => Err(store_refusal(&error)),
        }
    }

    pub async fn delete_agent(&self, project: &ProjectId, id: &AgentId) -> Result<(), Refusal> {
        let now = self.world.clock.now();
        types::failpoint!(BeforeRow);
        let deleted = self.world.store.delete_row(project, AGENTS, id.as_str(), now).await;
        types::failpoint!(AfterRow);
        match deleted.map_err(|error| store_refusal(&error))? {
            true => Ok(()),
            false => Err(Refusal::not_found("agent", id.as_str())),
        }
    }

    // ---- models

    /// The names that clients may write in `model`, in order, without `*`.
    pub fn model_names(&self) -> Vec<String> {
        self.world.models.entries.keys().filter(|name| *name != "*").cloned().collect()
    }

    fn stamp(&self) -> (Stamp<'_>, Timestamp) {
        let now = self.world.clock.now();
        (Stamp::new(now, &*self.world.entropy), now)
    }
}

fn agent(row: &Row) -> Result<SavedAgent, Refusal> {
    serde_json::from_slice(&row.body)
        .map_err(|error| Refusal::new(RefusalKind::Internal, format!("The agent {} is damaged: {error}.", row.id)))
}

fn hint(secret: &str) -> String {
    secret.chars().take(7).collect()
}

fn hash(secret: &str) -> String {
    types::hex(&Sha256::digest(secret.as_bytes()))
}
