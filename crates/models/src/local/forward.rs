//! The forward pass: tokens in, what the network thinks of the next token out.
//!
//! Runs inside the model's own pool of threads. Divides the work by rows and by heads and never by sums, so that every
//! number is the same however many threads there are and however a prompt was cut into pieces.

use super::cache::Cache;
use super::matrix::Quantized;
use super::network::{Layer, Network, Sizes};
use rayon::prelude::*;

/// The caller does not want the answer any more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cancelled;

impl Network {
    /// Reads `tokens` after what `cache` holds and returns the logits of the token that follows. Asks `wanted` before
    /// each layer; when it says no the cache is as it was before. `tokens` must not be empty, and each of the
    /// vocabulary.
    pub fn read_tokens(
        &self,
        tokens: &[u32],
        cache: &mut Cache,
        wanted: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<f32>, Cancelled> {
        let sizes = &self.sizes;
        let first = cache.len();
        let mut stream = vec![0.0; tokens.len() * sizes.width];
        for (token, into) in tokens.iter().zip(stream.chunks_exact_mut(sizes.width)) {
            self.embedding.row(*token as usize, into);
        }
        let turns = Turns::new(sizes, first, tokens.len());
        for (i, layer) in self.layers.iter().enumerate() {
            if !wanted() {
                return Err(Cancelled);
            }
            self.attend(i, layer, &turns, cache, &mut stream);
            self.feed(layer, &mut stream);
        }
        cache.commit(tokens);
        let last = &stream[stream.len() - sizes.width..];
        let last = Quantized::from(&normed(last, &self.norm, sizes.epsilon), sizes.width);
        let mut logits = vec![0.0; sizes.vocabulary];
        self.output.as_ref().unwrap_or(&self.embedding).product(&last, &mut logits);
        Ok(logits)
    }

    fn attend(&self, index: usize, layer: &Layer, turns: &Turns, cache: &mut Cache, stream: &mut [f32]) {
        let sizes = &self.sizes;
        let first = cache.len();
        let input = Quantized::from(&normed(stream, &layer.attention_norm, sizes.epsilon), sizes.width);
        let row = layer.attention_in.rows();
        let mut projected = vec![0.0; stream.len() / sizes.width * row];
        layer.attention_in.product(&input, &mut projected);
        // Queries and keys are turned by their position; values are not.
        for (i, row) in projected.chunks_exact_mut(row).enumerate() {
            for head in row[..sizes.width + sizes.kv_width()].chunks_exact_mut(sizes.head) {
                turns.apply(i, head);
            }
        }
        let (keys, values) = cache.extend(index, &projected, row);
        let mut mixed = vec![0.0; stream.len()];
        // A task is one query head of one token: a single new token has nine of them in the smallest model.
        mixed.par_chunks_exact_mut(sizes.head).with_min_len(sizes.heads / 2).enumerate().for_each(|(task, into)| {
            let (token, head) = (task / sizes.heads, task % sizes.heads);
            let query = &projected[token * row + head * sizes.head..][..sizes.head];
            let seen = (first + token + 1) * sizes.kv_width();
            let offset = head / (sizes.heads / sizes.kv_heads) * sizes.head;
            mix(query, &keys[..seen], &values[..seen], sizes.kv_width(), offset, into);
        });
        let mut out = vec![0.0; stream.len()];
        layer.attention_out.product(&Quantized::from(&mixed, sizes.width), &mut out);
        add(stream, &out);
    }

    fn feed(&self, layer: &Layer, stream: &mut [f32]) {
        let sizes = &self.sizes;
        let count = stream.len() / sizes.width;
        let input = Quantized::from(&normed(stream, &layer.feed_norm, sizes.epsilon), sizes.width);
        let mut both = vec![0.0; count * 2 * sizes.hidden];
        layer.feed_in.product(&input, &mut both);
        let mut gated = vec![0.0; count * sizes.hidden];
        let each = gated.par_chunks_exact_mut(sizes.hidden).zip(both.par_chunks_exact(2 * sizes.hidden));
        each.for_each(|(into, both)| {
            let (gate, up) = both.split_at(sizes.hidden);
            for ((into, gate), up) in into.iter_mut().zip(gate).zip(up) {
                *into = gate / (1.0 + (-gate).exp()) * up;
            }
        });
        let mut out = vec![0.0; stream.len()];
        layer.feed_out.product(&Quantized::from(&gated, sizes.hidden), &mut out);
        add(stream, &out);
    }
}

/// Sines and cosines of the positions that one pass reads.
struct Turns {
    /// For each token and each pair of a head: cosine and sine.
    pairs: Vec<(f32, f32)>,
    per_token: usize,
}

impl Turns {
    fn new(sizes: &Sizes, first: usize, count: usize) -> Self {
        let per_token = sizes.head / 2;
        let speeds: Vec<f64> =
            (0..per_token).map(|i| sizes.rope_base.powf(-2.0 * i as f64 / sizes.head as f64)).collect();
        let angles = (first..first + count).flat_map(|position| speeds.iter().map(move |s| position as f64 * s));
        Self { pairs: angles.map(|angle| (angle.cos() as f32, angle.sin() as f32)).collect(), per_token }
    }

    /// Architecture `llama` turns neighbours: elements 0 and 1, 2 and 3, and so on.
    fn apply(&self, token: usize, head: &mut [f32]) {
        let turns = &self.pairs[token * self.per_token..][..self.per_token];
        for (pair, (cos, sin)) in head.as_chunks_mut::<2>().0.iter_mut().zip(turns) {
            *pair = [pair[0] * cos - pair[1] * sin, pair[0] * sin + pair[1] * cos];
        }
    }
}

/// Attention of one query over the keys and values of all tokens up to its own. `stride` is a token's width in them,
/// `offset` where this head's part begins.
fn mix(query: &[f32], keys: &[f32], values: &[f32], stride: usize, offset: usize, into: &mut [f32]) {
    let scale = 1.0 / (query.len() as f32).sqrt();
    let part = offset..offset + query.len();
    let mut scores: Vec<f32> = keys.chunks_exact(stride).map(|key| dot(query, &key[part.clone()]) * scale).collect();
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in &mut scores {
        *score = (*score - most).exp();
        sum += *score;
    }
    for (value, score) in values.chunks_exact(stride).zip(&scores) {
        let share = score / sum;
        for (into, value) in into.iter_mut().zip(&value[part.clone()]) {
            *into += share * value;
        }
    }
}

/// Eight sums side by side, so that the compiler may use vectors without changing the result.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0_f32; 8];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

/// Each row by its root mean square and by the learned weights.
fn normed(rows: &[f32], weights: &[f32], epsilon: f32) -> Vec<f32> {
    let mut out = Vec::with_capacity(rows.len());
    for row in rows.chunks_exact(weights.len()) {
        let scale = 1.0 / (dot(row, row) / row.len() as f32 + epsilon).sqrt();
        out.extend(row.iter().zip(weights).map(|(x, weight)| x * scale * weight));
    }
    out
}

fn add(to: &mut [f32], what: &[f32]) {
    for (to, what) in to.iter_mut().zip(what) {
        *to += what;
    }
}
