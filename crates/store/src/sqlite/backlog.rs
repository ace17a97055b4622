//! What waits for the disk. A write is done whether or not anybody still waits for it, so a client that sends and goes
//! away, again and again while the disk stalls, must find an end: beyond a bound nothing more is taken, and whoever
//! asked is told to come back. Reads are not counted.

use crate::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Writes that may wait, those at work included.
const WRITES: usize = 16 << 10;
/// Bytes of their records together.
const BYTES: usize = 256 << 20;

#[derive(Default)]
pub(super) struct Backlog {
    writes: AtomicUsize,
    bytes: AtomicUsize,
}

/// One write's place; given back when it is dropped.
pub(super) struct Place {
    backlog: Arc<Backlog>,
    bytes: usize,
}

impl Backlog {
    /// A place for a write of so many bytes. One that is larger than all may be is taken where nothing else waits.
    pub(super) fn enter(self: &Arc<Self>, bytes: usize) -> Result<Place, Error> {
        let place = Place { backlog: self.clone(), bytes };
        let writes = self.writes.fetch_add(1, Ordering::Relaxed);
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if writes > 0 && (writes >= WRITES || before.saturating_add(bytes) > BYTES) {
            return Err(Error::Failed(format!("{writes} writes of {before} bytes wait for the disk already")));
        }
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.backlog.writes.fetch_sub(1, Ordering::Relaxed);
        self.backlog.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{BYTES, Backlog, WRITES};
    use std::sync::Arc;

    #[test]
    fn what_waits_has_an_end_and_places_come_back() {
        let backlog = Arc::new(Backlog::default());
        let large = backlog.enter(2 * BYTES).unwrap();
        assert!(backlog.enter(1).is_err(), "full of bytes");
        drop(large);
        let mut places: Vec<_> = (0..WRITES).map(|_| backlog.enter(1).unwrap()).collect();
        assert!(backlog.enter(1).is_err(), "full of writes");
        places.pop();
        let last = backlog.enter(BYTES - WRITES + 1).unwrap();
        assert!(backlog.enter(1).is_err());
        drop((places, last));
        backlog.enter(BYTES).unwrap();
    }
}
