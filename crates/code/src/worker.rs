//! The other process: it reads one request, gives up what it could do on this machine, runs the step, writes the answer
//! and ends. Nothing of a server is in it: no descriptors but its pipes, no variables, no files, no network.

#[cfg(target_os = "linux")]
mod confinement;
mod limits;

use crate::allocator;
use crate::frame::{self, Answer, Asked, Request};
use crate::program::{self, Ended, Refused};
use std::io::{Read, Write};
use std::process::ExitCode;
use std::time::Duration;

/// The interpreter calls itself for values within values and calls within calls.
const STACK: usize = 256 << 20;
/// The memory at which the process ends, as a multiple of that at which a program is stopped.
const ROOM: usize = 4;
/// The exit status after a panic of the interpreter's.
pub const BROKEN: u8 = 70;
/// What no request is larger than.
const LARGEST: u64 = 64 << 20;

/// The whole life of a worker, for a program's `main`. Whoever starts it has one request on its standard input.
pub fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    confinement::close_the_rest();
    let mut request = Vec::new();
    let read = std::io::stdin().take(LARGEST).read_to_end(&mut request);
    let Some((head, snapshot)) = read.ok().and_then(|_| frame::read::<Request>(&request)) else {
        return ExitCode::FAILURE;
    };
    // A step that runs without its limits is worse than none.
    let Some(overseer) = limits::hold(&head.limits) else { return ExitCode::FAILURE };
    let step = move || {
        #[cfg(target_os = "linux")]
        if confinement::confine().is_err() {
            return None;
        }
        let limits = head.limits;
        allocator::count(limits.memory.saturating_mul(ROOM));
        let overtime = || overseer.overtime().then(|| used(limits.time));
        let ended = match head.step {
            Asked::Begin { code, functions } => Ok(program::begin(code, functions, &limits, &overtime)),
            Asked::Resume { results } => program::resume(snapshot, results, &limits, &overtime),
        };
        let (answer, snapshot) = told(ended);
        frame::write(&answer, &snapshot).ok()
    };
    let answer = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, step);
        thread.map(std::thread::ScopedJoinHandle::join)
    });
    let answer = match answer {
        Ok(Ok(Some(answer))) => answer,
        Ok(Err(_)) => return ExitCode::from(BROKEN),
        Ok(Ok(None)) | Err(_) => return ExitCode::FAILURE,
    };
    let mut out = std::io::stdout();
    match out.write_all(&answer).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn told(ended: Result<Ended, Refused>) -> (Answer, Vec<u8>) {
    match ended {
        Ok(Ended::Done { value, printed }) => (Answer::Done { value, printed }, Vec::new()),
        Ok(Ended::Raised { traceback, printed }) => (Answer::Raised { traceback, printed }, Vec::new()),
        Ok(Ended::Paused { snapshot, printed, calls }) => (Answer::Paused { printed, calls }, snapshot),
        Err(Refused::Stale) => (Answer::Stale, Vec::new()),
        Err(Refused::Damaged(why)) => (Answer::Damaged(why.to_owned()), Vec::new()),
    }
}

/// What a program is told that took too long.
pub fn used(time: Duration) -> String {
    format!("the program ran for more than {} s without calling a function", time.as_secs_f64())
}
