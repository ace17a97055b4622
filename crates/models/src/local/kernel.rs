//! The arithmetic of the models, once for each kind of processor: products of int8 weights and of 32 bits, attention, and
//! the functions that are applied to every number.
//!
//! **Every kernel gives the same bits.** A sum of whole numbers is exact in any order. A sum of floats has one order that
//! no kernel may change: a *lane* belongs to one output (a row of the weights, a position, an element of a head), so a
//! vector of any width computes lanes side by side and never mixes them; where lanes must come together there are
//! [`LANES`] of them, added as [`total`] adds. Products and sums are rounded one after the other, never fused. `exp` is
//! our own. So the same model says the same on AVX-512, AVX2, NEON and none of them, alone and beside others.
//! (What is left to the platform: sine, cosine and powers of the positions, in f64 and rounded to f32.)
//!
//! It knows nothing of models: blocks of weights, strips of inputs, pages of keys and values. It is the only place of
//! this crate with `unsafe`.

mod attention;
mod dense;
#[cfg(target_arch = "aarch64")]
mod neon;
mod plain;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(super) use attention::{Page, Seen};
pub(super) use plain::{exp, total};

use std::fmt;
use std::str::FromStr;

/// Outputs that are computed side by side.
pub(super) const LANES: usize = 16;
/// Values that share one scale.
pub(super) const BLOCK: usize = 32;
/// Inputs that share one pass over a block of weights.
pub(super) const STRIP: usize = 8;
/// Weights that one instruction multiplies for each lane.
const QUAD: usize = 4;
const QUADS: usize = BLOCK / QUAD;

/// One block of columns of [`LANES`] rows of a matrix.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct Weights {
    /// For each four columns: every row's four.
    pub quads: [[[i8; QUAD]; LANES]; QUADS],
    pub scales: [f32; LANES],
}

impl Weights {
    pub const ZERO: Self = Self { quads: [[[0; QUAD]; LANES]; QUADS], scales: [0.0; LANES] };
}

/// One block of columns of [`STRIP`] inputs. Quants are from -127 to 127.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct Inputs {
    /// For each four columns: every input's four.
    quads: [[[i8; QUAD]; STRIP]; QUADS],
    scales: [f32; STRIP],
    /// -128 times the sum of the input's quants: what is added when 128 is added to every weight.
    offsets: [i32; STRIP],
}

impl Inputs {
    pub const ZERO: Self = Self { quads: [[[0; QUAD]; STRIP]; QUADS], scales: [0.0; STRIP], offsets: [0; STRIP] };

    /// Rounds the `values` of one input's block to 8 bits.
    #[inline(always)]
    fn set(&mut self, input: usize, values: &[f32; BLOCK]) {
        let (quants, scale) = plain::quantized(values);
        let mut sum = 0_i32;
        for (quad, values) in self.quads.iter_mut().zip(quants.as_chunks::<QUAD>().0) {
            quad[input] = *values;
        }
        for quant in quants {
            sum += i32::from(quant);
        }
        self.scales[input] = scale;
        self.offsets[input] = -128 * sum;
    }
}

impl Weights {
    /// Rounds one row's block to 8 bits.
    pub fn set(&mut self, row: usize, values: &[f32; BLOCK]) {
        let (quants, scale) = plain::quantized(values);
        self.put(row, &quants, scale);
    }

    /// Takes one row's block as it is.
    pub fn put(&mut self, row: usize, quants: &[i8; BLOCK], scale: f32) {
        for (quad, values) in self.quads.iter_mut().zip(quants.as_chunks::<QUAD>().0) {
            quad[row] = *values;
        }
        self.scales[row] = scale;
    }

    /// One row's block as numbers.
    pub fn row(&self, row: usize) -> [f32; BLOCK] {
        let mut values = [0.0; BLOCK];
        for (values, quad) in values.as_chunks_mut::<QUAD>().0.iter_mut().zip(&self.quads) {
            *values = quad[row].map(|q| f32::from(q) * self.scales[row]);
        }
        values
    }
}

