//! A session with a workspace on a machine of the test, and calls of its tools.

use crate::local::Local;
use environments::machine::Machine;
use environments::workbench::{Keeper, Machines, Station, Workbench};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use types::{
    AgentSettings, Attempt, BoxFuture, CallId, CallOutput, Class, Clock, CommandResult, Door, EffectId, EnvironmentId,
    EnvironmentSettings, Metadata, OfferedTool, Progress, ProjectId, Review, SessionId, SessionSettings, Spawn, Task,
    Timestamp, ToolOutcome, ToolRequest, Tools, TurnId,
};

struct RealClock(Instant);

impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }
    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

struct Tasks;

impl Spawn for Tasks {
    fn spawn(&self, _: &'static str, task: Task) {
        tokio::spawn(task);
    }
}

struct One(Option<Station>);

impl Machines for One {
    fn find<'a>(&'a self, _: &'a ProjectId, _: &'a SessionId, _: Duration) -> BoxFuture<'a, Option<Station>> {
        Box::pin(async { self.0.clone() })
    }
}

/// Nobody listens.
pub struct Unheard;

impl Progress for Unheard {
    fn printed(&self, _: &str) {}
}

/// All that was told of one call.
#[derive(Default)]
pub struct Heard(pub tokio::sync::watch::Sender<Vec<String>>);

impl Heard {
    pub fn text(&self) -> String {
        self.0.borrow().concat()
    }

    /// Waits until so much was told.
    pub async fn until(&self, text: &str) {
        let mut told = self.0.subscribe();
        told.wait_for(|told| told.concat() == text).await.expect("the ear stays");
    }
}

impl Progress for Heard {
    fn printed(&self, more: &str) {
        assert!(!more.is_empty());
        self.0.send_modify(|told| told.push(more.to_owned()));
    }
}

pub struct Stage {
    pub folder: tempfile::TempDir,
    pub station: Station,
    pub bench: Workbench,
    pub kept: Arc<Kept>,
    effects: AtomicU64,
}

impl Stage {
    pub fn new() -> Self {
        Self::on(Arc::new(Local::default()))
    }

    pub fn on(machine: Arc<dyn Machine>) -> Self {
        Self::build(machine, false)
    }

    pub fn confined() -> Self {
        Self::confined_on(Arc::new(Local::default()))
    }

    pub fn confined_on(machine: Arc<dyn Machine>) -> Self {
        Self::build(machine, true)
    }

    fn build(machine: Arc<dyn Machine>, confined: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let workspace = folder.path().join("space");
        std::fs::create_dir(&workspace).expect("a workspace");
        let station = Station {
            machine,
            workspace_directory: workspace.to_str().expect("UTF-8").to_owned(),
            capability_directories: Vec::new(),
            confined,
        };
        let kept = Arc::new(Kept::default());
        let bench = bench_and_kept(Arc::new(One(Some(station.clone()))), kept.clone());
        Self { folder, station, bench, kept, effects: AtomicU64::new(1) }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("space").join(name)
    }

