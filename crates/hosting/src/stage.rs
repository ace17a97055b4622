//! The world of unit tests: real time and chance, a store in memory, and this machine itself in the place of a sandbox.

use crate::disk::Disk;
use crate::hosting::{AgentSettings, Around, Hosting, Settings};
use environments::machine::{Chunk, Command, Entry, Fault, FileKind, Info, Machine, Metadata, Output, Written};
use runtime::{Files, World};
use sandbox::{Ability, Driver, Error, Plan, Running};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use store::Store;
use store::memory::MemoryStore;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::watch;
use types::{
    BoxFuture, Clock, ContainerSize, Entropy, EnvironmentId, HostedSettings, NetworkSettings, Packages, ProjectId,
    Spawn, Task, Timestamp,
};

/// Bytes that a store in memory may hold.
const STORE: usize = 64 << 20;

pub(crate) struct RealClock(pub(crate) Instant);

impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        Timestamp(1_700_000_000_000)
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "a test's edge")]
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Counts, so that no two draws are alike.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        let count = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        for (byte, count) in bytes.iter_mut().rev().zip(count.iter().rev().chain(std::iter::repeat(&0))) {
            *byte = *count;
        }
    }
}

pub(crate) struct Tasks;

impl Spawn for Tasks {
    #[expect(clippy::disallowed_methods, reason = "a test's edge")]
    fn spawn(&self, _: &'static str, task: Task) {
        tokio::spawn(task);
    }
}

/// Starts nothing.
struct Idle(Ability);

impl Driver for Idle {
    fn ability(&self) -> &Ability {
        &self.0
    }

    fn start(&self, _: &Plan, _: Option<OwnedFd>) -> Result<Running, Error> {
        Err(Error::Parted)
    }

    fn resume(&self, _: &Path) -> Result<Option<Running>, Error> {
        Ok(None)
    }
}

/// An environment of which only the network is known.
pub(crate) fn settings(network: NetworkSettings) -> HostedSettings {
    HostedSettings {
        id: EnvironmentId::new("env_1"),
        container_size: ContainerSize::Small,
        network,
        capability_directories: Vec::new(),
        files: Vec::new(),
        packages: Packages::default(),
        plugins: Vec::new(),
        skills: Vec::new(),
    }
}

pub(crate) fn agents(folder: &Path) -> AgentSettings {
    let (idle_after, lifetime) = (Duration::from_secs(900), Duration::from_secs(8 * 3600));
    AgentSettings { folder: folder.join("runtimes"), code: None, idle_after, lifetime }
}

/// A folder for a test, a project, and what a server has.
pub(crate) struct Stage {
    pub folder: tempfile::TempDir,
    pub project: ProjectId,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub files: Files,
    pub driver: Arc<dyn Driver>,
    pub vaults: Option<vaults::Vaults>,
    pub world: World,
    /// Where the operator has code.
    pub code: Option<PathBuf>,
}

impl Stage {
    #[expect(clippy::disallowed_methods, reason = "a test's edge")]
    pub(crate) fn new() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(RealClock(Instant::now()));
        let entropy: Arc<dyn Entropy> = Arc::new(Counter::default());
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(STORE));
        let world = World {
            clock: clock.clone(),
            entropy: entropy.clone(),
            spawn: Arc::new(Tasks),
            store,
            models: Arc::default(),
            tools: Arc::new(types::NoTools),
            rules: Arc::default(),
        };
        let files = Files::new(world.clone());
        let folder = tempfile::tempdir().unwrap();
        let driver = Arc::new(Idle(Ability { findings: Vec::new() }));
        Self { folder, project: ProjectId::new("p"), clock, entropy, files, driver, vaults: None, world, code: None }
    }

    /// The face, over a driver that starts nothing, or the one that was put in its place.
    pub(crate) async fn hosting(&self) -> Hosting {
        let settings = Settings {
            folder: self.folder.path().to_owned(),
            base: None,
            allow_weak_sandbox: false,
            suspend_after: Duration::from_secs(600),
            background_after: Duration::from_secs(8 * 3600),
            expire_after: Duration::from_secs(3600),
            program: PathBuf::from("/bin/true"),
            files: crate::FILES,
            agents: AgentSettings { code: self.code.clone(), ..agents(self.folder.path()) },
        };
        let around = Around {
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            spawn: self.world.spawn.clone(),
            store: self.world.store.clone(),
            telling: runtime::Telling::new(self.clock.clone(), self.world.spawn.clone()),
            driver: self.driver.clone(),
            vaults: self.vaults.clone(),
        };
        let hosting = Hosting::new(settings, around);
        let (handle, _) = runtime::start(self.world.clone()).await.unwrap();
        hosting.begin(handle, self.files.clone()).await.unwrap();
        hosting
    }

    /// A fresh disk, and this machine with the disk's folder as its workspace.
    pub(crate) async fn machine(&self) -> (Disk, Here) {
        let disk = Disk::new(self.folder.path());
        disk.create().await.unwrap();
        let here = Here { workspace: disk.folder().to_owned(), processes: Mutex::default() };
        (disk, here)
    }

    pub(crate) async fn upload(&self, bytes: &[u8]) -> String {
        let mut draft = self.files.draft(&self.project);
        draft.write(bytes).await.unwrap();
        let new = runtime::NewFile {
            filename: "a".into(),
            purpose: "user_data".into(),
            media_type: None,
            expires_after: None,
        };
        self.files.create(draft, new).await.unwrap().id
    }
}

