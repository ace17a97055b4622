//! Data keys that were opened, for a while. Each is overwritten when it goes.

use crate::seal::SealingKey;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long one is kept: so long a key that was disabled at KMS goes on here.
pub(super) const KEEP: Duration = Duration::from_secs(300);
const MOST: usize = 4096;

/// Whose, the root key's id, and as it is wrapped.
pub(super) type Name = (Vec<u8>, String, String);

#[derive(Default)]
pub(super) struct Opened(Mutex<State>);

#[derive(Default)]
struct State {
    /// With the moment of their end, on the clock that never jumps.
    keys: BTreeMap<Name, (SealingKey, Duration)>,
    /// Somebody sweeps.
    is_swept: bool,
}

impl Opened {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, name: &Name, now: Duration) -> Option<SealingKey> {
        let state = self.state();
        state.keys.get(name).filter(|(_, end)| now < *end).map(|(key, _)| key.clone())
    }

    /// Whether the caller has to sweep from now on.
    pub(super) fn put(&self, name: Name, key: SealingKey, now: Duration) -> bool {
        let mut state = self.state();
        if state.keys.len() >= MOST && !state.keys.contains_key(&name) {
            let first = state.keys.iter().min_by_key(|(_, (_, end))| *end).map(|(name, _)| name.clone());
            first.and_then(|first| state.keys.remove(&first));
        }
        state.keys.insert(name, (key, now + KEEP));
        !std::mem::replace(&mut state.is_swept, true)
    }

    /// Drops what is over. When to come again; None: there is nothing left, and nobody sweeps any more.
    pub(super) fn sweep(&self, now: Duration) -> Option<Duration> {
        let mut state = self.state();
        state.keys.retain(|_, (_, end)| now < *end);
        let next = state.keys.values().map(|(_, end)| *end - now).min();
        state.is_swept = next.is_some();
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> Name {
        (number.to_be_bytes().to_vec(), String::new(), String::new())
    }

    #[test]
    fn keys_are_few_and_go_in_time() {
        let (opened, key) = (Opened::default(), SealingKey::new([1; 32]));
        let at = Duration::from_secs;
        assert!(opened.put(name(0), key.clone(), at(0)));
        assert!(!opened.put(name(1), key.clone(), at(1)));
        assert!(opened.get(&name(0), at(299)).is_some() && opened.get(&name(0), at(300)).is_none());
        assert_eq!(opened.sweep(at(300)), Some(at(1)));
        assert_eq!(opened.state().keys.len(), 1);
        assert_eq!(opened.sweep(at(301)), None);
        assert!(opened.state().keys.is_empty());
        assert!(opened.put(name(2), key.clone(), at(400)), "who swept is gone");
        for number in 3..MOST + 10 {
            opened.put(name(number), key.clone(), at(401));
        }
        assert_eq!(opened.state().keys.len(), MOST);
        assert!(opened.get(&name(2), at(402)).is_none(), "the oldest goes first");
    }
}
