//! The face: vaults of all projects, and what the parts share. What is done with credentials is in the parts.

use crate::environment::Watched;
use crate::listing::{Listed, Wanted, all, list};
use crate::owner::Owner;
use crate::record::{Vault, VaultKey};
use crate::refresh::Flights;
use crate::refresh::endpoint::TokenEndpoint;
use crate::root::{KeyError, RootKey};
use crate::rows::{self, KEYS, VAULTS};
use crate::seal::SealingKey;
use crate::{limits, record};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{Direction, Error, Page, RowsChange, Store};
use types::{Clock, Entropy, ProjectId, Refusal, RefusalKind, Spawn, Stamp};

/// The word for one in errors.
pub(crate) const WORD: &str = "vault";
const TURNS: usize = 64;

/// The world.
#[derive(Clone)]
pub struct Around {
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub spawn: Arc<dyn Spawn>,
    pub store: Arc<dyn Store>,
    pub root: Arc<dyn RootKey>,
    pub endpoint: Arc<dyn TokenEndpoint>,
}

/// Vaults of all projects. Cheap to clone.
#[derive(Clone)]
pub struct Vaults {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) around: Around,
    /// Whoever writes something of a vault has the one of its id; whoever makes a vault, that of its project.
    turns: [tokio::sync::Mutex<()>; TURNS],
    pub(crate) flights: Flights,
    pub(crate) watched: Watched,
}

/// A change of a vault. None: as it is.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct VaultChange {
    pub name: Option<Option<String>>,
    pub metadata: Option<BTreeMap<String, String>>,
}