/// This machine: commands run here, and `/workspace` is a folder.
pub(crate) struct Here {
    workspace: PathBuf,
    processes: Mutex<BTreeMap<String, Process>>,
}

struct Process {
    heard: watch::Receiver<Output>,
    end: watch::Sender<bool>,
}

impl Here {
    fn path(&self, path: &str) -> PathBuf {
        match path.strip_prefix("/workspace") {
            Some(rest) => self.workspace.join(rest.trim_start_matches('/')),
            None => PathBuf::from(path),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a test's edge")]
    fn begin(&self, command: Command) -> Result<(), Fault> {
        let mut child = tokio::process::Command::new(&command.argv[0])
            .args(&command.argv[1..])
            .current_dir(self.path(&command.working_directory))
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .envs(&command.variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Fault::Refused(error.to_string()))?;
        let (say, heard) = watch::channel(Output::default());
        let (end, mut ended) = watch::channel(false);
        let (out, err) = (child.stdout.take(), child.stderr.take());
        tokio::spawn(async move {
            let hear = async { tokio::join!(hear(out, &say), hear(err, &say), child.wait()).2 };
            let code = tokio::select! {
                status = hear => status.unwrap().code().unwrap_or(-1),
                _ = ended.wait_for(|end| *end) => -9,
            };
            say.send_modify(|output| {
                output.next += 1;
                (output.exit_code, output.closed) = (Some(code), true);
            });
        });
        self.processes.lock().unwrap().insert(command.process, Process { heard, end });
        Ok(())
    }
}

async fn hear(pipe: Option<impl AsyncRead + Unpin>, say: &watch::Sender<Output>) {
    let mut pipe = pipe.unwrap();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
        say.send_modify(|output| {
            output.next += 1;
            let bytes = buffer[..read].to_vec();
            output.chunks.push(Chunk { seq: output.next, error_stream: false, bytes });
        });
    }
}

fn nothing<T>() -> BoxFuture<'static, Result<T, Fault>> {
    Box::pin(async { Err(Fault::Refused("this is not asked in tests".into())) })
}

impl Machine for Here {
    fn info(&self) -> BoxFuture<'_, Result<Info, Fault>> {
        nothing()
    }

    fn start(&self, command: Command) -> BoxFuture<'_, Result<(), Fault>> {
        Box::pin(async { self.begin(command) })
    }

    #[expect(clippy::disallowed_methods, reason = "a test's edge")]
    fn read(&self, process: &str, after: u64, wait: Duration) -> BoxFuture<'_, Result<Output, Fault>> {
        let mut heard = self.processes.lock().unwrap()[process].heard.clone();
        Box::pin(async move {
            let news = heard.wait_for(|output| output.next > after || output.closed);
            let _ = tokio::time::timeout(wait, news).await;
            let mut output = heard.borrow().clone();
            output.chunks.retain(|chunk| chunk.seq > after);
            Ok(output)
        })
    }

    fn write(&self, _: &str, _: Vec<u8>) -> BoxFuture<'_, Result<Written, Fault>> {
        nothing()
    }

    fn interrupt(&self, _: &str) -> BoxFuture<'_, Result<(), Fault>> {
        nothing()
    }

    fn terminate(&self, process: &str) -> BoxFuture<'_, Result<bool, Fault>> {
        let ran = self.processes.lock().unwrap()[process].end.send(true).is_ok();
        Box::pin(async move { Ok(ran) })
    }

    fn read_file(&self, _: &str, _: u64) -> BoxFuture<'_, Result<Vec<u8>, Fault>> {
        nothing()
    }

    fn write_file(&self, _: &str, _: Vec<u8>) -> BoxFuture<'_, Result<(), Fault>> {
        nothing()
    }

    fn metadata(&self, path: &str) -> BoxFuture<'_, Result<Metadata, Fault>> {
        let known = std::fs::metadata(self.path(path)).map_err(|_| Fault::Missing(path.to_owned()));
        Box::pin(async move {
            let known = known?;
            let kind = if known.is_dir() { FileKind::Directory } else { FileKind::File };
            Ok(Metadata { kind, bytes: known.len(), modified: None })
        })
    }

    fn canonicalize(&self, _: &str) -> BoxFuture<'_, Result<String, Fault>> {
        nothing()
    }

    fn list(&self, _: &str) -> BoxFuture<'_, Result<Vec<Entry>, Fault>> {
        nothing()
    }

    fn create_directory(&self, _: &str) -> BoxFuture<'_, Result<(), Fault>> {
        nothing()
    }

    fn remove(&self, _: &str, _: bool) -> BoxFuture<'_, Result<(), Fault>> {
        nothing()
    }
}
