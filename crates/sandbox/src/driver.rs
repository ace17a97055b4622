//! What starts sandboxes. A second driver (a microVM, a pod) takes the same plan and answers with the same [`Running`].

use crate::ability::Ability;
use crate::error::Error;
use crate::plan::Plan;
use std::io::{PipeReader, PipeWriter};
use std::net::TcpListener;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

/// Starting and waiting block the calling thread: starting for some ten milliseconds.
pub trait Driver: Send + Sync + 'static {
    fn ability(&self) -> &Ability;
    /// Builds the sandbox and runs the plan's command in it, with `stdin` as its standard input, or a pipe. Nothing is left
    /// where this fails.
    fn start(&self, plan: &Plan, stdin: Option<OwnedFd>) -> Result<Running, Error>;
    /// Finds a standing sandbox again by its control socket, and takes it from whoever has it. It may have ended since:
    /// `wait` says so. None where nobody is there any more; what is left of the socket is removed.
    fn resume(&self, control: &Path) -> Result<Option<Running>, Error>;
}

/// What a driver keeps of a sandbox.
pub trait Hold: Send + Sync + 'static {
    /// Ends every process in the sandbox. Does not wait.
    fn kill(&self);
    /// Waits until no process of the sandbox is left.
    fn wait(&self) -> Result<Exit, Error>;
    /// Can be read from when `wait` would return at once; None where nobody can tell.
    fn news(&self) -> Option<BorrowedFd<'_>>;
    /// Lets go of a standing sandbox; whoever waits hears [`Error::Parted`]. Any other one ends.
    fn leave(&self);
    /// As this machine counts processes; for diagnosis.
    fn process(&self) -> u32;
}

/// A sandbox in which a command runs. Dropping it kills everything in it and waits until that is done.
pub struct Running {
    /// None where something else was handed in, and in standing sandboxes, which have no pipes.
    pub stdin: Option<PipeWriter>,
    pub stdout: Option<PipeReader>,
    pub stderr: Option<PipeReader>,
    /// One for each of the plan's ports, in its order: what is connected to inside is accepted here.
    pub listeners: Vec<TcpListener>,
    hold: Box<dyn Hold>,
}

impl Running {
    pub fn new(hold: Box<dyn Hold>) -> Self {
        Self { stdin: None, stdout: None, stderr: None, listeners: Vec::new(), hold }
    }

    pub fn kill(&self) {
        self.hold.kill();
    }

    pub fn wait(&self) -> Result<Exit, Error> {
        self.hold.wait()
    }

    /// Can be read from when `wait` would return at once, so that no thread need wait; None where nobody can tell.
    pub fn news(&self) -> Option<BorrowedFd<'_>> {
        self.hold.news()
    }

    /// From now on nothing here ends a standing sandbox: it runs on until a server takes it, or its time is over.
    pub fn leave(&self) {
        self.hold.leave();
    }

    pub fn process(&self) -> u32 {
        self.hold.process()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.hold.kill();
        let _ = self.hold.wait();
    }
}

/// How the command of a sandbox ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Exit {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    /// Processes that were killed because the memory was used up; `None` where the machine does not count them.
    pub out_of_memory: Option<u64>,
    /// Whether it was killed because it had used more disk than it may.
    pub out_of_disk: bool,
}
