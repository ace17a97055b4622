//! Tools that this server performs: what a session is offered, one call, what came of it, and the trait through which
//! the world performs it. Functions that the caller answers are not here (`agent::Tool`).

use crate::content::{CallOutput, Content};
use crate::effect::{Attempt, Class};
use crate::id::{CallId, EffectId, ProjectId, SessionId, TurnId};
use crate::session::SessionSettings;
use crate::world::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// A tool that a session's model may call and this server performs.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct OfferedTool {
    /// What the model calls it. A function of the session with the same name goes before it.
    pub name: String,
    pub description: String,
    /// A JSON schema of the arguments.
    pub parameters: Map<String, Value>,
    /// What a crash in the middle of a call means. `repeatable` and `external` are not for tools: such a tool counts as
    /// irreversible.
    pub class: Class,
    /// The server that it belongs to, as clients named it. Empty where it belongs to the session's environment: clients are
    /// shown its calls as commands.
    pub server_label: String,
}

/// What a session has beside its own settings: the tools that this server performs, and how a model is to use them.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct Offer {
    pub tools: Vec<OfferedTool>,
    /// What the model is told before the agent's own instructions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
}

/// A call of an offered tool, as the model made it. Its class is the one of the offer that the model saw.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ToolCall {
    pub effect: EffectId,
    pub call_id: CallId,
    pub server_label: String,
    pub name: String,
    /// A JSON object, to the letter as the model wrote it.
    pub arguments: String,
    pub class: Class,
}

impl ToolCall {
    /// Whether clients are shown it as a command.
    pub fn is_command(&self) -> bool {
        self.server_label.is_empty()
    }
}

/// What came of a call.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolOutcome {
    Done(CallOutput),
    /// A command was run, whatever it came to.
    Ran(CommandResult),
    /// It did not happen, or the tool says that it went wrong.
    Failed(String),
    /// Nobody here knows whether it happened.
    Unknown(String),
}

/// What a command came to.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CommandResult {
    /// What the model is told.
    pub told: String,
    /// What it printed, as clients are shown it; None where that is what the model is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// None where it was stopped, or still runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<String>,
}

impl CommandResult {
    /// What clients are shown of its output.
    pub fn shown(&self) -> &str {
        self.output.as_deref().unwrap_or(&self.told)
    }
}

/// What every text about an unknown outcome begins with: for the model, and for clients.
const OUTCOME_UNKNOWN: &str = "outcome unknown: ";

impl ToolOutcome {
    /// What clients are told went wrong; None where nothing did.
    pub fn error(&self) -> Option<String> {
        match self {
            Self::Done(_) | Self::Ran(_) => None,
            Self::Failed(error) => Some(error.clone()),
            Self::Unknown(reason) => Some(format!("{OUTCOME_UNKNOWN}{reason}")),
        }
    }
}

impl ToolOutcome {
    /// The output of a command, as clients are shown it. One that came to nothing says why where its output would be,
    /// after what it had `said`.
    pub fn shown(&self, said: Option<&str>) -> Cow<'_, str> {
        match self {
            Self::Ran(result) => Cow::Borrowed(result.shown()),
            Self::Done(CallOutput::Text(text)) => Cow::Borrowed(text),
            Self::Done(CallOutput::Parts(parts)) => {
                let texts = parts.iter().filter_map(|part| match part {
                    Content::Text { text } => Some(text.as_str()),
                    Content::Image { .. } | Content::File { .. } => None,
                });
                Cow::Owned(texts.collect::<Vec<_>>().join("\n"))
            }
            Self::Failed(_) | Self::Unknown(_) => {
                let error = self.error().unwrap_or_default();
                let Some(said) = said.filter(|said| !said.is_empty()) else { return Cow::Owned(error) };
                let line = if said.ends_with('\n') { "" } else { "\n" };
                Cow::Owned(format!("{said}{line}{error}"))
            }
        }
    }
}

