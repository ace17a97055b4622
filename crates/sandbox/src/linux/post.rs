//! The control socket of a standing sandbox: the server makes it, the keeper listens on it, and a server that comes later
//! finds the keeper there. Its path may be longer than a socket's address: it is named through its folder.

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, fchmod, open, statat, unlinkat};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, socket_with};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::time::Duration;

/// Servers that wait to be heard; there is hardly ever one.
const WAITING: i32 = 8;

/// The keeper's side.
pub struct Post {
    listener: OwnedFd,
    folder: OwnedFd,
    name: OsString,
    /// Device and number of the file, so that a later keeper's is not taken away.
    file: (u64, u64),
    /// How long to stand without a server.
    pub time: Duration,
}

impl Post {
    pub fn new(listener: OwnedFd, control: &Path, time: Duration) -> io::Result<Self> {
        let (folder, name) = split(control)?;
        let file = identity(&folder, name)?;
        Ok(Self { listener, name: name.to_owned(), folder, file, time })
    }

    pub fn accept(&self) -> io::Result<OwnedFd> {
        Ok(accept_with(&self.listener, SocketFlags::CLOEXEC)?)
    }

    /// Nobody is here any more.
    pub fn remove(self) {
        if identity(&self.folder, &self.name).is_ok_and(|file| file == self.file) {
            let _ = unlinkat(&self.folder, &self.name, AtFlags::empty());
        }
    }
}

impl AsFd for Post {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

/// Makes the socket, in the place of whatever was there.
pub fn listen(control: &Path) -> io::Result<OwnedFd> {
    let (folder, name) = split(control)?;
    discard(&folder, name)?;
    let socket = socket()?;
    // The file is made with the rights of the socket.
    fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    rustix::net::bind(&socket, &address(&folder, name)?)?;
    rustix::net::listen(&socket, WAITING)?;
    Ok(socket)
}

/// The keeper that listens there. None where nobody does; a file that nobody listens on is removed.
pub fn connect(control: &Path, patience: Duration) -> io::Result<Option<OwnedFd>> {
    let (folder, name) = match split(control) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let socket = socket()?;
    for direction in [Timeout::Send, Timeout::Recv] {
        set_socket_timeout(&socket, direction, Some(patience))?;
    }
    match rustix::net::connect(&socket, &address(&folder, name)?) {
        Ok(()) => Ok(Some(socket)),
        Err(Errno::NOENT) => Ok(None),
        Err(Errno::CONNREFUSED) => discard(&folder, name).map(|()| None),
        Err(error) => Err(error.into()),
    }
}

/// Takes the file away, if there is one.
pub fn remove(control: &Path) -> io::Result<()> {
    match split(control) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.and_then(|(folder, name)| discard(&folder, name)),
    }
}

fn discard(folder: &OwnedFd, name: &OsStr) -> io::Result<()> {
    match unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn socket() -> io::Result<OwnedFd> {
    Ok(socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

fn split(control: &Path) -> io::Result<(OwnedFd, &OsStr)> {
    let (Some(folder), Some(name)) = (control.parent(), control.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    Ok((open(folder, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?, name))
}

fn address(folder: &OwnedFd, name: &OsStr) -> io::Result<SocketAddrUnix> {
    Ok(SocketAddrUnix::new(Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name))?)
}

fn identity(folder: &OwnedFd, name: &OsStr) -> io::Result<(u64, u64)> {
    let status = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok((status.st_dev, status.st_ino))
}
