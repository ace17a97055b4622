//! A new root key: every data key is wrapped anew with it. What is sealed under the data keys stays as it is.

use crate::owner::Owner;
use crate::record::VaultKey;
use crate::root::{KeyError, RootKey};
use crate::rows::{self, KEYS};
use crate::vaults::whole;
use std::collections::{BTreeMap, BTreeSet};
use store::{Error, Row, Store};
use types::ProjectId;

/// What a pass over all vaults came to.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Rewrapped {
    /// Wrapped anew just now.
    pub changed: usize,
    /// All that there are.
    pub vaults: usize,
    /// Root keys that a vault still needs, by id, with how many do.
    pub needed: BTreeMap<String, usize>,
}

/// Which root keys the vaults need, by id, with how many do.
pub type Standing = BTreeMap<String, usize>;

/// Reads every wrapped key and opens none.
pub async fn standing(store: &dyn Store) -> Result<Standing, Error> {
    let mut standing = Standing::new();
    for (_, row) in keys(store).await? {
        let root =
            serde_json::from_slice::<VaultKey>(&row.body).map_or_else(|_| "?".to_owned(), |key| key.wrapped.root);
        *standing.entry(root).or_default() += 1;
    }
    Ok(standing)
}

/// Wraps anew whatever is not under the first of `root`'s keys. Each vault by itself: a crash between two leaves both keys
/// in need, and the next call goes on. A vault whose key does not open stays as it is, and its key is among the needed.
pub async fn rewrap(store: &dyn Store, root: &dyn RootKey) -> Result<Rewrapped, RewrapError> {
    let ids = root.ids().await?;
    let current = ids.first().cloned().ok_or_else(|| KeyError::Missing("no key is configured".to_owned()))?;
    let mut done = Rewrapped::default();
    for (project, row) in keys(store).await? {
        let key: VaultKey = rows::body(&row).map_err(|refusal| RewrapError::Row(refusal.message))?;
        done.vaults += 1;
        if key.wrapped.root == current {
            *done.needed.entry(current.clone()).or_default() += 1;
            continue;
        }
        let owner = Owner { project: &project, vault: &row.id };
        let opened = match root.unwrap(&key.wrapped, owner).await {
            Ok(opened) => opened,
            // The next vault would have to wait as long for as little.
            Err(error @ KeyError::Away { .. }) => return Err(error.into()),
            Err(error) => {
                tracing::error!(vault = row.id, %error, "a vault's key cannot be wrapped anew");
                *done.needed.entry(key.wrapped.root).or_default() += 1;
                continue;
            }
        };
        let fresh = root.wrap(&opened, owner).await?;
        *done.needed.entry(fresh.wrapped.root.clone()).or_default() += 1;
        let key = VaultKey { wrapped: fresh.wrapped };
        let row =
            rows::row(KEYS, &row.id, row.created_at, &key).map_err(|refusal| RewrapError::Row(refusal.message))?;
        match store.put_row(&project, row, false).await {
            Ok(()) => done.changed += 1,
            // Deleted meanwhile.
            Err(Error::Exists) => {}
            Err(error) => return Err(error.into()),
        }
        drop(fresh.hold);
    }
    Ok(done)
}

#[derive(thiserror::Error, Debug)]
pub enum RewrapError {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Store(#[from] Error),
    #[error("{0}")]
    Row(String),
}

/// Every vault of every project: a project has a key, revoked or not.
pub(crate) async fn keys(store: &dyn Store) -> Result<Vec<(ProjectId, Row)>, Error> {
    let projects: BTreeSet<ProjectId> = store.keys().await?.into_iter().map(|key| key.project).collect();
    let mut all = Vec::new();
    for project in projects {
        let (rows, _) = store.rows(&project, KEYS, whole()).await?;
        all.extend(rows.into_iter().map(|row| (project.clone(), row)));
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
