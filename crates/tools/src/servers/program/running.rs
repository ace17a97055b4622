//! A program that runs on a machine: its lines, as they come out of what it writes, and how it ended.

use environments::machine::{Machine, Written};
use mcp::{Complaint, Pipe};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use types::{BoxFuture, Clock, Spawn};

/// How long one question for more output waits.
const WAIT: Duration = Duration::from_secs(60);
/// The same once it has ended: what it wrote last may come behind that, or a child of it holds on to its output.
const AFTER_EXIT: Duration = Duration::from_secs(2);
/// The longest line.
const MAX_LINE: usize = 4 << 20;
/// How long its end may be asked for.
const ENDING: Duration = Duration::from_secs(20);

pub struct Running {
    machine: Arc<dyn Machine>,
    process: String,
    clock: Arc<dyn Clock>,
    spawn: Arc<dyn Spawn>,
    /// By one reader; nobody holds it while waiting.
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    /// Where to read on.
    next: u64,
    /// What it wrote.
    bytes: Vec<u8>,
    /// Up to where it was taken. Cut off once no whole line is left: a cut for each line would copy all behind it each time.
    taken: usize,
    /// Up to where there is no end of a line.
    searched: usize,
    /// What it wrote for people.
    complaint: Complaint,
    has_exited: bool,
    is_over: Option<String>,
}

impl Heard {
    fn line(&mut self) -> Option<String> {
        let end = self.bytes[self.searched..].iter().position(|byte| *byte == b'\n');
        let Some(end) = end.map(|end| end + self.searched) else {
            self.bytes.drain(..std::mem::take(&mut self.taken));
            self.searched = self.bytes.len();
            return None;
        };
        let line = &self.bytes[self.taken..end];
        let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned();
        (self.taken, self.searched) = (end + 1, end + 1);
        Some(line)
    }
}

impl Running {
    pub fn new(machine: Arc<dyn Machine>, process: String, clock: Arc<dyn Clock>, spawn: Arc<dyn Spawn>) -> Self {
        Self { machine, process, clock, spawn, heard: Mutex::default() }
    }

    async fn read(&self) -> Result<Option<String>, String> {
        loop {
            let (after, wait) = {
                let mut heard = self.lock();
                if let Some(line) = heard.line() {
                    return Ok(Some(line));
                }
                if heard.bytes.len() > MAX_LINE {
                    return Err("it wrote a line that is too long".to_owned());
                }
                if let Some(over) = &heard.is_over {
                    return Err(over.clone());
                }
                (heard.next, if heard.has_exited { AFTER_EXIT } else { WAIT })
            };
            let output = self.machine.read(&self.process, after, wait).await.map_err(|fault| fault.to_string())?;
            let mut heard = self.lock();
            if output.lost {
                return Err("some of what it wrote was lost".to_owned());
            }
            for chunk in &output.chunks {
                if chunk.error_stream {
                    heard.complaint.hear(&chunk.bytes);
                } else {
                    heard.bytes.extend_from_slice(&chunk.bytes);
                }
            }
            heard.next = output.next;
            let is_silent = heard.has_exited && output.chunks.is_empty();
            heard.has_exited = output.exit_code.is_some();
            if output.closed || output.failure.is_some() || is_silent {
                let ended = match (&output.failure, output.exit_code) {
                    (Some(failure), _) => failure.clone(),
                    (None, Some(code)) => format!("exit code {code}"),
                    (None, None) => "no exit code".to_owned(),
                };
                heard.is_over = Some(heard.complaint.told(&ended));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pipe for Running {
    fn send<'a>(&'a self, line: &'a str) -> BoxFuture<'a, Result<(), String>> {
        let bytes = format!("{line}\n").into_bytes();
        Box::pin(async move {
            match self.machine.write(&self.process, bytes).await {
                Ok(Written::Accepted) => Ok(()),
                Ok(Written::Closed) => Err("it takes no input any more".to_owned()),
                Err(fault) => Err(fault.to_string()),
            }
        })
    }

    fn next(&self) -> BoxFuture<'_, Result<Option<String>, String>> {
        Box::pin(self.read())
    }

    fn close(&self) {
        let (machine, process, clock) = (self.machine.clone(), self.process.clone(), self.clock.clone());
        let end = async move {
            tokio::select! {
                biased;
                // Where that fails there is no process, or no way to it.
                _ = machine.terminate(&process) => {}
                () = clock.sleep(ENDING) => {}
            }
        };
        self.spawn.spawn("end an MCP server", Box::pin(end));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_out_one_by_one_however_they_come() {
        let mut heard = Heard::default();
        let mut lines = Vec::new();
        for piece in ["{\"a\"", ":1}\r\n\n{\"b", "\u{e9}\"}\nrest"] {
            heard.bytes.extend_from_slice(piece.as_bytes());
            while let Some(line) = heard.line() {
                lines.push(line);
            }
        }
        assert_eq!(lines, ["{\"a\":1}", "", "{\"b\u{e9}\"}"]);
        assert_eq!(heard.bytes, b"rest");
    }
}
