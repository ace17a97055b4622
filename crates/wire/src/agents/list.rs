//! The envelopes of lists and of deletions.

use serde::Serialize;

/// One page. `first_id` and `last_id` are null where it is empty.
#[derive(Serialize, Clone, Debug)]
#[serde(tag = "object", rename = "list")]
pub struct List<T> {
    pub data: Vec<T>,
    pub has_more: bool,
    pub first_id: Option<String>,
    pub last_id: Option<String>,
}

impl<T> List<T> {
    /// `ids` are those of `data`, in its order.
    pub fn new<'a>(data: Vec<T>, has_more: bool, mut ids: impl DoubleEndedIterator<Item = &'a str>) -> Self {
        let first_id = ids.next().map(str::to_owned);
        let last_id = ids.next_back().map(str::to_owned).or_else(|| first_id.clone());
        Self { data, has_more, first_id, last_id }
    }

    pub fn empty() -> Self {
        Self { data: Vec::new(), has_more: false, first_id: None, last_id: None }
    }
}

/// What a deletion answers; `object` ends in `.deleted`.
#[derive(Serialize, Clone, Debug)]
pub struct Deleted<'a> {
    pub id: &'a str,
    pub object: &'static str,
    pub deleted: bool,
}

impl<'a> Deleted<'a> {
    pub fn agent(id: &'a str) -> Self {
        Self { id, object: "agent.deleted", deleted: true }
    }
    pub fn session(id: &'a str) -> Self {
        Self { id, object: "agent.session.deleted", deleted: true }
    }
    pub fn artifact(id: &'a str) -> Self {
        Self { id, object: "agent.session.artifact.deleted", deleted: true }
    }
    pub fn vault(id: &'a str) -> Self {
        Self { id, object: "vault.deleted", deleted: true }
    }
    pub fn credential(id: &'a str) -> Self {
        Self { id, object: "vault.credential.deleted", deleted: true }
    }
    pub fn template(id: &'a str) -> Self {
        Self { id, object: "agent.environment.template.deleted", deleted: true }
    }
}
