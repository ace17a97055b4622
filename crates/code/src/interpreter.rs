//! Steps, each in a process of its own: started, given its request, waited for and taken for what it was. A process that
//! ends otherwise than with an answer, by a limit or by a fault of the interpreter's, is an answer too.

use crate::allocator::SPENT;
use crate::frame::{self, Answer, Asked, Request};
use crate::places::Places;
use crate::step::{Limits, Outcome, Step, StepError};
use crate::worker::{BROKEN, used};
use serde_json::Value;
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

/// What an answer has beside what is limited.
const BESIDE: usize = 1 << 20;
const BROKE_OFF: &str = "SystemError: the interpreter broke off in this program";

pub struct Interpreter {
    worker: Vec<OsString>,
    limits: Limits,
    places: Places,
}

impl Interpreter {
    /// `worker` is a program and its arguments, whose `main` is `worker`.
    pub fn new(worker: Vec<OsString>, limits: Limits) -> Self {
        let places = Places::new(limits.processes);
        Self { worker, limits, places }
    }

    /// Runs one step. It waits for a place first, which is none of its own time: an owner's steps, of whatever programs,
    /// take at most half of the places. Dropping the future ends its process.
    ///
    /// # Errors
    /// A snapshot that cannot be gone on from, or a machine that cannot run the worker.
    pub async fn step(&self, owner: &str, step: Step) -> Result<Outcome, StepError> {
        let unavailable = |why: String| StepError::Unavailable(why);
        let request = self.request(step)?;
        let place = self.places.take(owner).await;
        let _place = place.ok_or_else(|| unavailable("its place was given up".to_owned()))?;
        let child = self.start().map_err(|error| unavailable(format!("no worker can be started: {error}")))?;
        let ended = self.waited_for(child, &request).await;
        let Some((status, bytes)) = ended.map_err(|error| unavailable(error.to_string()))? else {
            return Ok(raised(format!("TimeoutError: {}", used(self.limits.patience))));
        };
        match frame::read::<Answer>(&bytes) {
            Some((answer, snapshot)) if status.success() => answered(answer, snapshot),
            _ => self.broken(status),
        }
    }

    fn request(&self, step: Step) -> Result<Vec<u8>, StepError> {
        let (step, snapshot) = match step {
            Step::Begin { mut code, functions } => {
                // It is refused by the length that is left.
                code.truncate(code.floor_char_boundary(self.limits.code.saturating_add(8)));
                (Asked::Begin { code, functions }, Vec::new())
            }
            Step::Resume { snapshot, results } => (Asked::Resume { results: self.bounded(results) }, snapshot),
        };
        let request = Request { limits: self.limits.clone(), step };
        frame::write(&request, &snapshot).map_err(StepError::Damaged)
    }

    /// Results that are too large together are failed calls to the program, the later ones first.
    fn bounded(&self, results: Vec<(u32, Result<Value, String>)>) -> Vec<(u32, Result<Value, String>)> {
        let mut left = self.limits.results;
        let mut fit = |id, result: Result<Value, String>| {
            let bytes = match &result {
                Ok(value) => value.to_string().len(),
                Err(why) => why.len(),
            };
            if let Some(rest) = left.checked_sub(bytes) {
                left = rest;
                return (id, result);
            }
            let text = format!("the result is too large for a program: {bytes} bytes, and {left} were left");
            (id, Err(text))
        };
        results.into_iter().map(|(id, result)| fit(id, result)).collect()
    }

    fn start(&self) -> std::io::Result<Child> {
        let (program, arguments) = self.worker.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
        Command::new(program)
            .args(arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // A terminal's Ctrl-C is for the server, which decides what becomes of its steps.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }

    /// `None` if it took too long.
    #[expect(clippy::disallowed_methods, reason = "a real process is waited for in real time")]
    async fn waited_for(&self, mut child: Child, request: &[u8]) -> std::io::Result<Option<(ExitStatus, Vec<u8>)>> {
        let broken = || std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        let mut input = child.stdin.take().ok_or_else(broken)?;
        let output = child.stdout.take().ok_or_else(broken)?;
        let limits = &self.limits;
        let most = limits.snapshot + limits.arguments + 8 * limits.output + BESIDE;
        let talk = async {
            // A worker that ends before it has read everything has said why by how it ended.
            let asked = async {
                let _ = input.write_all(request).await;
                drop(input);
            };
            let mut bytes = Vec::new();
            let heard = async { output.take(most as u64).read_to_end(&mut bytes).await };
            let ((), heard) = tokio::join!(asked, heard);
            heard?;
            let status = child.wait().await?;
            Ok((status, bytes))
        };
        match tokio::time::timeout(limits.patience, talk).await {
            Ok(talked) => talked.map(Some),
            Err(_) => {
                child.kill().await?;
                Ok(None)
            }
        }
    }

    /// What is said of a worker that gave no answer.
    fn broken(&self, status: ExitStatus) -> Result<Outcome, StepError> {
        // The numbers that they have wherever this is built.
        const INT: i32 = 2;
        const KILL: i32 = 9;
        const TERM: i32 = 15;
        const XCPU: i32 = 24;
        match (status.code(), status.signal()) {
            (Some(SPENT), _) => {
                Ok(raised(format!("MemoryError: the program needs more than {} bytes", self.limits.memory)))
            }
            (_, Some(XCPU)) => Ok(raised(format!("TimeoutError: {}", used(self.limits.time)))),
            (Some(code), _) if code == i32::from(BROKEN) => Ok(raised(BROKE_OFF.to_owned())),
            // Somebody else's doing.
            (_, Some(INT | KILL | TERM)) | (Some(_), None) => {
                Err(StepError::Unavailable(format!("the worker ended ({status})")))
            }
            _ => Ok(raised(format!("{BROKE_OFF} ({status})"))),
        }
    }
}

fn answered(answer: Answer, snapshot: &[u8]) -> Result<Outcome, StepError> {
    match answer {
        Answer::Done { value, printed } => Ok(Outcome::Done { value, printed }),
        Answer::Raised { traceback, printed } => Ok(Outcome::Raised { traceback, printed }),
        Answer::Paused { printed, calls } => Ok(Outcome::Paused { snapshot: snapshot.to_vec(), printed, calls }),
        Answer::Stale => Err(StepError::Stale),
        Answer::Damaged(why) => Err(StepError::Damaged(why)),
    }
}

fn raised(traceback: String) -> Outcome {
    Outcome::Raised { traceback, printed: String::new() }
}
