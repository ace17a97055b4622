//! What the network remembers of a sequence: the keys and values of every token it has read, as plain numbers, so
//! that to go on from a prefix is to cut the rest off.

use super::network::Sizes;

/// Tokens by which the memory grows.
const STEP: usize = 256;

#[derive(Debug)]
pub(super) struct Cache {
    /// The tokens that were read; only whole passes count.
    tokens: Vec<u32>,
    /// For each layer its keys and its values, token after token.
    layers: Vec<(Vec<f32>, Vec<f32>)>,
    kv_width: usize,
}

impl Cache {
    pub fn new(sizes: &Sizes) -> Self {
        Self {
            tokens: Vec::new(),
            layers: (0..sizes.layers).map(|_| (Vec::new(), Vec::new())).collect(),
            kv_width: sizes.kv_width(),
        }
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
        let length = self.tokens.len() * self.kv_width;
        for (keys, values) in &mut self.layers {
            keys.truncate(length);
            values.truncate(length);
        }
    }

    /// Adds one layer's keys and values of tokens that are being read: `rows` of `row` numbers, each with its keys and
    /// then its values at the end. What a broken-off pass has left behind is cut off first. Returns all keys and all
    /// values of the layer.
    pub fn extend(&mut self, layer: usize, rows: &[f32], row: usize) -> (&[f32], &[f32]) {
        let (keys, values) = &mut self.layers[layer];
        let length = self.tokens.len() * self.kv_width;
        let needed = (self.tokens.len() + rows.len() / row).next_multiple_of(STEP) * self.kv_width;
        for list in [&mut *keys, &mut *values] {
            list.truncate(length);
            list.reserve_exact(needed.saturating_sub(length));
        }
        for row in rows.chunks_exact(row) {
            let (row, new_values) = row.split_at(row.len() - self.kv_width);
            keys.extend_from_slice(&row[row.len() - self.kv_width..]);
            values.extend_from_slice(new_values);
        }
        (keys, values)
    }

    /// Counts `tokens` as read: every layer holds them.
    pub fn commit(&mut self, tokens: &[u32]) {
        self.tokens.extend_from_slice(tokens);
    }
}
