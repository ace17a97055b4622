//! What starts sandboxes. A second driver (a microVM, a pod) takes the same plan and answers with the same [`Running`].

use crate::ability::Ability;
use crate::error::Error;
use crate::plan::Plan;
use std::io::{PipeReader, PipeWriter};
use std::net::TcpListener;

/// Starting and waiting block the calling thread: starting for some ten milliseconds.
pub trait Driver: Send + Sync + 'static {
    fn ability(&self) -> &Ability;
    /// Builds the sandbox and runs the plan's command in it. Nothing is left where this fails.
    fn start(&self, plan: &Plan) -> Result<Running, Error>;
}

/// What a driver keeps of a sandbox.
pub trait Hold: Send + Sync + 'static {
    /// Ends every process in the sandbox. Does not wait.
    fn kill(&self);
    /// Waits until no process of the sandbox is left.
    fn wait(&self) -> Result<Exit, Error>;
    /// As this machine counts processes; for diagnosis.
    fn process(&self) -> u32;
}

/// A sandbox in which a command runs. Dropping it kills everything in it and waits until that is done.
pub struct Running {
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
