//! The network: BERT's encoder. Tokens of some inputs in, one vector for each out: the mean over its tokens, of length
//! one.
//!
//! Inputs lie beside each other without padding; each sees only itself. Runs inside the model's own pool of threads and
//! divides the work by outputs, never by sums, so that a vector does not depend on threads or neighbours.

use super::super::kernel::{Arithmetic, LANES, Page, Seen, total};
use super::super::matrix::Panel;
use super::error::LoadError;
use super::matrix::Matrix;
use super::safetensors::Tensors;
use super::settings::Settings;
use rayon::prelude::*;
use std::ops::Range;

#[derive(Debug)]
struct Norm {
    weight: Vec<[f32; LANES]>,
    bias: Vec<[f32; LANES]>,
}

#[derive(Debug)]
struct Layer {
    /// Queries, keys and values below one another: one product for the three.
    attention_in: Matrix,
    attention_out: Matrix,
    attention_norm: Norm,
    feed_in: Matrix,
    feed_out: Matrix,
    feed_norm: Norm,
}

#[derive(Debug)]
pub(super) struct Network {
    settings: Settings,
    arithmetic: Arithmetic,
    words: Vec<f32>,
    /// With the kind of the only segment added.
    positions: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
}

impl Network {
    pub fn read(tensors: &Tensors<'_>, settings: &Settings, arithmetic: Arithmetic) -> Result<Self, LoadError> {
        let width = settings.width;
        let mut positions = tensors.take("embeddings.position_embeddings.weight", &[settings.positions, width])?;
        let kinds = tensors.take("embeddings.token_type_embeddings.weight", &[2, width])?;
        for row in positions.chunks_exact_mut(width) {
            row.iter_mut().zip(&kinds).for_each(|(number, kind)| *number += kind);
        }
        Ok(Self {
            settings: *settings,
            arithmetic,
            words: tensors.take("embeddings.word_embeddings.weight", &[settings.vocabulary, width])?,
            positions,
            norm: norm(tensors, "embeddings.LayerNorm", width)?,
            layers: (0..settings.layers).map(|i| layer(tensors, settings, i)).collect::<Result<_, _>>()?,
        })
    }

    /// A vector for each input. None is empty or longer than the model's positions; tokens are of the vocabulary.
    pub fn vectors(&self, inputs: &[&[u32]]) -> Vec<Vec<f32>> {
        let mut spans = Vec::with_capacity(inputs.len());
        let mut tokens = 0;
        for input in inputs {
            spans.push(tokens..tokens + input.len());
            tokens += input.len();
        }
        let mut stream = self.embedded(inputs, tokens);
        for layer in &self.layers {
            self.attend(layer, &spans, &mut stream);
            self.feed(layer, &mut stream);
        }
        spans.into_iter().map(|span| mean(&stream, span, self.settings.width)).collect()
    }

    fn embedded(&self, inputs: &[&[u32]], tokens: usize) -> Panel {
        let width = self.settings.width;
        let mut stream = Panel::new(width, tokens);
        let mut row = vec![0.0; width];
        let places = inputs.iter().flat_map(|input| input.iter().enumerate());
        for (i, (position, token)) in places.enumerate() {
            let word = &self.words[*token as usize * width..][..width];
            let place = &self.positions[position * width..][..width];
            for ((into, word), place) in row.iter_mut().zip(word).zip(place) {
                *into = word + place;
            }
            stream.set(i, 0, &row);
        }
        self.normed(stream, &self.norm)
    }

    fn attend(&self, layer: &Layer, spans: &[Range<usize>], stream: &mut Panel) {
        let head = self.settings.head();
        let projected = layer.attention_in.product(self.arithmetic, stream);
        let mut mixed = Panel::new(self.settings.width, stream.tokens);
        // A task is one head of all inputs.
        mixed.lanes.par_chunks_exact_mut(head / LANES * stream.tokens).enumerate().for_each(|(i, into)| {
            let mut task = Head { projected: &projected, width: self.settings.width, head, index: i, tokens: into };
            for span in spans {
                task.attend(self.arithmetic, span.clone());
            }
        });
        let mut output = layer.attention_out.product(self.arithmetic, &mixed);
        output.add(stream);
        *stream = self.normed(output, &layer.attention_norm);
    }

    fn feed(&self, layer: &Layer, stream: &mut Panel) {
        let mut hidden = layer.feed_in.product(self.arithmetic, stream);
        hidden.lanes.par_chunks_mut(GELU).for_each(|lanes| self.arithmetic.gelu(lanes));
        let mut output = layer.feed_out.product(self.arithmetic, &hidden);
        output.add(stream);
        *stream = self.normed(output, &layer.feed_norm);
    }

