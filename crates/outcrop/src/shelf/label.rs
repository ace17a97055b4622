//! A label beside each file on the shelf, `FILE.json`: where it came from, what it must be, what its licence is. It is
//! written after the file; a file without one was put there by hand and is checked when it is next pulled.

use super::place::{put, sync_folder};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

#[derive(Serialize, Deserialize, PartialEq, Eq, Debug)]
pub struct Label {
    pub source: String,
    /// Hex in lower case.
    pub sha256: String,
    pub bytes: u64,
    pub licence: Option<String>,
}

impl Label {
    pub fn beside(file: &Path) -> PathBuf {
        suffixed(file, ".json")
    }

    /// None where there is none that can be read.
    pub fn read(file: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(Self::beside(file)).ok()?).ok()
    }

    pub fn write(&self, file: &Path) -> Result<()> {
        let label = Self::beside(file);
        let new = suffixed(file, ".json.new");
        std::fs::write(&new, serde_json::to_vec(self)?)
            .with_context(|| format!("{} cannot be written", new.display()))?;
        put(&new, &label)?;
        sync_folder(file)
    }
}

pub fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
