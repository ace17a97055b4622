//! Stream events: those of sessions, turns, items, their content and their reasoning, and errors.

use super::environment::EnvironmentState;
use super::item::{Content, Item};
use super::session::Session;
use super::turn::{TokenUsage, Turn};
use serde::Serialize;

/// One event.
#[derive(Serialize, Clone, Debug)]
pub struct Event<'a> {
    pub event_id: &'a str,
    #[serde(flatten)]
    pub body: EventBody<'a>,
    /// Padding; left out where it is not wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub obfuscation: Option<&'a str>,
}

macro_rules! events {
    ($($(#[$meta:meta])* $variant:ident $name:literal { $($field:ident: $type:ty),+ $(,)? })+) => {
        #[derive(Serialize, Clone, Debug)]
        #[serde(tag = "type")]
        pub enum EventBody<'a> {
            $($(#[$meta])* #[serde(rename = $name)] $variant { $($field: $type),+ },)+
        }

        impl EventBody<'_> {
            /// The event's `type`.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $name),+ }
            }
        }
    };
}

events! {
    SessionCreated "agent.session.created" { session: Box<Session<'a>> }
    SessionInProgress "agent.session.in_progress" { session: Box<Session<'a>> }
    SessionIdle "agent.session.idle" { session: Box<Session<'a>> }
    SessionRequiresAction "agent.session.requires_action" { session: Box<Session<'a>> }
    SessionBudgetReached "agent.session.budget_reached" { session: Box<Session<'a>> }
    SessionFailed "agent.session.failed" { session: Box<Session<'a>> }

    TurnCreated "agent.session.turn.created" { session_id: &'a str, turn_id: &'a str, turn: Box<Turn<'a>> }
    TurnInProgress "agent.session.turn.in_progress" { session_id: &'a str, turn_id: &'a str, turn: Box<Turn<'a>> }
    TurnCompleted "agent.session.turn.completed" {
        session_id: &'a str, turn_id: &'a str, turn: Box<Turn<'a>>, usage: Option<TokenUsage>,
    }
    TurnFailed "agent.session.turn.failed" {
        session_id: &'a str, turn_id: &'a str, turn: Box<Turn<'a>>, usage: Option<TokenUsage>,
    }
    TurnCancelled "agent.session.turn.cancelled" {
        session_id: &'a str, turn_id: &'a str, turn: Box<Turn<'a>>, usage: Option<TokenUsage>,
    }

    /// `output_index` is null for what came in from outside.
    ItemAdded "agent.session.turn.item.added" {
        session_id: &'a str, turn_id: &'a str, output_index: Option<u32>, item: Box<Item<'a>>,
    }
    /// Only of output items.
    ItemDone "agent.session.turn.item.done" {
        session_id: &'a str, turn_id: &'a str, output_index: u32, item: Box<Item<'a>>,
    }

    ContentPartAdded "agent.session.turn.content_part.added" {
        session_id: &'a str, turn_id: &'a str, item_id: &'a str, output_index: u32, content_index: u32,
        part: Content<'a>,
    }
    OutputTextDelta "agent.session.turn.output_text.delta" {
        session_id: &'a str, turn_id: &'a str, item_id: &'a str, output_index: u32, content_index: u32,
        delta: &'a str,
    }
    OutputTextDone "agent.session.turn.output_text.done" {
        session_id: &'a str, turn_id: &'a str, item_id: &'a str, output_index: u32, content_index: u32,
        text: &'a str,
    }
    ContentPartDone "agent.session.turn.content_part.done" {
        session_id: &'a str, turn_id: &'a str, item_id: &'a str, output_index: u32, content_index: u32,
        part: Content<'a>,
    }

    ReasoningSummaryPartAdded "agent.session.turn.reasoning_summary_part.added" {
        session_id: &'a str, turn_id: &'a str, item_id: &'a str, output_index: u32, summary_index: u32,
        part: Content<'a>,
    }
    ReasoningSummaryTextDelta "agent.session.turn.reasoning_summary_text.delta" {
        session_id: &'a str, turn_id: &'a str, item_id: &'a str, output_index: u32, summary_index: u32,
        delta: &'a str,
    }
    ReasoningSummaryTextDone "agent.session.turn.reasoning_summary_text.done" {
        session_id: &'a str, turn_id: &'a str, item_id: &'a str, output_index: u32, summary_index: u32,
        text: &'a str,
    }
    ReasoningSummaryPartDone "agent.session.turn.reasoning_summary_part.done" {
        session_id: &'a str, turn_id: &'a str, item_id: &'a str, output_index: u32, summary_index: u32,
        part: Content<'a>,
    }

    /// Of no turn.
    EnvironmentPending "agent.session.environment.pending" {
        session_id: &'a str, turn_id: Option<&'a str>, environment: EnvironmentState<'a>,
    }
    EnvironmentReady "agent.session.environment.ready" {
        session_id: &'a str, turn_id: Option<&'a str>, environment: EnvironmentState<'a>,
    }
    EnvironmentSuspended "agent.session.environment.suspended" {
        session_id: &'a str, turn_id: Option<&'a str>, environment: EnvironmentState<'a>,
    }
    EnvironmentExpired "agent.session.environment.expired" {
        session_id: &'a str, turn_id: Option<&'a str>, environment: EnvironmentState<'a>,
    }
    EnvironmentConnected "agent.session.environment.connected" {
        session_id: &'a str, turn_id: Option<&'a str>, environment: EnvironmentState<'a>,
    }
    EnvironmentDisconnected "agent.session.environment.disconnected" {
        session_id: &'a str, turn_id: Option<&'a str>, environment: EnvironmentState<'a>,
    }
    /// `environment_id` is the same as before.
    EnvironmentReset "agent.session.environment.reset" {
        session_id: &'a str, turn_id: Option<&'a str>, environment_id: &'a str, reset_count: u64,
    }
    EnvironmentFailed "agent.session.environment.failed" {
        session_id: &'a str, turn_id: Option<&'a str>, environment: EnvironmentState<'a>,
    }

    CommandOutputDelta "agent.output.command_execution_output.delta" {
        session_id: &'a str, turn_id: &'a str, item_id: &'a str, output_index: u32, delta: &'a str,
    }

    Error "error" { session_id: &'a str, error: SessionError<'a> }
}

/// Why a turn or a session failed, in the shape of the Responses API's stream errors.
#[derive(Serialize, Clone, Copy, Debug)]
pub struct SessionError<'a> {
    pub r#type: &'a str,
    pub code: Option<&'a str>,
    pub message: &'a str,
    pub param: Option<&'a str>,
}
