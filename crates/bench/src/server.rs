//! A server under measurement: the release binary on a fresh data folder with the scripted model, or the floor. Each is
//! a process of its own; what it costs is read off `/proc`, and it ends with its handle.

use crate::client::Target;
use anyhow::{Context, Result, ensure};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// What every server here takes.
pub const KEY: &str = "sk-bench-0123456789";
const CONFIGURATION: &str = "outcrop.toml";
const READY: &str = "listening on http://";
/// How long a server may take to start, or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that serves, its data folder, and the way to it.
#[derive(Debug)]
pub struct Server {
    pub target: Target,
    child: Child,
    folder: TempDir,
}

impl Server {
    /// `BINARY serve` with the model `script`; `settings` are further lines of its configuration.
    pub async fn outcrop(binary: &Path, settings: &str) -> Result<Self> {
        Self::outcrop_below(&std::env::temp_dir(), binary, settings).await
    }

    /// The same, with its data folder below `parent`.
    pub async fn outcrop_below(parent: &Path, binary: &Path, settings: &str) -> Result<Self> {
        let folder = TempDir::new_in(parent).context("no folder for the data")?;
        let settings = format!("{settings}\n[[model]]\nname = \"script\"\nprovider = \"script\"\n");
        std::fs::write(folder.path().join(CONFIGURATION), settings)?;
        Self::outcrop_on(binary, folder).await
    }

    /// `BINARY serve` on the folder of one that was stopped.
    pub async fn outcrop_on(binary: &Path, folder: TempDir) -> Result<Self> {
        let configuration = folder.path().join(CONFIGURATION);
        let mut command = Command::new(binary);
        command.arg("serve").arg("--config").arg(&configuration).args(["--listen", "127.0.0.1:0"]);
        command.arg("--data").arg(folder.path().join("data"));
        command.env("OUTCROP_API_KEY", KEY).env("OUTCROP_LOG", "warn");
        Self::start(command, folder).await
    }

    /// The floor, as another process of this binary.
    pub async fn floor() -> Result<Self> {
        let folder = TempDir::new().context("no folder for the data")?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("floor").arg(folder.path().join("data"));
        Self::start(command, folder).await
    }

    /// The model's server of `bench gateway`, as another process of this binary.
    pub async fn mock() -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("mock");
        Self::start(command, TempDir::new()?).await
    }

    /// A command that will listen there and says nothing of it.
    pub fn start_at(mut command: Command, folder: TempDir, address: SocketAddr) -> Result<Self> {
        command.stdin(Stdio::null()).kill_on_drop(true);
        let child = command.spawn().with_context(|| format!("cannot start {:?}", command.as_std().get_program()))?;
        Ok(Self { target: Target { address, key: KEY.to_owned() }, child, folder })
    }

    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// What stands in a file of its folder.
    pub fn file(&self, name: &str) -> Result<String> {
        Ok(std::fs::read_to_string(self.folder.path().join(name))?)
    }

    /// Starts `command` and waits for the line that says where it listens.
    pub async fn start(mut command: Command, folder: TempDir) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child =
            command.spawn().with_context(|| format!("cannot start {:?}", command.as_std().get_program()))?;
        let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let address = loop {
            let line =
                tokio::time::timeout(PATIENCE, lines.next_line()).await.context("the server does not start")??;
            let line = line.context("the server ended before it listened")?;
            if let Some(address) = line.strip_prefix(READY) {
                break address.parse().context("no address")?;
            }
        };
        Ok(Self { target: Target { address, key: KEY.to_owned() }, child, folder })
    }

    pub fn pid(&self) -> Result<u32> {
        self.child.id().context("the server has ended")
    }

    /// Processor time that the process has taken, its threads together. The kernel counts in hundredths of a second.
    pub fn cpu(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid()?))?;
        // The name may hold spaces; what follows it has none.
        let fields: Vec<&str> = stat.rsplit_once(") ").context("no process")?.1.split(' ').collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).context("no ticks");
        Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
    }

    /// Asks it to end, and waits; its folder goes with what this returns.
    pub async fn stop(mut self) -> Result<TempDir> {
        let mut kill = Command::new("kill");
        ensure!(kill.arg(self.pid()?.to_string()).status().await?.success(), "the server cannot be asked to end");
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await.context("the server does not end")??;
        ensure!(status.success(), "the server ended with {status}");
        Ok(self.folder)
    }
}

/// Copies the write-ahead log of a server that has ended into its database, and takes it away.
pub fn checkpoint(folder: &TempDir) -> Result<()> {
    for entry in std::fs::read_dir(folder.path().join("data"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "db") {
            let database = rusqlite::Connection::open(&path)?;
            database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        }
    }
    Ok(())
}

/// The size of all data files of a server whose folder this is.
pub fn bytes_below(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { bytes_below(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}
