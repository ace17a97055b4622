//! Names of things. Ids that clients see are opaque strings of at most 64 characters; ids that only the log sees are
//! numbers, counted per session.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! string_id {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into())
            }
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self(id.to_owned())
            }
        }
    )*};
}

string_id! {
    /// A tenant. Nothing of one project is ever visible in another.
    ProjectId,
    /// `sess_` and 24 hex digits.
    SessionId,
    /// `agent_` and 24 hex digits; a session-local agent has one too.
    AgentId,
    /// `turn_` and 24 hex digits.
    TurnId,
    /// `msg_`, `rs_`, `fc_`, `fco_`, `mcp_` or `cmd_` and what it derives from.
    ItemId,
    /// The model's own name of a call, or ours where the model's was used before in the session.
    CallId,
    /// `mcpr_` and 24 hex digits, which derive from the call that it is about.
    RequestId,
    /// `key_` and 24 hex digits; not the key itself.
    KeyId,
    /// `env_` and 24 hex digits: those of its session, where that has brought it.
    EnvironmentId,
}

impl SessionId {
    /// The id without its prefix: what ids that derive from it carry.
    pub fn digits(&self) -> &str {
        self.0.strip_prefix("sess_").unwrap_or(&self.0)
    }
}

impl EnvironmentId {
    /// The one that is this session's own.
    pub fn of(session: &SessionId) -> Self {
        Self(format!("env_{}", session.digits()))
    }

    /// The session whose own it would be. Whether that has one, its settings say.
    pub fn session(&self) -> Option<SessionId> {
        self.0.strip_prefix("env_").map(|digits| SessionId::new(format!("sess_{digits}")))
    }
}

/// Position of a record in its session's log; the first is 1, and 0 is "before the first".
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An effect's number in its session, counted from 1.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EffectId(pub u64);

/// A node's number, taken from the store at start. Every append carries it, and the store refuses an older one.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);
