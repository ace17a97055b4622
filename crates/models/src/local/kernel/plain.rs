//! The kernel for any processor, which is also what the others are held against, and the functions that all share.

use super::{BLOCK, Inputs, LANES, QUAD, STRIP, Vector, Weights, Work};

/// Products of [`LANES`] rows with the inputs of one strip.
pub(super) fn products(weights: &[Weights], strip: &[Inputs], output: &mut [[f32; LANES]]) {
    debug_assert!(output.len() <= STRIP && weights.len() == strip.len());
    for (input, output) in output.iter_mut().enumerate() {
        let mut sums = [0.0; LANES];
        for (weights, inputs) in weights.iter().zip(strip) {
            let mut whole = [0_i32; LANES];
            for (rows, inputs) in weights.quads.iter().zip(&inputs.quads) {
                let input: [i32; QUAD] = inputs[input].map(i32::from);
                for (whole, row) in whole.iter_mut().zip(rows) {
                    for (weight, input) in row.iter().zip(input) {
                        *whole += i32::from(*weight) * input;
                    }
                }
            }
            let scale = inputs.scales[input];
            for ((sum, whole), weight_scale) in sums.iter_mut().zip(whole).zip(&weights.scales) {
                *sum += whole as f32 * (weight_scale * scale);
            }
        }
        *output = sums;
    }
}

impl Vector for [f32; LANES] {
    #[inline(always)]
    fn zero() -> Self {
        [0.0; LANES]
    }

    #[inline(always)]
    fn load(lanes: &[f32; LANES]) -> Self {
        *lanes
    }

    #[inline(always)]
    fn store(self, lanes: &mut [f32; LANES]) {
        *lanes = self;
    }

    #[inline(always)]
    fn plus(mut self, factor: f32, other: Self) -> Self {
        for (lane, other) in self.iter_mut().zip(other) {
            *lane += factor * other;
        }
        self
    }
}

/// Adding this and taking it away again rounds a small number to a whole one, to even in the middle.
const ROUND: f32 = 12_582_912.0;

/// One input's blocks in 8 bits.
pub(super) struct Round<'a> {
    pub strip: &'a mut [Inputs],
    pub input: usize,
    pub values: &'a [f32],
}

impl Work for Round<'_> {
    #[inline(always)]
    fn run<V: Vector>(self) {
        for (inputs, values) in self.strip.iter_mut().zip(self.values.as_chunks::<BLOCK>().0) {
            inputs.set(self.input, values);
        }
    }
}

/// A block in 8 bits, the largest as 127, and what one unit is worth. What is not a number becomes one.
#[inline(always)]
pub(super) fn quantized(values: &[f32; BLOCK]) -> ([i8; BLOCK], f32) {
    // The largest of each lane, then of all: the order does not matter, but vectors want it so.
    let mut sizes = [0.0_f32; LANES];
    for half in values.as_chunks::<LANES>().0 {
        for (size, value) in sizes.iter_mut().zip(half) {
            *size = if value.abs() > *size { value.abs() } else { *size };
        }
    }
    let most = sizes.into_iter().fold(0.0_f32, |most, size| if size > most { size } else { most });
    // Infinity has no scale of its own.
    let most = most.min(f32::MAX);
    let units = if most > 0.0 { 127.0 / most } else { 0.0 };
    // A number so small that a unit has no inverse is as good as none.
    let units = if units.is_finite() { units } else { 0.0 };
    let mut quants = [0; BLOCK];
    for (quant, value) in quants.iter_mut().zip(values) {
        let whole = (value * units).clamp(-127.0, 127.0) + ROUND;
        *quant = whole.to_bits().wrapping_sub(ROUND.to_bits()) as i8;
    }
    (quants, most / 127.0)
}

/// The sum of the lanes, by halves.
#[inline(always)]
pub fn total(lanes: [f32; LANES]) -> f32 {
    let mut lanes = lanes;
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// e to the power of `x`, to within a few units of the last place; from about -87.3 down and 88.4 up as at those.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    // ln 2 in two parts, the first with so few digits that its product with a small whole number is exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.3, 88.3);
    let shifted = x * LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let rest = x - whole * LN_2_HIGH - whole * LN_2_LOW;
    // 1 + r + r²/2 + … + r⁷/5040: |r| is at most ln 2 / 2, so the next term is below 2⁻²⁷.
    let mut sum = 1.0 / 5040.0;
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        sum = sum * rest + coefficient;
    }
    let power = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    sum * f32::from_bits(power)
}

pub(super) struct Gate<'a> {
    pub gate: &'a mut [[f32; LANES]],
    pub up: &'a [[f32; LANES]],
}

impl Work for Gate<'_> {
    #[inline(always)]
    fn run<V: Vector>(self) {
        for (gate, up) in self.gate.iter_mut().zip(self.up) {
            for lane in 0..LANES {
                gate[lane] = gate[lane] / (1.0 + exp(-gate[lane])) * up[lane];
            }
        }
    }
}
