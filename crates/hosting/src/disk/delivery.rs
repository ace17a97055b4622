//! A file on its way onto a disk: written beside it, where nobody inside can see or change it, and then put into its place
//! in one step.

use super::beneath::Root;
use super::{Error, Place, apart};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fchmod, mkdir, open, renameat, statat};
use rustix::io::Errno;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// One for each delivery of this process; those of an earlier one are in the way at most.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// Takes bytes in order. Dropped before it was put into its place, it leaves nothing.
pub(crate) struct Delivery {
    disk: PathBuf,
    /// Where it is meanwhile.
    name: PathBuf,
    file: Option<File>,
}

impl Delivery {
    /// `disk` is the disk's own folder, `incoming` one beside it on the same file system.
    pub(super) fn new(disk: &Path, incoming: &Path) -> Result<Self, Error> {
        // Without a disk there is nothing to deliver to.
        drop(Root::open(disk)?);
        match mkdir(incoming, Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            let name = incoming.join(NUMBER.fetch_add(1, Ordering::Relaxed).to_string());
            match open(&name, flags, Mode::from_raw_mode(0o600)) {
                Err(Errno::EXIST) => {}
                opened => {
                    let file = Some(File::from(opened?));
                    return Ok(Self { disk: disk.to_owned(), name, file });
                }
            }
        }
    }

    pub(crate) async fn write(&mut self, bytes: Vec<u8>) -> Result<(), Error> {
        let Some(mut file) = self.file.take() else { return Err(Error::Irregular) };
        let written = apart(move || file.write_all(&bytes).map(|()| file).map_err(Error::from)).await?;
        self.file = Some(written);
        Ok(())
    }

    /// Puts it into its place, in folders that are made where they are missing; a file that is there is replaced. `mode` are
    /// permission bits. Errors: `Link` where a link is on the way or at its end, `NotFolder`, `IsFolder`, `NotFound` where the
    /// disk is gone.
    pub(crate) async fn place(mut self, place: Place, mode: u32) -> Result<(), Error> {
        let file = self.file.take();
        apart(move || {
            let file = file.ok_or(Error::Irregular)?;
            let root = Root::open(&self.disk)?;
            let (above, name) = place.relative().rsplit_once('/').unwrap_or(("", place.relative()));
            let above = root.made(above.as_bytes())?;
            match statat(&above, name, AtFlags::SYMLINK_NOFOLLOW).map(|there| FileType::from_raw_mode(there.st_mode)) {
                Ok(FileType::Directory) => return Err(Error::IsFolder),
                Ok(FileType::Symlink) => return Err(Error::Link),
                Ok(_) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
            root.owner().give_open(&file)?;
            fchmod(&file, Mode::from_raw_mode(mode & 0o777))?;
            drop(file);
            // A link that comes to stand there now is itself replaced, and not followed.
            renameat(rustix::fs::CWD, &self.name, &above, name).map_err(|error| match error {
                Errno::ISDIR | Errno::NOTEMPTY => Error::IsFolder,
                error => error.into(),
            })
        })
        .await
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        // Gone already where it is in its place.
        let _ = std::fs::remove_file(&self.name);
    }
}
