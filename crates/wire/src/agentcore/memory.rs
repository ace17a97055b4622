//! Memories and their events: what AgentCore Memory is asked and answers, short-term memory with it, the drawing of
//! records from it without.

mod control;
mod filter;
mod ids;
mod payload;
mod request;
mod shown;

pub use control::{IndexedKey, MemoryCreate, MemoryUpdate};
pub use filter::{BranchFilter, Condition};
pub use ids::{actor_id, event_id, memory_id, session_id};
pub use request::{Branch, EventCreate, EventsList, PageAsked, SessionsList};
pub use shown::{
    Actors, Branch as BranchShown, Event, EventDeleted, EventEnvelope, Events, IndexedKey as IndexedKeyShown, Memories,
    Memory, MemoryDeleted, MemoryEnvelope, MemorySummary, Session, Sessions, Text,
};

use crate::error::Fault;
use crate::reader::{Node, Object};

/// What AWS has and this server does not: said, and never passed over.
fn not_served(node: &Node, why: &str) -> Fault {
    Fault::at(node.path(), format!("{} is not supported by this server: {why}", node.path()))
}

/// Characters of a request's token.
const TOKEN: usize = 500;

fn token(object: &mut Object) -> Result<Option<String>, Fault> {
    object.present("clientToken").map(|node| node.short_text(TOKEN)).transpose()
}

#[cfg(test)]
mod tests;
