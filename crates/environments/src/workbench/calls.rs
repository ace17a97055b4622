//! The attempts that are under way, and which of them nobody waits for any more. One that still waits for its machine
//! then must not begin when that comes.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use types::{SessionId, ToolRequest};

type Name = (SessionId, u64, u32);

#[derive(Default)]
pub(super) struct Calls(Mutex<BTreeMap<Name, bool>>);

/// One of them, for as long as it is under way.
pub(super) struct Entered<'a> {
    calls: &'a Calls,
    name: Name,
}

fn name(request: &ToolRequest) -> Name {
    (request.session.clone(), request.call.effect.0, request.attempt.0)
}

impl Calls {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Name, bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn enter(&self, request: &ToolRequest) -> Entered<'_> {
        let name = name(request);
        self.lock().insert(name.clone(), false);
        Entered { calls: self, name }
    }

    pub(super) fn withdraw(&self, request: &ToolRequest) {
        if let Some(is_withdrawn) = self.lock().get_mut(&name(request)) {
            *is_withdrawn = true;
        }
    }

    pub(super) fn is_withdrawn(&self, request: &ToolRequest) -> bool {
        self.lock().get(&name(request)).copied().unwrap_or(false)
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.calls.lock().remove(&self.name);
    }
}
