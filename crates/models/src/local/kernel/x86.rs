//! The kernels for AVX2 and for AVX-512 with VNNI.
#![allow(unsafe_code, reason = "vector instructions that the compiler does not know to be there, and loads by address")]

use super::{Arithmetic, Inputs, Kernel, LANES, QUADS, STRIP, Vector, Weights, Work};
use std::arch::x86_64::*;

pub(super) fn run_avx512(found: Arithmetic, work: impl Work) {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn run(work: impl Work) {
        work.run::<Zmm>();
    }
    assert!(found.0 == Kernel::Avx512);
    // SAFETY: an `Arithmetic` of this kernel exists only where its instructions were detected.
    unsafe { run(work) }
}

pub(super) fn run_avx2(found: Arithmetic, work: impl Work) {
    #[target_feature(enable = "avx2")]
    fn run(work: impl Work) {
        work.run::<Ymm>();
    }
    assert!(found.0 == Kernel::Avx2);
    // SAFETY: an `Arithmetic` of this kernel exists only where its instructions were detected.
    unsafe { run(work) }
}

/// One vector of AVX-512. Only [`run_avx512`] makes use of it.
#[derive(Clone, Copy)]
struct Zmm(__m512);

impl Vector for Zmm {
    #[inline(always)]
    fn zero() -> Self {
        // SAFETY: run by `run_avx512`, where the instructions were detected.
        unsafe { Self(_mm512_setzero_ps()) }
    }

    #[inline(always)]
    fn load(lanes: &[f32; LANES]) -> Self {
        // SAFETY: as above; all lanes are 64 bytes.
        unsafe { Self(_mm512_loadu_ps(lanes.as_ptr())) }
    }

