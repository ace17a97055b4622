//! Items: what a conversation is made of. An item is stored once, complete; what is still being typed is a draft and
//! lives in memory only.

use crate::approval::Settlement;
use crate::content::{CallOutput, Content};
use crate::effect::Attempt;
use crate::id::{CallId, EffectId, ItemId, SessionId, TurnId};
use crate::model::TokenLogprob;
use crate::stamp::Timestamp;
use crate::tool::{Cause, ToolCall, ToolKind, ToolOutcome};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One entry of the transcript.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Item {
    pub id: ItemId,
    pub turn: TurnId,
    /// Place among the turn's outputs; None for what came in from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_index: Option<u32>,
    /// The attempt of a model call that said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    pub body: ItemBody,
}

impl Item {
    /// Whether clients see it. What is hidden still keeps the model's transcript valid.
    pub fn is_visible(&self) -> bool {
        match &self.body {
            ItemBody::MalformedCall { .. } | ItemBody::ClosedCall { .. } | ItemBody::Settled { .. } => false,
            ItemBody::ToolCall(call) | ItemBody::ToolOutcome { call, .. } => call.kind != ToolKind::ToolSearch,
            _ => true,
        }
    }

    /// Whether lists of items show it: visible and complete (observed.md 7).
    pub fn is_listed(&self) -> bool {
        let complete = !matches!(self.body, ItemBody::AssistantMessage { complete: false, .. } | ItemBody::ToolCall(_));
        self.is_visible() && complete
    }
}

/// Which attempt of which model call an output item came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Origin {
    pub effect: EffectId,
    pub attempt: Attempt,
}

impl Origin {
    /// The id of the turn's output item at `output_index`, said by this attempt. It derives from its arguments alone,
    /// so that the draft, the record and a resumed stream name the same item.
    pub fn item_id(self, session: &SessionId, prefix: &str, output_index: u32) -> ItemId {
        let session = session.digits();
        ItemId::new(format!("{prefix}_{session}e{}a{}i{output_index}", self.effect.0, self.attempt.0))
    }

