//! The server as a child process: this very binary. It holds the child's standard input, so that the server ends
//! with it, however it ends.

use crate::client::local_url;
use crate::configuration::Flags;
use crate::data::DataFolder;
use crate::world::TokioClock;
use anyhow::{Context, Error, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{ChildStdin, Command};
use types::Clock;

/// Recovery of a large store may take a while.
const START_TIME: Duration = Duration::from_secs(60);
/// More than a server's own drain may take; then it is killed.
const STOP_TIME: Duration = Duration::from_secs(120);

pub struct Child {
    process: tokio::process::Child,
    /// Held open for as long as the server shall run; waiting for the process would close it if it were still there.
    _stdin: Option<ChildStdin>,
    log: PathBuf,
    number: u32,
    listening: SocketAddr,
}

impl Child {
    /// Starts a server and waits until it is ready. `call_first` holds the first answer of a local model to a call.
    pub async fn start(listen: &str, call_first: bool, flags: &Flags, data: &DataFolder) -> Result<Self> {
        let log = data.path().join("server.log");
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&log)
            .with_context(|| format!("{} cannot be written", log.display()))?;
        let binary = std::env::current_exe().context("this binary cannot find itself")?;
        let mut command = Command::new(binary);
        command
            .args(["serve", "--while-stdin-is-open", "--with-script", "--listen", listen])
            .arg("--data")
            .arg(data.path());
        if call_first {
            command.arg("--call-first");
        }
        if let Some(config) = &flags.config {
            command.arg("--config").arg(config);
        }
        if let Some(store) = &flags.store {
            command.arg("--store").arg(store);
        }
        // A group of its own: Ctrl-C is for us, and we tell the server once.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file).kill_on_drop(true);
        let mut process = command.spawn().context("the server cannot be started")?;
        let number = process.id().unwrap_or_default();
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut child = Self { _stdin: process.stdin.take(), process, log, number, listening: nowhere };
        child.listening = child.wait_until_ready().await?;
        Ok(child)
    }

    async fn wait_until_ready(&mut self) -> Result<SocketAddr> {
        let stdout = self.process.stdout.take().context("the server has no output")?;
        let mut lines = BufReader::new(stdout).lines();
        let line = tokio::select! {
            line = lines.next_line() => line?,
            () = TokioClock::start().sleep(START_TIME) => bail!("the server was not ready in {} s", START_TIME.as_secs()),
        };
        match line.as_deref().and_then(|line| line.strip_prefix("listening on http://")?.parse().ok()) {
            Some(address) => Ok(address),
            None => Err(self.ended().await),
        }
    }

    /// Its process number.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// `IP:PORT`, as it can be asked for again.
    pub fn listening(&self) -> String {
        self.listening.to_string()
    }

    /// As this machine reaches it: `http://ADDRESS`.
    pub fn url(&self) -> String {
        local_url(self.listening)
    }

    /// SIGKILL, which no process can answer. Returns when it is gone.
    pub async fn kill(&mut self) -> Result<()> {
        self.process.kill().await.context("the server cannot be killed")
    }

    /// How it ended, if it has.
    pub async fn has_ended(&mut self) -> Option<Error> {
        match self.process.try_wait() {
            Ok(Some(_)) => Some(self.ended().await),
            _ => None,
        }
    }

    pub fn log(&self) -> String {
        self.log.display().to_string()
    }

    /// Resolves when the server ends by itself, which it should not.
    pub async fn ended(&mut self) -> Error {
        let how = match self.process.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        match std::fs::read_to_string(&self.log).ok().as_deref().and_then(|text| text.trim_end().lines().last()) {
            Some(last) => anyhow!("the server ended by itself ({how}): {}", crate::terminal::tame(last)),
            None => anyhow!("the server ended by itself ({how})"),
        }
    }

    /// Asks the server to end and waits for it.
    pub async fn stop(mut self) -> Result<()> {
        let pid = self.process.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // One that has gone already needs no telling.
            let _ = kill_process(pid, Signal::TERM);
        }
        let status = tokio::select! {
            status = self.process.wait() => status?,
            () = TokioClock::start().sleep(STOP_TIME) => {
                self.process.kill().await?;
                bail!("the server did not end in {} s and was killed", STOP_TIME.as_secs());
            }
        };
        anyhow::ensure!(status.success(), "the server ended with {status}; its log is {}", self.log.display());
        Ok(())
    }
}
