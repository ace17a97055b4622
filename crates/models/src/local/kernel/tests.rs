//! Every kernel of this processor against the plain one, bit for bit, and the plain one against sums in f64.

use super::*;

/// Numbers that look random and are the same in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// From -1 to 1, now and then far larger or exactly zero.
    fn number(&mut self) -> f32 {
        let number = self.next() as f32 / (1_u64 << 30) as f32 - 1.0;
        match self.next() % 50 {
            0 => number * 1e4,
            1 => 0.0,
            _ => number,
        }
    }
}

fn weights(noise: &mut Noise, width: usize) -> Vec<Weights> {
    let mut blocks = vec![Weights::ZERO; width];
    for block in &mut blocks {
        for row in 0..LANES {
            // All that 8 bits hold, since a file may say so.
            let quants = std::array::from_fn(|_| noise.next() as u8 as i8);
            block.put(row, &quants, noise.number());
        }
    }
    blocks[0].put(0, &[-128; BLOCK], 1.0);
    blocks
}

fn inputs(noise: &mut Noise, width: usize) -> Vec<Inputs> {
    let mut strip = vec![Inputs::ZERO; width];
    for block in &mut strip {
        for input in 0..STRIP {
            block.set(input, &std::array::from_fn(|_| noise.number()));
        }
    }
    strip[0].set(0, &[-1.0; BLOCK]);
    strip
}

#[test]
fn products_are_the_same_bits_on_every_kernel() {
    let mut noise = Noise(1);
    for width in [1, 2, 18, 48] {
        let weights = weights(&mut noise, width);
        let strips: Vec<Inputs> = (0..3).flat_map(|_| inputs(&mut noise, width)).collect();
        for count in 1..=3 * STRIP {
            let strips = &strips[..count.div_ceil(STRIP) * width];
            let products = |kernel| {
                let mut output = vec![[f32::NAN; LANES]; count];
                Arithmetic::new(Some(kernel)).products(&weights, strips, &mut output);
                output
            };
            let plain = products(Kernel::Scalar);
            assert!(plain.iter().flatten().all(|x| x.is_finite()));
            for kernel in Kernel::available() {
                assert!(products(kernel) == plain, "{kernel}, {width} blocks, {count} inputs");
            }
        }
    }
}

#[test]
fn products_are_right() {
    let mut noise = Noise(2);
    let (weights, strip) = (weights(&mut noise, 5), inputs(&mut noise, 5));
    let mut output = [[0.0; LANES]; STRIP];
    Arithmetic::new(None).products(&weights, &strip, &mut output);
    for (input, output) in output.iter().enumerate() {
        for (row, output) in output.iter().enumerate() {
            let mut sum = 0.0;
            let mut size = 0.0;
            for (weights, inputs) in weights.iter().zip(&strip) {
                let values = inputs.quads.iter().flat_map(|quad| quad[input]);
                for (weight, quant) in weights.row(row).into_iter().zip(values) {
                    let product = f64::from(weight) * f64::from(quant) * f64::from(inputs.scales[input]);
                    sum += product;
                    size += product.abs();
                }
            }
            assert!((f64::from(*output) - sum).abs() <= 1e-6 * size, "{output} and {sum}");
        }
    }
}

#[test]
fn rounding_keeps_the_largest_and_survives_anything() {
    let mut values = [0.0; BLOCK];
    values[3] = -2.54;
    values[4] = 0.03;
    let (quants, unit) = plain::quantized(&values);
    assert_eq!((quants[3], quants[4], quants[0]), (-127, 2, 0), "to even in the middle");
    assert!((unit - 0.02).abs() < 1e-8);
    for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MIN_POSITIVE, 1e-45, -1e-45, f32::MAX] {
        values[7] = odd;
        let (quants, unit) = plain::quantized(&values);
        assert!(quants.iter().all(|q| (-127..=127).contains(q)) && unit.is_finite(), "{odd}");
    }
    assert_eq!(plain::quantized(&[0.0; BLOCK]), ([0; BLOCK], 0.0));
}

