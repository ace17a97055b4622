//! Our side of a pipe or of a terminal.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use tokio::io::unix::AsyncFd;

pub struct Side(AsyncFd<File>);

impl Side {
    pub fn new(side: impl Into<OwnedFd>) -> io::Result<Self> {
        let side = side.into();
        rustix::io::ioctl_fionbio(&side, true)?;
        let side = File::from(side);
        #[expect(unsafe_code, reason = "tokio has no safe way to wait for a file that we own")]
        // SAFETY: a `File` owns one descriptor, always the same, until it is dropped; and nobody takes it out again.
        let side = unsafe { AsyncFd::register(side) }?;
        Ok(Self(side))
    }

    /// Waits for what comes next; 0 at the end. Nothing is lost where nobody waits any more.
    pub async fn read(&self, into: &mut [u8]) -> usize {
        loop {
            let Ok(mut guard) = self.0.readable().await else { return 0 };
            match guard.try_io(|side| side.get_ref().read(into)) {
                Ok(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                // A terminal whose last process has gone answers with an error: that is its end.
                Ok(read) => return read.unwrap_or(0),
                Err(_) => {}
            }
        }
    }

    /// What is there already, if anything is; 0 at the end.
    pub fn read_now(&self, into: &mut [u8]) -> Option<usize> {
        loop {
            match self.0.get_ref().read(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => return Some(read.unwrap_or(0)),
            }
        }
    }

    pub async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let mut guard = self.0.writable().await?;
            match guard.try_io(|side| side.get_ref().write(bytes)) {
                Ok(Ok(0)) => return Err(ErrorKind::WriteZero.into()),
                Ok(Ok(written)) => bytes = &bytes[written..],
                Ok(Err(error)) if error.kind() == ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Err(error),
                Err(_) => {}
            }
        }
        Ok(())
    }
}
