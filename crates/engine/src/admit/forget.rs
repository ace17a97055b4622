//! What is left out of later contexts after a turn whose context was too long: the turn itself, and, where the history
//! before it is the larger part, the older half of that. Nothing is deleted: lists and streams show it all.
//!
//! History is never left out for what stands beside it: whoever has too many tools would lose a conversation that is not at fault.

use crate::pending;
use crate::state::{HeadKind, ItemHead, State, Turn};
use std::collections::BTreeSet;
use types::{Rules, Seq};

/// What is left out, and what is said of it.
#[derive(Default)]
pub(super) struct Forgotten {
    /// Ranges of records, first and last.
    pub(super) ranges: Vec<(Seq, Seq)>,
    /// Why the conversation was spared, where it was.
    pub(super) told: Option<String>,
}

pub(super) fn forget(state: &State, rules: &Rules, turn: &Turn) -> Forgotten {
    let history: Vec<&ItemHead> = state.transcript.iter().filter(|head| head.seq < turn.seq).collect();
    let tokens = |heads: &mut dyn Iterator<Item = &ItemHead>| heads.map(|head| u64::from(head.tokens)).sum::<u64>();
    let before = tokens(&mut history.iter().copied());
    let own = tokens(&mut state.transcript.iter().chain(&state.steering).filter(|head| head.seq > turn.seq));
    let beside = pending::beside(state);
    let window = turn.call.as_ref().and_then(|call| rules.model(&call.model)?.context_tokens);
    let told = format!("Instructions and tools, which go with every call, have about {beside} tokens");
    if window.is_some_and(|window| beside > window) {
        let told = Some(format!("{told}: that alone is too long, so nothing of the conversation was left out."));
        return Forgotten { told, ranges: Vec::new() };
    }
    let turn_alone = of_turn(state, turn);
    if before <= own {
        return Forgotten { ranges: turn_alone, told: None };
    }
    let helps = match window {
        Some(window) if before + own + beside > window => own + beside <= window,
        // It was the provider that found it too long, and nobody knows what fits.
        _ => before >= beside,
    };
    if !helps {
        let told = Some(format!("{told}: what was said before this turn was not left out for that."));
        return Forgotten { ranges: turn_alone, told };
    }
    // A cut before a message keeps calls and their results together.
    let mut dropped = 0;
    let cut = history.iter().position(|head| {
        let enough = dropped >= before / 2 && matches!(head.kind, HeadKind::Message | HeadKind::Apart);
        dropped += u64::from(head.tokens);
        enough
    });
    let (old, kept) = history.split_at(cut.unwrap_or(history.len()));
    Forgotten { ranges: [around(old, kept), turn_alone].concat(), told: None }
}

/// The turn, save what was said meanwhile of how effects came out: it may be about an earlier turn, and no model may have
/// been told of it yet.
fn of_turn(state: &State, turn: &Turn) -> Vec<(Seq, Seq)> {
    let heads = state.transcript.iter().chain(&state.steering);
    let settled = heads.filter(|head| head.seq > turn.seq && head.kind == HeadKind::Settled).map(|head| head.seq);
    let (mut ranges, mut from) = (Vec::new(), turn.seq);
    for seq in settled.collect::<BTreeSet<_>>() {
        if from < seq {
            ranges.push((from, Seq(seq.0.saturating_sub(1))));
        }
        from = seq.next();
    }
    if from <= state.seq {
        ranges.push((from, state.seq));
    }
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
