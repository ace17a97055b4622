//! What the files of a machine said when a turn asked first. It stays until the turn ends: they are not read again before
//! each of its model calls, and what its models are told does not change under them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use types::SessionId;

/// Sessions of which this is remembered; beyond that all are read again.
const MOST: usize = 256;

#[derive(Default)]
pub(super) struct Told(Mutex<BTreeMap<SessionId, String>>);

impl Told {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<SessionId, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, session: &SessionId) -> Option<String> {
        self.lock().get(session).cloned()
    }

    pub(super) fn set(&self, session: &SessionId, text: String) {
        let mut told = self.lock();
        if told.len() >= MOST {
            told.clear();
        }
        told.insert(session.clone(), text);
    }

    pub(super) fn forget(&self, session: &SessionId) {
        self.lock().remove(session);
    }
}