/// Who or what gave a call its outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The tool itself.
    Answered,
    /// The gate: it was never begun.
    Denied,
    /// The turn was cancelled.
    Cancelled,
    /// The turn ran out of time.
    TurnDeadline,
    /// The call ran out of time.
    CallDeadline,
    /// The server stopped in the middle of it.
    Crash,
    /// The session was given up.
    SessionFailed,
    /// The call was open where the session was forked off: what came of it is in the other session.
    Forked,
}

impl Cause {
    /// Whether the tool was not heard: its own word may still come.
    pub fn is_given_up(self) -> bool {
        !matches!(self, Self::Answered | Self::Denied | Self::Forked)
    }
}

/// One attempt of a call, as the world is asked to perform it.
#[derive(Clone, PartialEq, Debug)]
pub struct ToolRequest {
    pub project: ProjectId,
    pub session: SessionId,
    pub turn: TurnId,
    pub call: ToolCall,
    pub attempt: Attempt,
    /// Class `keyed` only: the same at every attempt of the call, different for every other call.
    pub key: Option<String>,
    /// Class `attachable` only: this attempt was begun before a crash. What it began is to be found again and never begun a second
    /// time; where it is gone, the outcome is `Failed` or `Unknown`.
    pub attach: bool,
}

impl ToolRequest {
    pub fn new(
        project: ProjectId,
        session: SessionId,
        turn: TurnId,
        call: ToolCall,
        attempt: Attempt,
        attach: bool,
    ) -> Self {
        let keyed = call.class == Class::Keyed;
        let key = keyed.then(|| format!("outcrop-{}-{}", session.digits(), call.effect.0));
        Self { project, session, turn, call, attempt, key, attach }
    }
}

/// Who is told what a command prints while it runs.
pub trait Progress: Send + Sync {
    /// More of its output, as clients are shown it: all that was told, one after the other, is how
    /// [`CommandResult::shown`] begins in the end.
    fn printed(&self, more: &str);
}

/// The tools of the world. The runtime asks what a session is offered before each model call, and performs what the
/// model called.
pub trait Tools: Send + Sync + 'static {
    /// What the session is offered now; `last` is what it was offered before, for whoever cannot tell at the moment. The
    /// same as long as nothing changed: each change is a record. Dropping the future gives the question up; the last offer
    /// stays.
    fn offered<'a>(
        &'a self,
        project: &'a ProjectId,
        session: &'a SessionId,
        settings: &'a SessionSettings,
        last: &'a Offer,
    ) -> BoxFuture<'a, Offer>;

    /// Performs one attempt, once: it never tries again by itself. Whoever cannot tell whether it happened says
    /// `Unknown`. Dropping the future takes it back as far as that is possible. What a command prints meanwhile is told to
    /// `progress`.
    fn perform<'a>(&'a self, request: &'a ToolRequest, progress: &'a dyn Progress) -> BoxFuture<'a, ToolOutcome>;

    /// Nobody waits for the attempt any more: it may stop. Its outcome is still heard for a while.
    fn cancel(&self, _request: &ToolRequest) {}

    /// A turn of the session has ended, however, and its end is durable. Returns at once. After a crash nobody is told: who
    /// must not miss one looks for itself (`Handle::last_completed_turn`).
    fn turn_ended(&self, _project: &ProjectId, _session: &SessionId, _turn: &TurnId) {}
}

/// A world without tools.
pub struct NoTools;

impl Tools for NoTools {
    fn offered<'a>(
        &'a self,
        _: &'a ProjectId,
        _: &'a SessionId,
        _: &'a SessionSettings,
        _: &'a Offer,
    ) -> BoxFuture<'a, Offer> {
        Box::pin(async { Offer::default() })
    }

    fn perform<'a>(&'a self, request: &'a ToolRequest, _: &'a dyn Progress) -> BoxFuture<'a, ToolOutcome> {
        let error = format!("This server has no tool named {:?}.", request.call.name);
        Box::pin(async { ToolOutcome::Failed(error) })
    }
}
