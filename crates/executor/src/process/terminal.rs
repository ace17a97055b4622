//! A process on a terminal of its own: the leader of a session whose controlling terminal is a pseudo-terminal, of
//! which we hold the other side.

use super::side::Side;
use super::start::Started;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use wire::executor::Stream;

const SIZE: Winsize = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };

pub fn start(mut command: Command) -> io::Result<Started> {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let name = ptsname(&ours, Vec::new())?;
    let no_control = rustix::fs::OFlags::NOCTTY.bits().cast_signed();
    let theirs =
        OpenOptions::new().read(true).write(true).custom_flags(no_control).open(OsStr::from_bytes(name.as_bytes()))?;
    tcsetwinsize(&theirs, SIZE)?;
    let (reading, writing) = (Side::new(ours.try_clone()?)?, Side::new(ours)?);
    command
        .stdin(Stdio::from(theirs.try_clone()?))
        .stdout(Stdio::from(theirs.try_clone()?))
        .stderr(Stdio::from(theirs));
    #[expect(unsafe_code, reason = "a controlling terminal can only be taken between fork and exec")]
    // SAFETY: two system calls, no allocation and no lock: allowed between fork and exec.
    unsafe {
        command.pre_exec(|| {
            rustix::process::setsid()?;
            rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
            Ok(())
        });
    }
    let child = command.spawn()?;
    // The command holds their side too; while anybody does, ours has no end.
    drop(command);
    Ok(Started { child, streams: vec![(Stream::Pty, reading)], input: Some(writing) })
}
