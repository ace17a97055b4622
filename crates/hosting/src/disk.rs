//! The disk of an environment: a folder of this machine, which those inside see as `/workspace` and fill as they like. The
//! server makes it, reads and writes it from outside, copies it and takes it away; nothing inside decides what the server
//! opens, and nothing outside is ever reached through it.
//!
//! It knows no environment and no sandbox. What it writes belongs to the user that sandboxes run as. It is no store: what
//! was written is safe from a crash of the server, not from a loss of power, like everything that is done inside.

mod adopt;
mod beneath;
mod copy;
mod delivery;
mod place;
mod remove;
mod walk;

pub(crate) use copy::Most;
pub(crate) use delivery::Delivery;
pub(crate) use place::{OUTPUTS, Place, absolute, is_hidden};

use beneath::{Owner, Root};
use rustix::fs::{CWD, FileType, Mode, mkdir};
use rustix::io::Errno;
use sha2::Digest;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use walk::{Step, Walk};

/// The disk of one environment. Cheap to clone; it may be there or not.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    /// What is seen inside.
    folder: PathBuf,
    /// Beside it: files on their way.
    incoming: PathBuf,
}

/// A regular file that a walk found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    /// Relative to the disk; any bytes but NUL.
    pub(crate) path: Vec<u8>,
    pub(crate) bytes: u64,
    pub(crate) stamp: Stamp,
}

/// When a file was changed last, as its owner says and as the disk knows: seconds since 1970, and nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Stamp {
    pub(crate) modified: (i64, u64),
    pub(crate) changed: (i64, u64),
}

#[derive(thiserror::Error, Debug)]
pub(crate) enum Error {
    #[error("there is no such file or folder")]
    NotFound,
    #[error("it leads through a link, or over a mount")]
    Link,
    #[error("what is above it is no folder")]
    NotFolder,
    #[error("it is a folder")]
    IsFolder,
    #[error("it is no regular file")]
    Irregular,
    #[error("its folders are too deep")]
    TooDeep,
    #[error("it has too many entries")]
    TooMany,
    #[error("it is too large")]
    TooLarge,
    #[error("the disk of this machine is full")]
    Full,
    #[error(transparent)]
    Io(io::Error),
}

impl Disk {
    /// Of the environment whose own folder is `environment`; nothing is touched yet.
    pub(crate) fn new(environment: &Path) -> Self {
        Self { folder: environment.join("disk"), incoming: environment.join("incoming") }
    }

    /// What is to be seen inside.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether there is one.
    pub(crate) fn is_there(&self) -> bool {
        self.folder.symlink_metadata().is_ok_and(|found| found.is_dir())
    }

    /// A fresh one. Whatever was there before is taken away.
    pub(crate) async fn create(&self) -> Result<(), Error> {
        let disk = self.clone();
        apart(move || disk.create_now()).await
    }

    /// Takes it away, large and strange as it may be; where there is none, that is well.
    pub(crate) async fn remove(&self) -> Result<(), Error> {
        let disk = self.clone();
        apart(move || disk.remove_now()).await
    }

    /// What it takes on this machine: bytes, and files, folders and links.
    pub(crate) async fn size(&self) -> Result<Most, Error> {
        let disk = self.clone();
        apart(move || {
            let root = Root::open(&disk.folder)?;
            let (mut walk, mut size) = (Walk::new(&root, b"")?, Most { bytes: 0, entries: 0 });
            while let Some(step) = walk.next() {
                let Step::Found(found) = step? else { continue };
                let blocks = u64::try_from(found.status.st_blocks).unwrap_or(0);
                size.bytes = size.bytes.saturating_add(blocks.saturating_mul(512));
                size.entries += 1;
                if found.kind == FileType::Directory {
                    into(&mut walk)?;
                }
            }
            Ok(size)
        })
        .await
    }

    /// Makes `target` a copy of this: folders, files and links with their modes and times. What is no file is left out.
    pub(crate) async fn copy_to(&self, target: &Self, most: Most) -> Result<(), Error> {
        let (disk, target) = (self.clone(), target.clone());
        apart(move || disk.copy_now(&target, most)).await
    }

    /// A file to come, however long it takes.
    pub(crate) async fn delivery(&self) -> Result<Delivery, Error> {
        let disk = self.clone();
        apart(move || Delivery::new(&disk.folder, &disk.incoming)).await
    }

    /// Writes a whole file, as [`Delivery::place`] does.
    pub(crate) async fn write(&self, place: Place, bytes: Vec<u8>, mode: u32) -> Result<(), Error> {
        let mut delivery = self.delivery().await?;
        delivery.write(bytes).await?;
        delivery.place(place, mode).await
    }

    /// A whole regular file; `TooLarge` where it has more than `most` bytes.
    pub(crate) async fn read(&self, place: &Place, most: usize) -> Result<Vec<u8>, Error> {
        let (disk, path) = (self.clone(), place.relative().as_bytes().to_vec());
        apart(move || {
            let (file, _) = Root::open(&disk.folder)?.file(&path)?;
            let mut bytes = Vec::new();
            // One more than it may have: it may grow while it is read.
            file.take(most as u64 + 1).read_to_end(&mut bytes)?;
            if bytes.len() > most { Err(Error::TooLarge) } else { Ok(bytes) }
        })
        .await
    }

    /// A regular file, open for reading, with what it was at that moment. Anything else is `Irregular`.
    pub(crate) async fn open(&self, path: Vec<u8>) -> Result<(File, Seen), Error> {
        let disk = self.clone();
        apart(move || {
            let (file, status) = Root::open(&disk.folder)?.file(&path)?;
            Ok((file, Seen::new(path, &status)))
        })
        .await
    }

