//! Putting a store back to where it was: what the one on disk does with a backup's file, to all that is in memory.

use super::Memory;
use crate::Stored;
use crate::chain;
use crate::restored::Marks;
use types::{Seq, Timestamp};

impl Memory {
    /// Becomes what it was at `at`, and marks every session that is not deleted. No node may be at work on it.
    pub fn restore(&mut self, backup: Self, at: Timestamp, now: Timestamp) {
        let seq = self.sessions.values().map(|session| session.seq).max().unwrap_or_default();
        let marks = Marks { backup: at, now, epoch: self.epoch, seq };
        let epoch = marks.epoch(backup.epoch);
        let taken_from_old_nodes = std::mem::take(&mut self.taken_from_old_nodes);
        *self = Self { epoch, taken_from_old_nodes, refused_to_old_nodes: self.refused_to_old_nodes, ..backup };
        for (name, session) in self.sessions.iter_mut().filter(|(_, session)| !session.deleted) {
            let (seq, record) = marks.record(&session.row.head, session.seq, epoch);
            let record = record.encode();
            let body = chain::of_body(&record.body);
            session.hash = chain::link(&session.hash, &name.0, &name.1, seq, &record, &body);
            session.records.push(Stored { seq, record, hash: chain::hex(&session.hash) });
            session.seq = seq;
            session.row.head.seq = seq;
        }
    }
}

/// Whether a record may stand there in a log whose last one is at `before`.
pub(super) fn follows(before: Seq, stored: &Stored) -> bool {
    stored.seq == before.next() || (stored.record.kind == types::RESTORED && stored.seq > before)
}
