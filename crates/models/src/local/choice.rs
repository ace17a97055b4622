//! Which token comes next: the likeliest, with a guard against the loops that small models fall into. No chance is
//! involved, so the same conversation gets the same answer.

use std::collections::BTreeSet;

/// How many of the answer's last tokens count as repeated.
const WINDOW: usize = 64;
/// What a repeated token's logit is divided by (multiplied, below zero).
const PENALTY: f32 = 1.1;

/// The next token after the `answer` so far.
pub(super) fn next_token(mut logits: Vec<f32>, answer: &[u32]) -> u32 {
    let recent: BTreeSet<u32> = answer.iter().rev().take(WINDOW).copied().collect();
    for token in recent {
        if let Some(logit) = logits.get_mut(token as usize) {
            *logit = if *logit > 0.0 { *logit / PENALTY } else { *logit * PENALTY };
        }
    }
    let best = logits
        .iter()
        .zip(0_u32..)
        .fold((f32::NEG_INFINITY, 0), |best, (logit, token)| if *logit > best.0 { (*logit, token) } else { best });
    best.1
}
