//! The agent's tools in an environment: what is offered, and how a call becomes something that a [`Machine`] does. It
//! knows no transport and keeps nothing between two calls: a process is found by its name, which is the call's own.
//!
//! | tool | class | why |
//! |---|---|---|
//! | `shell` | attachable | the process bears the call's name: after a crash it is found, never started again |
//! | `write_stdin` | irreversible | input that was written twice is other input |
//! | `apply_patch` | idempotent | a later attempt looks which files bear the change already (`patching`) |
//! | `write_file` | idempotent | the whole file is written, so twice is as good as one time |
//! | `read_file`, `list_files`, `view_image` | pure | they only look |

mod arguments;
mod calls;
mod files;
mod follow;
mod images;
mod offer;
mod patching;
mod path;
mod processes;
mod screen;
mod shell;
mod told;
mod whole;

pub(crate) use path::{above, absolute, join};

use crate::instructions::instructions;
use crate::machine::{Fault, Machine};
use crate::truncate::Limit;
use std::sync::Arc;
use std::time::Duration;
use types::{
    BoxFuture, CallOutput, Clock, EnvironmentSettings, Offer, Progress, ProjectId, SessionId, SessionSettings, Spawn,
    ToolOutcome, ToolRequest, Tools, TurnError, TurnId,
};

/// What a model is shown of one result.
const FOR_MODEL: Limit = Limit { bytes: 24 << 10, lines: 800 };
/// What is kept of a command's output while it runs, and put into a file where a model is shown less.
const KEPT: usize = 4 << 20;
/// How long a call waits for an environment that is not connected.
const PATIENCE: Duration = Duration::from_secs(20);
/// The same where something is to be found again that was begun before a crash of this server: the machine's executor
/// needs a while to notice that there is a server again.
const PATIENCE_ATTACHING: Duration = Duration::from_secs(300);

/// How long a turn is held up by the files that its instructions are made of.
const PATIENCE_READING: Duration = Duration::from_secs(4);

/// Where a session's commands run.
#[derive(Clone)]
pub struct Station {
    pub machine: Arc<dyn Machine>,
    /// Absolute, native to the machine. Relative paths are relative to it.
    pub workspace_directory: String,
    pub capability_directories: Vec<String>,
    /// Whether files outside of the workspace are refused to the tools that write files. Commands are held by the
    /// machine alone.
    pub confined: bool,
}

impl Station {
    /// The same path, absolute and without `.` and `..`.
    pub fn absolute(&self, path: &str) -> String {
        absolute(&self.workspace_directory, path)
    }
}

/// Who has the machines.
pub trait Machines: Send + Sync + 'static {
    /// The session's, as soon as it is connected; `None` where it is not within `patience`.
    fn find<'a>(
        &'a self,
        project: &'a ProjectId,
        session: &'a SessionId,
        patience: Duration,
    ) -> BoxFuture<'a, Option<Station>>;

    /// The same for a look that can be done without. What is started where it is needed is waited for within `patience`; a
    /// machine that comes by itself is not.
    fn at_hand<'a>(
        &'a self,
        project: &'a ProjectId,
        session: &'a SessionId,
        _patience: Duration,
    ) -> BoxFuture<'a, Option<Station>> {
        self.find(project, session, Duration::ZERO)
    }

    /// As [`Tools::turn_ended`].
    fn turn_ended(&self, _project: &ProjectId, _session: &SessionId, _turn: &TurnId) {}
}

/// Who keeps what is too long for a log.
pub trait Keeper: Send + Sync + 'static {
    /// The name of the blob that holds it, durable by then; None where it could not be kept.
    fn keep<'a>(&'a self, project: &'a ProjectId, bytes: Vec<u8>) -> BoxFuture<'a, Option<String>>;
}

/// The tools of sessions that have an environment.
pub struct Workbench {
    machines: Arc<dyn Machines>,
    keeper: Arc<dyn Keeper>,
    clock: Arc<dyn Clock>,
    spawn: Arc<dyn Spawn>,
    calls: calls::Calls,
    told: told::Told,
}

/// Why a call came to nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Problem {
    Failed(String),
    Unknown(String),
}

impl Problem {
    /// Of something that only looks: whatever happened, nothing was changed.
    fn looking(what: &str, fault: &Fault) -> Self {
        Self::Failed(format!("{what}: {fault}"))
    }

    /// Of something that changes the machine.
    fn changing(what: &str, fault: &Fault) -> Self {
        match fault {
            Fault::Lost => Self::Unknown(format!("{what}: {fault}")),
            _ => Self::Failed(format!("{what}: {fault}")),
        }
    }
}

impl From<Problem> for ToolOutcome {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Failed(error) => Self::Failed(error),
            Problem::Unknown(reason) => Self::Unknown(reason),
        }
    }
}

/// The name of the process of a call; within its machine's session no other has it.
fn process_name(session: &SessionId, effect: u64) -> String {
    format!("{}-{effect}", session.digits())
}

