//! `outcrop vault rotate`: works on the store's file beside a running server. A crash in the middle leaves both keys in the
//! file and each vault under one of them; the next run goes on.

use super::keys::{Keeper, root_keys};
use super::kms;
use crate::cli::VaultCommand;
use crate::configuration::Configuration;
use crate::data::DataFolder;
use crate::identity::root;
use crate::terminal::{self, tame};
use anyhow::{Context, Result, bail};
use store::Sqlite;
use vaults::Rewrapped;

pub async fn run(command: &VaultCommand, configuration: &Configuration) -> Result<()> {
    let VaultCommand::Rotate = command;
    let data = DataFolder::existing(&configuration.data)?;
    let store = Sqlite::open_shared(data.path())?;
    let keys = root_keys(configuration, &data, kms::world())?;
    let path = root::path(configuration, &data);
    let keeper = Keeper::of(configuration);
    if keeper == Keeper::File {
        add(configuration, &data, &store).await?;
    }
    let current = keys.ids().await?.into_iter().next().context("there is no root key")?;
    let Rewrapped { changed, vaults, needed } = vaults::rewrap(&store, &*keys).await?;
    let left: usize = needed.iter().filter(|(id, _)| **id != current).map(|(_, count)| count).sum();
    if keeper == Keeper::File {
        root::keep(&path, &needed.into_keys().collect::<Vec<_>>())?;
    }
    terminal::say(format_args!(
        "the root key is {} now; {changed} of {vaults} vaults were wrapped anew",
        tame(&current)
    ));
    let is_idle = changed == 0 && vaults > 0;
    match keeper {
        Keeper::Variable if is_idle => {
            terminal::warn("nothing was rotated: put a new key before the old one into the variable first (NEW,OLD)")
        }
        Keeper::Kms if is_idle => {
            terminal::warn("nothing was rotated: put another key before this one in vaults.kms.keys first");
        }
        _ => {}
    }
    if left > 0 {
        bail!("{left} vaults do not open and stay under their old keys; the log says which");
    }
    match keeper {
        Keeper::Variable if changed > 0 => {
            terminal::say("a running server needs the new value too, and a restart; then only its first key is needed");
        }
        Keeper::Kms if changed > 0 => terminal::say(
            "a server that was started before the configuration had this key cannot open them until it is restarted",
        ),
        _ => {}
    }
    Ok(())
}

/// A new key in the file, unless a first one was made just now. Beside a lost one it would only hide that that is lost.
async fn add(configuration: &Configuration, data: &DataFolder, store: &Sqlite) -> Result<()> {
    let needed = vaults::standing(store).await?;
    let is_made = super::make_first(configuration, data, store, &needed).await?;
    super::look(configuration, data, store).await.map_err(|why| anyhow::anyhow!("vaults: {why}"))?;
    match is_made {
        true => Ok(()),
        false => root::add(&root::path(configuration, data)),
    }
}
