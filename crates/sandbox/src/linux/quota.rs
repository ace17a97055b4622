//! How much of a folder is used, counted by walking it, and by looking for files that were deleted and are still open. A
//! sandbox may rearrange the folder at the same time: no link is followed, so the walk never leaves it.

mod deleted;

use super::channel::Order;
use crate::plan::Disk;
use deleted::Inside;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, openat, statat};
use rustix::io::Errno;
use std::time::{Duration, Instant};

/// Folders that may lie in one another. A deeper tree is nothing that is meant, and counts as a full disk.
const DEEPEST: usize = 200;
/// How often the disk is measured at most.
const MEASURED: Duration = Duration::from_secs(1);
/// Measuring takes at most this part of the time, as long as that is no longer than the longest pause.
const SHARE: u32 = 20;
const LONGEST: Duration = Duration::from_secs(5);

/// A folder whose use is measured.
pub struct Watched {
    folder: OwnedFd,
    inside: Inside,
    bytes: u64,
    files: u64,
    /// How long to wait until the next measuring.
    pub pause: Duration,
}

impl Watched {
    /// None for a disk in memory, which is bounded by itself. For the keeper.
    pub fn of(order: &Order) -> Option<Self> {
        let Disk::Folder(path) = &order.plan.disk else { return None };
        let folder = std::fs::File::open(path).ok()?.into();
        let limits = &order.plan.limits;
        let inside = Inside::of(order);
        Some(Self { folder, inside, bytes: limits.disk, files: limits.files, pause: MEASURED })
    }

    #[expect(clippy::disallowed_methods, reason = "how long a walk took decides when the next may be")]
    pub fn is_full(&mut self) -> bool {
        let begun = Instant::now();
        let full = self.exceeded();
        self.pause = begun.elapsed().saturating_mul(SHARE).clamp(MEASURED, LONGEST);
        full
    }

    /// Whether more bytes or more files are there than may be.
    fn exceeded(&self) -> bool {
        let Ok(top) = fstat(&self.folder) else { return false };
        let mut left = Count { bytes: self.bytes, files: self.files };
        let folder = self.folder.as_fd().try_clone_to_owned();
        let Ok(folder) = folder else { return false };
        walk(&folder, &mut left, top.st_uid, 0).and_then(|()| self.inside.count(&mut left, top.st_dev)).is_none()
    }
}

/// What is left.
struct Count {
    bytes: u64,
    files: u64,
}

impl Count {
    /// One more file. None where nothing is left.
    fn take(&mut self, blocks: i64) -> Option<()> {
        let used = u64::try_from(blocks).unwrap_or(0).saturating_mul(512);
        self.bytes = self.bytes.checked_sub(used)?;
        self.files = self.files.checked_sub(1)?;
        Some(())
    }
}

/// None where nothing is left. What is gone meanwhile counts as nothing; a folder of the sandbox's user (`own`) that cannot
/// be looked into could hold anything, and counts as all.
fn walk(folder: &OwnedFd, left: &mut Count, own: u32, depth: usize) -> Option<()> {
    let Ok(entries) = Dir::read_from(folder) else { return None };
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let Ok(status) = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        left.take(status.st_blocks)?;
        if !FileType::from_raw_mode(status.st_mode).is_dir() {
            continue;
        }
        if depth == DEEPEST {
            return None;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(folder, name, flags, Mode::empty()) {
            Ok(folder) => walk(&folder, left, own, depth + 1)?,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(_) if status.st_uid != own => {}
            Err(_) => return None,
        }
    }
    Some(())
}
