//! Limits of a whole sandbox by control groups, of either version. Groups are made below the server's own, so that what
//! bounds the server bounds its sandboxes too.

use crate::plan::Limits;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

const CONTROLLERS: [&str; 3] = ["memory", "cpu", "pids"];
const NAME: &str = "outcrop-";
/// Of the time that a processor limit is about. Microseconds.
const PERIOD: u64 = 100_000;
/// Keeper and init count as processes of the group.
const OWN: u64 = 2;

/// Where groups can be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Groups {
    /// One hierarchy for all.
    Unified(PathBuf),
    /// A hierarchy for each controller.
    Split(BTreeMap<&'static str, PathBuf>),
}

/// Where the group of one sandbox is, by controller; of one hierarchy for all under no name.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Place {
    unified: bool,
    folders: BTreeMap<String, PathBuf>,
}

/// The group of one sandbox. Dropping it removes it, once nothing runs in it.
#[derive(Debug)]
pub struct Group(Place);

static MADE: AtomicU64 = AtomicU64::new(0);

impl Groups {
    /// Where this process may make groups; otherwise why not.
    pub fn find() -> Result<Self, String> {
        let membership = std::fs::read_to_string("/proc/self/cgroup").map_err(|error| error.to_string())?;
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").map_err(|error| error.to_string())?;
        let mut tried = String::new();
        for groups in candidates(&membership, &mounts) {
            match groups.try_out() {
                Ok(()) => {
                    groups.sweep();
                    return Ok(groups);
                }
                Err(error) => tried = error,
            }
        }
        Err(if tried.is_empty() { "no controllers for memory, cpu and pids are mounted".to_owned() } else { tried })
    }

    pub fn version(&self) -> &'static str {
        match self {
            Self::Unified(_) => "version 2",
            Self::Split(_) => "version 1",
        }
    }

    fn parents(&self) -> Vec<(&'static str, &Path)> {
        match self {
            Self::Unified(folder) => vec![("", folder)],
            Self::Split(folders) => folders.iter().map(|(name, folder)| (*name, folder.as_path())).collect(),
        }
    }

    fn try_out(&self) -> Result<(), String> {
        if let Self::Unified(folder) = self {
            enable(folder)?;
        }
        let limits = crate::plan::Size::Small.limits();
        self.create(&limits).map(drop).map_err(|error| format!("no group can be made: {error}"))
    }

    /// A group with these limits and nothing in it.
    pub fn create(&self, limits: &Limits) -> io::Result<Group> {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let own = std::process::id();
        let name = format!("{NAME}{own}-{}-{number}", begun(&own.to_string()).unwrap_or_default());
        let mut group = Group(Place { unified: matches!(self, Self::Unified(_)), folders: BTreeMap::new() });
        for (controller, parent) in self.parents() {
            let folder = parent.join(&name);
            std::fs::create_dir(&folder)?;
            group.0.folders.insert(controller.to_owned(), folder);
        }
        group.limit(limits)?;
        Ok(group)
    }

    /// Removes what servers have left that are gone. A group in which something runs, because its keeper stands, cannot be
    /// removed, and is not.
    pub fn sweep(&self) {
        for (_, parent) in self.parents() {
            let Ok(entries) = std::fs::read_dir(parent) else { continue };
            for entry in entries.filter_map(Result::ok) {
                let name = entry.file_name();
                let Some(of) = name.to_str().and_then(|name| name.strip_prefix(NAME)) else { continue };
                let mut parts = of.split('-');
                let (owner, since) = (parts.next().unwrap_or_default(), parts.next());
                // The number of a server that is gone may be another process's by now.
                if begun(owner).is_none_or(|begun| Some(begun.as_str()) != since) {
                    let _ = std::fs::remove_dir(entry.path());
                }
            }
        }
    }
}

impl Place {
    /// The numbers of the processes in it, as they are called where this is asked.
    pub fn processes(&self) -> Vec<String> {
        let text = self.folders.values().find_map(|folder| std::fs::read_to_string(folder.join("cgroup.procs")).ok());
        text.unwrap_or_default().lines().map(str::to_owned).collect()
    }
}

impl Group {
    /// One that a server made which is gone.
    pub fn found(place: Place) -> Self {
        Self(place)
    }

    pub fn place(&self) -> &Place {
        &self.0
    }

    /// Lets it be: it is somebody else's to remove.
    pub fn leave(mut self) {
        self.0.folders.clear();
    }

    fn limit(&self, limits: &Limits) -> io::Result<()> {
        let memory = limits.memory.to_string();
        let processes = (u64::from(limits.processes) + OWN).to_string();
        let quota = (u64::from(limits.cpu) * PERIOD / 1_000).to_string();
        if self.0.unified {
            self.write("", "memory.max", &memory)?;
            self.write("", "pids.max", &processes)?;
            self.write("", "cpu.max", &format!("{quota} {PERIOD}"))?;
            // Where there is no swap, there is no such file.
            let _ = self.write("", "memory.swap.max", "0");
            return Ok(());
        }
        self.write("memory", "memory.limit_in_bytes", &memory)?;
        if self.write("memory", "memory.memsw.limit_in_bytes", &memory).is_err() {
            let _ = self.write("memory", "memory.swappiness", "0");
        }
        self.write("pids", "pids.max", &processes)?;
        self.write("cpu", "cpu.cfs_period_us", &PERIOD.to_string())?;
        self.write("cpu", "cpu.cfs_quota_us", &quota)
    }