    /// Each token's numbers with mean 0 and variance 1, then by the learned weights.
    fn normed(&self, mut stream: Panel, norm: &Norm) -> Panel {
        let (tokens, columns) = (stream.tokens, self.settings.width as f32);
        for token in 0..tokens {
            let mut sums = [0.0; LANES];
            for lanes in stream.row(token) {
                sums.iter_mut().zip(lanes).for_each(|(sum, lane)| *sum += lane);
            }
            let mean = total(sums) / columns;
            let mut squares = [0.0; LANES];
            for lanes in stream.row(token) {
                squares.iter_mut().zip(lanes).for_each(|(square, lane)| *square += (lane - mean) * (lane - mean));
            }
            let scale = 1.0 / (total(squares) / columns + self.settings.epsilon).sqrt();
            let rows = stream.lanes[token..].iter_mut().step_by(tokens).zip(&norm.weight).zip(&norm.bias);
            for ((lanes, weight), bias) in rows {
                for ((lane, weight), bias) in lanes.iter_mut().zip(weight).zip(bias) {
                    *lane = (*lane - mean) * scale * weight + bias;
                }
            }
        }
        stream
    }
}

/// Lanes that one task gates: more than handing it over costs.
const GELU: usize = 512;

/// One head's share of a pass.
struct Head<'a> {
    projected: &'a Panel,
    width: usize,
    head: usize,
    index: usize,
    /// Its columns of all tokens.
    tokens: &'a mut [[f32; LANES]],
}

impl Head<'_> {
    /// One input's tokens among themselves.
    fn attend(&mut self, arithmetic: Arithmetic, span: Range<usize>) {
        let (head, groups) = (self.head, self.head / LANES);
        let mut pages = vec![Page::new(1, head); span.len().div_ceil(LANES)];
        let (mut key, mut value) = (vec![0.0; head], vec![0.0; head]);
        let mut queries = vec![0.0; head * span.len()];
        for (position, token) in span.clone().enumerate() {
            self.gather(token, 0, &mut queries[position * head..][..head]);
            self.gather(token, 1, &mut key);
            self.gather(token, 2, &mut value);
            pages[position / LANES].put(0, position % LANES, &key, &value);
        }
        let mut found = vec![0.0; queries.len()];
        let seen = Seen { pages: &pages, count: span.len(), part: 0 };
        arithmetic.attend(seen, &queries, head, &mut Vec::new(), &mut found);
        let all = self.tokens.len() / groups;
        for (token, found) in span.zip(found.chunks_exact(head)) {
            for (group, lanes) in found.as_chunks::<LANES>().0.iter().enumerate() {
                self.tokens[group * all + token] = *lanes;
            }
        }
    }

    /// This head's queries (0), keys (1) or values (2) of a token.
    fn gather(&self, token: usize, which: usize, into: &mut [f32]) {
        let first = (which * self.width + self.index * self.head) / LANES;
        for (group, into) in into.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            *into = *self.projected.at(token, first + group);
        }
    }
}

fn mean(stream: &Panel, span: Range<usize>, width: usize) -> Vec<f32> {
    let count = span.len() as f32;
    let mut vector = Vec::with_capacity(width);
    for group in 0..width / LANES {
        let mut sums = [0.0; LANES];
        for token in span.clone() {
            sums.iter_mut().zip(stream.at(token, group)).for_each(|(sum, lane)| *sum += lane);
        }
        vector.extend(sums.map(|sum| sum / count));
    }
    normalise(&mut vector);
    vector
}

/// Makes a vector one of length one; one that is all zero stays so.
pub(super) fn normalise(vector: &mut [f32]) {
    let squares: f64 = vector.iter().map(|number| f64::from(*number) * f64::from(*number)).sum();
    if squares > 0.0 {
        let length = squares.sqrt() as f32;
        vector.iter_mut().for_each(|number| *number /= length);
    }
}

fn layer(tensors: &Tensors<'_>, settings: &Settings, index: usize) -> Result<Layer, LoadError> {
    let Settings { width, hidden, .. } = *settings;
    let name = |part: &str| format!("encoder.layer.{index}.{part}");
    let matrix = |part: &str, rows: usize, columns: usize| {
        let weights = tensors.take(&name(&format!("{part}.weight")), &[rows, columns])?;
        let bias = tensors.take(&name(&format!("{part}.bias")), &[rows])?;
        Ok::<_, LoadError>((weights, bias))
    };
    let (mut weights, mut bias) = (Vec::new(), Vec::new());
    for part in ["query", "key", "value"] {
        let (more, other) = matrix(&format!("attention.self.{part}"), width, width)?;
        weights.extend(more);
        bias.extend(other);
    }
    let plain = |part: &str, rows: usize, columns: usize| {
        matrix(part, rows, columns).map(|(weights, bias)| Matrix::new(&weights, &bias, columns))
    };
    Ok(Layer {
        attention_in: Matrix::new(&weights, &bias, width),
        attention_out: plain("attention.output.dense", width, width)?,
        attention_norm: norm(tensors, &name("attention.output.LayerNorm"), width)?,
        feed_in: plain("intermediate.dense", hidden, width)?,
        feed_out: plain("output.dense", width, hidden)?,
        feed_norm: norm(tensors, &name("output.LayerNorm"), width)?,
    })
}

fn norm(tensors: &Tensors<'_>, name: &str, width: usize) -> Result<Norm, LoadError> {
    let lanes = |part: &str| {
        let numbers = tensors.take(&format!("{name}.{part}"), &[width])?;
        Ok::<_, LoadError>(numbers.as_chunks::<LANES>().0.to_vec())
    };
    Ok(Norm { weight: lanes("weight")?, bias: lanes("bias")? })
}