fn said(text: String) -> Result<ToolOutcome, Problem> {
    Ok(ToolOutcome::Done(CallOutput::Text(text)))
}

impl Workbench {
    pub fn new(
        machines: Arc<dyn Machines>,
        keeper: Arc<dyn Keeper>,
        clock: Arc<dyn Clock>,
        spawn: Arc<dyn Spawn>,
    ) -> Self {
        Self { machines, keeper, clock, spawn, calls: calls::Calls::default(), told: told::Told::default() }
    }

    async fn attempt(&self, request: &ToolRequest, progress: &dyn Progress) -> Result<ToolOutcome, Problem> {
        let (name, arguments) = (request.call.name.as_str(), request.call.arguments.as_str());
        match name {
            offer::SHELL => self.shell(request, arguments::read(arguments)?, progress).await,
            offer::WRITE_STDIN => self.write_stdin(request, arguments::read(arguments)?, progress).await,
            offer::APPLY_PATCH => {
                let arguments = arguments::read(arguments)?;
                let is_repeat = request.attempt.0 > 1;
                patching::apply_patch(&self.station(request).await?, arguments, is_repeat).await
            }
            offer::WRITE_FILE => {
                let arguments = arguments::read(arguments)?;
                files::write(&self.station(request).await?, arguments).await
            }
            offer::READ_FILE => {
                let arguments = arguments::read(arguments)?;
                files::read(&self.station(request).await?, arguments).await
            }
            offer::LIST_FILES => {
                let arguments = arguments::read(arguments)?;
                files::list(&self.station(request).await?, arguments).await
            }
            offer::VIEW_IMAGE => {
                let arguments = arguments::read(arguments)?;
                images::view(&self.station(request).await?, arguments).await
            }
            _ => Err(Problem::Failed(format!("the environment has no tool named {name:?}"))),
        }
    }

    /// What the machine's files say in this turn; None where it is not connected, or does not answer in time.
    async fn instructions(&self, project: &ProjectId, session: &SessionId) -> Option<String> {
        if let Some(told) = self.told.get(session) {
            return Some(told);
        }
        let reading = async {
            let station = self.machines.at_hand(project, session, PATIENCE_READING).await?;
            instructions(&station).await.ok()
        };
        let told = tokio::select! {
            biased;
            told = reading => told,
            () = self.clock.sleep(PATIENCE_READING) => None,
        }?;
        self.told.set(session, told.clone());
        Some(told)
    }

    async fn station(&self, request: &ToolRequest) -> Result<Station, Problem> {
        let patience = if request.attach { PATIENCE_ATTACHING } else { PATIENCE };
        let found = self.machines.find(&request.project, &request.session, patience).await;
        match found {
            Some(_) if !request.attach && self.calls.is_withdrawn(request) => {
                Err(Problem::Failed("it was taken back before it began; nothing was done".to_owned()))
            }
            Some(station) => Ok(station),
            None if request.attach => {
                Err(Problem::Unknown("the environment did not connect again, so nobody can look".to_owned()))
            }
            None => Err(Problem::Failed("the environment is not connected; nothing was done".to_owned())),
        }
    }
}

impl Tools for Workbench {
    /// The same whether the environment is connected or not: an offer that changed with the connection would be told anew
    /// each time. What the machine's files say stays as it was where the machine does not answer.
    fn offered<'a>(
        &'a self,
        project: &'a ProjectId,
        session: &'a SessionId,
        settings: &'a SessionSettings,
        last: &'a Offer,
    ) -> BoxFuture<'a, Result<Offer, TurnError>> {
        Box::pin(async move {
            if matches!(settings.environment, EnvironmentSettings::None) {
                return Ok(Offer::default());
            }
            let told = self.instructions(project, session).await;
            Ok(Offer { tools: offer::tools(), instructions: told.or_else(|| last.instructions.clone()) })
        })
    }

    fn perform<'a>(&'a self, request: &'a ToolRequest, progress: &'a dyn Progress) -> BoxFuture<'a, ToolOutcome> {
        Box::pin(async move {
            let _entered = self.calls.enter(request);
            self.attempt(request, progress).await.unwrap_or_else(ToolOutcome::from)
        })
    }

    /// What has not begun does not begin any more, and the command of the call is stopped. One that was left running by an
    /// earlier call goes on.
    fn cancel(&self, request: &ToolRequest) {
        self.calls.withdraw(request);
        if request.call.name != offer::SHELL {
            return;
        }
        let (machines, project, session) = (self.machines.clone(), request.project.clone(), request.session.clone());
        let process = process_name(&session, request.call.effect.0);
        let stop = async move {
            if let Some(station) = machines.find(&project, &session, Duration::ZERO).await {
                // Where that fails there is no process, or no way to it.
                let _ = station.machine.terminate(&process).await;
            }
        };
        self.spawn.spawn("stop a command", Box::pin(stop));
    }

    fn turn_ended(&self, project: &ProjectId, session: &SessionId, turn: &TurnId) {
        self.told.forget(session);
        self.machines.turn_ended(project, session, turn);
    }
}
