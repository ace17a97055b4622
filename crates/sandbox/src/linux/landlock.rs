//! The Landlock domain of a sandbox: everything may be read and run, little may be written, and neither signals nor
//! abstract sockets reach out of it. It holds where a mount is writable by mistake.

use super::channel::Order;
use super::kernel::{self, Ruleset};
use crate::isolation::Layer;
use crate::plan::Disk;
use rustix::fs::{CWD, Mode, OFlags, openat};
use std::io;

const EXECUTE: u64 = 1;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
/// Everything of the first version.
const FIRST: u64 = (1 << 13) - 1;
const REFER: u64 = 1 << 13;
const TRUNCATE: u64 = 1 << 14;
const IOCTL_DEVICE: u64 = 1 << 15;
/// Abstract sockets and signals.
const SCOPES: u64 = 3;

/// What a file can be opened for; the rest is about folders.
const OF_FILES: u64 = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE;

/// Paths are those inside, after the new root was taken.
pub fn restrict(order: &Order) -> io::Result<()> {
    let version = kernel::landlock_version()?;
    let known = FIRST
        | if version >= 2 { REFER } else { 0 }
        | if version >= 3 { TRUNCATE } else { 0 }
        | if version >= 5 { IOCTL_DEVICE } else { 0 };
    let scoped = if version >= 6 { SCOPES } else { 0 };
    let size = match version {
        0..=3 => 8,
        4 | 5 => 16,
        _ => 24,
    };
    let ruleset = kernel::landlock_ruleset(&Ruleset { files: known, network: 0, scoped }, size)?;
    let read = EXECUTE | READ_FILE | READ_DIR;
    let mut places = vec![
        ("/".to_owned(), read),
        ("/tmp".to_owned(), known),
        ("/dev".to_owned(), READ_FILE | READ_DIR | WRITE_FILE | TRUNCATE | IOCTL_DEVICE),
        ("/dev/shm".to_owned(), known & !EXECUTE),
        ("/proc".to_owned(), READ_FILE | READ_DIR | WRITE_FILE | TRUNCATE),
    ];
    match &order.plan.disk {
        Disk::Folder(path) if !order.isolation.has(Layer::Mounts) => places.push((path.display().to_string(), known)),
        _ => places.push(("/workspace".to_owned(), known)),
    }
    let writable = order.plan.binds.iter().filter(|bind| bind.writable);
    places.extend(writable.map(|bind| (bind.target.clone(), known)));
    for (path, access) in places {
        let place = match openat(CWD, path.as_str(), OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
            Ok(place) => place,
            Err(rustix::io::Errno::NOENT) => continue,
            Err(error) => return Err(error.into()),
        };
        let folder = rustix::fs::FileType::from_raw_mode(rustix::fs::fstat(&place)?.st_mode).is_dir();
        let of_kind = if folder { access } else { access & OF_FILES };
        kernel::landlock_allow(&ruleset, &place, of_kind & known)?;
    }
    kernel::landlock_restrict(&ruleset)
}
