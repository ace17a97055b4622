//! Weights, the numbers that flow between them, and their products. Every matrix is held in 8 bits with a scale for
//! each 32, whatever the file holds, in the order in which the kernels read it.
//!
//! A product's value depends on one row of the input and one row of the weights only, and not on how the work was
//! divided. So a prompt read in pieces, alone or beside others, on one thread or on several, gives the same bits.

use super::element::{Element, half};
use super::kernel::{Arithmetic, BLOCK, Inputs, LANES, STRIP, Weights};
use rayon::prelude::*;

/// Groups of rows that one task takes at least: below it, to hand work over costs more than it saves.
const LEAST: usize = 8;

/// Numbers of several tokens: for each [`LANES`] columns those of all tokens, one after another. So who computes some
/// columns for all tokens writes one piece of memory.
#[derive(Debug)]
pub(super) struct Panel {
    pub lanes: Vec<[f32; LANES]>,
    pub tokens: usize,
}

impl Panel {
    pub fn new(columns: usize, tokens: usize) -> Self {
        Self { lanes: vec![[0.0; LANES]; columns.div_ceil(LANES) * tokens], tokens }
    }

    /// [`LANES`] columns of a token.
    pub fn at(&self, token: usize, group: usize) -> &[f32; LANES] {
        &self.lanes[group * self.tokens + token]
    }

    /// All columns of a token, in order.
    pub fn row(&self, token: usize) -> impl Iterator<Item = &[f32; LANES]> + Clone {
        self.lanes[token..].iter().step_by(self.tokens)
    }

    /// Sets the columns of a token from `group` on.
    pub fn set(&mut self, token: usize, group: usize, values: &[f32]) {
        for (i, values) in values.as_chunks::<LANES>().0.iter().enumerate() {
            self.lanes[(group + i) * self.tokens + token] = *values;
        }
    }

    pub fn add(&mut self, other: &Self) {
        for (lanes, other) in self.lanes.iter_mut().zip(&other.lanes) {
            for (lane, other) in lanes.iter_mut().zip(other) {
                *lane += other;
            }
        }
    }
}

/// Inputs in 8 bits, ready to be multiplied.
#[derive(Debug)]
pub(super) struct Quantized {
    strips: Vec<Inputs>,
    tokens: usize,
}

impl Quantized {
    /// Rounds rows of `columns` numbers; `row` fills in those of a token.
    pub fn new(arithmetic: Arithmetic, tokens: usize, columns: usize, row: impl Fn(usize, &mut [f32]) + Sync) -> Self {
        let width = columns / BLOCK;
        let mut strips = vec![Inputs::ZERO; width * tokens.div_ceil(STRIP)];
        let fill = |(strip, inputs): (usize, &mut [Inputs])| {
            let mut values = vec![0.0; columns];
            for (input, token) in (strip * STRIP..tokens).take(STRIP).enumerate() {
                row(token, &mut values);
                arithmetic.round(inputs, input, &values);
            }
        };
        if tokens <= STRIP {
            strips.chunks_exact_mut(width).enumerate().for_each(fill);
        } else {
            strips.par_chunks_exact_mut(width).enumerate().for_each(fill);
        }
        Self { strips, tokens }
    }
}

/// A matrix of outputs by inputs.
#[derive(Debug)]
pub(super) struct Matrix {
    /// For each [`LANES`] rows, block after block of their columns. Rows that fill up the last group are zero.
    blocks: Vec<Weights>,
    rows: usize,
    /// Blocks of a row.
    width: usize,
}

impl Matrix {
    /// A matrix of zeros. `columns` must be a multiple of [`BLOCK`].
    pub fn new(rows: usize, columns: usize) -> Self {
        let width = columns / BLOCK;
        Self { blocks: vec![Weights::ZERO; rows.div_ceil(LANES) * width], rows, width }
    }

    /// Takes rows as a file holds them: the first [`LANES`] of them become group `first`, the next ones group
    /// `first + every`, and so on.
    pub fn fill(&mut self, first: usize, every: usize, kind: Element, bytes: &[u8]) {
        let Some(row_bytes) = kind.row_bytes(self.width * BLOCK) else { return };
        let groups = self.blocks[first * self.width..].par_chunks_mut(every * self.width);
        groups.zip(bytes.par_chunks(LANES * row_bytes)).for_each(|(blocks, bytes)| {
            for (row, bytes) in bytes.chunks_exact(row_bytes).enumerate() {
                fill_row(&mut blocks[..self.width], row, kind, bytes);
            }
        });
    }

    /// One row as numbers: an embedding.
    pub fn row(&self, index: usize, into: &mut [f32]) {
        let blocks = &self.blocks[index / LANES * self.width..][..self.width];
        for (block, into) in blocks.iter().zip(into.as_chunks_mut::<BLOCK>().0) {
            *into = block.row(index % LANES);
        }
    }

    /// `self × input` for each input.
    pub fn product(&self, arithmetic: Arithmetic, input: &Quantized) -> Panel {
        let mut output = Panel::new(self.rows, input.tokens);
        let groups = self.blocks.par_chunks_exact(self.width).zip(output.lanes.par_chunks_exact_mut(input.tokens));
        groups.with_min_len(LEAST).for_each(|(weights, output)| arithmetic.products(weights, &input.strips, output));
        output
    }

    /// The gated product of a matrix whose groups are by turns gates and what they let through.
    pub fn gated_product(&self, arithmetic: Arithmetic, input: &Quantized) -> Panel {
        let mut output = Panel::new(self.rows / 2, input.tokens);
        let groups = self.blocks.par_chunks_exact(2 * self.width).zip(output.lanes.par_chunks_exact_mut(input.tokens));
        groups.with_min_len(LEAST).for_each(|(weights, output)| {
            let (gate, up) = weights.split_at(self.width);
            for (strip, output) in input.strips.chunks_exact(self.width).zip(output.chunks_mut(STRIP)) {
                let mut through = [[0.0; LANES]; STRIP];
                let through = &mut through[..output.len()];
                arithmetic.products(up, strip, through);
                arithmetic.products(gate, strip, output);
                arithmetic.gate(output, through);
            }
        });
        output
    }
}

fn fill_row(blocks: &mut [Weights], row: usize, kind: Element, bytes: &[u8]) {
    if kind == Element::Q8_0 {
        // The file's own numbers: nothing is rounded twice.
        for (block, bytes) in blocks.iter_mut().zip(bytes.as_chunks::<34>().0) {
            let [low, high, quants @ ..] = *bytes;
            block.put(row, &quants.map(u8::cast_signed), half([low, high]));
        }
        return;
    }
    for (block, values) in blocks.iter_mut().zip(kind.numbers(bytes).as_chunks::<BLOCK>().0) {
        block.set(row, values);
    }
}
