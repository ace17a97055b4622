//! Vaults of this server: who has their root keys, and whom a refresh asks. `outcrop vault rotate` is in `vault::rotate`.

mod endpoint;
mod keys;
mod kms;
mod rotate;

pub use endpoint::Endpoint;
pub use rotate::run;

use crate::configuration::Configuration;
use crate::data::DataFolder;
use crate::hosting::World;
use crate::identity::root;
use crate::terminal::tame;
use crate::world::KernelEntropy;
use anyhow::Result;
use keys::{Keeper, root_keys};
use std::sync::Arc;
use store::Store;
use vaults::{Around, RootKey, Standing, TokenEndpoint, Vaults};

/// The client for token endpoints, with the rules of reach of MCP servers.
pub fn http(configuration: &Configuration, world: &World) -> Result<mcp::Http> {
    let crate::configuration::Mcp { allow_private, allowed_hosts } = configuration.mcp.clone();
    let World { clock, entropy, spawn, .. } = world.clone();
    let made = mcp::Http::new(
        mcp::Reach { allow_private, allowed_hosts },
        mcp::Limits::default(),
        mcp::World { clock, entropy, spawn },
    );
    made.map_err(|why| anyhow::anyhow!(why))
}

/// Makes the root key where there is none yet, and says so where it is not the one of the vaults that there are. Neither
/// keeps a server from starting.
pub async fn prepare(
    configuration: &Configuration,
    data: &DataFolder,
    world: &World,
    endpoint: Arc<dyn TokenEndpoint>,
) -> Result<Vaults> {
    let World { clock, entropy, spawn, store } = world.clone();
    let around = mcp::World { clock: clock.clone(), entropy: entropy.clone(), spawn: spawn.clone() };
    let root = root_keys(configuration, data, around)?;
    if let Err(error) = see_to_key(configuration, data, &*store, &*root).await {
        tracing::error!("vaults cannot be opened: {error:#}");
    }
    Ok(Vaults::new(Around { clock, entropy, spawn, store, root, endpoint }))
}

async fn see_to_key(
    configuration: &Configuration,
    data: &DataFolder,
    store: &dyn Store,
    root: &dyn RootKey,
) -> Result<()> {
    let needed = vaults::standing(store).await?;
    make_first(configuration, data, store, &needed).await?;
    let known = root.ids().await?;
    for (id, vaults) in needed.iter().filter(|(id, _)| !known.contains(id)) {
        tracing::error!(
            root = id,
            vaults,
            "vaults cannot be opened: the root key that they were sealed under is not there"
        );
    }
    Ok(())
}

/// Makes the file's root key where that is to wrap, is not there, and nothing hangs on one that was. Whether it did.
async fn make_first(
    configuration: &Configuration,
    data: &DataFolder,
    store: &dyn Store,
    needed: &Standing,
) -> Result<bool> {
    let path = root::path(configuration, data);
    let is_first = Keeper::of(configuration) == Keeper::File
        && needed.keys().all(|id| vaults::is_kms(id))
        && root::read(&path)?.is_none()
        && !crate::key::has_access_keys(&store.keys().await?);
    if is_first {
        root::make(&path)?;
    }
    Ok(is_first)
}

/// What `outcrop doctor` says of them, and whether it is well. Where KMS keeps a key, it is asked.
pub async fn look(configuration: &Configuration, data: &DataFolder, store: &dyn Store) -> Result<String, String> {
    let needed = vaults::standing(store).await.map_err(|error| error.to_string())?;
    let count: usize = needed.values().sum();
    if count == 0 && Keeper::of(configuration) != Keeper::Kms {
        return Ok("none yet".to_owned());
    }
    let root = root_keys(configuration, data, kms::world()).map_err(|error| format!("{error:#}"))?;
    let known = root.ids().await.map_err(|error| format!("{count}; {error}"))?;
    let lost: usize = needed.iter().filter(|(id, _)| !known.contains(id)).map(|(_, count)| count).sum();
    if lost > 0 {
        return Err(format!(
            "{lost} of {count} cannot be opened: their root key is not there; put it back (docs/vaults.md)"
        ));
    }
    if configuration.vaults.kms.is_some() {
        let tried = vaults::probe(store, &*root, &KernelEntropy).await;
        tried.map_err(|error| format!("{count}; {}", tame(&error.to_string())))?;
    }
    let first = known.first().map_or("", String::as_str);
    Ok(format!("{count}; the root key {} is there", tame(first)))
}
