//! What this machine can do, found out by doing it, each in a process of its own that ends at once.

use super::kernel::{self, Fork};
use crate::isolation::Layer;
use rustix::process::WaitOptions;
use rustix::thread::UnshareFlags;
use std::io;

/// The layers that cannot be had, with what the kernel says.
pub fn all() -> Vec<(Layer, String)> {
    let root = rustix::process::geteuid().is_root();
    let namespaces = [
        (Layer::User, UnshareFlags::empty()),
        (Layer::Mounts, UnshareFlags::NEWNS),
        (Layer::Pid, UnshareFlags::NEWPID),
        (Layer::Ipc, UnshareFlags::NEWIPC),
        (Layer::Uts, UnshareFlags::NEWUTS),
        (Layer::Network, UnshareFlags::NEWNET),
        (Layer::Cgroup, UnshareFlags::NEWCGROUP),
    ];
    let mut unable = Vec::new();
    for (layer, flag) in namespaces {
        let user = attempt(|| kernel::unshare(UnshareFlags::NEWUSER | flag));
        let outcome = match user {
            // Root can have most of them without a user namespace.
            Err(_) if root && layer != Layer::User => attempt(|| kernel::unshare(flag)),
            other => other,
        };
        unable.extend(outcome.err().map(|error| (layer, error.to_string())));
    }
    let filters = attempt(|| {
        rustix::thread::set_no_new_privs(true)?;
        super::seccomp::install()
    });
    unable.extend(filters.err().map(|error| (Layer::Seccomp, error.to_string())));
    unable.extend(kernel::landlock_version().err().map(|error| (Layer::Landlock, error.to_string())));
    unable
}

/// Does it in a child, and hears how that went.
fn attempt(act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    match kernel::fork()? {
        Fork::Child => {
            let status = act().err().map_or(0, |error| error.raw_os_error().unwrap_or(libc::EIO));
            std::process::exit(status)
        }
        Fork::Parent(child) => {
            let status = rustix::process::waitpid(Some(child), WaitOptions::empty())?;
            match status.and_then(|(_, status)| status.exit_status()) {
                Some(0) => Ok(()),
                Some(error) => Err(io::Error::from_raw_os_error(error)),
                None => Err(io::Error::other("the attempt was killed")),
            }
        }
    }
}
