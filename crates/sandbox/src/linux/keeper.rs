//! The process outside: takes one order, starts the init, watches over it and over the disk, and tells how it
//! ended. It ends with the server that started it: a closed channel is the word to kill.

use super::channel::{self, Failure, Message, Order, at};
use super::{attempts, init, kernel, quota};
use crate::isolation::Layer;
use crate::plan::Disk;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};
use rustix::thread::UnshareFlags;
use std::io::{self, Read as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How often the disk is measured at most.
const MEASURED: Duration = Duration::from_secs(1);
/// Measuring takes at most this part of the time.
const SHARE: u32 = 20;

/// The whole life of the keeper. Call it first of all in `main`, before any thread is started, when the process
/// was started with the arguments that the embedder chose.
pub fn keeper() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// The channel is the standard input; it must not be anybody else's.
fn serve() -> io::Result<()> {
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    let nothing = std::fs::File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    drop(nothing);
    match channel::receive(&socket)? {
        Some((Message::Order(order), streams)) => {
            let streams =
                <[OwnedFd; 3]>::try_from(streams).map_err(|_| io::Error::other("three streams belong to it"))?;
            keep(*order, &socket, streams).or_else(|failure| channel::send(&socket, &Message::Failed(failure), &[]))
        }
        Some((Message::Probe, _)) => channel::send(&socket, &Message::Unable(attempts::all()), &[]),
        _ => Err(io::Error::other("no order")),
    }
}

fn keep(order: Order, socket: &OwnedFd, streams: [OwnedFd; 3]) -> Result<(), Failure> {
    if order.isolation.has(Layer::User) {
        kernel::unshare(UnshareFlags::NEWUSER).map_err(at("user namespace"))?;
        channel::send(socket, &Message::Unshared, &[]).map_err(at("user namespace"))?;
        match channel::receive(socket).map_err(at("user namespace"))? {
            Some((Message::Mapped, _)) => {}
            _ => return Err(at("user namespace")("the server is gone")),
        }
    }
    if order.isolation.has(Layer::Pid) {
        kernel::unshare(UnshareFlags::NEWPID).map_err(at("process namespace"))?;
    }
    let disk = Watched::of(&order);
    let (ended, status) = io::pipe().map_err(at("pipe"))?;
    match kernel::fork().map_err(at("init"))? {
        kernel::Fork::Child => {
            drop(ended);
            let socket = socket.try_clone().map_err(at("init"))?;
            init::run(init::Inheritance { order, socket, streams, status });
            std::process::exit(0)
        }
        kernel::Fork::Parent(init) => {
            drop((streams, status));
            watch(socket, init, ended, disk).map_err(at("keeper"))
        }
    }
}

fn watch(socket: &OwnedFd, init: Pid, mut ended: io::PipeReader, mut disk: Option<Watched>) -> io::Result<()> {
    let handle = rustix::process::pidfd_open(init, PidfdFlags::empty())?;
    let (mut told, mut out_of_disk) = (false, false);
    loop {
        let heard = if told { PollFlags::empty() } else { PollFlags::IN };
        let mut watched = [PollFd::new(&handle, PollFlags::IN), PollFd::new(socket, heard)];
        let patience = disk.as_ref().and_then(|disk| Timespec::try_from(disk.pause).ok());
        match poll(&mut watched, patience.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if !watched[0].revents().is_empty() {
            break;
        }
        // Nothing is ever said on the channel any more: it is readable when the server shut it, or is gone.
        if !told && !watched[1].revents().is_empty() {
            told = true;
            let _ = rustix::process::pidfd_send_signal(&handle, Signal::KILL);
        } else if disk.as_mut().is_some_and(Watched::is_full) {
            out_of_disk = true;
            disk = None;
            let _ = rustix::process::pidfd_send_signal(&handle, Signal::KILL);
        }
    }
    // It is dead, and the kernel has seen to it that nothing else in its namespace lives.
    let _ = rustix::process::waitpid(Some(init), WaitOptions::empty());
    let mut words = [0; 2];
    let (code, signal) = match (ended.read_exact(&mut words), words) {
        (Ok(()), [0, code]) => (Some(code.into()), None),
        (Ok(()), [_, signal]) => (None, Some(signal.into())),
        (Err(_), _) => (None, Some(Signal::KILL.as_raw())),
    };
    channel::send(socket, &Message::Exited { code, signal, out_of_disk }, &[])
}

/// A folder whose use is measured.
struct Watched {
    folder: OwnedFd,
    bytes: u64,
    files: u64,
    pause: Duration,
}

impl Watched {
    fn of(order: &Order) -> Option<Self> {
        let Disk::Folder(path) = &order.plan.disk else { return None };
        let folder = std::fs::File::open(path).ok()?.into();
        let limits = &order.plan.limits;
        Some(Self { folder, bytes: limits.disk, files: limits.files, pause: MEASURED })
    }

    #[expect(clippy::disallowed_methods, reason = "how long a walk took decides when the next may be")]
    fn is_full(&mut self) -> bool {
        let begun = Instant::now();
        let full = quota::exceeded(&self.folder, self.bytes, self.files);
        self.pause = MEASURED.max(begun.elapsed().saturating_mul(SHARE));
        full
    }
}
