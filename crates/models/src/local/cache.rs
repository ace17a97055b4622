//! What the network remembers of a sequence: the keys and values of every token it has read, as plain numbers, so
//! that to go on from a prefix is to cut the rest off.

use super::kernel::{LANES, Page, Seen};
use super::network::Sizes;

/// Tokens by which the memory grows.
pub(super) const PAGE: usize = LANES;

#[derive(Debug)]
pub(super) struct Cache {
    /// The tokens that were read; only whole passes count.
    tokens: Vec<u32>,
    /// Enough for the tokens, and for those of a pass that is under way or was broken off.
    pages: Vec<Page>,
    kv_heads: usize,
    head: usize,
    layers: usize,
}

impl Cache {
    pub fn new(sizes: &Sizes) -> Self {
        Self { tokens: Vec::new(), pages: Vec::new(), kv_heads: sizes.kv_heads, head: sizes.head, layers: sizes.layers }
    }

    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// How many of `prompt`'s first tokens are here.
    pub fn shared_with(&self, prompt: &[u32]) -> usize {
        self.tokens.iter().zip(prompt).take_while(|(a, b)| a == b).count()
    }

    /// Forgets everything after the first `count` tokens.
    pub fn truncate(&mut self, count: usize) {
        self.tokens.truncate(count);
        self.pages.truncate(self.tokens.len().div_ceil(PAGE));
    }

    /// Makes room for `count` more tokens.
    pub fn reserve(&mut self, count: usize) {
        let pages = (self.tokens.len() + count).div_ceil(PAGE);
        while self.pages.len() < pages {
            self.pages.push(Page::new(self.layers * self.kv_heads, self.head));
        }
    }

    /// Writes one layer's keys and values of a token that is being read: the one at `position`, for which there must be
    /// room. Whatever lay there is gone.
    pub fn put(&mut self, layer: usize, position: usize, keys: &[f32], values: &[f32]) {
        let Some(page) = self.pages.get_mut(position / PAGE) else { return };
        let heads = keys.chunks_exact(self.head).zip(values.chunks_exact(self.head));
        for (head, (key, value)) in heads.enumerate() {
            page.put(layer * self.kv_heads + head, position % PAGE, key, value);
        }
    }

    /// What the queries of one head of keys see of one layer: the first `count` tokens.
    pub fn seen(&self, layer: usize, kv_head: usize, count: usize) -> Seen<'_> {
        Seen { pages: &self.pages, count, part: layer * self.kv_heads + kv_head }
    }

    /// Counts `tokens` as read: every layer holds them.
    pub fn commit(&mut self, tokens: &[u32]) {
        self.tokens.extend_from_slice(tokens);
    }
}
