//! The data folder: what the binary itself keeps beside the store. Secrets are readable by their owner only; files
//! are put in place whole, so that a crash leaves the old one or the new one.

use anyhow::{Context, Result};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A folder that exists.
#[derive(Clone, Debug)]
pub struct DataFolder(PathBuf);

impl DataFolder {
    /// Makes it where it is missing, for its owner only. It is there after a power cut too.
    pub fn create(path: &Path) -> Result<Self> {
        let make = || -> std::io::Result<()> {
            let path = std::path::absolute(path)?;
            let missing = path.ancestors().skip(1).take_while(|folder| !folder.exists()).map(Path::to_owned);
            let made: Vec<_> = std::iter::once(path.clone()).chain(missing).collect();
            DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
            made.iter().filter_map(|folder| folder.parent()).try_for_each(sync_entries)
        };
        make()
            .with_context(|| format!("the data folder {} cannot be made; name another with --data", path.display()))?;
        Ok(Self(path.to_owned()))
    }

    /// One that a server has made.
    pub fn existing(path: &Path) -> Result<Self> {
        anyhow::ensure!(
            path.is_dir(),
            "there is no data folder {}; name it with --data, or start a server with `outcrop serve`",
            path.display()
        );
        Ok(Self(path.to_owned()))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn models(&self) -> PathBuf {
        self.0.join("models")
    }

    /// The content of a small file; None where there is none or it is empty.
    pub fn read(&self, name: &str) -> Result<Option<String>> {
        let path = self.0.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
        }
    }

    /// Puts a small file in place, mode 0600.
    pub fn write(&self, name: &str, content: &str) -> Result<()> {
        let path = self.0.join(name);
        let new = self.0.join(format!(".{name}.new"));
        let put = || -> std::io::Result<()> {
            // What a crash left here may have other rights.
            if let Err(error) = std::fs::remove_file(&new)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                return Err(error);
            }
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
            file.write_all(content.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&new, &path)?;
            File::open(&self.0)?.sync_all()
        };
        put().with_context(|| format!("{} cannot be written", path.display()))
    }

    pub fn remove(&self, name: &str) -> Result<()> {
        let path = self.0.join(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("{} cannot be removed", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Whether a server holds the folder's lock now.
    pub fn is_served(&self) -> bool {
        let Ok(file) = File::open(self.0.join("lock")) else { return false };
        // Shared and given back at once: a server that starts in this very moment would be refused, one that runs
        // notices nothing.
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }
}

/// A folder that we may write to and not read cannot be synced; that is its owner's business.
fn sync_entries(folder: &Path) -> std::io::Result<()> {
    match File::open(folder) {
        Ok(folder) => folder.sync_all(),
        Err(_) => Ok(()),
    }
}
