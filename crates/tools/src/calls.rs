//! Calls of servers' tools that are under way, and which of them nobody waits for any more: their servers are told so.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use types::{BoxFuture, SessionId, ToolRequest};

type Name = (SessionId, u64, u32);

#[derive(Default)]
pub struct Calls(Mutex<BTreeMap<Name, watch::Sender<bool>>>);

/// One of them, for as long as it is under way.
pub struct Entered<'a> {
    calls: &'a Calls,
    name: Name,
    cancelled: watch::Receiver<bool>,
}

fn name(request: &ToolRequest) -> Name {
    (request.session.clone(), request.call.effect.0, request.attempt.0)
}

impl Calls {
    pub fn enter(&self, request: &ToolRequest) -> Entered<'_> {
        let (sender, cancelled) = watch::channel(false);
        let name = name(request);
        self.lock().insert(name.clone(), sender);
        Entered { calls: self, name, cancelled }
    }

    pub fn cancel(&self, request: &ToolRequest) {
        if let Some(sender) = self.lock().get(&name(request)) {
            sender.send_replace(true);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Name, watch::Sender<bool>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entered<'_> {
    /// Resolves when nobody waits for it any more.
    pub fn cancelled(&self) -> BoxFuture<'static, ()> {
        let mut cancelled = self.cancelled.clone();
        Box::pin(async move {
            if cancelled.wait_for(|cancelled| *cancelled).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.calls.lock().remove(&self.name);
    }
}
