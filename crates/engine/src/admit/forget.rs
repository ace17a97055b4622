//! What is left out of later contexts after a turn whose context was too long: the turn itself, and, where the history
//! before it is the larger part, the older half of that. Nothing is deleted: lists and streams show it all.

use crate::state::{HeadKind, ItemHead, State, Turn};
use std::collections::BTreeSet;
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
        let cut = history.iter().position(|head| {
            let enough = dropped >= before / 2 && head.kind == HeadKind::Message;
            dropped += u64::from(head.tokens);
            enough
        });
        let (old, kept) = history.split_at(cut.unwrap_or(history.len()));
        ranges = around(old, kept);
    }
    ranges.push((turn.seq, state.seq));
    ranges
}

/// Ranges that hold what is old and nothing of what is kept. The transcript is not in the order of the log: a message
/// that came while a call was open stands after its result.
fn around(old: &[&ItemHead], kept: &[&ItemHead]) -> Vec<(Seq, Seq)> {
    let mut seqs: Vec<Seq> = old.iter().map(|head| head.seq).collect();
    seqs.sort_unstable();
    let kept: BTreeSet<Seq> = kept.iter().map(|head| head.seq).collect();
    let mut ranges: Vec<(Seq, Seq)> = Vec::new();
    for seq in seqs {
        match ranges.last_mut() {
            Some((_, last)) if kept.range(*last..seq).next().is_none() => *last = seq,
            _ => ranges.push((seq, seq)),
        }
    }
    ranges
}
