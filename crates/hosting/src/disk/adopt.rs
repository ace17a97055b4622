//! Taking a folder that the server has made beside a disk onto it.

use super::beneath::Root;
use super::{Disk, Error, Place, apart};
use rustix::fs::{CWD, renameat};
use std::path::{Path, PathBuf};

impl Disk {
    /// Puts a folder with all that is in it into a place where nothing is, on the same file system. It belongs to those
    /// inside from then on. The folder is the server's own: nobody else has written into it.
    pub(crate) async fn adopt(&self, folder: PathBuf, place: Place) -> Result<(), Error> {
        let disk = self.clone();
        apart(move || {
            let root = Root::open(&disk.folder)?;
            give(&root, &folder)?;
            let (above, name) = place.relative().rsplit_once('/').unwrap_or(("", place.relative()));
            let above = root.made(above.as_bytes())?;
            Ok(renameat(CWD, &folder, &above, name)?)
        })
        .await
    }
}

/// Links are given themselves, and not followed.
fn give(root: &Root, folder: &Path) -> Result<(), Error> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                root.owner().give(CWD, entry.path())?;
            }
        }
        root.owner().give(CWD, &folder)?;
    }
    Ok(())
}
