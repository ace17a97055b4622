//! The system calls for which there is no safe wrapper. All that is unsafe in this crate is here.

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use rustix::thread::UnshareFlags;
use std::io;

/// What a fork is on either side.
pub enum Fork {
    Child,
    Parent(rustix::process::Pid),
}

/// Refuses where this process has a second thread: its child would be without it, with its locks held.
#[expect(unsafe_code, reason = "there is no safe fork; a process with one thread comes out of it whole")]
pub fn fork() -> io::Result<Fork> {
    let threads = std::fs::read_dir("/proc/self/task")?.count();
    if threads != 1 {
        return Err(io::Error::other("the keeper must begin before any thread is started"));
    }
    // SAFETY: there is one thread, so the child has a consistent copy of everything.
    match unsafe { libc::fork() } {
        0 => Ok(Fork::Child),
        pid => match rustix::process::Pid::from_raw(pid) {
            Some(pid) if !pid.is_init() && pid.as_raw_nonzero().get() > 0 => Ok(Fork::Parent(pid)),
            _ => Err(io::Error::last_os_error()),
        },
    }
}

#[expect(unsafe_code, reason = "unsharing descriptors could break another thread's; namespaces only are unshared here")]
pub fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: the flags are those of namespaces, never FILES.
    Ok(unsafe { rustix::thread::unshare_unsafe(flags - UnshareFlags::FILES) }?)
}

/// Sets attributes on a mount, and on all below it where `deep`.
#[expect(unsafe_code, reason = "mount_setattr has no wrapper")]
pub fn set_mount_attributes(tree: BorrowedFd<'_>, attributes: u64, deep: bool) -> io::Result<()> {
    let request = libc::mount_attr { attr_set: attributes, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let flags = libc::AT_EMPTY_PATH | if deep { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a NUL-terminated literal, the request lives through the call and its size is told.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const request,
            size_of::<libc::mount_attr>(),
        )
    };
    outcome(done).map(|_| ())
}

/// Closes every descriptor from 3 on when the next program is run.
#[expect(unsafe_code, reason = "close_range has no wrapper; with CLOEXEC it closes nothing that is in use")]
pub fn keep_standard_streams_only() -> io::Result<()> {
    // SAFETY: no memory is passed, and nothing is closed before the next exec.
    let done = unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    outcome(done).map(|_| ())
}

/// Closes every descriptor that was handed on by whoever started this process, but the standard streams and `kept`.
#[expect(unsafe_code, reason = "what is closed must be nobody's: the caller names all that it has")]
pub fn close_all_but(kept: &[BorrowedFd<'_>]) -> io::Result<()> {
    let kept: Vec<i32> = kept.iter().map(AsRawFd::as_raw_fd).collect();
    let numbers =
        std::fs::read_dir("/proc/self/fd")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let numbers: Vec<i32> = numbers.filter(|number| *number > 2 && !kept.contains(number)).collect();
    for number in numbers {
        // SAFETY: no value of this process owns the descriptor; the one of the listing is closed already, and its number
        // given to nobody since: this process has one thread.
        let _ = unsafe { libc::close(number) };
    }
    Ok(())
}

/// Brings `lo` up in this process's network namespace.
#[expect(unsafe_code, reason = "the flags of an interface are set by an ioctl without a wrapper")]
pub fn raise_loopback() -> io::Result<()> {
    let socket = std::net::UdpSocket::bind((std::net::Ipv4Addr::UNSPECIFIED, 0))?;
    // SAFETY: all zeroes is a value of this plain structure.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (place, byte) in request.ifr_name.iter_mut().zip(b"lo") {
        *place = *byte as libc::c_char;
    }
    let up = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    request.ifr_ifru.ifru_flags = up;
    // SAFETY: the request is the structure that this ioctl reads, and lives through the call.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) };
    outcome(done.into()).map(|_| ())
}

/// Installs a filter for this process and all that come of it.
#[expect(unsafe_code, reason = "a seccomp filter is passed by address")]
pub fn filter_system_calls(program: &[libc::sock_filter]) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(|_| io::Error::other("the filter is too long"))?;
    let header = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    // SAFETY: header and program live through the call; the kernel copies the program and does not write to it.
    let done = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const header) };
    outcome(done).map(|_| ())
}

/// What a ruleset is about: `LANDLOCK_ACCESS_FS_*`, `LANDLOCK_ACCESS_NET_*`, `LANDLOCK_SCOPE_*`.
#[repr(C)]
pub struct Ruleset {
    pub files: u64,
    pub network: u64,
    pub scoped: u64,
}

/// The version of Landlock that this kernel speaks.
#[expect(unsafe_code, reason = "Landlock has no wrapper")]
pub fn landlock_version() -> io::Result<u32> {
    const VERSION: u32 = 1;
    // SAFETY: with this flag no structure is passed.
    let version =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<Ruleset>(), 0usize, VERSION) };
    Ok(u32::try_from(outcome(version)?).unwrap_or(u32::MAX))
}

/// `size`: how much of the ruleset this kernel knows.
#[expect(unsafe_code, reason = "Landlock has no wrapper")]
pub fn landlock_ruleset(ruleset: &Ruleset, size: usize) -> io::Result<OwnedFd> {
    let size = size.min(size_of::<Ruleset>());
    // SAFETY: the structure is at least as long as the size that is told, and lives through the call.
    let made = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, &raw const *ruleset, size, 0u32) };
    let descriptor = i32::try_from(outcome(made)?).map_err(io::Error::other)?;
    // SAFETY: the kernel has just given this descriptor to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Allows `access` to everything below `place`.
#[expect(unsafe_code, reason = "Landlock has no wrapper")]
pub fn landlock_allow(ruleset: impl AsFd, place: impl AsFd, access: u64) -> io::Result<()> {
    #[repr(C, packed)]
    struct Beneath {
        access: u64,
        place: i32,
    }
    const PATH_BENEATH: u32 = 1;
    let rule = Beneath { access, place: place.as_fd().as_raw_fd() };
    let ruleset = ruleset.as_fd().as_raw_fd();
    // SAFETY: the rule has the form that this type of rule has, and lives through the call.
    let done = unsafe { libc::syscall(libc::SYS_landlock_add_rule, ruleset, PATH_BENEATH, &raw const rule, 0u32) };
    outcome(done).map(|_| ())
}

#[expect(unsafe_code, reason = "Landlock has no wrapper")]
pub fn landlock_restrict(ruleset: impl AsFd) -> io::Result<()> {
    // SAFETY: no memory is passed.
    let done = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_fd().as_raw_fd(), 0u32) };
    outcome(done).map(|_| ())
}

fn outcome(value: libc::c_long) -> io::Result<libc::c_long> {
    if value < 0 { Err(io::Error::last_os_error()) } else { Ok(value) }
}
