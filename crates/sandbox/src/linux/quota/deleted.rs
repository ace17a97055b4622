//! Files of a disk that have no name any more and are still open in a sandbox, found as `/proc` shows them from outside. What
//! no process has open (a file that is only mapped, or on its way through a socket) is not seen.

use super::super::cgroup::Place;
use super::super::channel::Order;
use super::Count;
use crate::isolation::Layer;
use rustix::fs::{FileType, stat};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Which processes are inside.
pub(super) enum Inside {
    /// Those of a control group.
    Group(Place),
    /// Those of the process namespace that the keeper's children are in, which has a name once there is one.
    Namespace,
    /// Nobody can tell.
    Unknown,
}

impl Inside {
    /// For the keeper.
    pub(super) fn of(order: &Order) -> Self {
        match &order.place {
            Some(place) => Self::Group(place.clone()),
            None if order.isolation.has(Layer::Pid) => Self::Namespace,
            None => Self::Unknown,
        }
    }

    /// Counts each such file of the device once. None where nothing is left.
    pub(super) fn count(&self, left: &mut Count, device: u64) -> Option<()> {
        let mut seen = BTreeSet::new();
        match self {
            Self::Group(place) => place
                .processes()
                .iter()
                .try_for_each(|process| count(&Path::new("/proc").join(process), left, device, &mut seen)),
            Self::Namespace => {
                let Ok(name) = std::fs::read_link("/proc/self/ns/pid_for_children") else { return Some(()) };
                let processes = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
                let is_inside =
                    |process: &PathBuf| std::fs::read_link(process.join("ns/pid")).is_ok_and(|found| found == name);
                let mut inside = processes.map(|entry| entry.path()).filter(is_inside);
                inside.try_for_each(|process| count(&process, left, device, &mut seen))
            }
            Self::Unknown => Some(()),
        }
    }
}

/// Those that one process has open. One that is gone has none.
fn count(process: &Path, left: &mut Count, device: u64, seen: &mut BTreeSet<u64>) -> Option<()> {
    for entry in std::fs::read_dir(process.join("fd")).into_iter().flatten().filter_map(Result::ok) {
        let Ok(status) = stat(entry.path()) else { continue };
        let is_deleted = status.st_nlink == 0 && status.st_dev == device;
        if is_deleted && FileType::from_raw_mode(status.st_mode).is_file() && seen.insert(status.st_ino) {
            left.take(status.st_blocks)?;
        }
    }
    Some(())
}
