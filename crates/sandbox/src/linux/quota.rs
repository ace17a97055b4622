//! How much of a folder is used, counted by walking it. A sandbox may rearrange the folder at the same time: no link is
//! followed, so the walk never leaves it.

use super::channel::Order;
use crate::plan::Disk;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, statat};
use std::time::{Duration, Instant};

/// Folders deeper than this are not counted; nothing that is meant is.
const DEEPEST: usize = 200;
/// How often the disk is measured at most.
const MEASURED: Duration = Duration::from_secs(1);
/// Measuring takes at most this part of the time.
const SHARE: u32 = 20;

/// A folder whose use is measured.
pub struct Watched {
    folder: OwnedFd,
    bytes: u64,
    files: u64,
    /// How long to wait until the next measuring.
    pub pause: Duration,
}

impl Watched {
    /// None for a disk in memory, which is bounded by itself.
    pub fn of(order: &Order) -> Option<Self> {
        let Disk::Folder(path) = &order.plan.disk else { return None };
        let folder = std::fs::File::open(path).ok()?.into();
        let limits = &order.plan.limits;
        Some(Self { folder, bytes: limits.disk, files: limits.files, pause: MEASURED })
    }

    #[expect(clippy::disallowed_methods, reason = "how long a walk took decides when the next may be")]
    pub fn is_full(&mut self) -> bool {
        let begun = Instant::now();
        let full = exceeded(&self.folder, self.bytes, self.files);
        self.pause = MEASURED.max(begun.elapsed().saturating_mul(SHARE));
        full
    }
}

/// Whether more bytes or more files are below the folder than may be. What cannot be read counts as nothing.
fn exceeded(folder: impl AsFd, bytes: u64, files: u64) -> bool {
    let mut count = Count { bytes, files };
    walk(folder.as_fd().try_clone_to_owned().ok(), &mut count, 0).is_none()
}

/// What is left.
struct Count {
    bytes: u64,
    files: u64,
}

/// None where nothing is left.
fn walk(folder: Option<OwnedFd>, left: &mut Count, depth: usize) -> Option<()> {
    let Some(folder) = folder.filter(|_| depth < DEEPEST) else { return Some(()) };
    let Ok(entries) = Dir::read_from(&folder) else { return Some(()) };
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let Ok(status) = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        let used = u64::try_from(status.st_blocks).unwrap_or(0).saturating_mul(512);
        left.bytes = left.bytes.checked_sub(used)?;
        left.files = left.files.checked_sub(1)?;
        if FileType::from_raw_mode(status.st_mode).is_dir() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            walk(openat(&folder, name, flags, Mode::empty()).ok(), left, depth + 1)?;
        }
    }
    Some(())
}
