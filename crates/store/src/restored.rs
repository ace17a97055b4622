//! What a restore writes: numbers beyond all that were handed out, in a part of the log that is lost. It puts nothing back
//! by itself.

use types::{EffectId, Epoch, Head, Record, RecordBody, Restored, Seq, Timestamp};

/// Epochs that lie between a backup and what is restored from it. A start takes one: nobody starts that often.
const EPOCHS: u64 = 1 << 32;

/// Numbers that a session is sure not to have used since the last one that is known.
const NUMBERS: u64 = 1 << 20;

/// 2026-01-01 00:00:00 UTC in milliseconds.
const BEGINNING: u64 = 1_767_225_600_000;

/// What the records `restored` of one restore say, and where they stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    /// When the backup was made.
    pub(crate) backup: Timestamp,
    pub(crate) now: Timestamp,
    /// The greatest of the data that are replaced, as far as they can be read.
    pub(crate) epoch: Epoch,
    pub(crate) seq: Seq,
}

impl Marks {
    /// The epoch that the restored data begin with, where the backup has this one.
    pub(crate) fn epoch(&self, backed_up: Epoch) -> Epoch {
        Epoch(backed_up.max(self.epoch).0.saturating_add(EPOCHS))
    }

    /// What is written into a session whose log ends so, and where.
    pub(crate) fn record(&self, head: &Head, end: Seq, epoch: Epoch) -> (Seq, Record) {
        let number = self.number(end);
        let restored = Restored {
            epoch,
            backup: self.backup,
            effect: EffectId(number),
            turn: head.turn.as_ref().map(|turn| turn.id.clone()),
        };
        (Seq(number), Record { at: self.now, body: RecordBody::Restored(restored) })
    }

    /// A number for a session's mark and for its effect: microseconds, so that no session is faster, and two restores of
    /// one backup do not meet. A clock that is wrong is no reason to go back.
    fn number(&self, end: Seq) -> u64 {
        let by_clock = self.now.0.saturating_sub(BEGINNING).saturating_mul(1000);
        by_clock.max(end.max(self.seq).0.saturating_add(NUMBERS))
    }
}
