//! The signatures that were used and whose time is not over, so that none is copied and sent again. Bounded: where there is
//! no room for another, nothing is forgotten, and that one has to come again later.
//!
//! AWS's SDKs sign to the second and leave what tells their calls apart (`amz-sdk-invocation-id`, `amz-sdk-request`) out of
//! the signature. So two of their calls that say the same within a second have one signature between them, and are let
//! through as long as they come together and their marks differ. What comes later, or without another mark, is a copy.

use crate::Claim;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Uses at most; about 150 MB if all of them are there.
const MOST: usize = 1 << 20;
/// The times of signatures end together by so many seconds.
const TICK: u64 = 16;
/// Calls of the same second come within so many seconds of each other.
const TOGETHER: u64 = 10;

/// What became of a signature's use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    Fresh,
    Copied,
    /// Too many others are remembered.
    NoRoom,
}

/// What is remembered, by when it may be forgotten.
#[derive(Debug)]
pub struct Used {
    ends: BTreeMap<u64, BTreeMap<[u8; 32], Uses>>,
    count: usize,
    most: usize,
}

/// Of one signature.
#[derive(Debug)]
struct Uses {
    first: u64,
    marks: BTreeSet<[u8; 16]>,
}

impl Default for Used {
    fn default() -> Self {
        Self::within(MOST)
    }
}

impl Used {
    fn within(most: usize) -> Self {
        Self { ends: BTreeMap::new(), count: 0, most }
    }

    /// Uses the signature of a claim that was verified. `mark` is what the request says beside it to be told from others;
    /// `now` in seconds since 1970.
    pub fn take(&mut self, claim: &Claim, mark: &[u8], now: u64) -> Use {
        self.remember(*claim.signature(), claim.until(), mark, now)
    }

    fn remember(&mut self, signature: [u8; 32], until: u64, mark: &[u8], now: u64) -> Use {
        while let Some(first) = self.ends.first_entry()
            && first.key().saturating_add(1).saturating_mul(TICK) <= now
        {
            self.count -= first.remove().values().map(|uses| uses.marks.len()).sum::<usize>();
        }
        let digest = Sha256::digest(mark);
        let mut short = [0; 16];
        short.copy_from_slice(&digest[..16]);
        let known = self.ends.get(&(until / TICK)).and_then(|ending| ending.get(&signature));
        let is_copied = known.is_some_and(|uses| {
            let comes_together = !mark.is_empty() && now <= uses.first.saturating_add(TOGETHER);
            uses.marks.contains(&short) || !comes_together
        });
        if is_copied {
            return Use::Copied;
        }
        // Who finds no room takes none: a signature that is not remembered has no place here.
        if self.count >= self.most {
            return Use::NoRoom;
        }
        let uses = self.ends.entry(until / TICK).or_default().entry(signature);
        uses.or_insert_with(|| Uses { first: now, marks: BTreeSet::new() }).marks.insert(short);
        self.count += 1;
        Use::Fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_MARK: &[u8] = b"";

    #[test]
    fn a_signature_is_used_once_until_its_time_is_over() {
        let mut used = Used::within(2);
        let (one, other, third) = ([1; 32], [2; 32], [3; 32]);
        assert_eq!(used.remember(one, 1000, NO_MARK, 700), Use::Fresh);
        for now in [700, 900, 1000] {
            assert_eq!(used.remember(one, 1000, NO_MARK, now), Use::Copied, "{now}");
        }
        assert_eq!(used.remember(other, 1100, NO_MARK, 1000), Use::Fresh);
        assert_eq!(used.remember(third, 1100, NO_MARK, 1000), Use::NoRoom);
        assert_eq!(used.remember(other, 1100, NO_MARK, 1000), Use::Copied);
        // The time of the first is over, and its place free.
        assert_eq!(used.remember(third, 1100, NO_MARK, 1000 + TICK), Use::Fresh);
        assert_eq!(used.remember(other, 1100, NO_MARK, 1000 + TICK), Use::Copied);
    }

    #[test]
    fn what_finds_no_room_takes_none() {
        let mut used = Used::within(1);
        assert_eq!(used.remember([0; 32], 1000, NO_MARK, 700), Use::Fresh);
        for byte in 1..=255 {
            assert_eq!(used.remember([byte; 32], 1000 + u64::from(byte) * TICK, NO_MARK, 700), Use::NoRoom);
        }
        assert_eq!((used.ends.len(), used.ends.values().map(BTreeMap::len).sum::<usize>()), (1, 1));
        // Nor does it count as used.
        assert_eq!(used.remember([1; 32], 1016, NO_MARK, 1000 + TICK), Use::Fresh);
    }

    #[test]
    fn calls_of_one_second_are_told_apart_while_they_come_together() {
        let (mut used, one) = (Used::within(3), [1; 32]);
        assert_eq!(used.remember(one, 1000, b"a attempt=1", 700), Use::Fresh);
        assert_eq!(used.remember(one, 1000, b"a attempt=1", 700), Use::Copied);
        assert_eq!(used.remember(one, 1000, b"a attempt=2", 701), Use::Fresh);
        assert_eq!(used.remember(one, 1000, b"b attempt=1", 700 + TOGETHER), Use::Fresh);
        assert_eq!(used.remember(one, 1000, NO_MARK, 700), Use::Copied);
        assert_eq!(used.remember(one, 1000, b"c attempt=1", 701 + TOGETHER), Use::Copied);
        assert_eq!(used.remember(one, 1000, b"c attempt=1", 700), Use::NoRoom);
    }
}
