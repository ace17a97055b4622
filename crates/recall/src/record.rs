//! What is kept: the rows' bodies. Fields are only added, with defaults.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use types::Timestamp;

/// A memory.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Memory {
    /// Its name, a hyphen and ten letters and digits.
    pub id: String,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How long an event is kept, in days from its coming.
    pub days: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexed_keys: Vec<IndexedKey>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// The request that made it, if that had a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) asked: Option<String>,
}

/// A key of which a client says that it will filter by it. Events are found by each of their keys, said or not.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IndexedKey {
    pub key: String,
    pub kind: String,
}

/// Which branch an event is of. Events without one are of the main branch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Branch {
    pub name: String,
    /// Where the branch begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
}

/// An event, as it is shown.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    pub id: String,
    pub actor: String,
    pub session: String,
    pub at: Timestamp,
    pub branch: Option<Branch>,
    pub metadata: BTreeMap<String, String>,
    /// None where it was not asked for.
    pub payload: Option<Vec<Value>>,
}

/// The row of an event; its id and its time are the row's.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) received: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) branch: Option<Branch>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) metadata: BTreeMap<String, String>,
    /// None: it has a row of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) payload: Option<Vec<Value>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) unextracted: bool,
}

/// That a request was done, and what there is of its event.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) actor: String,
    pub(crate) session: String,
    pub(crate) event: String,
    /// Of the request.
    pub(crate) digest: String,
    /// Digests of labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) labels: Vec<String>,
}

/// Where a branch begins: at an event of its parent. No parent: of the main branch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct BranchRow {
    pub(crate) root: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<String>,
}

/// That a memory was asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) memory: String,
    pub(crate) digest: String,
}

/// What has nothing to say but that it is there.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct There {}
