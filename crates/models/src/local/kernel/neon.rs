//! The kernel for NEON, which every 64-bit ARM processor has.
#![allow(unsafe_code, reason = "loads and stores by address")]

use super::{Inputs, LANES, QUADS, STRIP, Vector, Weights, Work};
use std::arch::aarch64::*;

/// Products of [`LANES`] rows with the inputs of one strip.
pub(super) fn products(weights: &[Weights], strip: &[Inputs], output: &mut [[f32; LANES]]) {
    assert!(weights.len() == strip.len() && output.len() <= STRIP);
    for (pair, output) in output.chunks_mut(2).enumerate() {
        for part in (0..LANES).step_by(8) {
            // SAFETY: the architecture has these instructions; this kernel is chosen where they were detected too.
            unsafe {
                match output.len() {
                    1 => eight::<1>(weights, strip, pair * 2, part, output),
                    _ => eight::<2>(weights, strip, pair * 2, part, output),
                }
            }
        }
    }
}

pub(super) fn run(work: impl Work) {
    work.run::<Four>();
}

/// Four vectors of NEON.
#[derive(Clone, Copy)]
struct Four([float32x4_t; 4]);

impl Vector for Four {
    #[inline(always)]
    fn zero() -> Self {
        // SAFETY: every processor of this architecture has the instruction.
        Self([unsafe { vdupq_n_f32(0.0) }; 4])
    }

    #[inline(always)]
    fn load(lanes: &[f32; LANES]) -> Self {
        // SAFETY: as above; four lanes are 16 bytes.
        Self(std::array::from_fn(|i| unsafe { vld1q_f32(lanes[i * 4..i * 4 + 4].as_ptr()) }))
    }

    #[inline(always)]
    fn store(self, lanes: &mut [f32; LANES]) {
        for (lanes, four) in lanes.chunks_exact_mut(4).zip(self.0) {
            // SAFETY: as above; four lanes are 16 bytes.
            unsafe { vst1q_f32(lanes.as_mut_ptr(), four) };
        }
    }

    #[inline(always)]
    fn plus(self, factor: f32, other: Self) -> Self {
        // SAFETY: as above.
        Self(std::array::from_fn(|i| unsafe { vaddq_f32(self.0[i], vmulq_f32(vdupq_n_f32(factor), other.0[i])) }))
    }
}

/// Eight rows, from row `part` on, with `N` inputs, from input `first` on.
#[target_feature(enable = "neon")]
fn eight<const N: usize>(
    weights: &[Weights],
    strip: &[Inputs],
    first: usize,
    part: usize,
    output: &mut [[f32; LANES]],
) {
    let mut sums = [[vdupq_n_f32(0.0); 2]; N];
    for (weights, inputs) in weights.iter().zip(strip) {
        let mut whole = [[vdupq_n_s32(0); 2]; N];
        for quad in 0..QUADS {
            let rows: [int8x16_t; 2] = std::array::from_fn(|half| {
                let four = &weights.quads[quad][part + half * 4..part + half * 4 + 4];
                // SAFETY: a quad of four rows is 16 bytes.
                unsafe { vld1q_s8(four.as_ptr().cast()) }
            });
            for i in 0..N {
                let input = i32::from_ne_bytes(inputs.quads[quad][first + i].map(i8::cast_unsigned));
                let input = vreinterpret_s8_s32(vdup_n_s32(input));
                for (whole, rows) in whole[i].iter_mut().zip(rows) {
                    // Two rows of four products each; neighbours are added twice, which leaves a sum for each row.
                    let low = vpaddlq_s16(vmull_s8(vget_low_s8(rows), input));
                    let high = vpaddlq_s16(vmull_s8(vget_high_s8(rows), input));
                    *whole = vaddq_s32(*whole, vpaddq_s32(low, high));
                }
            }
        }
        for half in 0..2 {
            let four = &weights.scales[part + half * 4..part + half * 4 + 4];
            // SAFETY: the scales of four rows are 16 bytes.
            let scales = unsafe { vld1q_f32(four.as_ptr()) };
            for i in 0..N {
                let scale = vmulq_f32(scales, vdupq_n_f32(inputs.scales[first + i]));
                let product = vmulq_f32(vcvtq_f32_s32(whole[i][half]), scale);
                sums[i][half] = vaddq_f32(sums[i][half], product);
            }
        }
    }
    for (output, sums) in output.iter_mut().zip(sums) {
        for (half, sum) in sums.into_iter().enumerate() {
            let four = &mut output[part + half * 4..part + half * 4 + 4];
            // SAFETY: four outputs are 16 bytes.
            unsafe { vst1q_f32(four.as_mut_ptr(), sum) };
        }
    }
}
