//! Tools that this server performs: what a session is offered, one call, what came of it, and the trait through which
//! the world performs it. Functions that the caller answers are not here (`agent::Tool`).

use crate::agent::Tool;
use crate::content::{CallOutput, Content};
use crate::effect::{Attempt, Class};
use crate::environment::EnvironmentSettings;
use crate::id::{CallId, EffectId, ProjectId, SessionId, TurnId};
use crate::input::Refusal;
use crate::session::{SessionSettings, TurnError};
use crate::world::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::sync::Arc;

/// What kind of tool it is, where that decides who is shown what of it.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolKind {
    /// Of a server, or a command where the label is empty.
    #[default]
    Remote,
    /// Looks at the web: clients are shown what it looked at, and answers cite what it found.
    WebSearch,
    /// Finds tools that were kept back. Clients are not shown it.
    ToolSearch,
    /// Runs a program of the model's that calls tools.
    Program,
}

impl ToolKind {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_remote(&self) -> bool {
        *self == Self::Remote
    }
}

/// Whose consent a call needs beside the gate's own.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    #[default]
    None,
    /// A person's, or that of whom the session lets review calls in their place.
    Person,
}

impl Approval {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// A tool that a session's model may call and this server performs.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
pub struct OfferedTool {
    /// What the model calls it. A function of the session with the same name goes before it.
    pub name: String,
    pub description: String,
    /// A JSON schema of the arguments. Shared: there may be thousands, and an offer is made before each model call.
    pub parameters: Arc<Map<String, Value>>,
    /// What a crash in the middle of a call means. `repeatable` and `external` are not for tools: such a tool counts as
    /// irreversible.
    pub class: Class,
    /// The server that it belongs to, as clients named it. Empty where it belongs to the session's environment: clients are
    /// shown its calls as commands.
    pub server_label: String,
    #[serde(default, skip_serializing_if = "ToolKind::is_remote")]
    pub kind: ToolKind,
    /// What its server calls it, where that is another name: clients are shown this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// Whether the model is shown it only once it has found it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub deferred: bool,
    #[serde(default, skip_serializing_if = "Approval::is_none")]
    pub approval: Approval,
    /// Whether the session's owner said of this very tool that it needs nobody's consent.
    #[serde(default, skip_serializing_if = "is_false")]
    pub vouched: bool,
    /// A digest of what its server says of it. Another one than the first that the session saw needs consent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// Whether its server says that it only reads, whatever anybody said of consent.
    #[serde(default, skip_serializing_if = "is_false")]
    pub only_reads: bool,
}

impl OfferedTool {
    /// A call of it.
    pub fn called(&self, effect: EffectId, call_id: CallId, arguments: String) -> ToolCall {
        ToolCall {
            effect,
            call_id,
            server_label: self.server_label.clone(),
            name: self.name.clone(),
            arguments,
            class: self.class,
            kind: self.kind,
            remote: self.remote.clone(),
            approval: self.approval,
            pin: self.pin.clone(),
            parent: None,
        }
    }
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
    /// Not under its own name: the items' tag has that.
    #[serde(default, rename = "tool", skip_serializing_if = "ToolKind::is_remote")]
    pub kind: ToolKind,
    /// What its server calls it, where that is another name than the model's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// Whose consent it needs.
    #[serde(default, skip_serializing_if = "Approval::is_none")]
    pub approval: Approval,
    /// Of the offer that the model saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// The program that made it, in the model's place: it is in no transcript.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<EffectId>,
}

impl ToolCall {
    /// Whether clients are shown it as a command.
    pub fn is_command(&self) -> bool {
        self.server_label.is_empty() && matches!(self.kind, ToolKind::Remote | ToolKind::Program)
    }

    /// What clients are told that it is called.
    pub fn shown_name(&self) -> &str {
        self.remote.as_deref().unwrap_or(&self.name)
    }
}

/// What came of a call.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolOutcome {
    Done(CallOutput),
    /// A command was run, whatever it came to.
    Ran(CommandResult),
    /// Tools were found: the model is shown them from its next call on.
    Found(Found),
    /// The web was looked at.
    Web(WebResult),
    /// A program waits for calls of its own. No outcome of a call: it goes on with their results.
    Paused(Pause),
    /// It did not happen, or the tool says that it went wrong.
    Failed(String),
    /// Nobody here knows whether it happened.
    Unknown(String),
}

