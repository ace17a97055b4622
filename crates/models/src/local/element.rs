//! The element kinds of a GGUF file: how many lie in a block, how many bytes that has, and what numbers they stand for
//! (layouts: the "ggml-common.h" and "ggml-quants" of the ggml project; each block begins with its scales unless it is
//! said here).

/// Values in a block of the kinds whose names end in K.
const SUPER: usize = 256;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Element {
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q4K,
    Q5K,
    Q6K,
}

impl Element {
    /// By its number in the file.
    pub fn numbered(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            6 => Self::Q5_0,
            7 => Self::Q5_1,
            8 => Self::Q8_0,
            12 => Self::Q4K,
            13 => Self::Q5K,
            14 => Self::Q6K,
            30 => Self::BF16,
            _ => return None,
        })
    }

    /// Elements in a block.
    pub fn block(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => 1,
            Self::Q4_0 | Self::Q4_1 | Self::Q5_0 | Self::Q5_1 | Self::Q8_0 => 32,
            Self::Q4K | Self::Q5K | Self::Q6K => SUPER,
        }
    }

    /// Bytes of a block.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Q4_0 => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 => 34,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
        }
    }

    /// Bytes of a row of `columns` elements; None where they do not fill blocks.
    pub fn row_bytes(self, columns: usize) -> Option<usize> {
        (columns > 0 && columns.is_multiple_of(self.block())).then(|| columns / self.block() * self.bytes())
    }

    /// The numbers that whole blocks stand for.
    pub fn numbers(self, bytes: &[u8]) -> Vec<f32> {
        let mut numbers = Vec::with_capacity(bytes.len() / self.bytes() * self.block());
        for block in bytes.chunks_exact(self.bytes()) {
            self.push(block, &mut numbers);
        }
        numbers
    }

    fn push(self, block: &[u8], into: &mut Vec<f32>) {
        let half_at = |at: usize| half([block[at], block[at + 1]]);
        match self {
            Self::F32 => into.extend(block.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes))),
            Self::F16 => into.push(half_at(0)),
            Self::BF16 => into.push(f32::from_le_bytes([0, 0, block[0], block[1]])),
            Self::Q4_0 => {
                let (scale, bytes) = (half_at(0), &block[2..]);
                into.extend(nibbles(bytes).map(|q| (i32::from(q) - 8) as f32 * scale));
            }
            Self::Q4_1 => {
                let (scale, least, bytes) = (half_at(0), half_at(2), &block[4..]);
                into.extend(nibbles(bytes).map(|q| f32::from(q) * scale + least));
            }
            Self::Q5_0 => {
                let (scale, high, bytes) = (half_at(0), &block[2..6], &block[6..]);
                let fifth = |i: usize| high[i / 8] >> (i % 8) & 1;
                let values = nibbles(bytes).enumerate().map(|(i, q)| i32::from(q | fifth(i) << 4) - 16);
                into.extend(values.map(|q| q as f32 * scale));
            }
            Self::Q5_1 => {
                let (scale, least, high, bytes) = (half_at(0), half_at(2), &block[4..8], &block[8..]);
                let fifth = |i: usize| high[i / 8] >> (i % 8) & 1;
                into.extend(nibbles(bytes).enumerate().map(|(i, q)| f32::from(q | fifth(i) << 4) * scale + least));
            }
            Self::Q8_0 => into.extend(block[2..].iter().map(|q| f32::from(q.cast_signed()) * half_at(0))),
            Self::Q4K => super_block((half_at(0), half_at(2)), &block[4..16], None, &block[16..], into),
            Self::Q5K => super_block((half_at(0), half_at(2)), &block[4..16], Some(&block[16..48]), &block[48..], into),
            Self::Q6K => sixes(block, half_at(208), into),
        }
    }
}

/// The low halves of all bytes, then the high ones.
fn nibbles(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.iter().map(|byte| byte & 15).chain(bytes.iter().map(|byte| byte >> 4))
}

/// Q4_K and Q5_K: eight groups of 32, each with a scale and a least value of 6 bits in units of the block's own.
fn super_block(units: (f32, f32), scales: &[u8], fifth: Option<&[u8]>, bytes: &[u8], into: &mut Vec<f32>) {
    for (pair, bytes) in bytes.chunks_exact(32).enumerate() {
        for (group, shift) in [(pair * 2, 0), (pair * 2 + 1, 4)] {
            let (scale, least) = six_bits(scales, group);
            let (scale, least) = (units.0 * f32::from(scale), units.1 * f32::from(least));
            into.extend(bytes.iter().enumerate().map(|(i, byte)| {
                let high = fifth.map_or(0, |fifth| (fifth[i] >> group & 1) << 4);
                f32::from(byte >> shift & 15 | high) * scale - least
            }));
        }
    }
}