impl Vaults {
    pub fn new(around: Around) -> Self {
        let inner = Inner {
            around,
            turns: [(); TURNS].map(|()| tokio::sync::Mutex::default()),
            flights: Flights::default(),
            watched: Watched::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// `Invalid`: the name; `Busy` is not said: too many vaults are `Conflict`, since waiting makes them no fewer.
    pub async fn create(
        &self,
        project: &ProjectId,
        name: Option<String>,
        metadata: BTreeMap<String, String>,
    ) -> Result<Vault, Refusal> {
        let name = name.map(|name| trimmed(&name)).transpose()?;
        check_metadata(&metadata)?;
        let _one_at_a_time = self.inner.turn(project.as_str()).await;
        let around = &self.inner.around;
        let keys: Vec<VaultKey> = all(&*around.store, project, KEYS).await?;
        if keys.len() >= limits::VAULTS {
            return Err(Refusal::conflict(format!("A project may have at most {} vaults.", limits::VAULTS)));
        }
        // A key that does not fit what is there is the wrong one, and nothing is made under it.
        let known = around.root.ids().await.map_err(|error| closed(&error))?;
        if let Some(other) = keys.iter().find(|key| !known.contains(&key.wrapped.root)) {
            return Err(closed(&KeyError::Unknown(other.wrapped.root.clone())));
        }
        let now = around.clock.now();
        let id = Stamp::new(now, &*around.entropy).id("vault");
        let data_key = SealingKey::draw(&*around.entropy);
        let fresh = around.root.wrap(data_key.bytes(), Owner { project, vault: &id }).await;
        let fresh = fresh.map_err(|error| closed(&error))?;
        let vault = Vault { id, name, metadata, created_at: now, updated_at: now };
        let key = VaultKey { wrapped: fresh.wrapped };
        let puts =
            vec![(rows::row(VAULTS, &vault.id, now, &vault)?, true), (rows::row(KEYS, &vault.id, now, &key)?, true)];
        let change = RowsChange { at: now, puts, ..RowsChange::default() };
        around.store.change_rows(project, change).await.map_err(|error| rows::refusal(&error))?;
        drop(fresh.hold);
        Ok(vault)
    }

    pub async fn vault(&self, project: &ProjectId, id: &str) -> Result<Vault, Refusal> {
        self.inner.vault(project, id).await
    }

    pub async fn vaults(&self, project: &ProjectId, wanted: &Wanted, page: Page) -> Result<Listed<Vault>, Refusal> {
        list(&*self.inner.around.store, project, (VAULTS, WORD), wanted, page, |vault: &Vault| &vault.metadata).await
    }

    pub async fn update(&self, project: &ProjectId, id: &str, change: VaultChange) -> Result<Vault, Refusal> {
        let name = change.name.map(|name| name.map(|name| trimmed(&name)).transpose()).transpose()?;
        change.metadata.as_ref().map_or(Ok(()), check_metadata)?;
        let _one_at_a_time = self.inner.turn(id).await;
        let mut vault = self.inner.vault(project, id).await?;
        vault.name = name.unwrap_or(vault.name);
        vault.metadata = change.metadata.unwrap_or(vault.metadata);
        vault.updated_at = self.inner.around.clock.now();
        let row = rows::row(VAULTS, id, vault.created_at, &vault)?;
        match self.inner.around.store.put_row(project, row, false).await {
            Err(Error::Exists) => Err(Refusal::not_found(WORD, id)),
            done => done.map(|()| vault).map_err(|error| rows::refusal(&error)),
        }
    }

    /// With all its credentials. Without the data key nothing that was sealed under it can be opened again.
    pub async fn delete(&self, project: &ProjectId, id: &str) -> Result<(), Refusal> {
        let around = &self.inner.around;
        {
            let _one_at_a_time = self.inner.turn(id).await;
            self.inner.vault(project, id).await?;
            let credentials: Vec<record::Credential> = all(&*around.store, project, &rows::credentials(id)).await?;
            let mut deletes: Vec<(String, String)> = [VAULTS, KEYS].map(|at| (at.to_owned(), id.to_owned())).into();
            for credential in credentials {
                deletes.push((rows::credentials(id), credential.id.clone()));
                deletes.push((rows::sealed(id), credential.id));
            }
            let change = RowsChange { at: around.clock.now(), deletes, ..RowsChange::default() };
            around.store.change_rows(project, change).await.map_err(|error| rows::refusal(&error))?;
        }
        self.inner.watched.look_again(&self.inner, id).await;
        Ok(())
    }

    /// Whether these vaults are there; the first that is not, where one is missing.
    pub async fn missing(&self, project: &ProjectId, ids: &[String]) -> Result<Option<String>, Refusal> {
        for id in ids {
            let row: Option<Vault> = rows::read(&*self.inner.around.store, project, VAULTS, id).await?;
            if row.is_none() {
                return Ok(Some(id.clone()));
            }
        }
        Ok(None)
    }
}

impl Inner {
    pub(crate) async fn vault(&self, project: &ProjectId, id: &str) -> Result<Vault, Refusal> {
        let row = rows::read(&*self.around.store, project, VAULTS, id).await?;
        row.ok_or_else(|| Refusal::not_found(WORD, id))
    }

    /// What seals the secrets of a vault that is there.
    pub(crate) async fn data_key(&self, project: &ProjectId, vault: &str) -> Result<SealingKey, Refusal> {
        let row: Option<VaultKey> = rows::read(&*self.around.store, project, KEYS, vault).await?;
        let row = row.ok_or_else(|| Refusal::not_found(WORD, vault))?;
        let opened = self.around.root.unwrap(&row.wrapped, Owner { project, vault }).await;
        opened.map(|bytes| SealingKey::new(*bytes)).map_err(|error| closed(&error))
    }

    /// Whoever has it may read rows of the vault to write them.
    pub(crate) async fn turn(&self, id: &str) -> tokio::sync::MutexGuard<'_, ()> {
        let turn = id.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % TURNS;
        self.turns[turn].lock().await
    }
}

/// One page that has everything.
pub(crate) fn whole() -> Page {
    Page { after: None, limit: usize::MAX, direction: Direction::Ascending }
}

/// Why is in the operator's log alone.
pub(crate) fn closed(error: &KeyError) -> Refusal {
    tracing::error!(%error, "a vault cannot be opened");
    let why = match error {
        KeyError::Missing(_) | KeyError::Unknown(_) | KeyError::Damaged(_) => {
            "their root key is missing, or it is another one. The server's log says more."
        }
        KeyError::Away { .. } => "the service that keeps their root key gives no answer. Try again shortly.",
        KeyError::Refused { .. } | KeyError::Odd { .. } => {
            "the service that keeps their root key does not serve it. The server's log says more."
        }
    };
    Refusal::new(RefusalKind::Unavailable, format!("This server's vaults cannot be opened: {why}"))
}

/// Sealed texts of this vault do not open, though its key does.
pub(crate) fn spoilt(credential: &str) -> Refusal {
    Refusal::new(RefusalKind::Internal, format!("what is sealed of '{credential}' does not open"))
}

/// 1 to 256 bytes without the space around them.
pub(crate) fn trimmed(name: &str) -> Result<String, Refusal> {
    let name = name.trim();
    if (1..=limits::NAME).contains(&name.len()) {
        return Ok(name.to_owned());
    }
    let message =
        format!("Invalid 'name': expected 1 to {} UTF-8 bytes after trimming, but got {}.", limits::NAME, name.len());
    Err(Refusal::invalid(message).at("name"))
}

fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let size: usize = metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
    if size <= limits::METADATA {
        return Ok(());
    }
    let message = format!("Invalid 'metadata': it may have at most {} bytes, but has {size}.", limits::METADATA);
    Err(Refusal::invalid(message).at("metadata"))
}

#[cfg(test)]
mod tests;