    pub fn put(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("above")).expect("directories");
        std::fs::write(path, text).expect("a file");
    }

    /// What a file holds; `None` where there is none.
    pub fn holds(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.path(name)).ok()
    }

    pub fn request(&self, tool: &str, arguments: &Value) -> ToolRequest {
        request(self.effects.fetch_add(1, Ordering::Relaxed), tool, arguments)
    }

    pub async fn call(&self, tool: &str, arguments: Value) -> ToolOutcome {
        self.bench.perform(&self.request(tool, &arguments), &Unheard).await
    }

    /// What a tool that succeeds says.
    pub async fn said(&self, tool: &str, arguments: Value) -> String {
        match self.call(tool, arguments).await {
            ToolOutcome::Done(CallOutput::Text(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    pub async fn failed(&self, tool: &str, arguments: Value) -> String {
        match self.call(tool, arguments).await {
            ToolOutcome::Failed(error) => error,
            other => panic!("{other:?}"),
        }
    }

    /// What was kept of a command beside the log.
    pub fn kept(&self, result: &CommandResult) -> Vec<u8> {
        let whole = result.whole.as_ref().expect("something is kept");
        let kept = self.kept.0.lock().expect("nobody panicked").remove(&whole.blob).expect("it is there");
        assert_eq!(whole.bytes, kept.len() as u64);
        kept
    }

    pub async fn ran(&self, tool: &str, arguments: Value) -> CommandResult {
        command(self.call(tool, arguments).await)
    }
}

pub fn command(outcome: ToolOutcome) -> CommandResult {
    match outcome {
        ToolOutcome::Ran(result) => result,
        other => panic!("{other:?}"),
    }
}

pub fn bench(station: Option<Station>) -> Workbench {
    bench_with(Arc::new(One(station)))
}

pub fn bench_with(machines: Arc<dyn Machines>) -> Workbench {
    bench_and_kept(machines, Arc::default())
}

/// What was kept beside the log.
#[derive(Default)]
pub struct Kept(pub Mutex<BTreeMap<String, Vec<u8>>>);

impl Keeper for Kept {
    fn keep<'a>(&'a self, _: &'a ProjectId, bytes: Vec<u8>) -> BoxFuture<'a, Option<String>> {
        let mut kept = self.0.lock().expect("nobody panicked");
        let name = format!("blob {}", kept.len() + 1);
        kept.insert(name.clone(), bytes);
        Box::pin(async { Some(name) })
    }
}

pub fn bench_and_kept(machines: Arc<dyn Machines>, kept: Arc<Kept>) -> Workbench {
    Workbench::new(machines, kept, Arc::new(RealClock(Instant::now())), Arc::new(Tasks))
}

/// A machine that comes when the test lets it.
pub struct Late(pub tokio::sync::watch::Receiver<Option<Station>>);

impl Machines for Late {
    fn find<'a>(&'a self, _: &'a ProjectId, _: &'a SessionId, patience: Duration) -> BoxFuture<'a, Option<Station>> {
        Box::pin(async move {
            let mut station = self.0.clone();
            let found = tokio::time::timeout(patience, station.wait_for(Option::is_some)).await;
            found.ok().and_then(Result::ok).and_then(|station| station.clone())
        })
    }
}

/// A session's settings, with that environment.
pub fn settings(environment: EnvironmentSettings) -> SessionSettings {
    SessionSettings {
        agent_id: "agent_0123456789abcdef01234567".into(),
        agent_name: None,
        agent: AgentSettings::new("any"),
        environment,
        vault_ids: Vec::new(),
        prompt_cache: None,
        review: Review::default(),
        spend_limit: None,
        metadata: Metadata::default(),
        door: Door::default(),
        aws: None,
    }
}

pub fn self_hosted() -> EnvironmentSettings {
    EnvironmentSettings::SelfHosted {
        id: EnvironmentId::of(&session()),
        workspace_directory: "/workspace".to_owned(),
        capability_directories: Vec::new(),
    }
}

fn session() -> SessionId {
    SessionId::new("sess_0123456789abcdef01234567")
}

pub fn request(effect: u64, tool: &str, arguments: &Value) -> ToolRequest {
    let tool = OfferedTool { name: tool.to_owned(), class: Class::Attachable, ..OfferedTool::default() };
    let call = tool.called(EffectId(effect), CallId::new(format!("call_{effect}")), arguments.to_string());
    let turn = TurnId::new("turn_0123456789abcdef01234567");
    ToolRequest {
        project: ProjectId::new("default"),
        session: session(),
        turn,
        call,
        attempt: Attempt(1),
        key: None,
        attach: false,
        settings: Arc::new(settings(EnvironmentSettings::None)),
        offer: Arc::default(),
        resume: None,
    }
}

/// The same call after a crash of the server, where its process is looked for.
pub fn attached(request: &ToolRequest) -> ToolRequest {
    ToolRequest { attach: true, ..request.clone() }
}

/// The same call after a crash of the server, made anew.
pub fn repeated(request: &ToolRequest) -> ToolRequest {
    ToolRequest { attempt: Attempt(2), ..request.clone() }
}
