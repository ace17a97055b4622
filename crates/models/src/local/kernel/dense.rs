//! Networks whose weights stay in 32 bits: products with a bias, and the gate of such networks (GELU). Lanes are the
//! outputs, as everywhere here, so that every kernel gives the same bits.

use super::{Arithmetic, Kernel, LANES, Vector, Work, exp};

impl Arithmetic {
    /// `bias + rows × input` for [`LANES`] outputs: `output[i]` for input `i`. `rows` holds for each column the weights
    /// of all outputs; `inputs` for each [`LANES`] columns those of all inputs. What `rows` lack counts as zero.
    pub fn dense(
        self,
        rows: &[[f32; LANES]],
        bias: &[f32; LANES],
        inputs: &[[f32; LANES]],
        output: &mut [[f32; LANES]],
    ) {
        match self.0 {
            // As many sums as there are registers for.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 => self.run(Dense::<8> { rows, bias, inputs, output }),
            _ => self.run(Dense::<4> { rows, bias, inputs, output }),
        }
    }

    /// Each number times the share of the normal distribution below it (GELU, by the error function).
    pub fn gelu(self, values: &mut [[f32; LANES]]) {
        self.run(Gelu { values });
    }
}

struct Dense<'a, const N: usize> {
    rows: &'a [[f32; LANES]],
    bias: &'a [f32; LANES],
    inputs: &'a [[f32; LANES]],
    output: &'a mut [[f32; LANES]],
}

impl<const N: usize> Work for Dense<'_, N> {
    #[inline(always)]
    fn run<V: Vector>(self) {
        let Self { rows, bias, inputs, output } = self;
        let count = output.len();
        let (strips, rest) = output.as_chunks_mut::<N>();
        for (i, strip) in strips.iter_mut().enumerate() {
            sums::<V, N>((rows, bias), inputs, count, i * N, strip);
        }
        let first = count - rest.len();
        for (i, output) in rest.iter_mut().enumerate() {
            sums::<V, 1>((rows, bias), inputs, count, first + i, std::array::from_mut(output));
        }
    }
}

/// The sums of `N` of `count` inputs, from `first` on.
#[inline(always)]
fn sums<V: Vector, const N: usize>(
    (rows, bias): (&[[f32; LANES]], &[f32; LANES]),
    inputs: &[[f32; LANES]],
    count: usize,
    first: usize,
    output: &mut [[f32; LANES]; N],
) {
    let mut sums = [V::load(bias); N];
    for (rows, inputs) in rows.as_chunks::<LANES>().0.iter().zip(inputs.chunks_exact(count)) {
        let Some(inputs) = inputs[first..].first_chunk::<N>() else { return };
        for (column, row) in rows.iter().enumerate() {
            let row = V::load(row);
            for (sum, input) in sums.iter_mut().zip(inputs) {
                *sum = sum.plus(input[column], row);
            }
        }
    }
    for (sum, output) in sums.into_iter().zip(output) {
        sum.store(output);
    }
}

struct Gelu<'a> {
    values: &'a mut [[f32; LANES]],
}

impl Work for Gelu<'_> {
    #[inline(always)]
    fn run<V: Vector>(self) {
        for lanes in self.values {
            for lane in lanes {
                *lane = 0.5 * *lane * (1.0 + erf(*lane * std::f32::consts::FRAC_1_SQRT_2));
            }
        }
    }
}

/// The error function to within 2 in 10 million (Abramowitz and Stegun, 7.1.26).
#[inline(always)]
fn erf(x: f32) -> f32 {
    let size = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * size);
    let mut sum = 0.0;
    for coefficient in [1.061_405_4, -1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
        sum = (sum + coefficient) * t;
    }
    (1.0 - sum * exp(-size * size)).copysign(x)
}
