//! Which token comes next. Without a temperature it is the likeliest; with one it is drawn by lot, and the lot is a
//! function of the seed and of the place in the answer alone. So the same question always gets the same answer.
//!
//! A guard against the loops that small models fall into makes tokens of the answer's last stretch less likely. What a
//! mask forbids is never looked at.

use super::kernel::exp;
use std::collections::{BTreeMap, BTreeSet};
use types::{ModelError, ModelErrorKind, Sampling};

/// How many of the answer's last tokens count as repeated.
const WINDOW: usize = 64;
/// What a repeated token's logit is divided by (multiplied, below zero).
const PENALTY: f32 = 1.1;
/// Tokens that are e to this power less likely than the best are left out: all of them together would hardly ever win.
const FARTHEST: f32 = 30.0;
/// The highest temperature; above it there is nothing but noise.
const HOTTEST: f32 = 2.0;
/// The bounds of both penalties.
const HEAVIEST: f32 = 2.0;

#[derive(Clone, Copy, Debug)]
pub(super) struct Sampler {
    /// None: the likeliest token.
    temperature: Option<f32>,
    /// Only the likeliest tokens that together have this share, at most 1.
    top_p: f32,
    seed: u64,
    /// What a token's logit loses for having been said, and for each time that it was.
    penalties: (f32, f32),
}

impl Sampler {
    /// Without a seed of its own a request has one by its prompt: asked again, it gets the same answer.
    pub fn new(sampling: &Sampling, prompt: &[u32]) -> Self {
        Self {
            temperature: sampling.temperature.filter(|temperature| *temperature > 0.0),
            top_p: sampling.top_p.unwrap_or(1.0),
            penalties: (sampling.presence_penalty.unwrap_or_default(), sampling.frequency_penalty.unwrap_or_default()),
            seed: sampling.seed.unwrap_or_else(|| {
                prompt.iter().fold(0xcbf2_9ce4_8422_2325, |sum: u64, token| mixed(sum ^ u64::from(*token)))
            }),
        }
    }

    /// Why a request's settings cannot be followed, if so.
    pub fn check(sampling: &Sampling) -> Result<(), ModelError> {
        let invalid = |message: String| Err(ModelError::new(ModelErrorKind::Invalid, message));
        match (sampling.temperature, sampling.top_p) {
            (Some(temperature), _) if !(0.0..=HOTTEST).contains(&temperature) => {
                invalid(format!("the temperature is {temperature}: the local model takes 0 to {HOTTEST}"))
            }
            (_, Some(top_p)) if !(top_p > 0.0 && top_p <= 1.0) => {
                invalid(format!("top_p is {top_p}: the local model takes more than 0 and at most 1"))
            }
            _ => {
                let penalties = [sampling.presence_penalty, sampling.frequency_penalty];
                let is_fine = |penalty: f32| (-HEAVIEST..=HEAVIEST).contains(&penalty);
                match penalties.into_iter().flatten().find(|penalty| !is_fine(*penalty)) {
                    Some(penalty) => {
                        invalid(format!("a penalty is {penalty}: the local model takes -{HEAVIEST} to {HEAVIEST}"))
                    }
                    None => Ok(()),
                }
            }
        }
    }

    /// The token after the `answer` so far. `mask` has a bit for each token that is allowed. None: no token is.
    pub fn pick(self, logits: &mut [f32], answer: &[u32], mask: Option<&[u32]>) -> Option<u32> {
        let recent: BTreeSet<u32> = answer.iter().rev().take(WINDOW).copied().collect();
        for token in recent {
            if let Some(logit) = logits.get_mut(token as usize) {
                *logit = if *logit > 0.0 { *logit / PENALTY } else { *logit * PENALTY };
            }
        }
        self.punish(logits, answer);
        let allowed = |token: u32| match mask {
            Some(mask) => mask.get(token as usize / 32).is_some_and(|word| word >> (token % 32) & 1 == 1),
            None => true,
        };
        let likeliest = likeliest(logits, allowed)?;
        match self.temperature {
            None => Some(likeliest),
            Some(temperature) => Some(self.draw(logits, allowed, likeliest, temperature, answer.len() as u64)),
        }
    }

    /// Makes what was said in the answer less likely, or more.
    fn punish(self, logits: &mut [f32], answer: &[u32]) {
        let (presence, frequency) = self.penalties;
        if presence == 0.0 && frequency == 0.0 {
            return;
        }
        let mut times: BTreeMap<u32, f32> = BTreeMap::new();
        for token in answer {
            *times.entry(*token).or_default() += 1.0;
        }
        for (token, times) in times {
            if let Some(logit) = logits.get_mut(token as usize) {
                *logit -= presence + frequency * times;
            }
        }
    }