/// A way to compute. All that this processor has give the same bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kernel {
    /// Any processor.
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// With the instructions for neural networks (VNNI).
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl Kernel {
    /// What this processor can do, the best last.
    pub fn available() -> Vec<Self> {
        let mut kernels = vec![Self::Scalar];
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = std::arch::is_x86_feature_detected!("avx2");
            if avx2 {
                kernels.push(Self::Avx2);
            }
            if avx2
                && std::arch::is_x86_feature_detected!("avx512f")
                && std::arch::is_x86_feature_detected!("avx512bw")
                && std::arch::is_x86_feature_detected!("avx512vl")
                && std::arch::is_x86_feature_detected!("avx512vnni")
            {
                kernels.push(Self::Avx512);
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            kernels.push(Self::Neon);
        }
        kernels
    }

    fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "neon",
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kernel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let available = Self::available();
        available.iter().copied().find(|kernel| kernel.name() == text).ok_or_else(|| {
            let names: Vec<&str> = available.iter().map(|kernel| kernel.name()).collect();
            format!("this processor has no kernel {text}: it has {}", names.join(", "))
        })
    }
}

/// Code that is compiled once for each kernel, with that kernel's vectors. `run` must be inlined.
trait Work {
    fn run<V: Vector>(self);
}

/// [`LANES`] numbers side by side. A kernel's own are used by what only that kernel runs.
trait Vector: Copy {
    fn zero() -> Self;
    fn load(lanes: &[f32; LANES]) -> Self;
    fn store(self, lanes: &mut [f32; LANES]);
    /// `self + factor * other`, rounded after the product and after the sum.
    fn plus(self, factor: f32, other: Self) -> Self;
}

/// A kernel that was found on this processor: whoever holds one may call it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arithmetic(Kernel);

impl Arithmetic {
    /// The kernel that is asked for, or else the best. An asked-for one that this processor lacks is the best as well:
    /// they give the same bits.
    pub fn new(asked: Option<Kernel>) -> Self {
        let available = Kernel::available();
        let best = available.last().copied().unwrap_or(Kernel::Scalar);
        Self(asked.filter(|asked| available.contains(asked)).unwrap_or(best))
    }

    /// Does `work` with the instructions of this kernel.
    fn run(self, work: impl Work) {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => x86::run_avx2(self, work),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 => x86::run_avx512(self, work),
            #[cfg(target_arch = "aarch64")]
            Kernel::Neon => neon::run(work),
            Kernel::Scalar => work.run::<[f32; LANES]>(),
        }
    }

    /// Rounds the `values` of one input to 8 bits, into its place in a strip of as many blocks as they fill.
    pub fn round(self, strip: &mut [Inputs], input: usize, values: &[f32]) {
        self.run(plain::Round { strip, input, values });
    }

    /// Applies the gate: `gate[i]` becomes its sigmoid-weighted self (SiLU) times `up[i]`.
    pub fn gate(self, gate: &mut [[f32; LANES]], up: &[[f32; LANES]]) {
        self.run(plain::Gate { gate, up });
    }

    /// The products of [`LANES`] rows with inputs: `output[i]` for input `i`. `inputs` holds strips of as many blocks
    /// as `weights` has.
    pub fn products(self, weights: &[Weights], inputs: &[Inputs], output: &mut [[f32; LANES]]) {
        if weights.is_empty() {
            return output.fill([0.0; LANES]);
        }
        for (strip, output) in inputs.chunks_exact(weights.len()).zip(output.chunks_mut(STRIP)) {
            match self.0 {
                Kernel::Scalar => plain::products(weights, strip, output),
                #[cfg(target_arch = "x86_64")]
                Kernel::Avx2 => x86::products_avx2(self, weights, strip, output),
                #[cfg(target_arch = "x86_64")]
                Kernel::Avx512 => x86::products_avx512(self, weights, strip, output),
                #[cfg(target_arch = "aarch64")]
                Kernel::Neon => neon::products(weights, strip, output),
            }
        }
    }
}
