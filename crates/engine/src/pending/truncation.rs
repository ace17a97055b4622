//! What is left out of a model call that would be too long, where the request allows it: the oldest whole exchanges, and
//! never the newest one nor what was said from above.

use super::{beside, shown};
use crate::state::{HeadKind, ItemHead, State};
use std::collections::BTreeSet;
use types::{Rules, Seq};

pub(super) fn left_out(state: &State, rules: &Rules) -> BTreeSet<Seq> {
    let Some(window) = window(state, rules) else { return BTreeSet::new() };
    let heads: Vec<&ItemHead> = shown(state).collect();
    let mut tokens = heads.iter().map(|head| u64::from(head.tokens)).sum::<u64>() + beside(state);
    let mut left_out = BTreeSet::new();
    let mut exchanges = exchanges(&heads);
    // The newest is what the model is asked.
    exchanges.pop();
    for exchange in exchanges {
        if tokens <= window {
            break;
        }
        for head in exchange.iter().filter(|head| !matches!(head.kind, HeadKind::System | HeadKind::Settled)) {
            tokens -= u64::from(head.tokens);
            left_out.insert(head.seq);
        }
    }
    left_out
}

/// The room that there is, where what does not fit may be left out.
fn window(state: &State, rules: &Rules) -> Option<u64> {
    let turn = state.turn.as_ref()?;
    turn.request.as_ref().filter(|request| request.truncate)?;
    rules.model(&turn.call.as_ref()?.model)?.context_tokens
}

/// Each begins with the first message after something else.
fn exchanges<'a>(heads: &'a [&'a ItemHead]) -> Vec<&'a [&'a ItemHead]> {
    let asks = |head: &ItemHead| {
        matches!(head.kind, HeadKind::Message | HeadKind::Apart | HeadKind::System | HeadKind::Settled)
    };
    heads.chunk_by(|before, after| asks(before) || !asks(after)).collect()
}
