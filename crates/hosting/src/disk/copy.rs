//! A copy of a whole disk: by reference where the file system can, else byte by byte with the holes left as they are. Hard
//! links stay what they are, so that a copy does not take more than its model.

use super::Error;
use super::beneath::{Root, file, folder};
use super::walk::{Found, Step, Walk};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, SeekFrom, Stat, Timespec, Timestamps, copy_file_range, fchmod, ftruncate,
    futimens, ioctl_ficlone, linkat, mkdirat, openat, readlinkat, seek, symlinkat, utimensat,
};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;

/// Bytes that are copied at a time where the kernel does not do it.
const PIECE: usize = 256 << 10;
/// Bytes of paths that are remembered to find hard links again. Beyond, they become files of their own, which count.
const REMEMBERED: usize = 16 << 20;

/// How much a disk comes to, or a copy may.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Most {
    /// Bytes that are not holes.
    pub(crate) bytes: u64,
    /// Files, folders and links.
    pub(crate) entries: u64,
}

/// `TooMany`, `TooLarge` or `TooDeep` where it comes to more; the target is then incomplete.
pub(super) fn copy(from: &Root, to: &Root, most: Most) -> Result<(), Error> {
    let mut work = Copying { to, here: to.folder(b"")?, most, links: BTreeMap::new(), remembered: 0, clones: true };
    let mut walk = Walk::new(from, b"")?;
    let top = rustix::fs::fstat(from.top())?;
    while let Some(step) = walk.next() {
        match step? {
            Step::Found(found) => work.take(&mut walk, &found)?,
            Step::Left => work.leave(from, &walk)?,
        }
    }
    finish(to.folder(b"")?, &top)
}

struct Copying<'a> {
    to: &'a Root,
    /// The folder that the walk stands in, in the copy.
    here: OwnedFd,
    most: Most,
    /// Where the first of a file's several names is, by what the file is.
    links: BTreeMap<(u64, u64), Vec<u8>>,
    remembered: usize,
    /// Until the file system says that it cannot.
    clones: bool,
}

