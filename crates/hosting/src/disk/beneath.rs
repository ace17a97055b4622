//! Opening what is on a disk, from outside, while those inside may do with it what they like: every step is beneath the
//! disk, through no link and over no mount. Nothing but folders and regular files is ever opened: what something is, is
//! asked before.

use super::Error;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Uid, chmod, chownat, fstat, mkdirat, open, openat,
    openat2,
};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

/// A disk's own folder, open.
pub(super) struct Root {
    folder: OwnedFd,
    owner: Owner,
}

/// Whose everything on a disk is.
#[derive(Clone, Copy)]
pub(super) struct Owner {
    user: Uid,
    group: Gid,
}

impl Owner {
    /// The user that sandboxes run as.
    pub(super) fn of_sandboxes() -> Self {
        let (user, group) = sandbox::owner();
        Self { user: Uid::from_raw(user), group: Gid::from_raw(group) }
    }

    /// Gives him what stands there; a link itself, not what it names.
    pub(super) fn give(self, folder: impl AsFd, name: impl rustix::path::Arg) -> rustix::io::Result<()> {
        chownat(folder, name, Some(self.user), Some(self.group), AtFlags::SYMLINK_NOFOLLOW)
    }

    pub(super) fn give_open(self, file: impl AsFd) -> rustix::io::Result<()> {
        rustix::fs::fchown(file, Some(self.user), Some(self.group))
    }
}

impl Root {
    /// `NotFound` where there is no disk.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        Ok(Self { folder: top(path)?, owner: Owner::of_sandboxes() })
    }

    pub(super) fn top(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    pub(super) fn owner(&self) -> Owner {
        self.owner
    }

    /// A folder by its path from the top; empty for the top itself.
    pub(super) fn folder(&self, path: &[u8]) -> Result<OwnedFd, Error> {
        Ok(folder(&self.folder, if path.is_empty() { b"." } else { path })?)
    }

    /// A folder, made where it is missing, with all above it.
    pub(super) fn made(&self, path: &[u8]) -> Result<OwnedFd, Error> {
        let mut here = self.folder(b"")?;
        for name in path.split(|&byte| byte == b'/').filter(|name| !name.is_empty()) {
            here = match folder(&here, name) {
                Err(Errno::NOENT) => {
                    match mkdirat(&here, name, Mode::from_raw_mode(0o755)) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(error) => return Err(error.into()),
                    }
                    let made = folder(&here, name)?;
                    self.owner.give_open(&made)?;
                    made
                }
                opened => opened?,
            };
        }
        Ok(here)
    }

    /// A regular file for reading, by its path from the top. Anything else is `Irregular`, and was not opened.
    pub(super) fn file(&self, path: &[u8]) -> Result<(File, Stat), Error> {
        file(&self.folder, path)
    }
}

/// A folder of ours by its name on this machine: what is above it, nobody else can change.
pub(super) fn top(path: &Path) -> rustix::io::Result<OwnedFd> {
    let opened = || open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
    match opened() {
        Err(Errno::ACCESS) => {
            chmod(path, Mode::from_raw_mode(0o700))?;
            opened()
        }
        opened => opened,
    }
}

/// A folder beneath another. One that its owner may not look into is made so that he may.
pub(super) fn folder(above: impl AsFd, path: &[u8]) -> rustix::io::Result<OwnedFd> {
    let above = above.as_fd();
    match beneath(above, path, OFlags::RDONLY | OFlags::DIRECTORY) {
        Err(Errno::ACCESS) => {
            let seen = beneath(above, path, OFlags::PATH | OFlags::DIRECTORY)?;
            chmod(through(&seen), Mode::from_raw_mode(0o700))?;
            openat(CWD, through(&seen), OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        }
        opened => opened,
    }
}

/// A regular file beneath a folder, for reading; with what it was when it was opened.
pub(super) fn file(above: impl AsFd, path: &[u8]) -> Result<(File, Stat), Error> {
    let seen = beneath(above.as_fd(), path, OFlags::PATH)?;
    let status = fstat(&seen)?;
    if !FileType::from_raw_mode(status.st_mode).is_file() {
        return Err(Error::Irregular);
    }
    let reopened = || openat(CWD, through(&seen), OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty());
    let opened = match reopened() {
        // What its owner may not read, he could let himself read.
        Err(Errno::ACCESS) => {
            let mode = Mode::from_raw_mode(status.st_mode & 0o7777);
            chmod(through(&seen), mode | Mode::RUSR)?;
            let opened = reopened();
            let _ = chmod(through(&seen), mode);
            opened
        }
        opened => opened,
    };
    Ok((File::from(opened?), status))
}

fn beneath(above: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let resolve =
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    openat2(above, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
}

/// The very thing that is open, whatever has become of its name.
fn through(open: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd()))
}
