//! The only door to a session.

use crate::{Page, SessionFilter, World};
use std::sync::Arc;
use types::{
    Event, EventId, Input, Item, NewSession, ProjectId, Refusal, SessionChange, SessionId, SessionView, TurnId,
    TurnView,
};

/// The only door to a session. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    world: World,
}

/// Part of a list, and whether more follows.
#[derive(Clone, PartialEq, Debug)]
pub struct Listed<T> {
    pub data: Vec<T>,
    pub has_more: bool,
}

/// An Idempotency-Key with the hash of the body that came with it (SHA-256, hex).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestKey {
    pub key: String,
    pub body_hash: String,
}

/// Where a subscription starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// With the session's first event.
    Beginning,
    /// With what happens from now on.
    Live,
    /// With the event after this one.
    After(EventId),
}

/// One reader of one session's events: a cursor, not a queue. Whatever it was handed is never handed again, and a slow
/// reader holds nobody up.
pub struct Subscription {}

impl Subscription {
    /// The next event; waits for it. None when the session was deleted or the server drains.
    pub async fn next(&mut self) -> Option<Event> {
        unimplemented!()
    }
}

impl Handle {
    /// Creates a session. What it returns is durable. Errors: `ModelNotFound`, `Invalid` (a tool or an environment that
    /// is not served), `Busy`.
    pub async fn create(&self, project: &ProjectId, new: NewSession) -> Result<SessionView, Refusal> {
        unimplemented!()
    }
    /// Applies inputs (`Message`, `Cancel`, `ToolResult`) in order, all or none. Ok means durable.
    pub async fn submit(
        &self,
        project: &ProjectId,
        session: &SessionId,
        inputs: Vec<Input>,
        key: Option<RequestKey>,
    ) -> Result<(), Refusal> {
        unimplemented!()
    }
    pub async fn update(
        &self,
        project: &ProjectId,
        session: &SessionId,
        change: SessionChange,
    ) -> Result<SessionView, Refusal> {
        unimplemented!()
    }
    /// Ok also for one that was deleted before; `Conflict` while a turn runs or waits.
    pub async fn delete(&self, project: &ProjectId, session: &SessionId) -> Result<(), Refusal> {
        unimplemented!()
    }
    pub async fn session(&self, project: &ProjectId, session: &SessionId) -> Result<SessionView, Refusal> {
        unimplemented!()
    }
    /// Unknown `after`: `NotFound`.
    pub async fn sessions(
        &self,
        project: &ProjectId,
        filter: SessionFilter,
        page: Page,
    ) -> Result<Listed<SessionView>, Refusal> {
        unimplemented!()
    }
    /// Items that lists show; of one turn, if said. Unknown `after`: `Invalid`, in the original's words.
    pub async fn items(
        &self,
        project: &ProjectId,
        session: &SessionId,
        turn: Option<&TurnId>,
        page: Page,
    ) -> Result<Listed<Arc<Item>>, Refusal> {
        unimplemented!()
    }
    /// Unknown `after`: `NotFound`.
    pub async fn turns(
        &self,
        project: &ProjectId,
        session: &SessionId,
        page: Page,
    ) -> Result<Listed<TurnView>, Refusal> {
        unimplemented!()
    }
    pub async fn turn(&self, project: &ProjectId, session: &SessionId, turn: &TurnId) -> Result<TurnView, Refusal> {
        unimplemented!()
    }
    /// Live from the moment at which it returns. An unknown `After`: `NotFound`.
    pub async fn subscribe(
        &self,
        project: &ProjectId,
        session: &SessionId,
        start: Start,
    ) -> Result<Subscription, Refusal> {
        unimplemented!()
    }
    /// Whether new work is taken: the store is healthy and the server is not draining.
    pub fn is_ready(&self) -> bool {
        unimplemented!()
    }
    /// Takes no more work, lets running model calls end until `deadline` has passed, ends every subscription.
    pub async fn drain(&self, deadline: std::time::Duration) {
        unimplemented!()
    }
}