#[test]
fn attention_is_the_same_bits_on_every_kernel_and_right() {
    let mut noise = Noise(3);
    for (head, queries, count) in
        [(64_usize, 3_usize, 1_usize), (64, 3, 16), (64, 1, 17), (128, 8, 100), (16, 5, 333), (96, 2, 31)]
    {
        let parts = 2;
        let rows: Vec<(Vec<f32>, Vec<f32>)> = (0..count)
            .map(|_| {
                let mut row = || (0..head).map(|_| noise.number() * 0.5).collect::<Vec<f32>>();
                (row(), row())
            })
            .collect();
        // What lies behind the last position must not matter.
        let mut pages = vec![Page::new(parts, head); count.div_ceil(LANES) + 1];
        let stale = vec![f32::NAN; head];
        for position in count..pages.len() * LANES {
            pages[position / LANES].put(1, position % LANES, &stale, &stale);
        }
        for (position, (key, value)) in rows.iter().enumerate() {
            pages[position / LANES].put(1, position % LANES, key, value);
        }
        let seen = Seen { pages: &pages, count, part: 1 };
        let asked: Vec<f32> = (0..queries * head).map(|_| noise.number()).collect();
        let attend = |kernel, asked: &[f32]| {
            let mut into = vec![f32::NAN; asked.len()];
            Arithmetic::new(Some(kernel)).attend(seen, asked, head, &mut Vec::new(), &mut into);
            into
        };
        let plain = attend(Kernel::Scalar, &asked);
        for kernel in Kernel::available() {
            assert!(attend(kernel, &asked) == plain, "{kernel}, {head} {queries} {count}");
            let alone: Vec<f32> = asked.chunks(head).flat_map(|query| attend(kernel, query)).collect();
            assert!(alone == plain, "{kernel}: one query at a time");
        }
        for (query, found) in asked.chunks(head).zip(plain.chunks(head)) {
            let dot = |key: &[f32]| query.iter().zip(key).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
            let scores: Vec<f64> = rows.iter().map(|(key, _)| dot(key) / (head as f64).sqrt()).collect();
            let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let shares: Vec<f64> = scores.iter().map(|score| (score - most).exp()).collect();
            let sum: f64 = shares.iter().sum();
            for (element, found) in found.iter().enumerate() {
                let each = rows.iter().zip(&shares).map(|((_, value), share)| share * f64::from(value[element]));
                let size: f64 = rows.iter().zip(&shares).map(|((_, v), s)| s * f64::from(v[element]).abs()).sum();
                let right = each.sum::<f64>() / sum;
                assert!((f64::from(*found) - right).abs() <= 1e-2 * (size / sum) + 1e-6, "{found} and {right}");
            }
        }
    }
}

#[test]
fn the_gate_is_the_same_bits_on_every_kernel() {
    let mut noise = Noise(4);
    let mut lanes = || (0..50).map(|_| std::array::from_fn(|_| noise.number() * 10.0)).collect::<Vec<[f32; LANES]>>();
    let (gate, up) = (lanes(), lanes());
    let gated = |kernel| {
        let mut gate = gate.clone();
        Arithmetic::new(Some(kernel)).gate(&mut gate, &up);
        gate
    };
    let plain = gated(Kernel::Scalar);
    for kernel in Kernel::available() {
        assert!(gated(kernel) == plain, "{kernel}");
    }
    for ((gate, up), gated) in gate.iter().flatten().zip(up.iter().flatten()).zip(plain.iter().flatten()) {
        let (gate, up) = (f64::from(*gate), f64::from(*up));
        let right = gate / (1.0 + (-gate).exp()) * up;
        assert!((f64::from(*gated) - right).abs() <= 1e-6 * right.abs() + 1e-30, "{gate} {up}: {gated} and {right}");
    }
}

#[test]
fn exp_is_right() {
    for i in -87_000..=88_000 {
        let x = i as f32 / 1000.0;
        let right = f64::from(x).exp();
        assert!((f64::from(exp(x)) - right).abs() <= 2e-7 * right, "{x}");
    }
    assert_eq!(exp(0.0), 1.0);
    assert!(exp(f32::NEG_INFINITY) < 2e-38 && exp(f32::NEG_INFINITY) > 0.0);
    assert!(exp(f32::INFINITY) > 1e38 && exp(f32::INFINITY).is_finite());
    assert!(exp(f32::NAN).is_nan());
}

#[test]
fn a_kernel_is_known_by_its_name() {
    for kernel in Kernel::available() {
        assert_eq!(kernel.to_string().parse(), Ok(kernel));
    }
    assert!("abacus".parse::<Kernel>().unwrap_err().contains("scalar"));
}

/// The bits as they were on x86-64 and on aarch64 when this was written.
#[test]
fn the_bits_are_the_same_on_every_machine() {
    let mut noise = Noise(5);
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |lanes: &[[f32; LANES]]| {
        for number in lanes.iter().flatten() {
            sum = (sum ^ u64::from(number.to_bits())).wrapping_mul(0x0100_0000_01b3);
        }
    };
    let (weights, strip) = (weights(&mut noise, 18), inputs(&mut noise, 18));
    let arithmetic = Arithmetic::new(None);
    let mut products = [[0.0; LANES]; STRIP];
    arithmetic.products(&weights, &strip, &mut products);
    add(&products);
    let mut gate: Vec<[f32; LANES]> = (0..STRIP).map(|_| std::array::from_fn(|_| noise.number())).collect();
    arithmetic.gate(&mut gate, &products);
    add(&gate);
    let mut pages = vec![Page::new(1, LANES * 2); 2];
    for position in 0..2 * LANES {
        let mut row = || std::array::from_fn::<f32, 32, _>(|_| noise.number() * 0.5);
        pages[position / LANES].put(0, position % LANES, &row(), &row());
    }
    let query: [f32; 32] = std::array::from_fn(|_| noise.number());
    let mut found = [[0.0; LANES]; 2];
    let seen = Seen { pages: &pages, count: 2 * LANES - 3, part: 0 };
    arithmetic.attend(seen, &query, 32, &mut Vec::new(), found.as_flattened_mut());
    add(&found);
    assert_eq!(sum, 0x1a84_14c6_2785_57ff);
}
