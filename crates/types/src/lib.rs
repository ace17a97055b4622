//! The words of Outcrop: ids, records, effects, inputs, events, limits, and the traits through which the world is
//! passed in. Everything here is data: no I/O, no clock, no logic beyond what a value knows of itself.
//!
//! Wire JSON is not here (see `wire`), and nothing here is ever shown to a client as it stands.

mod agent;
mod answer;
mod approval;
mod arn;
mod content;
mod effect;
mod embedding;
mod environment;
mod event;
mod failpoint;
mod hex;
mod id;
mod input;
mod item;
mod limits;
mod model;
mod money;
mod record;
mod session;
mod stamp;
mod tool;
mod turn_request;
mod world;

pub use agent::{
    AgentSettings, Compaction, CustomFormat, Effort, Experimental, McpTool, McpTransport, MultiAgent, Reasoning,
    ReasoningSummary, SavedAgent, ServiceTier, Text, TextFormat, Tool, Verbosity, WebSearch,
};
pub use answer::{Answer, Said};
pub use approval::{ApprovalAnswered, ApprovalAsked, Approver, Consent, Decider, Decision, ReviewCall, Settlement};
pub use arn::{Arn, AwsAccount, NotAnArn, is_account};
pub use content::{CallOutput, Content, Message};
pub use effect::{Attempt, Class, Effect, Ending, Reservation, Standing, Verdict};
pub use embedding::{EmbeddingInput, EmbeddingRequest, Embeddings};
pub use environment::{
    Capability, ContainerSize, EnvironmentChange, EnvironmentError, EnvironmentSettings, EnvironmentState,
    EnvironmentStatus, HostedFile, HostedSettings, NetworkAccess, NetworkSettings, Packages,
};
pub use event::{
    CommandPosition, CommandPositions, DraftPlace, DraftPosition, Earlier, Event, EventBody, EventId, ItemKind,
    NotAnEventId, OriginKey,
};
#[cfg(feature = "failpoints")]
pub use failpoint::marks;
pub use hex::hex;
pub use id::{
    AgentId, CallId, EffectId, EnvironmentId, Epoch, ItemId, KeyId, ProjectId, RequestId, Seq, SessionId, TurnId,
};
pub use input::{Input, InputBody, InputItem, NewSession, Refusal, RefusalKind, SessionChange};
pub use item::{CallResult, Citation, Item, ItemBody, Opaque, Origin, Phase, Role, SettledCall, Told};
pub use limits::{Limits, ModelRules, Rules};
pub use model::{
    ContextItem, FunctionKind, FunctionTool, ModelError, ModelErrorKind, ModelEvent, ModelFinish, ModelRequest,
    Sampling, Stop, TokenLogprob, ToolChoice, Usage,
};
pub use money::{MicroUsd, Price};
pub use record::{
    Abandoned, Became, ClockSet, Committed, DecodeError, Encoded, EnvironmentChanged, Forked, Intended, ItemRemoved,
    Late, Next, PausedCall, ProgramPaused, RESTORED, Record, RecordBody, Restored, TurnEnded, TurnHeld,
};
pub use session::{
    AgentCoreEnvironment, AwsSession, Door, Head, Metadata, PromptCacheTtl, RequiredAction, Review, SessionSettings,
    SessionStatus, SessionView, SpendControl, TurnError, TurnStatus, TurnView,
};
pub use stamp::{Stamp, Timestamp};
pub use tool::{
    Approval, Cause, CommandResult, Found, NoTools, Offer, OfferedTool, Pause, ProgramCall, Progress, Resume, Source,
    ToolCall, ToolKind, ToolOutcome, ToolRequest, Tools, WebAction, WebResult, Whole,
};
pub use turn_request::TurnRequest;
pub use world::{BoxFuture, Clock, Entropy, Environment, Spawn, Task};
