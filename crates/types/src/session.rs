//! What a session is to those who look at it: its settings, its head, its turns. Heads are rewritten with every
//! append; settings (which may hold megabytes of tools) only when they change.

use crate::agent::AgentSettings;
use crate::environment::{EnvironmentSettings, EnvironmentState};
use crate::id::{AgentId, CallId, EnvironmentId, RequestId, Seq, SessionId, TurnId};
use crate::model::Usage;
use crate::money::MicroUsd;
use crate::stamp::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// At most 16 pairs, keys up to 64 and values up to 512 characters.
pub type Metadata = BTreeMap<String, String>;

/// The part of a session that changes only when a client changes it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SessionSettings {
    pub agent_id: AgentId,
    /// The saved agent's name at creation; None for a session-local agent.
    pub agent_name: Option<String>,
    pub agent: AgentSettings,
    pub environment: EnvironmentSettings,
    pub vault_ids: Vec<String>,
    pub prompt_cache: Option<PromptCacheTtl>,
    pub review: Review,
    pub spend_limit: Option<MicroUsd>,
    pub metadata: Metadata,
    #[serde(default, skip_serializing_if = "Door::is_agents")]
    pub door: Door,
    /// What only a session of Bedrock's managed agents has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws: Option<Box<AwsSession>>,
}

/// What a client of Bedrock's managed agents says of a session beside what all say.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AwsSession {
    pub role_arn: String,
    /// Where its environment was asked for in AWS's words. What it runs in is a hosted environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<AgentCoreEnvironment>,
}

/// The words of `aws_bedrock_agentcore` for an environment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AgentCoreEnvironment {
    pub runtime_arn: String,
    pub runtime_qualifier: String,
    /// None: the hosted environment's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_directory: Option<String>,
}

impl SessionSettings {
    /// The `type` of its environment as clients write and read it.
    pub fn environment_kind(&self) -> &'static str {
        match self.agentcore() {
            Some(_) => "aws_bedrock_agentcore",
            None => self.environment.kind(),
        }
    }

    /// The environment in AWS's words, where it was asked for in them.
    pub fn agentcore(&self) -> Option<&AgentCoreEnvironment> {
        self.environment.hosted().and(self.aws.as_ref()?.environment.as_ref())
    }
}

/// The API through which a session was made.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Door {
    #[default]
    Agents,
    Responses,
    Conversations,
    Chat,
}

impl Door {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_agents(&self) -> bool {
        *self == Self::Agents
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum PromptCacheTtl {
    #[serde(rename = "30m")]
    ThirtyMinutes,
    #[serde(rename = "12h")]
    TwelveHours,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Review {
    #[default]
    None,
    AutoReview,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    Idle,
    InProgress,
    RequiresAction,
    Failed,
    BudgetReached,
}

/// The part of a session that changes with every append.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Head {
    pub session: SessionId,
    /// The last record that this head includes.
    pub seq: Seq,
    /// The last record that a fork shares with the session that it was forked from; None where it is no fork.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Seq>,
    pub status: SessionStatus,
    pub required_actions: Vec<RequiredAction>,
    /// The turn that has not ended.
    pub turn: Option<TurnView>,
    /// None while a turn runs or waits, and from the first turn on that ended unmeasured.
    pub usage: Option<Usage>,
    pub spent: MicroUsd,
    /// Why the session failed.
    pub error: Option<String>,
    pub created_at: Timestamp,
    pub last_active_at: Timestamp,
    /// Whether the session has effects that this server must perform: what start-up looks for.
    pub needs_work: bool,
    /// Whether items were taken out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_gaps: bool,
    /// None where the session has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentState>,
}

/// A session as a door shows it.
#[derive(Clone, PartialEq, Debug)]
pub struct SessionView {
    pub head: Arc<Head>,
    pub settings: Arc<SessionSettings>,
}

impl SessionView {
    pub fn spend_control(&self) -> SpendControl {
        SpendControl { limit: self.settings.spend_limit, consumed: self.head.spent }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SpendControl {
    pub limit: Option<MicroUsd>,
    pub consumed: MicroUsd,
}

/// What must happen outside before the session can go on.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RequiredAction {
    /// `arguments` is a JSON object as text.
    FunctionCall { turn: TurnId, call_id: CallId, name: String, arguments: String },
    /// A call that this server would make, and nobody has agreed to yet. `arguments` as above, `message` for people.
    McpApproval {
        turn: TurnId,
        request: RequestId,
        server_label: String,
        name: String,
        arguments: String,
        message: String,
    },
    /// The turn begins when this environment, which is the client's to bring, is connected.
    EnvironmentConnection { environment: EnvironmentId },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TurnStatus {
    Queued,
    InProgress,
    Waiting,
    Completed,
    Failed,
    Cancelled,
}

/// A turn as a door shows it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TurnView {
    pub id: TurnId,
    pub agent_id: AgentId,
    pub status: TurnStatus,
    pub error: Option<TurnError>,
    /// None while it runs, and where it ended unmeasured.
    pub usage: Option<Usage>,
    pub prompt_cache: Option<PromptCacheTtl>,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
}

/// `code` is one of the contract's turn error codes (`wire::agents::TURN_ERROR_CODES`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TurnError {
    pub code: String,
    pub message: String,
}
