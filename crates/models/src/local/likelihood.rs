//! How likely each token of an answer was, by the network alone: before any penalty, temperature or grammar. What was
//! noted travels with the next text that is told; of what is held back and never told, nothing is.

use super::vocabulary::Vocabulary;
use std::cmp::Ordering;
use types::TokenLogprob;

pub(super) struct Likelihoods {
    /// The likeliest to tell at each place.
    top: usize,
    noted: Vec<TokenLogprob>,
}

impl Likelihoods {
    pub fn new(top: u8) -> Self {
        Self { top: top.into(), noted: Vec::new() }
    }

    /// Notes the token that was chosen by these logits.
    pub fn note(&mut self, token: u32, logits: &[f32], vocabulary: &Vocabulary) {
        let most = logits.iter().copied().filter(|logit| !logit.is_nan()).fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits.iter().filter(|logit| !logit.is_nan()).map(|logit| f64::from(logit - most).exp()).sum();
        let whole = f64::from(most) + sum.ln();
        let of = |token: u32| {
            let logit = logits.get(token as usize).copied().unwrap_or(f32::NEG_INFINITY);
            let bytes = vocabulary.piece(token);
            TokenLogprob {
                token: String::from_utf8_lossy(bytes).into_owned(),
                // JSON has no infinity.
                logprob: (f64::from(logit) - whole).max(LEAST),
                bytes: Some(bytes.to_vec()),
                top: Vec::new(),
            }
        };
        let top = likeliest(logits, self.top).into_iter().map(of).collect();
        self.noted.push(TokenLogprob { top, ..of(token) });
    }

    pub fn take(&mut self) -> Vec<TokenLogprob> {
        std::mem::take(&mut self.noted)
    }
}

/// What the wire says of a token that has no chance.
const LEAST: f64 = -9999.0;

/// The `count` tokens with the highest logits, the highest first, of equals the first.
fn likeliest(logits: &[f32], count: usize) -> Vec<u32> {
    let logit = |token: u32| logits.get(token as usize).copied().unwrap_or(f32::NEG_INFINITY);
    let order = |a: &u32, b: &u32| logit(*b).partial_cmp(&logit(*a)).unwrap_or(Ordering::Equal).then(a.cmp(b));
    let mut best: Vec<u32> = Vec::with_capacity(count + 1);
    for (token, value) in (0_u32..).zip(logits) {
        let is_better = best.len() < count || best.last().is_some_and(|last| *value > logit(*last));
        if count > 0 && is_better && !value.is_nan() {
            let at = best.partition_point(|other| order(other, &token) == Ordering::Less);
            best.insert(at, token);
            best.truncate(count);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_come_first() {
        let logits = [1.0, f32::NAN, 3.0, -1.0, 3.0, 2.0];
        for (count, expected) in [(0, &[][..]), (1, &[2]), (3, &[2, 4, 5]), (9, &[2, 4, 5, 0, 3])] {
            assert_eq!(likeliest(&logits, count), expected);
        }
    }
}
