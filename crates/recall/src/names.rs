//! Where rows are: collections by a digest of what they are of, so that they are short however long ids are, and no id can
//! be written that leads into another collection.

use sha2::{Digest, Sha256};

/// Memories by id, and ids by name.
pub(crate) const MEMORIES: &str = "recall_memory";
pub(crate) const NAMES: &str = "recall_name";
/// Requests for memories, by their token.
pub(crate) const ASKED: &str = "recall_asked";
/// Deleted memories of which there is still something to erase.
pub(crate) const DOOMED: &str = "recall_doomed";

/// Actors of a memory.
pub(crate) fn actors(memory: &str) -> String {
    format!("recall_actors.{}", digest(&[memory]))
}

/// Sessions of an actor.
pub(crate) fn sessions(memory: &str, actor: &str) -> String {
    format!("recall_sessions.{}", digest(&[memory, actor]))
}

/// Receipts of a memory, by when they were given.
pub(crate) fn receipts(memory: &str) -> String {
    format!("recall_receipts.{}", digest(&[memory]))
}

/// One session of one actor.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Scope(String);

impl Scope {
    pub(crate) fn of(memory: &str, actor: &str, session: &str) -> Self {
        Self(digest(&[memory, actor, session]))
    }

    pub(crate) fn events(&self) -> String {
        format!("recall_events.{}", self.0)
    }

    /// Payloads that are too long to stand in an event's row.
    pub(crate) fn payloads(&self) -> String {
        format!("recall_payloads.{}", self.0)
    }

    pub(crate) fn branches(&self) -> String {
        format!("recall_branches.{}", self.0)
    }

    /// The collection of a label's events.
    pub(crate) fn labelled(&self, label: &Label<'_>) -> String {
        self.labelled_as(&label.digest())
    }

    pub(crate) fn labelled_as(&self, label: &str) -> String {
        format!("recall_labels.{}.{label}", self.0)
    }
}

/// What events are found by.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Label<'a> {
    Branch(&'a str),
    Key(&'a str),
    Pair(&'a str, &'a str),
}

impl Label<'_> {
    pub(crate) fn digest(self) -> String {
        match self {
            Self::Branch(name) => digest(&["branch", name]),
            Self::Key(key) => digest(&["key", key]),
            Self::Pair(key, value) => digest(&["pair", key, value]),
        }
    }
}

/// 128 bits, hex. Each part with its length before it, so that no two lists of parts read the same.
pub(crate) fn digest(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hex(&hasher.finalize()[..16])
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles.map(|nibble| char::from_digit(u32::from(nibble), 16).unwrap_or('0')).collect()
}
