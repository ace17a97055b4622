//! Consent to calls of tools: who is asked, what they said, and what an operator says of a call whose outcome nobody
//! knew. A request is bound to one call by the digest of its server, its tool and its arguments; it decides nothing else.

use crate::id::{EffectId, RequestId, TurnId};
use crate::stamp::Timestamp;
use serde::{Deserialize, Serialize};

/// Whose consent is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approver {
    /// Whoever uses the session: a required action.
    Person,
    /// A model, in a call of its own.
    Model,
}

/// Whether a call may go on, as the gate is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Consent {
    NotNeeded,
    /// Nobody was asked yet.
    Missing,
    Given,
}

/// That consent was asked for: the gate's `Ask`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ApprovalAsked {
    pub effect: EffectId,
    pub turn: TurnId,
    pub request: RequestId,
    /// SHA-256 of the server's label, the tool's own name and the arguments in a canonical form, hex.
    pub digest: String,
    pub by: Approver,
    /// After that nobody's consent counts. A model's answer has no time of its own beside the turn's.
    pub expires: Timestamp,
    /// The tool is described otherwise than when the session first saw it, or last approved of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub changed: bool,
    /// The model call that decides, where a model does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<ReviewCall>,
}

/// The call of a model that looks at another call.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReviewCall {
    pub effect: EffectId,
    /// The entry that is asked.
    pub model: String,
}

/// What is said to a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Approve,
    Deny,
    /// Nobody decides: the request is put away, and the call with it.
    Cancel,
}

/// Who or what decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decider {
    Person,
    Model,
    /// Nobody answered in time.
    Expiry,
    /// Nobody could be asked.
    Server,
}

/// The end of a request. An approved call goes on through the gate; any other has its outcome in the same append.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ApprovalAnswered {
    pub effect: EffectId,
    pub turn: TurnId,
    pub request: RequestId,
    pub decision: Decision,
    pub by: Decider,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What an operator says of an outcome that nobody knew.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settlement {
    /// It happened, with this result.
    Committed(String),
    /// It did not happen, or went wrong.
    Failed(String),
}

impl Settlement {
    pub fn text(&self) -> &str {
        match self {
            Self::Committed(text) | Self::Failed(text) => text,
        }
    }
}