/// The scale and the least value of one of eight groups: 6 bits each, packed in 12 bytes.
fn six_bits(packed: &[u8], group: usize) -> (u8, u8) {
    if group < 4 {
        return (packed[group] & 63, packed[group + 4] & 63);
    }
    let low = packed[group + 4];
    ((low & 15) | packed[group - 4] >> 6 << 4, low >> 4 | packed[group] >> 6 << 4)
}

/// Q6_K: 128 bytes of low halves, 64 of high quarters, 16 scales, and the unit behind them.
fn sixes(block: &[u8], unit: f32, into: &mut Vec<f32>) {
    let (low, high, scales) = (&block[..128], &block[128..192], &block[192..208]);
    for i in 0..SUPER {
        // Each half of 128 values is four runs of 32: two in the low and two in the high halves of 64 bytes.
        let (half, run, at) = (i / 128, i % 128 / 32, i % 32);
        let four = low[half * 64 + run % 2 * 32 + at] >> (run / 2 * 4) & 15;
        let two = high[half * 32 + at] >> (run * 2) & 3;
        let scale = unit * f32::from(scales[i / 16].cast_signed());
        into.push((i32::from(four | two << 4) - 32) as f32 * scale);
    }
}

/// A number of 16 bits with 5 of exponent. Exact: every one of them is an f32.
pub(super) fn half(bytes: [u8; 2]) -> f32 {
    let bits = u32::from(u16::from_le_bytes(bytes));
    let sign = (bits & 0x8000) << 16;
    let size = (bits & 0x7fff) << 13;
    let size = match bits & 0x7c00 {
        // Infinities and what is not a number keep the highest exponent.
        0x7c00 => f32::from_bits(size | 0x7f80_0000),
        // The exponents differ by 112; a product with a power of two is exact and takes the small ones along.
        _ => f32::from_bits(size) * f32::from_bits((112 + 127) << 23),
    };
    f32::from_bits(size.to_bits() | sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same bytes in every run; what they stand for was told by another program, and is kept here as a sum over
    /// all bits.
    #[test]
    fn blocks_stand_for_the_numbers_that_another_program_reads() {
        let mut state = 12_345_u64;
        let mut byte = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u8
        };
        for (kind, expected) in [
            (Element::F32, 0xd7a8_abb1_eec2_5276_u64),
            (Element::F16, 0xde37_fb5d_0d84_c825),
            (Element::BF16, 0x835e_332e_af69_0825),
            (Element::Q4_0, 0xfcfb_0ad1_b5d5_6325),
            (Element::Q4_1, 0x5c35_50e9_3cc3_e4fa),
            (Element::Q5_0, 0xe721_e56c_1d05_1d25),
            (Element::Q5_1, 0x6fe8_9cfa_fd89_a2a6),
            (Element::Q8_0, 0x287b_d850_ca7f_9325),
            (Element::Q4K, 0x155f_7f09_80e2_d2d0),
            (Element::Q5K, 0xa17f_30fe_ccb8_1e71),
            (Element::Q6K, 0x8668_44ff_42d4_600b),
        ] {
            let bytes: Vec<u8> = (0..kind.bytes() * 64).map(|_| byte()).collect();
            let numbers = kind.numbers(&bytes);
            assert_eq!(numbers.len(), 64 * kind.block());
            let sum = numbers.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, number| {
                let bits = if number.is_nan() { 0x7fc0_0000 } else { number.to_bits() };
                (sum ^ u64::from(bits)).wrapping_mul(0x0100_0000_01b3)
            });
            assert_eq!(sum, expected, "{kind:?}");
        }
    }

    #[test]
    fn halves_are_exact() {
        for (bits, number) in [
            (0x3c00_u16, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65_504.0),
            (0x0001, 2.0_f32.powi(-24)),
            (0x8400, -(2.0_f32.powi(-14))),
            (0x7c00, f32::INFINITY),
        ] {
            assert_eq!(half(bits.to_le_bytes()), number);
        }
        assert!(half([0x01, 0x7e]).is_nan());
        assert!(half([0, 0x80]).is_sign_negative());
    }
}
