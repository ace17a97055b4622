//! `outcrop backup` and `outcrop restore`: the store's copy, and its way back.

use crate::configuration::Configuration;
use crate::data::DataFolder;
use crate::key::moment;
use crate::terminal;
use crate::world::TokioClock;
use anyhow::{Context, Result};
use std::path::Path;
use store::{Copied, Present, Sqlite};
use types::Clock;

/// Beside a server or without one.
pub fn save(file: &Path, configuration: &Configuration) -> Result<()> {
    let data = DataFolder::existing(&configuration.data)?;
    let copied = Sqlite::backup(data.path(), file, TokioClock::start().now()).context("no backup was made")?;
    terminal::say(format_args!("{}: {}", file.display(), told(&copied)));
    terminal::warn("not in it: the configuration, the file api-key, fetched models");
    Ok(())
}

/// Only while no server runs on the data.
pub fn restore(file: &Path, present: Present, configuration: &Configuration) -> Result<()> {
    let data = &configuration.data;
    if present == Present::Refused && data.join("outcrop.db").exists() {
        anyhow::bail!("{} has a store already; --replace sets it aside and takes the backup instead", data.display());
    }
    let restored = Sqlite::restore(file, data, present, TokioClock::start().now());
    let copied = restored.with_context(|| format!("nothing was restored; {} is as it was", data.display()))?;
    terminal::say(format_args!("{}: {}", data.display(), told(&copied)));
    terminal::warn(format_args!(
        "as of {} UTC: what happened after that is lost, and each session's ledger says so; keys that were revoked \
         since are valid again (`outcrop key list`)",
        moment(copied.at)
    ));
    Ok(())
}

fn told(copied: &Copied) -> String {
    let Copied { sessions, records, blobs, bytes, at } = copied;
    let at = moment(*at);
    format!("{sessions} sessions, {records} records, {blobs} blobs, {bytes} bytes; made {at} UTC, every hash checked")
}