    fn draw(
        self,
        logits: &[f32],
        allowed: impl Fn(u32) -> bool,
        likeliest: u32,
        temperature: f32,
        position: u64,
    ) -> u32 {
        let most = logits.get(likeliest as usize).copied().unwrap_or_default();
        let mut weights: Vec<(f32, u32)> = (0_u32..)
            .zip(logits)
            .map(|(token, logit)| ((logit - most) / temperature, token))
            .filter(|(power, token)| *power >= -FARTHEST && allowed(*token))
            .map(|(power, token)| (exp(power), token))
            .collect();
        let mut sum: f64 = weights.iter().map(|(weight, _)| f64::from(*weight)).sum();
        if self.top_p < 1.0 {
            weights.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let enough = sum * f64::from(self.top_p);
            sum = 0.0;
            let mut kept = 0;
            while kept < weights.len() && (kept == 0 || sum < enough) {
                sum += f64::from(weights[kept].0);
                kept += 1;
            }
            weights.truncate(kept);
        }
        let lot = mixed(self.seed.wrapping_add((position + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let mut left = (lot >> 11) as f64 / (1_u64 << 53) as f64 * sum;
        for (weight, token) in &weights {
            left -= f64::from(*weight);
            if left < 0.0 {
                return *token;
            }
        }
        // Rounding has left a little over.
        weights.last().map_or(likeliest, |(_, token)| *token)
    }
}

/// The allowed token with the highest logit, the first of equals. What is not a number loses against every number.
fn likeliest(logits: &[f32], allowed: impl Fn(u32) -> bool) -> Option<u32> {
    let mut best = None;
    for (token, logit) in (0_u32..).zip(logits) {
        let is_better = |(_, most): (u32, f32)| *logit > most || most.is_nan() && !logit.is_nan();
        if best.is_none_or(is_better) && allowed(token) {
            best = Some((token, *logit));
        }
    }
    best.map(|(token, _)| token)
}

/// Spreads 64 bits over 64 bits: neighbours have nothing in common (the finalizer of SplitMix64).
fn mixed(bits: u64) -> u64 {
    let bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(temperature: Option<f32>, top_p: Option<f32>, seed: u64) -> Sampler {
        Sampler::new(&Sampling { temperature, top_p, seed: Some(seed), ..Sampling::default() }, &[])
    }

    #[test]
    fn a_loop_is_left() {
        // A network that would say token 1 for ever: 2 is almost as likely.
        let greedy = |answer: &[u32]| sampler(None, None, 0).pick(&mut [0.0, 10.0, 9.5], answer, None);
        assert_eq!(greedy(&[]), Some(1));
        assert_eq!(greedy(&[1]), Some(2));
    }

    #[test]
    fn what_was_said_is_avoided_as_far_as_asked() {
        let penal = |presence, frequency| {
            let sampling = Sampling {
                presence_penalty: Some(presence),
                frequency_penalty: Some(frequency),
                ..Sampling::default()
            };
            Sampler::check(&sampling).map(|()| Sampler::new(&sampling, &[]))
        };
        // The guard against loops takes a tenth of a token said before.
        let pick = |presence, frequency, answer: &[u32]| {
            penal(presence, frequency).unwrap().pick(&mut [0.0, 10.0, 8.0], answer, None)
        };
        assert_eq!(pick(0.0, 0.0, &[1, 1]), Some(1));
        assert_eq!(pick(2.0, 0.0, &[1, 1]), Some(2));
        assert_eq!(pick(0.0, 0.5, &[1]), Some(1));
        assert_eq!(pick(0.0, 0.6, &[1, 1]), Some(2));
        assert_eq!(pick(-2.0, 0.0, &[2]), Some(1));
        assert!(penal(2.1, 0.0).is_err() && penal(0.0, f32::NAN).is_err());
    }

    #[test]
    fn only_what_the_mask_allows_is_picked() {
        for temperature in [None, Some(0.0), Some(1.0), Some(2.0)] {
            for seed in 0..200 {
                let mut logits = vec![5.0; 40];
                logits[33] = -1e30;
                logits[2] = f32::NAN;
                let pick = sampler(temperature, None, seed).pick(&mut logits, &[], Some(&[0b100, 0b10]));
                assert_eq!(pick, Some(33), "{temperature:?}: the only number that is allowed");
            }
            // A mask that is too short forbids the rest, and an empty one everything.
            assert_eq!(sampler(temperature, None, 1).pick(&mut [0.0; 40], &[], Some(&[0])), None);
        }
        assert_eq!(sampler(None, None, 0).pick(&mut [f32::NAN, f32::NEG_INFINITY, f32::NAN], &[1], None), Some(1));
        assert_eq!(sampler(Some(1.0), None, 0).pick(&mut [f32::NAN; 3], &[], None), Some(0));
    }

    #[test]
    fn lots_fall_as_often_as_they_should_and_the_same_way_every_time() {
        let logits = [0.0, 2.0_f32.ln(), 5.0_f32.ln(), f32::NEG_INFINITY];
        let draw = |seed, temperature, top_p| {
            let mut counts = [0_i32; 4];
            for position in 0..4000 {
                let answer = vec![4; position];
                let token = sampler(Some(temperature), top_p, seed).pick(&mut logits.clone(), &answer, None).unwrap();
                counts[token as usize] += 1;
            }
            counts
        };
        let counts = draw(7, 1.0, None);
        for (count, share) in counts.into_iter().zip([1, 2, 5, 0]) {
            assert!((count - 500 * share).abs() < 120, "{counts:?}");
        }
        assert_eq!(counts, draw(7, 1.0, None));
        assert_ne!(counts, draw(8, 1.0, None));
        assert_eq!(draw(7, 1.0, Some(0.6)), [0, 0, 4000, 0], "the first alone has that share");
        let two = draw(7, 1.0, Some(0.8));
        assert!(two[0] == 0 && two[1] > 900 && two[3] == 0, "{two:?}");
        let cold = draw(7, 0.1, None);
        assert!(cold[2] > 3990, "{cold:?}");
    }

    #[test]
    fn settings_out_of_bounds_are_refused() {
        for (temperature, top_p, is_fine) in [
            (None, None, true),
            (Some(0.0), Some(1.0), true),
            (Some(2.0), Some(0.1), true),
            (Some(-0.1), None, false),
            (Some(2.1), None, false),
            (Some(f32::NAN), None, false),
            (None, Some(0.0), false),
            (None, Some(1.1), false),
            (None, Some(f32::NAN), false),
        ] {
            let sampling = Sampling { temperature, top_p, ..Sampling::default() };
            assert_eq!(Sampler::check(&sampling).is_ok(), is_fine, "{sampling:?}");
        }
    }
}