    #[inline(always)]
    fn store(self, lanes: &mut [f32; LANES]) {
        // SAFETY: as above; all lanes are 64 bytes.
        unsafe { _mm512_storeu_ps(lanes.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn plus(self, factor: f32, other: Self) -> Self {
        // SAFETY: as above.
        unsafe { Self(_mm512_add_ps(self.0, _mm512_mul_ps(_mm512_set1_ps(factor), other.0))) }
    }
}

/// Two vectors of AVX2. Only [`run_avx2`] makes use of them.
#[derive(Clone, Copy)]
struct Ymm(__m256, __m256);

impl Vector for Ymm {
    #[inline(always)]
    fn zero() -> Self {
        // SAFETY: run by `run_avx2`, where the instructions were detected.
        unsafe { Self(_mm256_setzero_ps(), _mm256_setzero_ps()) }
    }

    #[inline(always)]
    fn load(lanes: &[f32; LANES]) -> Self {
        let (low, high) = lanes.split_at(LANES / 2);
        // SAFETY: as above; half of the lanes are 32 bytes.
        unsafe { Self(_mm256_loadu_ps(low.as_ptr()), _mm256_loadu_ps(high.as_ptr())) }
    }

    #[inline(always)]
    fn store(self, lanes: &mut [f32; LANES]) {
        let (low, high) = lanes.split_at_mut(LANES / 2);
        // SAFETY: as above; half of the lanes are 32 bytes.
        unsafe {
            _mm256_storeu_ps(low.as_mut_ptr(), self.0);
            _mm256_storeu_ps(high.as_mut_ptr(), self.1);
        }
    }

    #[inline(always)]
    fn plus(self, factor: f32, other: Self) -> Self {
        // SAFETY: as above.
        unsafe {
            let factor = _mm256_set1_ps(factor);
            let low = _mm256_add_ps(self.0, _mm256_mul_ps(factor, other.0));
            Self(low, _mm256_add_ps(self.1, _mm256_mul_ps(factor, other.1)))
        }
    }
}

/// Products of [`LANES`] rows with the inputs of one strip.
pub(super) fn products_avx512(found: Arithmetic, weights: &[Weights], strip: &[Inputs], output: &mut [[f32; LANES]]) {
    assert!(found.0 == Kernel::Avx512 && weights.len() == strip.len());
    // SAFETY: an `Arithmetic` of this kernel exists only where its instructions were detected.
    unsafe {
        match output.len() {
            1 => avx512::<1>(weights, strip, output),
            2 => avx512::<2>(weights, strip, output),
            3 => avx512::<3>(weights, strip, output),
            4 => avx512::<4>(weights, strip, output),
            5 => avx512::<5>(weights, strip, output),
            6 => avx512::<6>(weights, strip, output),
            7 => avx512::<7>(weights, strip, output),
            STRIP => avx512::<STRIP>(weights, strip, output),
            _ => {}
        }
    }
}

/// All rows in one vector; a vector of sums for each of `N` inputs.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn avx512<const N: usize>(weights: &[Weights], strip: &[Inputs], output: &mut [[f32; LANES]]) {
    let unsigned = _mm512_set1_epi8(-128);
    let mut sums = [_mm512_setzero_ps(); N];
    for (weights, inputs) in weights.iter().zip(strip) {
        // The instruction wants one side without a sign: 128 is added to each weight, and what that adds is taken off.
        let mut whole: [__m512i; N] = std::array::from_fn(|i| _mm512_set1_epi32(inputs.offsets[i]));
        for quad in 0..QUADS {
            // SAFETY: a quad of all rows is 64 bytes.
            let rows = unsafe { _mm512_loadu_si512(weights.quads[quad].as_ptr().cast()) };
            let rows = _mm512_xor_si512(rows, unsigned);
            for (whole, input) in whole.iter_mut().zip(inputs.quads[quad]) {
                let input = _mm512_set1_epi32(i32::from_ne_bytes(input.map(i8::cast_unsigned)));
                *whole = _mm512_dpbusd_epi32(*whole, rows, input);
            }
        }
        // SAFETY: the scales of all rows are 64 bytes.
        let scales = unsafe { _mm512_loadu_ps(weights.scales.as_ptr()) };
        for i in 0..N {
            let scale = _mm512_mul_ps(scales, _mm512_set1_ps(inputs.scales[i]));
            sums[i] = _mm512_add_ps(sums[i], _mm512_mul_ps(_mm512_cvtepi32_ps(whole[i]), scale));
        }
    }
    for (output, sum) in output.iter_mut().zip(sums) {
        // SAFETY: one output is 64 bytes.
        unsafe { _mm512_storeu_ps(output.as_mut_ptr(), sum) };
    }
}

/// Products of [`LANES`] rows with the inputs of one strip.
pub(super) fn products_avx2(found: Arithmetic, weights: &[Weights], strip: &[Inputs], output: &mut [[f32; LANES]]) {
    assert!(found.0 == Kernel::Avx2 && weights.len() == strip.len() && output.len() <= STRIP);
    for (four, output) in output.chunks_mut(4).enumerate() {
        let first = four * 4;
        for half in [0, LANES / 2] {
            // SAFETY: an `Arithmetic` of this kernel exists only where its instructions were detected.
            unsafe {
                match output.len() {
                    1 => avx2::<1>(weights, strip, first, half, output),
                    2 => avx2::<2>(weights, strip, first, half, output),
                    3 => avx2::<3>(weights, strip, first, half, output),
                    4 => avx2::<4>(weights, strip, first, half, output),
                    _ => {}
                }
            }
        }
    }
}

/// Half of the rows, from row `half` on, with `N` inputs, from input `first` on.
#[target_feature(enable = "avx2")]
fn avx2<const N: usize>(weights: &[Weights], strip: &[Inputs], first: usize, half: usize, output: &mut [[f32; LANES]]) {
    let ones = _mm256_set1_epi16(1);
    let mut sums = [_mm256_setzero_ps(); N];
    for (weights, inputs) in weights.iter().zip(strip) {
        let mut whole = [_mm256_setzero_si256(); N];
        for quad in 0..QUADS {
            // SAFETY: a quad of the eight rows from `half` on is 32 bytes.
            let rows = unsafe { _mm256_loadu_si256(weights.quads[quad][half..half + 8].as_ptr().cast()) };
            // The instruction wants one side without a sign: the weight's is given to the input. Two products are at
            // most 2 · 128 · 127, which 16 bits hold.
            let sizes = _mm256_abs_epi8(rows);
            for (whole, input) in whole.iter_mut().zip(&inputs.quads[quad][first..]) {
                let input = _mm256_set1_epi32(i32::from_ne_bytes(input.map(i8::cast_unsigned)));
                let pairs = _mm256_maddubs_epi16(sizes, _mm256_sign_epi8(input, rows));
                *whole = _mm256_add_epi32(*whole, _mm256_madd_epi16(pairs, ones));
            }
        }
        // SAFETY: the scales of the eight rows from `half` on are 32 bytes.
        let scales = unsafe { _mm256_loadu_ps(weights.scales[half..half + 8].as_ptr()) };
        for i in 0..N {
            let scale = _mm256_mul_ps(scales, _mm256_set1_ps(inputs.scales[first + i]));
            sums[i] = _mm256_add_ps(sums[i], _mm256_mul_ps(_mm256_cvtepi32_ps(whole[i]), scale));
        }
    }
    for (output, sum) in output.iter_mut().zip(sums) {
        // SAFETY: eight outputs from `half` on are 32 bytes.
        unsafe { _mm256_storeu_ps(output[half..half + 8].as_mut_ptr(), sum) };
    }
}
