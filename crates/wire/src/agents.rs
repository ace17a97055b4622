//! The JSON of the Agents API: resources, stream events, and the requests that a client may make.
//!
//! Responses borrow what they show and send a field that has no value as null, unless its description says that it is
//! left out (`review`, `obfuscation`). Requests are read by path and come out with every default of the original
//! filled in, so that nothing behind this crate knows what a client left out.

pub mod request;

mod agent;
mod environment;
mod event;
mod hosted;
mod item;
mod ledger;
mod list;
mod session;
mod tool;
mod turn;
mod words;

pub use agent::{Agent, Compaction, Experimental, MultiAgent, Reasoning, Text, TextFormat};
pub use environment::{
    Capability, Environment, EnvironmentError, EnvironmentState, Hosted, HostedFile, Network, Packages,
};
pub use event::{Event, EventBody, SessionError};
pub use hosted::{Artifact, EnvironmentFile, EnvironmentInfo, Template, TemplateFile, TokenPage};
pub use item::{Annotation, Content, Item, Output, WebSearchAction};
pub use ledger::{Approval, ApprovalAnswer, Attempt, Effect, EffectError, Settled};
pub use list::{Deleted, List};
pub use session::{ApprovalRequest, PromptCacheOptions, RequiredAction, Session, SessionAgent, SpendControl};
pub use tool::{Location, Tool, Transport};
pub use turn::{TokenUsage, Turn, TurnError};
pub use words::{
    CacheTtl, ConnectionOrigin, ContainerSize, ContextSize, Decision, Effort, EnvironmentKind, EnvironmentStatus,
    ItemStatus, NetworkAccess, Phase, ReasoningSummary, Review, SearchMode, ServiceTier, SessionStatus, TurnStatus,
    Verbosity,
};

/// Every `code` that the error of a failed turn may have.
pub const TURN_ERROR_CODES: &[&str] = &[
    "context_length_exceeded",
    "max_output_tokens",
    "session_budget_exceeded",
    "usage_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "billing_not_active",
    "credit_balance_exhausted",
    "rate_limit_exceeded",
    "flex_unavailable",
    "server_overloaded",
    "cyber_policy",
    "misalignment_policy_violation",
    "connection_failed",
    "server_error",
    "authentication_error",
    "invalid_request",
    "resource_not_found",
    "sandbox_error",
    "executor_version_incompatible",
    "active_turn_not_steerable",
    "request_timeout",
    "internal_error",
];
