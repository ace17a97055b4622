//! The shelf's place on the disk: who may change it, what room there is, how a file gets its name.

use crate::data::DataFolder;
use anyhow::{Context, Result, anyhow, bail};
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Kept free for others. Bytes.
const MARGIN: u64 = 16 << 20;

/// The right to change the shelf, one process at a time, and a folder for what is not whole yet: empty at entry, gone
/// at the end.
pub struct Workshop {
    folder: PathBuf,
    _lock: File,
}

impl Workshop {
    pub fn enter(data: &DataFolder) -> Result<Self> {
        let models = data.models();
        std::fs::create_dir_all(&models).with_context(|| format!("{} cannot be made", models.display()))?;
        let lock = models.join(".fetching");
        let locked = || format!("{} cannot be locked", lock.display());
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&lock).with_context(locked)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("another outcrop is changing {}; wait for it", models.display())
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(locked),
        }
        let folder = models.join(".fetched");
        if folder.exists() {
            std::fs::remove_dir_all(&folder).with_context(|| format!("{} cannot be emptied", folder.display()))?;
        }
        std::fs::create_dir(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        Ok(Self { folder, _lock: file })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Gives a finished file its name: after a crash there is the old one or the new one, whole.
pub fn put(new: &Path, target: &Path) -> Result<()> {
    let placed = || format!("{} cannot be put in place", target.display());
    File::open(new).and_then(|file| file.sync_all()).with_context(placed)?;
    std::fs::rename(new, target).with_context(placed)?;
    sync_folder(target)
}

/// Makes names in `file`'s folder durable.
pub fn sync_folder(file: &Path) -> Result<()> {
    let Some(folder) = file.parent() else { return Ok(()) };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .with_context(|| format!("the folder {} cannot be synced", folder.display()))
}

/// Bytes that this user may still write where `folder` lies.
pub fn free_space(folder: &Path) -> Result<u64> {
    let about = rustix::fs::statvfs(folder).with_context(|| format!("{} cannot be asked", folder.display()))?;
    Ok(about.f_bavail.saturating_mul(about.f_frsize))
}

/// Refuses what will not fit, before a byte is fetched.
pub fn room(needed: u64, folder: &Path) -> Result<()> {
    fits(needed, free_space(folder)?, folder)
}

fn fits(needed: u64, free: u64, folder: &Path) -> Result<()> {
    let needed = needed.saturating_add(MARGIN);
    anyhow::ensure!(
        free >= needed,
        "{} are needed in {}, and {} are free; make room, or name another folder with --data",
        size(needed),
        folder.display(),
        size(free)
    );
    Ok(())
}

/// A write that failed, in words. `path` is what was written.
pub fn unwritten(error: io::Error, path: &Path) -> anyhow::Error {
    if error.kind() == io::ErrorKind::StorageFull || error.kind() == io::ErrorKind::QuotaExceeded {
        let folder = path.parent().unwrap_or(path);
        return anyhow!(
            "the disk is full: what was fetched is removed again; make room in {}, or name another folder with --data",
            folder.display()
        );
    }
    anyhow!(error).context(format!("{} cannot be written", path.display()))
}

/// `98 MB`.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1000)),
        1_000_000..10_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{} GB", bytes / 1_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_works_at_a_time_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::create(folder.path()).unwrap();
        let first = Workshop::enter(&data).unwrap();
        let refused = Workshop::enter(&data).err().expect("refused").to_string();
        assert!(refused.starts_with("another outcrop is changing"), "{refused}");
        std::fs::write(first.folder.join("half"), "x").unwrap();
        let path = first.folder.clone();
        drop(first);
        assert!(!path.exists());
        Workshop::enter(&data).unwrap();
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let folder = Path::new("somewhere");
        assert!(fits(1, MARGIN + 1, folder).is_ok());
        let refused = fits(98_000_000, 98_000_000, folder).unwrap_err().to_string();
        assert_eq!(
            refused,
            "114 MB are needed in somewhere, and 98 MB are free; make room, or name another folder with --data"
        );
        assert!(fits(u64::MAX, u64::MAX - 1, folder).is_err());
    }

    #[test]
    fn a_full_disk_is_named() {
        let full = unwritten(io::Error::from_raw_os_error(28), Path::new("a/b.part")).to_string();
        assert!(full.starts_with("the disk is full") && full.contains("make room in a,"), "{full}");
        let other = unwritten(io::Error::from_raw_os_error(5), Path::new("a/b.part")).to_string();
        assert_eq!(other, "a/b.part cannot be written");
    }
}
