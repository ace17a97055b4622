//! Settings that were read lately, decoded: they may hold megabytes of tools, and are asked for again and again while they
//! stay the same. What is known counts only as long as the very same bytes stand in the database.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use types::SessionSettings;

/// Shorter ones are decoded sooner than they are found.
const LEAST: usize = 8 << 10;
/// Bytes of all that are kept, as they are written; decoded, they take a few times as much.
const MOST: usize = 8 << 20;

#[derive(Default)]
pub(super) struct KnownSettings(Mutex<Shelf>);

#[derive(Default)]
struct Shelf {
    /// By the session's id. Whoever shares it, in another project, shares what is known only where the bytes are the same.
    known: BTreeMap<String, Known>,
    oldest_first: VecDeque<String>,
    bytes: usize,
}

struct Known {
    written: Vec<u8>,
    settings: Arc<SessionSettings>,
}

impl KnownSettings {
    /// Those that these bytes are; `read` decodes them where nobody knows.
    pub(super) fn of<E>(
        &self,
        id: &str,
        written: &[u8],
        read: impl FnOnce() -> Result<SessionSettings, E>,
    ) -> Result<Arc<SessionSettings>, E> {
        if !(LEAST..=MOST).contains(&written.len()) {
            return read().map(Arc::new);
        }
        if let Some(known) = self.lock().known.get(id).filter(|known| known.written == written) {
            return Ok(known.settings.clone());
        }
        // Without the lock: it takes a while.
        let settings = Arc::new(read()?);
        self.lock().put(id, Known { written: written.to_vec(), settings: settings.clone() });
        Ok(settings)
    }

    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn put(&mut self, id: &str, known: Known) {
        self.bytes += known.written.len();
        match self.known.insert(id.to_owned(), known) {
            Some(before) => self.bytes -= before.written.len(),
            None => self.oldest_first.push_back(id.to_owned()),
        }
        while self.bytes > MOST
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.bytes -= self.known.remove(&oldest).map_or(0, |gone| gone.written.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{KnownSettings, LEAST, MOST};
    use crate::contract::settings;
    use std::cell::Cell;
    use types::SessionSettings;

    #[test]
    fn the_same_bytes_are_decoded_once_and_others_anew() {
        let (known, reads) = (KnownSettings::default(), Cell::new(0));
        let look = |id: &str, bytes: &[u8]| {
            let read = || {
                reads.set(reads.get() + 1);
                Ok::<SessionSettings, ()>(settings(&format!("agent_{}", bytes[0])))
            };
            (known.of(id, bytes, read).unwrap().agent_id.to_string(), reads.get())
        };
        let (one, other) = (vec![1; LEAST], vec![2; LEAST]);
        assert_eq!(look("a", &one), ("agent_1".into(), 1));
        assert_eq!(look("a", &one), ("agent_1".into(), 1));
        assert_eq!(look("a", &other), ("agent_2".into(), 2), "they have changed");
        assert_eq!(look("b", &other), ("agent_2".into(), 3), "another session's");
        assert_eq!(look("a", &other), ("agent_2".into(), 3));
        assert_eq!((look("c", &[3]).1, look("c", &[3]).1), (4, 5), "short ones are not kept");
        // The oldest goes where there is no room.
        let large = vec![4; MOST - LEAST];
        assert_eq!(look("d", &large).1, 6);
        assert_eq!((look("b", &other).1, look("a", &other).1), (6, 7));
        let shelf = known.lock();
        assert!(shelf.bytes <= MOST && shelf.known.len() == shelf.oldest_first.len());
    }
}
