//! A server that is a program, run as whoever calls this command: its lines on pipes, and what it writes for people handed
//! on to them. It is asked to end by the end of its input, then told to, then made to.

use crate::terminal;
use mcp::{Complaint, Opener, Pipe};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::{Mutex as Lock, watch};
use types::{BoxFuture, Clock, Spawn};

/// The longest line.
const LINE: u64 = 4 << 20;
/// The longest line for people that is handed on whole.
const WORDS: u64 = 16 << 10;
/// How long it may take to end once its input has, and once it was told to.
const PATIENCE: Duration = Duration::from_secs(2);

/// How to start it.
pub struct Program {
    pub command: Vec<OsString>,
    pub clock: Arc<dyn Clock>,
    pub spawn: Arc<dyn Spawn>,
}

impl Opener for Program {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn Pipe>, String>> {
        Box::pin(async { self.start() })
    }
}

impl Program {
    fn start(&self) -> Result<Arc<dyn Pipe>, String> {
        let (name, arguments) = self.command.split_first().ok_or("there is no program to be started")?;
        let mut command = Command::new(name);
        command.args(arguments).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().map_err(|error| format!("{} cannot be started: {error}", name.to_string_lossy()))?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (close, closed) = watch::channel(false);
        let (status, ended) = watch::channel(None);
        let complaint = Arc::new(Mutex::new(Complaint::default()));
        let (said, heard) = watch::channel(());
        if let Some(stderr) = stderr {
            let words = hand_on(stderr, complaint.clone(), said);
            self.spawn.spawn("an MCP server's words", Box::pin(words));
        }
        let watched = attend(child, closed, status, self.clock.clone());
        self.spawn.spawn("an MCP server", Box::pin(watched));
        let (input, output) = (Lock::new(stdin), Lock::new(stdout.map(BufReader::new)));
        Ok(Arc::new(Running { input, output, close, ended, heard, complaint, clock: self.clock.clone() }))
    }
}

struct Running {
    input: Lock<Option<ChildStdin>>,
    output: Lock<Option<BufReader<ChildStdout>>>,
    close: watch::Sender<bool>,
    ended: watch::Receiver<Option<String>>,
    /// Closed when all that it wrote for people was read.
    heard: watch::Receiver<()>,
    complaint: Arc<Mutex<Complaint>>,
    clock: Arc<dyn Clock>,
}

/// Waits for the end of it, and brings that about once it is wanted.
async fn attend(
    mut child: Child,
    mut closed: watch::Receiver<bool>,
    status: watch::Sender<Option<String>>,
    clock: Arc<dyn Clock>,
) {
    let number = child.id().and_then(|number| Pid::from_raw(number.cast_signed()));
    let wanted = async move {
        // Nobody is left to want it otherwise.
        let _ = closed.wait_for(|closed| *closed).await;
        clock.sleep(PATIENCE).await;
        if let Some(number) = number {
            // Where there is none, it has just ended.
            let _ = kill_process(number, Signal::TERM);
        }
        clock.sleep(PATIENCE).await;
    };
    let ended = tokio::select! {
        biased;
        ended = child.wait() => Some(ended),
        () = wanted => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            let _ = child.start_kill();
            child.wait().await
        }
    };
    status.send_replace(Some(ended.map_or_else(|error| error.to_string(), told)));
}

fn told(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => "no exit code".to_owned(),
    }
}

/// What it writes for people, line by line.
async fn hand_on(stderr: ChildStderr, complaint: Arc<Mutex<Complaint>>, _said: watch::Sender<()>) {
    let mut stderr = BufReader::new(stderr);
    while let Ok(Some(line)) = line(&mut stderr, WORDS).await {
        let told = String::from_utf8_lossy(&line);
        terminal::warn(terminal::tame(&format!("stderr    {}", told.trim_end())));
        let mut complaint = complaint.lock().unwrap_or_else(PoisonError::into_inner);
        complaint.hear(&line);
    }
}

/// A line with its end, or as much of it as may be; `None` where there is nothing more.
async fn line(from: &mut (impl AsyncBufRead + Unpin), most: u64) -> std::io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let read = from.take(most).read_until(b'\n', &mut line).await?;
    Ok((read > 0).then_some(line))
}

impl Running {
    /// How it ended, as soon as that is known.
    async fn end(&self) -> String {
        let mut ended = self.ended.clone();
        let known = ended.wait_for(Option::is_some).await.ok().and_then(|ended| ended.clone());
        // A child of its own may hold on to its output.
        let mut heard = self.heard.clone();
        tokio::select! {
            biased;
            () = async { while heard.changed().await.is_ok() {} } => {}
            () = self.clock.sleep(PATIENCE) => {}
        }
        self.complaint().told(&known.unwrap_or_default())
    }

    fn complaint(&self) -> MutexGuard<'_, Complaint> {
        self.complaint.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pipe for Running {
    fn send<'a>(&'a self, line: &'a str) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let mut closed = self.close.subscribe();
            let write = async {
                let mut input = self.input.lock().await;
                let input = input.as_mut().ok_or("it takes no input any more")?;
                let written = input.write_all(format!("{line}\n").as_bytes()).await;
                written.map_err(|error| error.to_string())
            };
            let wanted = async { closed.wait_for(|closed| *closed).await.is_ok() };
            let written = tokio::select! {
                biased;
                written = write => Some(written),
                _ = wanted => None,
            };
            if written.is_none() {
                self.input.lock().await.take();
            }
            written.unwrap_or_else(|| Err("it is to end".to_owned()))
        })
    }

    fn next(&self) -> BoxFuture<'_, Result<Option<String>, String>> {
        Box::pin(async {
            let mut output = self.output.lock().await;
            let read = match &mut *output {
                Some(output) => line(output, LINE).await.map_err(|error| error.to_string())?,
                None => None,
            };
            match read {
                None => Err(self.end().await),
                Some(line) if line.len() as u64 == LINE => Err("it wrote a line that is too long".to_owned()),
                Some(line) => Ok(Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())),
            }
        })
    }

    fn close(&self) {
        self.close.send_replace(true);
        // Whoever writes just now gives that up and lets go of it.
        if let Ok(mut input) = self.input.try_lock() {
            input.take();
        }
    }
}
