//! The forward pass: tokens of some sequences in, what the network thinks of each one's next token out.
//!
//! Runs inside the model's own pool of threads. Divides the work by rows and by heads and never by sums, so that every
//! number is the same however many threads there are, however a prompt was cut into pieces, and whichever other
//! sequences are read in the same pass.

use super::cache::Cache;
use super::kernel::{LANES, total};
use super::matrix::{Panel, Quantized};
use super::network::{Layer, Network, Sizes};
use rayon::prelude::*;

/// The caller does not want the answer any more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cancelled;

/// Tokens of one sequence that a pass reads.
pub(super) struct Part<'a> {
    pub cache: &'a mut Cache,
    /// Not empty, and each of the vocabulary.
    pub tokens: &'a [u32],
    /// Whether the logits after the last of them are wanted.
    pub speaks: bool,
}

/// Where a token of a pass belongs.
#[derive(Clone, Copy)]
struct Place {
    part: usize,
    position: usize,
}

impl Network {
    /// Reads each part's tokens after what its cache holds. Returns the logits of the tokens that follow, for those
    /// parts that want them, in their order. Asks `wanted` before each layer; when it says no the caches are as they
    /// were before.
    pub fn read_tokens(
        &self,
        parts: &mut [Part<'_>],
        wanted: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Vec<f32>>, Cancelled> {
        let sizes = &self.sizes;
        let mut places = Vec::new();
        for (i, part) in parts.iter_mut().enumerate() {
            part.cache.reserve(part.tokens.len());
            places.extend((part.cache.len()..).take(part.tokens.len()).map(|position| Place { part: i, position }));
        }
        let mut stream = Panel::new(sizes.width, places.len());
        let mut row = vec![0.0; sizes.width];
        for (i, token) in parts.iter().flat_map(|part| part.tokens).enumerate() {
            self.embedding.row(*token as usize, &mut row);
            stream.set(i, 0, &row);
        }
        let turns = Turns::new(sizes, &places);
        for (i, layer) in self.layers.iter().enumerate() {
            if !wanted() {
                return Err(Cancelled);
            }
            self.attend(i, layer, &places, &turns, parts, &mut stream);
            self.feed(layer, &mut stream);
        }
        for part in parts.iter_mut() {
            part.cache.commit(part.tokens);
        }
        let mut last = Vec::new();
        let mut end = 0;
        for part in parts {
            end += part.tokens.len();
            if part.speaks {
                last.push(end - 1);
            }
        }
        Ok(self.logits(&stream, &last))
    }

    fn logits(&self, stream: &Panel, last: &[usize]) -> Vec<Vec<f32>> {
        if last.is_empty() {
            return Vec::new();
        }
        let sizes = &self.sizes;
        let input = Quantized::new(self.arithmetic, last.len(), sizes.width, |i, into| {
            norm(stream, last[i], &self.norm, sizes.epsilon, into);
        });
        let product = self.output.as_ref().unwrap_or(&self.embedding).product(self.arithmetic, &input);
        let each = (0..last.len()).into_par_iter().map(|i| {
            let mut logits: Vec<f32> = product.row(i).flatten().copied().collect();
            logits.truncate(sizes.vocabulary);
            logits
        });
        each.collect()
    }

    fn attend(
        &self,
        index: usize,
        layer: &Layer,
        places: &[Place],
        turns: &Turns,
        parts: &mut [Part<'_>],
        stream: &mut Panel,
    ) {
        let sizes = &self.sizes;
        let input = self.normed(stream, &layer.attention_norm);
        let projected = layer.attention_in.product(self.arithmetic, &input);
        // Queries and keys are turned by their position; values are not.
        let (queries_end, kv_width) = (sizes.width / LANES, sizes.kv_width());
        let (mut keys, mut values) = (Vec::with_capacity(kv_width), Vec::with_capacity(kv_width));
        for (i, place) in places.iter().enumerate() {
            gather(&projected, i, queries_end, kv_width, &mut keys);
            gather(&projected, i, queries_end + kv_width / LANES, kv_width, &mut values);
            keys.chunks_exact_mut(sizes.head).for_each(|head| turns.apply(i, head));
            parts[place.part].cache.put(index, place.position, &keys, &values);
        }
        // A task is those query heads of one token that share a head of keys.
        let together = sizes.heads / sizes.kv_heads * sizes.head;
        let mut mixed = vec![0.0; places.len() * sizes.width];
        let parts = &*parts;
        mixed.par_chunks_exact_mut(together).enumerate().for_each_init(
            || (Vec::new(), Vec::new()),
            |(queries, scores), (task, into)| {
                let (token, kv_head) = (task / sizes.kv_heads, task % sizes.kv_heads);
                gather(&projected, token, kv_head * together / LANES, together, queries);
                queries.chunks_exact_mut(sizes.head).for_each(|head| turns.apply(token, head));
                let place = places[token];
                let seen = parts[place.part].cache.seen(index, kv_head, place.position + 1);
                self.arithmetic.attend(seen, queries, sizes.head, scores, into);
            },
        );
        let input = Quantized::new(self.arithmetic, places.len(), sizes.width, |i, into| {
            into.copy_from_slice(&mixed[i * sizes.width..][..sizes.width]);
        });
        stream.add(&layer.attention_out.product(self.arithmetic, &input));
    }

    fn normed(&self, stream: &Panel, weights: &[f32]) -> Quantized {
        Quantized::new(self.arithmetic, stream.tokens, weights.len(), |i, into| {
            norm(stream, i, weights, self.sizes.epsilon, into);
        })
    }

    fn feed(&self, layer: &Layer, stream: &mut Panel) {
        let input = self.normed(stream, &layer.feed_norm);
        let gated = layer.feed_in.gated_product(self.arithmetic, &input);
        let input = Quantized::new(self.arithmetic, stream.tokens, self.sizes.hidden, |i, into| {
            for (into, lanes) in into.as_chunks_mut::<LANES>().0.iter_mut().zip(gated.row(i)) {
                *into = *lanes;
            }
        });
        stream.add(&layer.feed_out.product(self.arithmetic, &input));
    }
}

/// `count` columns of a token, from `group` on.
fn gather(panel: &Panel, token: usize, group: usize, count: usize, into: &mut Vec<f32>) {
    into.clear();
    for i in 0..count / LANES {
        into.extend_from_slice(panel.at(token, group + i));
    }
}

/// Sines and cosines of the positions that one pass reads.
struct Turns {
    /// For each token and each pair of a head: cosine and sine.
    pairs: Vec<(f32, f32)>,
    per_token: usize,
}

impl Turns {
    fn new(sizes: &Sizes, places: &[Place]) -> Self {
        let per_token = sizes.head / 2;
        let speeds: Vec<f64> =
            (0..per_token).map(|i| sizes.rope_base.powf(-2.0 * i as f64 / sizes.head as f64)).collect();
        let angles = places.iter().flat_map(|place| speeds.iter().map(|speed| place.position as f64 * speed));
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

/// A token's numbers by their root mean square and by the learned weights.
fn norm(stream: &Panel, token: usize, weights: &[f32], epsilon: f32, into: &mut [f32]) {
    let mut squares = [0.0; LANES];
    for lanes in stream.row(token) {
        for (square, lane) in squares.iter_mut().zip(lanes) {
            *square += lane * lane;
        }
    }
    let scale = 1.0 / (total(squares) / weights.len() as f32 + epsilon).sqrt();
    let lanes = into.as_chunks_mut::<LANES>().0.iter_mut().zip(weights.as_chunks::<LANES>().0).zip(stream.row(token));
    for ((into, weights), lanes) in lanes {
        for ((into, weight), lane) in into.iter_mut().zip(weights).zip(lanes) {
            *into = lane * scale * weight;
        }
    }
}
