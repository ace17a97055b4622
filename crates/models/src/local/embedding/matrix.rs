//! A matrix of 32-bit weights with its bias, in the order in which the kernels read it.

use super::super::kernel::{Arithmetic, LANES};
use super::super::matrix::Panel;
use rayon::prelude::*;

/// Groups of rows that one task takes at least: below it, to hand work over costs more than it saves.
const LEAST: usize = 2;

#[derive(Debug)]
pub(super) struct Matrix {
    /// For each [`LANES`] rows, column after column.
    rows: Vec<[f32; LANES]>,
    bias: Vec<[f32; LANES]>,
    columns: usize,
}

impl Matrix {
    /// Weights row by row, and a bias for each row; rows and columns are multiples of [`LANES`].
    pub fn new(weights: &[f32], bias: &[f32], columns: usize) -> Self {
        let groups = weights.par_chunks_exact(columns * LANES);
        let rows = groups.flat_map_iter(|group| {
            (0..columns).map(move |column| std::array::from_fn(|row| group[row * columns + column]))
        });
        Self { rows: rows.collect(), bias: bias.as_chunks::<LANES>().0.to_vec(), columns }
    }

    /// `bias + self × input` for each input.
    pub fn product(&self, arithmetic: Arithmetic, input: &Panel) -> Panel {
        let mut output = Panel::new(self.bias.len() * LANES, input.tokens);
        let groups = self.rows.par_chunks_exact(self.columns).zip(&self.bias);
        let groups = groups.zip(output.lanes.par_chunks_exact_mut(input.tokens));
        groups
            .with_min_len(LEAST)
            .for_each(|((rows, bias), output)| arithmetic.dense(rows, bias, &input.lanes, output));
        output
    }
}