    /// Goes over the regular files in a folder, in no order, and looks at no more than `most` entries; says whether that was
    /// all. `wanted` says which folders are gone into. A folder that is none, or not there: `NotFound`, `NotFolder`, `Link`.
    /// Paths that are longer than a path can be are left out.
    pub(crate) async fn walk<T: Send + 'static>(
        &self,
        folder: &Place,
        most: usize,
        mut gathered: T,
        wanted: impl Fn(&T, &[u8]) -> bool + Send + 'static,
        gather: impl Fn(&mut T, Seen) + Send + 'static,
    ) -> Result<(T, bool), Error> {
        let (disk, folder) = (self.clone(), folder.relative().as_bytes().to_vec());
        apart(move || {
            let root = Root::open(&disk.folder)?;
            let (mut walk, mut looked) = (Walk::new(&root, &folder)?, 0);
            while let Some(step) = walk.next() {
                let Step::Found(found) = step? else { continue };
                looked += 1;
                if looked > most {
                    return Ok((gathered, false));
                }
                match found.kind {
                    FileType::Directory if wanted(&gathered, walk.path()) => into(&mut walk)?,
                    FileType::RegularFile => {
                        gather(&mut gathered, Seen::new(walk.path().to_vec(), &found.status));
                    }
                    _ => {}
                }
            }
            Ok((gathered, true))
        })
        .await
    }

    /// What is in a folder itself, in no order, and no more than `most` entries of it; says whether that was all.
    pub(crate) async fn entries(&self, folder: &Place, most: usize) -> Result<(Vec<(Seen, bool)>, bool), Error> {
        let (disk, folder) = (self.clone(), folder.relative().as_bytes().to_vec());
        apart(move || {
            let root = Root::open(&disk.folder)?;
            let (mut walk, mut entries) = (Walk::new(&root, &folder)?, Vec::new());
            while let Some(step) = walk.next() {
                let Step::Found(found) = step? else { continue };
                if entries.len() == most {
                    return Ok((entries, false));
                }
                let is_folder = found.kind == FileType::Directory;
                entries.push((Seen::new(walk.path().to_vec(), &found.status), is_folder));
            }
            Ok((entries, true))
        })
        .await
    }

    // ---- blocking

    fn create_now(&self) -> Result<(), Error> {
        self.remove_now()?;
        if let Some(environment) = self.folder.parent() {
            std::fs::create_dir_all(environment)?;
        }
        let owner = Owner::of_sandboxes();
        mkdir(&self.folder, Mode::from_raw_mode(0o755))?;
        owner.give(CWD, &self.folder)?;
        Ok(())
    }

    fn copy_now(&self, target: &Self, most: Most) -> Result<(), Error> {
        let from = Root::open(&self.folder)?;
        target.create_now()?;
        let copied = copy::copy(&from, &Root::open(&target.folder)?, most);
        if copied.is_err() {
            // What is left otherwise is no disk of anybody.
            let _ = target.remove_now();
        }
        copied
    }

    fn remove_now(&self) -> Result<(), Error> {
        remove::remove(&self.incoming)?;
        remove::remove(&self.folder)
    }
}

/// Removes a folder of ours with everything in it.
pub(crate) async fn remove_folder(folder: PathBuf) -> Result<(), Error> {
    apart(move || remove::remove(&folder)).await
}

/// So much of a file from a place on; empty at its end. A digest goes along, for it takes as long as the reading.
pub(crate) async fn read_at<D: Digest + Send + 'static>(
    file: Arc<File>,
    at: u64,
    most: usize,
    mut digest: D,
) -> Result<(Vec<u8>, D), Error> {
    apart(move || {
        let mut piece = vec![0; most];
        let mut length = 0;
        while length < most {
            match file.read_at(piece.get_mut(length..).unwrap_or_default(), at + length as u64) {
                Ok(0) => break,
                Ok(more) => length += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        piece.truncate(length);
        digest.update(&piece);
        Ok((piece, digest))
    })
    .await
}

impl Seen {
    fn new(path: Vec<u8>, status: &rustix::fs::Stat) -> Self {
        let stamp = Stamp {
            modified: (status.st_mtime, status.st_mtime_nsec),
            changed: (status.st_ctime, status.st_ctime_nsec),
        };
        Self { path, bytes: u64::try_from(status.st_size).unwrap_or(0), stamp }
    }
}

/// Into a folder, unless it is gone or out of reach meanwhile.
fn into(walk: &mut Walk<'_>) -> Result<(), Error> {
    match walk.descend() {
        Err(Error::NotFound | Error::NotFolder | Error::Link | Error::TooDeep) => Ok(()),
        gone_into => gone_into,
    }
}

/// Work that waits for a disk, where it holds up nobody. It is done to its end even if nobody waits for it any more.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    #[expect(clippy::disallowed_methods, reason = "the disks of environments are read and written here")]
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Error::Io(io::Error::other("the work was given up"))))
}

impl From<Errno> for Error {
    fn from(error: Errno) -> Self {
        match error {
            Errno::NOENT => Self::NotFound,
            Errno::LOOP | Errno::XDEV => Self::Link,
            Errno::NOTDIR => Self::NotFolder,
            Errno::ISDIR => Self::IsFolder,
            Errno::NAMETOOLONG => Self::TooDeep,
            Errno::NOSPC | Errno::DQUOT => Self::Full,
            error => Self::Io(error.into()),
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(error) => error.into(),
            None => Self::Io(error),
        }
    }
}

#[cfg(test)]
mod tests;
