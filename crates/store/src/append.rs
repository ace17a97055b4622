//! What an append says of itself; every implementation reads it in the same way.

/// Bodies of this many bytes and more stand beside the log, under their content hash.
pub const BLOB_BYTES: usize = 32 * 1024;

/// Segments of a log at most: a session's own records, and those of the sessions that it was forked from, one by one.
pub const MAX_SEGMENTS: usize = 1000;

impl crate::Account {
    /// Whether `spent + reserved + amount <= limit`. Without a limit there is always room.
    pub fn has_room(&self, amount: types::MicroUsd) -> bool {
        self.limit.is_none_or(|limit| {
            let taken = self.spent.0.checked_add(self.reserved.0).and_then(|taken| taken.checked_add(amount.0));
            taken.is_some_and(|taken| taken <= limit.0)
        })
    }
}
