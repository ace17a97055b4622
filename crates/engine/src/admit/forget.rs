//! What is left out of later contexts after a turn whose context was too long: the turn itself, and, where the history
//! before it is the larger part, the older half of that. Nothing is deleted: lists and streams show it all.

use crate::state::{HeadKind, ItemHead, State, Turn};
use types::Seq;

/// Ranges of records, first and last.
pub(super) fn forget(state: &State, turn: &Turn) -> Vec<(Seq, Seq)> {
    let history: Vec<&ItemHead> = state.transcript.iter().filter(|head| head.seq < turn.seq).collect();
    let tokens = |heads: &mut dyn Iterator<Item = &ItemHead>| heads.map(|head| u64::from(head.tokens)).sum::<u64>();
    let before = tokens(&mut history.iter().copied());
    let own = tokens(&mut state.transcript.iter().chain(&state.steering).filter(|head| head.seq > turn.seq));
    let mut ranges = Vec::new();
    if before > own {
        // A cut before a message keeps calls and their results together.
        let mut dropped = 0;
        let cut = history.iter().find(|head| {
            let enough = dropped >= before / 2 && head.kind == HeadKind::Message;
            dropped += u64::from(head.tokens);
            enough
        });
        let last = cut.map_or(turn.seq.0, |head| head.seq.0).saturating_sub(1);
        ranges.push((Seq(1), Seq(last)));
    }
    ranges.push((turn.seq, state.seq));
    ranges
}
