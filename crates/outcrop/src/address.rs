//! `DATA/server.json`: where the server of this folder can be reached, for the commands that ask it. The lock, not this
//! file, says whether one runs.

use crate::client::local_url;
use crate::data::DataFolder;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

const FILE: &str = "server.json";

#[derive(Serialize, Deserialize)]
pub struct Address {
    /// `http://ADDRESS`, as this machine reaches it.
    pub url: String,
    /// Process number.
    pub pid: u32,
}

pub fn publish(data: &DataFolder, listening: SocketAddr) -> Result<()> {
    let address = Address { url: local_url(listening), pid: std::process::id() };
    data.write(FILE, &serde_json::to_string(&address)?)
}

pub fn withdraw(data: &DataFolder) -> Result<()> {
    data.remove(FILE)
}

/// The server that runs on this folder now.
pub fn find(data: &DataFolder) -> Result<Address> {
    if !data.is_served() {
        bail!("no server runs on {}; start one with `outcrop serve`", data.path().display());
    }
    let text = data.read(FILE)?.context("the server is starting; try again in a moment")?;
    serde_json::from_str(&text).with_context(|| format!("{} is damaged", data.path().join(FILE).display()))
}
