//! Weights and their products. Every matrix is held as Q8_0, whatever the file holds: candle-core has a fast kernel
//! for it on every machine, and none for Q4_1.
//!
//! A product's value depends on one row of the input and one row of the weights only, and not on how the work was
//! divided. So a prompt read in pieces, alone or after a reused prefix, on one thread or on several, gives the same
//! bits.

use candle_core::CpuStorage;
use candle_core::quantized::GgmlDType;
use candle_core::quantized::k_quants::{BlockQ8_0, GgmlType};
use rayon::prelude::*;
use std::borrow::Cow;

/// Values in one block of Q8_0.
pub(super) const BLOCK: usize = 32;
/// Input rows that share one pass over the weights.
const TILE: usize = 16;
/// Products of this many multiplications and fewer are not worth a second thread.
const SMALL: usize = 1 << 17;

/// A matrix of `rows` outputs by `columns` inputs.
#[derive(Debug)]
pub(super) struct Matrix {
    blocks: Vec<BlockQ8_0>,
    rows: usize,
    columns: usize,
}

impl Matrix {
    /// An empty matrix with room for `rows`. `columns` must be a multiple of [`BLOCK`].
    pub fn with_room(rows: usize, columns: usize) -> Self {
        Self { blocks: Vec::with_capacity(rows * columns / BLOCK), rows: 0, columns }
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Adds rows as a file holds them. The reason of an error is for people.
    pub fn push(&mut self, kind: GgmlDType, bytes: &[u8]) -> Result<(), String> {
        let row_bytes = row_bytes(kind, self.columns).ok_or("rows do not divide into blocks")?;
        let rows = bytes.len() / row_bytes;
        let start = self.blocks.len();
        self.blocks.resize(start + rows * self.columns / BLOCK, BlockQ8_0::zeros());
        let per_task = rows.div_ceil(8).max(1);
        self.blocks[start..]
            .par_chunks_mut(per_task * self.columns / BLOCK)
            .zip(bytes.par_chunks(per_task * row_bytes))
            .try_for_each(|(blocks, bytes)| {
                BlockQ8_0::from_float(&decode(kind, bytes)?, blocks);
                Ok::<_, String>(())
            })?;
        self.rows += rows;
        Ok(())
    }

    /// One row as numbers: an embedding.
    pub fn row(&self, index: usize, into: &mut [f32]) {
        let width = self.columns / BLOCK;
        BlockQ8_0::to_float(&self.blocks[index * width..(index + 1) * width], into);
    }

    /// `output[i] = self × input[i]` for each input row.
    pub fn product(&self, input: &Quantized, output: &mut [f32]) {
        let width = self.columns / BLOCK;
        if input.rows() == 1 {
            let dot_range = |first: usize, output: &mut [f32]| {
                let weights = self.blocks[first * width..].chunks_exact(width);
                for (weights, output) in weights.zip(output) {
                    *output = BlockQ8_0::vec_dot(self.columns, weights, &input.blocks);
                }
            };
            if self.rows * self.columns <= SMALL || rayon::current_num_threads() == 1 {
                return dot_range(0, output);
            }
            let share = self.rows.div_ceil(rayon::current_num_threads() * 2).max(16);
            output.par_chunks_mut(share).enumerate().for_each(|(i, output)| dot_range(i * share, output));
            return;
        }
        output.par_chunks_mut(TILE * self.rows).zip(input.blocks.par_chunks(TILE * width)).for_each(
            |(output, input)| {
                for (row, weights) in self.blocks.chunks_exact(width).enumerate() {
                    for (i, input) in input.chunks_exact(width).enumerate() {
                        output[i * self.rows + row] = BlockQ8_0::vec_dot(self.columns, weights, input);
                    }
                }
            },
        );
    }
}

/// Rows of inputs, ready to be multiplied.
#[derive(Debug)]
pub(super) struct Quantized {
    blocks: Vec<BlockQ8_0>,
    width: usize,
}

impl Quantized {
    /// `input` holds whole rows of `columns` numbers.
    pub fn from(input: &[f32], columns: usize) -> Self {
        let width = columns / BLOCK;
        let mut blocks = vec![BlockQ8_0::zeros(); input.len() / BLOCK];
        if input.len() == columns {
            BlockQ8_0::from_float(input, &mut blocks);
        } else {
            blocks
                .par_chunks_mut(TILE * width)
                .zip(input.par_chunks(TILE * columns))
                .for_each(|(blocks, input)| BlockQ8_0::from_float(input, blocks));
        }
        Self { blocks, width }
    }

    fn rows(&self) -> usize {
        self.blocks.len() / self.width
    }
}

/// Bytes of a row of `columns` elements; None where they do not fill blocks.
pub(super) fn row_bytes(kind: GgmlDType, columns: usize) -> Option<usize> {
    let block = kind.block_size();
    (columns > 0 && columns.is_multiple_of(block)).then(|| columns / block * kind.type_size())
}

/// Elements as numbers.
pub(super) fn decode(kind: GgmlDType, bytes: &[u8]) -> Result<Vec<f32>, String> {
    let count = bytes.len() / kind.type_size() * kind.block_size();
    match kind.from_data(Cow::Borrowed(bytes)).dequantize(count) {
        Ok(CpuStorage::F32(numbers)) => Ok(numbers),
        Ok(_) => Err(format!("{kind:?} does not become numbers")),
        Err(error) => Err(error.to_string()),
    }
}
