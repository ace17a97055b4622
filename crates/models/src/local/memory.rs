//! Room for keys and values, in [`PAGE`]s: what the running sequences may come to need is set aside for them, and what
//! is left holds the past of a few conversations, so that their next turn goes on from there.
//!
//! A prefix is reused under the same key only: nothing of one project is ever visible in another, not even as time.

use super::cache::{Cache, PAGE};
use super::network::Sizes;
use std::collections::VecDeque;

#[derive(Debug)]
pub(super) struct Memory {
    sizes: Sizes,
    /// Pages that all may have together.
    pages: usize,
    /// Pages that are set aside for running sequences.
    reserved: usize,
    /// Conversations that may be remembered.
    most_kept: usize,
    /// The one that ended last comes first.
    kept: VecDeque<Kept>,
}

#[derive(Debug)]
struct Kept {
    owner: String,
    cache: Cache,
}

/// Pages that are set aside for one sequence. Given back by [`Memory::keep`].
#[derive(Debug)]
pub(super) struct Reserved(usize);

impl Memory {
    /// Room for `tokens` altogether, and for the past of `most_kept` conversations.
    pub fn new(sizes: Sizes, tokens: usize, most_kept: usize) -> Self {
        Self { sizes, pages: tokens.div_ceil(PAGE), reserved: 0, most_kept, kept: VecDeque::new() }
    }

    /// Sets room aside for a sequence that may grow to `most` tokens. None: it must wait until others have ended.
    pub fn reserve(&mut self, most: usize) -> Option<Reserved> {
        let pages = most.div_ceil(PAGE);
        if self.reserved + pages > self.pages {
            return None;
        }
        self.reserved += pages;
        Some(Reserved(pages))
    }

    /// What is remembered of the beginning of `prompt`, short of its last token: that one is read anew, since what
    /// follows it is wanted.
    pub fn recall(&mut self, owner: &str, prompt: &[u32]) -> Cache {
        let known = |kept: &Kept| if kept.owner == owner { kept.cache.shared_with(prompt) } else { 0 };
        let longest = self.kept.iter().enumerate().max_by_key(|(_, kept)| known(kept));
        let cache = match longest {
            Some((i, kept)) if known(kept) > 0 => self.kept.remove(i).map(|kept| kept.cache),
            _ => None,
        };
        let mut cache = cache.unwrap_or_else(|| Cache::new(&self.sizes));
        let known = cache.shared_with(prompt).min(prompt.len().saturating_sub(1));
        cache.truncate(known);
        self.make_room();
        cache
    }

    /// Takes back the room of a sequence that has ended, and keeps what it has read. Nobody owns the empty key.
    pub fn keep(&mut self, reserved: Reserved, owner: String, mut cache: Cache) {
        self.reserved -= reserved.0;
        if !owner.is_empty() && cache.len() > 0 {
            // What a broken-off pass took.
            cache.truncate(cache.len());
            self.kept.push_front(Kept { owner, cache });
            self.kept.truncate(self.most_kept);
        }
        self.make_room();
    }

    /// Forgets the oldest conversations until all fits.
    fn make_room(&mut self) {
        let mut pages: usize = self.kept.iter().map(|kept| kept.cache.len().div_ceil(PAGE)).sum();
        while self.reserved + pages > self.pages
            && let Some(oldest) = self.kept.pop_back()
        {
            pages -= oldest.cache.len().div_ceil(PAGE);
        }
    }
}