    /// Puts a process into the group, with all that will come of it.
    pub fn add(&self, process: u32) -> io::Result<()> {
        self.0.folders.keys().try_for_each(|controller| self.write(controller, "cgroup.procs", &process.to_string()))
    }

    /// How often something was killed because the memory was used up.
    pub fn out_of_memory(&self) -> Option<u64> {
        let (controller, file) = if self.0.unified { ("", "memory.events") } else { ("memory", "memory.oom_control") };
        let text = std::fs::read_to_string(self.0.folders.get(controller)?.join(file)).ok()?;
        text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
    }

    /// Ends what is left in it, whatever namespace it is in.
    pub fn kill(&self) {
        for folder in self.0.folders.values() {
            if self.0.unified && std::fs::write(folder.join("cgroup.kill"), "1").is_ok() {
                continue;
            }
            let processes = std::fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
            for process in processes.lines().filter_map(|line| rustix::process::Pid::from_raw(line.parse().ok()?)) {
                let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
            }
        }
    }

    fn write(&self, controller: &str, file: &str, text: &str) -> io::Result<()> {
        let folder = self.0.folders.get(controller).ok_or(io::ErrorKind::NotFound)?;
        std::fs::write(folder.join(file), text)
            .map_err(|error| io::Error::new(error.kind(), format!("{file}: {error}")))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for folder in self.0.folders.values() {
            // What was killed without a process namespace takes a moment to be gone; what stays is swept later.
            for _ in 0..100 {
                match std::fs::remove_dir(folder).map_err(|error| error.raw_os_error()) {
                    Err(Some(libc::EBUSY)) => {}
                    _ => break,
                }
                let moment = rustix::event::Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
                let _ = rustix::event::poll(&mut [], Some(&moment));
            }
        }
    }
}

/// When a process began, in the kernel's own count; none where it is gone.
fn begun(process: &str) -> Option<String> {
    let text = std::fs::read_to_string(Path::new("/proc").join(process).join("stat")).ok()?;
    // Its name comes second, in brackets, and may hold anything.
    text.rsplit_once(") ")?.1.split(' ').nth(19).map(str::to_owned)
}

/// Sees to it that groups below this folder have the controllers.
fn enable(folder: &Path) -> Result<(), String> {
    let enabled = || {
        let text = std::fs::read_to_string(folder.join("cgroup.subtree_control")).unwrap_or_default();
        CONTROLLERS.iter().all(|controller| text.split_whitespace().any(|word| word == *controller))
    };
    if enabled() {
        return Ok(());
    }
    let wish = CONTROLLERS.map(|controller| format!("+{controller}")).join(" ");
    std::fs::write(folder.join("cgroup.subtree_control"), wish)
        .map_err(|error| format!("{} hands on no controllers: {error}", folder.display()))?;
    if enabled() { Ok(()) } else { Err(format!("{} does not hand on memory, cpu and pids", folder.display())) }
}

/// Where groups could be made, best first: the process's own group, then the one above, which is how a service is set up
/// whose server has a subgroup of its own.
fn candidates(membership: &str, mounts: &str) -> Vec<Groups> {
    let mounted = mounts.lines().filter_map(mount).collect::<Vec<_>>();
    let split: BTreeMap<&'static str, PathBuf> = CONTROLLERS
        .into_iter()
        .filter_map(|controller| {
            let path = membership.lines().find_map(|line| {
                let (_, rest) = line.split_once(':')?;
                let (names, path) = rest.split_once(':')?;
                names.split(',').any(|name| name == controller).then_some(path)
            })?;
            let is_its =
                |mount: &&Mount<'_>| mount.kind == "cgroup" && mount.options.split(',').any(|o| o == controller);
            Some((controller, mounted.iter().find(is_its)?.folder(path)?))
        })
        .collect();
    let mut found = Vec::new();
    if split.len() == CONTROLLERS.len() {
        found.push(Groups::Split(split));
    }
    let own = membership.lines().find_map(|line| line.strip_prefix("0::"));
    let unified = mounted.iter().find(|mount| mount.kind == "cgroup2");
    if let Some((mount, folder)) = unified.and_then(|mount| Some((mount, mount.folder(own?)?))) {
        let above = folder.parent().filter(|above| above.starts_with(mount.at)).map(Path::to_owned);
        found.push(Groups::Unified(folder));
        found.extend(above.map(Groups::Unified));
    }
    found
}

/// A line of `mountinfo`.
struct Mount<'a> {
    root: &'a str,
    at: &'a str,
    kind: &'a str,
    options: &'a str,
}

fn mount(line: &str) -> Option<Mount<'_>> {
    let (first, second) = line.split_once(" - ")?;
    let mut first = first.split(' ').skip(3);
    let mut second = second.split(' ');
    Some(Mount { root: first.next()?, at: first.next()?, kind: second.next()?, options: second.nth(1)? })
}

impl Mount<'_> {
    /// Where a group of the hierarchy is seen; none where it lies outside of what is mounted.
    fn folder(&self, group: &str) -> Option<PathBuf> {
        let below = Path::new(group).strip_prefix(self.root).ok()?;
        Some(if below.as_os_str().is_empty() { PathBuf::from(self.at) } else { Path::new(self.at).join(below) })
    }
}

#[cfg(test)]
mod tests;
