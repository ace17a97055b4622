//! What is to run in a sandbox, on what, and how much it may use.

use crate::error::Error;
use crate::isolation::{Isolation, Layer};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// Where the environment's own disk is seen inside.
const WORKSPACE: &str = "/workspace";
/// Nothing is bound at these or below: they are the sandbox's own, or can hold links that were made inside.
const TAKEN: [&str; 4] = ["/workspace", "/proc", "/dev", "/sys"];
/// Nothing is bound at these; below them it may be.
const COVERED: [&str; 5] = ["/", "/etc", "/usr", "/tmp", "/run"];
/// The longest that a sandbox may stand without a server.
const LONGEST_ALONE: Duration = Duration::from_secs(24 * 3600);

/// How to start the keeper: a program that calls [`crate::keeper`] first of all when it is given these arguments.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Keeper {
    pub program: PathBuf,
    pub arguments: Vec<String>,
}

/// One sandbox.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Program and arguments; a name without a slash is looked for in the environment's `PATH`.
    pub command: Vec<String>,
    /// The whole environment of the command: nothing is inherited.
    pub environment: BTreeMap<String, String>,
    /// Where the command starts: a path inside.
    pub directory: String,
    pub disk: Disk,
    /// What else is seen inside.
    pub binds: Vec<Bind>,
    /// A prepared tree instead of this machine's `/usr` and its links; it is never written to.
    pub base: Option<PathBuf>,
    pub limits: Limits,
    /// Ports of the sandbox's `127.0.0.1` on which the caller listens: its only way out.
    pub listen: Vec<u16>,
    pub isolation: Isolation,
    /// Whether a sandbox may be used that lacks layers, because of `isolation` or of the machine. Without the layer
    /// `Mounts`, which only `isolation` can leave out, nothing stands at `/workspace`.
    pub allow_weak: bool,
    /// A sandbox that outlives the server that started it. Its command has no standard streams but the one that is handed
    /// in: what it writes is lost.
    #[serde(default)]
    pub standing: Option<Standing>,
}

/// How a sandbox is found again by a server that comes after the one that started it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Standing {
    /// A Unix socket of the keeper's, outside, for this user alone. Its folder is there; an old file is replaced.
    pub control: PathBuf,
    /// Without a server for so long, everything ends.
    pub time: Duration,
}

/// The disk that is seen at `/workspace`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Disk {
    /// A folder of this machine. It is kept, and given to the user that the sandbox runs as. `Limits::disk` holds for
    /// each of its files; the sum is measured while the sandbox runs, and one that uses more is killed.
    Folder(PathBuf),
    /// In memory, gone with the sandbox; `Limits::disk` holds exactly, and it counts as memory.
    Memory,
}

/// A folder or file of this machine inside.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bind {
    pub source: PathBuf,
    pub target: String,
    pub writable: bool,
}

/// What a whole sandbox may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes.
    pub memory: u64,
    /// Thousandths of a core.
    pub cpu: u32,
    /// Processes and threads, those of the sandbox itself not counted.
    pub processes: u32,
    /// Bytes at `/workspace`.
    pub disk: u64,
    /// Files and folders at `/workspace`.
    pub files: u64,
    /// Bytes at `/tmp`; they count as memory.
    pub temporary: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Size {
    Small,
    Medium,
    Large,
}

impl Size {
    pub fn limits(self) -> Limits {
        let (memory, cpu, processes, disk) = match self {
            Self::Small => (1 << 30, 1_000, 256, 4 << 30),
            Self::Medium => (4 << 30, 2_000, 1_024, 8 << 30),
            Self::Large => (16 << 30, 4_000, 4_096, 32 << 30),
        };
        Limits { memory, cpu, processes, disk, files: disk >> 13, temporary: memory / 4 }
    }
}

impl Plan {
    /// A full sandbox of the smallest size with the usual environment.
    pub fn new(disk: Disk, command: &[&str]) -> Self {
        let environment = [
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            ("HOME", WORKSPACE),
            ("LANG", "C.UTF-8"),
            ("USER", "user"),
        ];
        Self {
            command: command.iter().map(|&part| part.to_owned()).collect(),
            environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            directory: WORKSPACE.to_owned(),
            disk,
            binds: Vec::new(),
            base: None,
            limits: Size::Small.limits(),
            listen: Vec::new(),
            isolation: Isolation::full(),
            allow_weak: false,
            standing: None,
        }
    }

    /// Whether it can be meant at all.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.command.first().is_none_or(String::is_empty) {
            return Err(Error::Plan("no command".to_owned()));
        }
        let texts = self.command.iter().chain(self.environment.keys()).chain(self.environment.values());
        if texts.chain([&self.directory]).any(|text| text.contains('\0')) {
            return Err(Error::Plan("a command, its variables and its folder hold no NUL".to_owned()));
        }
        if self.environment.keys().any(|name| name.is_empty() || name.contains('=')) {
            return Err(Error::Plan("a variable's name is not empty and holds no `=`".to_owned()));
        }
        if self.listen.len() > 8 || self.binds.len() > 32 {
            return Err(Error::Plan("at most 8 ports and 32 binds".to_owned()));
        }
        let folder = match &self.disk {
            Disk::Folder(path) => Some(path),
            Disk::Memory => None,
        };
        for path in folder.into_iter().chain(&self.base).chain(self.binds.iter().map(|bind| &bind.source)) {
            if !path.is_absolute() {
                return Err(Error::Plan(format!("`{}` is not an absolute path", path.display())));
            }
        }
        let on_mounts = self.disk == Disk::Memory || self.base.is_some() || !self.binds.is_empty();
        if on_mounts && !self.isolation.has(Layer::Mounts) {
            return Err(Error::Plan("a disk in memory, a base and binds need mounts".to_owned()));
        }
        for (position, bind) in self.binds.iter().enumerate() {
            let target = Path::new(&bind.target);
            let taken = TAKEN.iter().any(|place| target.starts_with(place));
            let covered = COVERED.iter().any(|place| target == Path::new(place));
            let others = self.binds.iter().enumerate().filter(|(other, _)| *other != position);
            let nested = others.map(|(_, other)| other).any(|other| target.starts_with(&other.target));
            if !plain(target) || taken || covered || nested {
                return Err(Error::Plan(format!("nothing can be bound at `{}`", bind.target)));
            }
        }
        self.check_standing()?;
        let limits = &self.limits;
        if limits.memory < 16 << 20 || limits.cpu < 10 || limits.processes < 1 || limits.disk == 0 || limits.files == 0
        {
            return Err(Error::Plan("limits of nothing: at least 16 MiB, 0.01 cores, a process and a file".to_owned()));
        }
        Ok(())
    }

    fn check_standing(&self) -> Result<(), Error> {
        let Some(Standing { control, time }) = &self.standing else { return Ok(()) };
        if !control.is_absolute() || control.file_name().is_none() {
            return Err(Error::Plan(format!("`{}` is not the absolute path of a socket", control.display())));
        }
        if time.is_zero() || *time > LONGEST_ALONE {
            return Err(Error::Plan("a sandbox stands for some time, at most a day".to_owned()));
        }
        Ok(())
    }
}

/// Absolute, and made of names only.
fn plain(path: &Path) -> bool {
    path.is_absolute() && path.components().skip(1).all(|part| matches!(part, Component::Normal(_)))
}