    /// The attempt that an item of this session is said by, read from an id of the form above.
    pub fn of_item(session: &SessionId, item: &str) -> Option<Self> {
        let (_, rest) = item.split_once('_')?;
        let (effect, rest) = rest.strip_prefix(session.digits())?.strip_prefix('e')?.split_once('a')?;
        let (attempt, _) = rest.split_once('i')?;
        Some(Self { effect: EffectId(effect.parse().ok()?), attempt: Attempt(attempt.parse().ok()?) })
    }
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ItemBody {
    /// What came from outside, from a user or from above.
    UserMessage {
        #[serde(default, skip_serializing_if = "Role::is_user")]
        role: Role,
        content: Vec<Content>,
    },
    AssistantMessage {
        text: String,
        phase: Phase,
        /// False where the model was cut off (its output limit, a content filter).
        complete: bool,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        logprobs: Vec<TokenLogprob>,
        /// What it cites, in the order of the text.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        annotations: Vec<Citation>,
    },
    Reasoning {
        summary: Vec<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        opaque: Option<Opaque>,
    },
    /// A call that the caller answers: an effect of class `external`.
    FunctionCall {
        effect: EffectId,
        call_id: CallId,
        name: String,
        /// A JSON object, to the letter as the model wrote it: what the caller's function gets is not ours to round.
        arguments: String,
        /// Of a custom tool: `arguments` is free text.
        #[serde(default, skip_serializing_if = "is_false")]
        custom: bool,
        #[serde(default, skip_serializing_if = "Told::is_in_place")]
        told: Told,
        /// When nobody waits any longer for the caller.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires: Option<Timestamp>,
    },
    FunctionCallOutput {
        call_id: CallId,
        result: CallResult,
        #[serde(default, skip_serializing_if = "is_false")]
        custom: bool,
        /// Of a call that the model did not wait for, the function's name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        apart: Option<String>,
        /// Who says it: the caller, or this server where the caller did not.
        #[serde(default, skip_serializing_if = "Cause::is_answered")]
        cause: Cause,
    },
    /// What the conversation before it came to, in the model's words.
    Compaction { text: String },
    /// A call that never became an effect: an unknown name, or arguments that are no JSON object. Hidden; the model
    /// is told.
    MalformedCall { call_id: CallId, name: String, arguments: String, error: String },
    /// The typed outcome of a call whose turn ended before its result came. Hidden; the model is told.
    ClosedCall {
        call_id: CallId,
        reason: String,
        /// Of a call that the model did not wait for, the function's name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        apart: Option<String>,
    },
    /// A call that this server performs: an effect of the class that it says. Not complete: its outcome is an item of
    /// its own, with the same id.
    ToolCall(ToolCall),
    /// The whole of such a call, with what came of it.
    ToolOutcome {
        call: ToolCall,
        /// The attempt that it is the outcome of.
        attempt: Attempt,
        cause: Cause,
        outcome: ToolOutcome,
        /// Of a command that came to nothing: what it had printed by then, as clients were shown it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        said: Option<String>,
    },
    /// An operator's word on an outcome that nobody knew. Hidden; the model is told.
    Settled {
        effect: EffectId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<SettledCall>,
        outcome: Settlement,
        /// Who said it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
}

/// The call that an effect was, as the model knows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SettledCall {
    pub call_id: CallId,
    pub name: String,
}

impl ItemBody {
    /// Bytes of what it says, about: what it takes of memory.
    pub fn bytes(&self) -> usize {
        let output = |output: &Option<CallOutput>| output.as_ref().map_or(0, CallOutput::bytes);
        match self {
            Self::UserMessage { content, .. } => content.iter().map(Content::bytes).sum(),
            Self::AssistantMessage { text, .. } | Self::Compaction { text } => text.len(),
            Self::Reasoning { summary, .. } => summary.iter().map(String::len).sum(),
            Self::FunctionCall { arguments, .. } | Self::MalformedCall { arguments, .. } => arguments.len(),
            Self::FunctionCallOutput { result: CallResult::Success(result), .. } => output(result),
            Self::FunctionCallOutput { result: CallResult::Failure { error, output: result }, .. } => {
                error.as_ref().map_or(0, String::len) + output(result)
            }
            Self::ClosedCall { reason, .. } => reason.len(),
            Self::Settled { outcome, .. } => outcome.text().len(),
            Self::ToolCall(call) => call.arguments.len(),
            Self::ToolOutcome { call, outcome, said: before, .. } => {
                let said = match outcome {
                    ToolOutcome::Done(output) => output.bytes(),
                    ToolOutcome::Ran(result) => result.told.len() + result.output.as_ref().map_or(0, String::len),
                    ToolOutcome::Found(found) => found.told.len(),
                    ToolOutcome::Web(result) => result.told.len(),
                    ToolOutcome::Paused(pause) => pause.printed.len(),
                    ToolOutcome::Failed(error) | ToolOutcome::Unknown(error) => error.len(),
                };
                call.arguments.len() + said + before.as_ref().map_or(0, String::len)
            }
        }
    }

    /// The column value by which the store finds items of a kind. Never changes.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::UserMessage { .. } => "user_message",
            Self::AssistantMessage { .. } => "assistant_message",
            Self::Reasoning { .. } => "reasoning",
            Self::FunctionCall { .. } => "function_call",
            Self::FunctionCallOutput { .. } => "function_call_output",
            Self::MalformedCall { .. } => "malformed_call",
            Self::ClosedCall { .. } => "closed_call",
            Self::ToolCall(_) => "tool_call",
            Self::ToolOutcome { .. } => "tool_outcome",
            Self::Settled { .. } => "settled",
            Self::Compaction { .. } => "compaction",
        }
    }
}

/// Who waits for the result of a call that the caller answers, and so where it is told.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// The model: with the call.
    #[default]
    InPlace,
    /// Nobody. In the call's place the model was told that it was begun; what came of it is told when it comes, like a
    /// message.
    Apart,
    /// A program that made the call in the model's place: the model is told of neither.
    Program(EffectId),
}

impl Told {
    fn is_in_place(&self) -> bool {
        *self == Self::InPlace
    }
}

/// A place in an answer that names what was found on the web.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Citation {
    /// Its first character.
    pub start: u32,
    /// The character after its last.
    pub end: u32,
    pub url: String,
    pub title: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Who speaks from outside.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    #[default]
    User,
    System,
    Developer,
}

impl Role {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_user(&self) -> bool {
        *self == Self::User
    }
}

/// What a provider wants back with later calls, verbatim; only ever sent to the entry that made it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Opaque {
    pub model: String,
    pub value: Value,
}

/// Whether a message is the answer or was said on the way to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Commentary,
    FinalAnswer,
}

/// How a call ended.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallResult {
    /// None where the caller said `success` and gave no output.
    Success(Option<CallOutput>),
    Failure {
        error: Option<String>,
        output: Option<CallOutput>,
    },
}
