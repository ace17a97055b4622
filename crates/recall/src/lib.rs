//! What agents remember for a while: memories, and in each the events of actors' sessions, in their order.
//!
//! ```text
//! memory  ──  actor  ──  session  ──  event, event, …      newest first, by their own time, then as they were written
//!                          └─ branch ── event, event, …    begins at an event of another branch
//! ```
//!
//! An event is there, durable and in its place, when [`Recall::record`] returns. Its place is its own time in
//! milliseconds, and among events of one time the order in which the store wrote them. Beside its row there is one for each
//! of its labels (a pair of its metadata, a key of it, its branch), so that a page of a filtered list is read and not
//! searched for, and a receipt, by which a repeated request is known and by which events go when their time is over.
//!
//! A memory is one of its project: everything takes the project first, and a foreign id and a missing one give the same
//! answer. This crate knows no wire, and draws nothing from what it keeps: events are kept as they came.

mod branches;
mod cursor;
mod events;
mod listing;
mod memories;
mod names;
mod people;
mod record;
mod rows;
mod sweep;
#[cfg(test)]
mod tests;
mod trouble;

pub use events::{NewEvent, Place};
pub use listing::{BranchFilter, Condition, Listed, Wanted};
pub use memories::{Around, MemoryChange, NewMemory, Recall};
pub use people::Session;
pub use record::{Branch, Event, IndexedKey, Memory};
pub use trouble::{Reason, Trouble};

/// Bounds.
pub mod limits {
    /// Memories of a project.
    pub const MEMORIES: usize = 1000;
    /// Branches of a session.
    pub const BRANCHES: usize = 1000;
    /// An event's payload, as JSON, in bytes.
    pub const PAYLOAD: usize = 10 << 20;
    /// Payloads of one page, in bytes: the page ends with the event that is beyond.
    pub const PAGE: usize = 8 << 20;
    /// Events that one page looks at, where none or few of them match. A page that holds nothing looks further.
    pub const LOOKED_AT: usize = 10_000;
}