impl Copying<'_> {
    fn take(&mut self, walk: &mut Walk<'_>, found: &Found) -> Result<(), Error> {
        self.most.entries = self.most.entries.checked_sub(1).ok_or(Error::TooMany)?;
        let taken = match found.kind {
            FileType::Directory => self.folder(walk),
            FileType::Symlink => self.link(walk, &found.status),
            FileType::RegularFile => self.file(walk, &found.status),
            // Sockets and pipes are nothing without the processes that had them.
            _ => Ok(()),
        };
        match taken {
            // Whoever is inside took it away, or made something else of it, just now.
            Err(Error::NotFound | Error::NotFolder | Error::Link | Error::Irregular) => Ok(()),
            // Or gave its name to another that was copied already.
            Err(Error::Io(error)) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            taken => taken,
        }
    }

    fn folder(&mut self, walk: &mut Walk<'_>) -> Result<(), Error> {
        walk.descend()?;
        match mkdirat(&self.here, walk.name(), Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        self.here = folder(&self.here, walk.name())?;
        Ok(())
    }

    /// A folder is done: only now may it be closed to its owner, and its time stands.
    fn leave(&mut self, from: &Root, walk: &Walk<'_>) -> Result<(), Error> {
        let path = walk.path();
        if path.is_empty() {
            return Ok(());
        }
        if let Ok(model) = from.folder(path) {
            self.to.owner().give_open(&self.here)?;
            finish(&self.here, &rustix::fs::fstat(&model)?)?;
        }
        let above = path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        self.here = self.to.folder(path.get(..above).unwrap_or_default())?;
        Ok(())
    }

    fn link(&mut self, walk: &Walk<'_>, status: &Stat) -> Result<(), Error> {
        let Some(above) = walk.above() else { return Ok(()) };
        let target = match readlinkat(above, walk.name(), Vec::new()) {
            // It is a link no more.
            Err(Errno::INVAL) => return Err(Error::Irregular),
            target => target?,
        };
        symlinkat(target, &self.here, walk.name())?;
        self.to.owner().give(&self.here, walk.name())?;
        utimensat(&self.here, walk.name(), &times(status), AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(())
    }

    fn file(&mut self, walk: &Walk<'_>, status: &Stat) -> Result<(), Error> {
        let key = (status.st_dev, status.st_ino);
        if let Some(first) = self.links.get(&key)
            && linkat(self.to.top(), first.as_slice(), &self.here, walk.name(), AtFlags::empty()).is_ok()
        {
            return Ok(());
        }
        let Some(above) = walk.above() else { return Ok(()) };
        let (model, status) = file(above, walk.name())?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = File::from(openat(&self.here, walk.name(), flags, Mode::from_raw_mode(0o600))?);
        self.content(&model, &made, u64::try_from(status.st_size).unwrap_or(0))?;
        self.to.owner().give_open(&made)?;
        finish(&made, &status)?;
        let path = walk.path();
        // A longer path could not be named again.
        if status.st_nlink > 1 && path.len() <= super::place::REACH && self.remembered + path.len() <= REMEMBERED {
            self.remembered += path.len() + size_of::<((u64, u64), Vec<u8>)>();
            self.links.insert((status.st_dev, status.st_ino), path.to_vec());
        }
        Ok(())
    }

    /// What the file has now, and no more than it had when it was opened.
    fn content(&mut self, model: &File, made: &File, size: u64) -> Result<(), Error> {
        if self.clones {
            match ioctl_ficlone(made, model) {
                Ok(()) => {
                    let cloned = rustix::fs::fstat(made)?;
                    self.book(u64::try_from(cloned.st_blocks).unwrap_or(0).saturating_mul(512))?;
                    return Ok(());
                }
                Err(Errno::NOTSUP | Errno::XDEV | Errno::INVAL | Errno::NOTTY | Errno::PERM) => self.clones = false,
                Err(error) => return Err(error.into()),
            }
        }
        let mut at = 0;
        while at < size {
            let start = match seek(model, SeekFrom::Data(at)) {
                // From here on there are only holes.
                Err(Errno::NXIO) => break,
                start => start?,
            };
            let end = seek(model, SeekFrom::Hole(start))?.min(size);
            if end <= start {
                break;
            }
            self.book(end - start)?;
            piece(model, made, start, end)?;
            at = end;
        }
        Ok(ftruncate(made, size)?)
    }

    fn book(&mut self, bytes: u64) -> Result<(), Error> {
        self.most.bytes = self.most.bytes.checked_sub(bytes).ok_or(Error::TooLarge)?;
        Ok(())
    }
}

/// Copies from `start` to `end`, or to where the file ends by now.
fn piece(model: &File, made: &File, start: u64, end: u64) -> Result<(), Error> {
    let (mut at, mut buffer) = (start, Vec::new());
    while at < end {
        let (mut read, mut written) = (at, at);
        let wanted = usize::try_from(end - at).unwrap_or(usize::MAX).min(1 << 30);
        let copied = match copy_file_range(model, Some(&mut read), made, Some(&mut written), wanted) {
            Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::NOTSUP | Errno::PERM) => {
                buffer.resize(PIECE.min(wanted), 0);
                let length = model.read_at(&mut buffer, at)?;
                made.write_all_at(buffer.get(..length).unwrap_or_default(), at)?;
                length
            }
            copied => copied?,
        };
        if copied == 0 {
            break;
        }
        at += copied as u64;
    }
    Ok(())
}

/// Mode and time of the model. Nothing runs as somebody else in an environment, so no bits say so.
fn finish(made: impl AsFd, model: &Stat) -> Result<(), Error> {
    fchmod(&made, Mode::from_raw_mode(model.st_mode & 0o1777))?;
    Ok(futimens(&made, &times(model))?)
}

fn times(model: &Stat) -> Timestamps {
    let time = |seconds, rest: u64| Timespec { tv_sec: seconds, tv_nsec: i64::try_from(rest).unwrap_or(0) };
    Timestamps {
        last_access: time(model.st_atime, model.st_atime_nsec),
        last_modification: time(model.st_mtime, model.st_mtime_nsec),
    }
}
