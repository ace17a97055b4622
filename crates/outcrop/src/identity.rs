//! The key of the default project: `OUTCROP_API_KEY`, or one made at first start and kept in `DATA/api-key`.

pub mod root;

use crate::configuration::{Configuration, Secret};
use crate::data::DataFolder;
use anyhow::{Result, anyhow};
use runtime::Catalog;
use sha2::{Digest, Sha256};
use store::Store;
use types::{Clock, ProjectId};

/// The project of whoever names none.
pub const DEFAULT_PROJECT: &str = "default";

const KEY_FILE: &str = "api-key";
/// Holds the hash of the last `OUTCROP_API_KEY`.
const CONFIGURED_FILE: &str = "configured-key";

/// How the default project can be entered.
pub enum Entrance {
    Configured,
    Kept,
    /// Made just now: the one moment to show it.
    Made(String),
}

/// Sees to it that the default project has its key, and that a configured one that was replaced is none any more.
pub async fn ensure(
    configuration: &Configuration,
    data: &DataFolder,
    catalog: &Catalog,
    store: &dyn Store,
    clock: &dyn Clock,
) -> Result<Entrance> {
    let project = ProjectId::from(DEFAULT_PROJECT);
    if let Some(key) = &configuration.api_key {
        revoke_former(key, data, store, clock).await?;
        catalog.ensure_key(&project, key.expose()).await.map_err(|refusal| anyhow!(refusal))?;
        data.write(CONFIGURED_FILE, &hash(key.expose()))?;
        return Ok(Entrance::Configured);
    }
    if let Some(key) = data.read(KEY_FILE)? {
        // A revoked one stays revoked; the server then serves those who have another.
        match store.key_by_hash(&hash(&key)).await? {
            Some(row) if row.revoked_at.is_some() => tracing::warn!("the key in DATA/{KEY_FILE} is revoked"),
            // The file may have come with a copy of the folder, or outlived its store.
            _ => catalog.ensure_key(&project, &key).await.map_err(|refusal| anyhow!(refusal))?,
        }
        return Ok(Entrance::Kept);
    }
    let key = catalog.create_key(&project, Vec::new()).await.map_err(|refusal| anyhow!(refusal))?;
    data.write(KEY_FILE, &key.secret)?;
    Ok(Entrance::Made(key.secret))
}

/// A configured key that was replaced by another is a key no longer. One that is only absent today is left alone: it
/// could not come back.
async fn revoke_former(now: &Secret, data: &DataFolder, store: &dyn Store, clock: &dyn Clock) -> Result<()> {
    let Some(former) = data.read(CONFIGURED_FILE)? else { return Ok(()) };
    if hash(now.expose()) == former {
        return Ok(());
    }
    if let Some(row) = store.key_by_hash(&former).await? {
        store.revoke_key(&row.id, clock.now()).await?;
        tracing::info!(key = %row.id, "the key that OUTCROP_API_KEY held before is revoked");
    }
    Ok(())
}

/// As the store keeps keys: SHA-256, hex.
fn hash(key: &str) -> String {
    types::hex(&Sha256::digest(key.as_bytes()))
}

/// The key with which this machine's own commands enter, if there is one to read.
pub fn own_key(configuration: &Configuration, data: &DataFolder) -> Result<String> {
    if let Some(key) = &configuration.api_key {
        return Ok(key.expose().to_owned());
    }
    data.read(KEY_FILE)?.ok_or_else(|| {
        anyhow!(
            "there is no key in {}; set OUTCROP_API_KEY to one of the server's",
            data.path().join(KEY_FILE).display()
        )
    })
}