/// A program of a model's that called tools, and all that it takes to go on with their results.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Pause {
    /// Base64. Going on from it with the same results comes to the same.
    pub snapshot: Arc<str>,
    /// What it has printed so far, from its beginning.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub printed: String,
    pub calls: Vec<ProgramCall>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProgramCall {
    /// The program's own number of it.
    pub number: u32,
    pub name: String,
    /// A JSON object.
    pub arguments: String,
}

/// With what a paused program goes on.
#[derive(Clone, PartialEq, Debug)]
pub struct Resume {
    pub snapshot: Arc<str>,
    pub printed: String,
    /// By the program's number of the call; an error is raised in the program.
    pub results: Vec<(u32, Result<CallOutput, String>)>,
}

/// Tools that were kept back, and are not any more.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Found {
    /// What the model is told.
    pub told: String,
    pub names: Vec<String>,
}

/// What a look at the web came to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WebResult {
    pub action: WebAction,
    /// What the model is told.
    pub told: String,
    /// What may be cited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum WebAction {
    Search { query: String },
    OpenPage { url: String },
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Source {
    pub url: String,
    pub title: String,
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
    /// All that it printed, where clients or the model are shown less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<Whole>,
}

/// What a command printed, kept beside the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Whole {
    /// SHA-256 of a blob of the project, hex. It is durable before a record names it.
    pub blob: String,
    /// What the blob holds: the bytes as they were printed and, where the middle is not kept, a line that says so.
    pub bytes: u64,
    /// Of the middle, bytes that nobody has any more.
    #[serde(default)]
    pub left_out: u64,
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
            Self::Done(_) | Self::Ran(_) | Self::Found(_) | Self::Web(_) | Self::Paused(_) => None,
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
            Self::Found(found) => Cow::Borrowed(&found.told),
            Self::Web(result) => Cow::Borrowed(&result.told),
            Self::Paused(pause) => Cow::Borrowed(&pause.printed),
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
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The tool itself.
    #[default]
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
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(crate) fn is_answered(&self) -> bool {
        *self == Self::Answered
    }

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
    /// The session's settings and what it was offered, as they stand when the attempt begins.
    pub settings: Arc<SessionSettings>,
    pub offer: Arc<Offer>,
    /// Of a program that goes on.
    pub resume: Option<Arc<Resume>>,
}

impl ToolRequest {
    /// The key of every attempt of a call, where its class wants one.
    pub fn key_of(session: &SessionId, call: &ToolCall) -> Option<String> {
        (call.class == Class::Keyed).then(|| format!("outcrop-{}-{}", session.digits(), call.effect.0))
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
    /// Whether a session of this project may be made with these tools of an agent. The refusal's path begins with the tool's
    /// place in the agent. If nothing else is said, there are functions alone, which the caller answers.
    fn admit<'a>(
        &'a self,
        _project: &'a ProjectId,
        tools: &'a [Tool],
        _environment: &'a EnvironmentSettings,
        _vault_ids: &'a [String],
    ) -> BoxFuture<'a, Result<(), Refusal>> {
        let unserved = tools.iter().zip(0..).find(|(tool, _)| !matches!(tool, Tool::Function { .. }));
        let refused = unserved.map(|(tool, index)| tool.not_served(&format!("agent.tools[{index}]")));
        Box::pin(async { refused.map_or(Ok(()), Err) })
    }

    /// What the session is offered now; `last` is what it was offered before, for whoever cannot tell at the moment. The
    /// same as long as nothing changed: each change is a record. Dropping the future gives the question up; the last offer
    /// stays. An error ends the turn: something is missing that the session must not go on without.
    fn offered<'a>(
        &'a self,
        project: &'a ProjectId,
        session: &'a SessionId,
        settings: &'a SessionSettings,
        last: &'a Offer,
    ) -> BoxFuture<'a, Result<Offer, TurnError>>;

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
    ) -> BoxFuture<'a, Result<Offer, TurnError>> {
        Box::pin(async { Ok(Offer::default()) })
    }

    fn perform<'a>(&'a self, request: &'a ToolRequest, _: &'a dyn Progress) -> BoxFuture<'a, ToolOutcome> {
        let error = format!("This server has no tool named {:?}.", request.call.name);
        Box::pin(async { ToolOutcome::Failed(error) })
    }
}
