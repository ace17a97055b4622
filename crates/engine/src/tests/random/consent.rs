//! The same with consent, reviews, programs, results that come later, operators' words and restores: besides, a turn
//! that is worked on has something due, or its time alone would end it; and a fork at any record is whole.

use super::super::script::Script;
use super::{begun_once, pairs, place};
use crate::state::{OpenTool, State, Turn};
use crate::{admit, apply, context, pending};
use std::collections::BTreeSet;
use types::{
    CallId, Consent, Effect, EffectId, Entropy, Epoch, Input, ItemBody, Limits, Record, RecordBody, Restored, Seq,
    SessionId, Stamp, Timestamp, Told, ToolKind,
};

const STEPS: &[&str] = &[
    "message more",
    "message more",
    "message more",
    "says fine",
    "unheard fine",
    "offer read pure & get idempotent asks p1 & pay keyed asks p1 & send irreversible asks p2 & prog pure program & find pure search & run attachable command",
    "offer read pure & get idempotent asks p1 & pay keyed asks p1 & send irreversible asks p2 & prog pure program & find pure search & run attachable command",
    "offer read pure pin p9 & get idempotent asks p8 & send irreversible asks p7 & prog pure program",
    "calls t1 read {} & t2 get {} & t3 send {} & t4 prog {}",
    "calls t4 prog {} & t5 prog {}",
    "calls t2 get {}",
    "calls t3 send {} & t7 pay {}",
    "calls t4 prog {} & c9 a {}",
    "calls c9 a {}",
    "calls c9 a {} & c1 f {}",
    "calls t6 send {} & c9 a {}",
    "paused PROGRAM read {} & send {} & f {} & get {}",
    "paused PROGRAM send {} & send {}",
    "paused PROGRAM",
    "paused PROGRAM later {} & nobody {}",
    "ask MISSING",
    "ask MISSING",
    "ask MISSING",
    "begin READY",
    "begin READY",
    "begin READY",
    "refuse READY",
    "done OPEN ok",
    "done OPEN ok",
    "broke OPEN no",
    "lost OPEN who",
    "overdue OPEN",
    "done GONE late",
    "consent approve REQUEST",
    "consent approve REQUEST",
    "consent deny REQUEST",
    "consent cancel REQUEST",
    "expire",
    "later 25",
    r#"judged REVIEW {"decision":"approve","reason":"x"}"#,
    "judged REVIEW no",
    "unjudged REVIEW overloaded",
    "unjudged REVIEW invalid",
    "review auto",
    "review auto",
    "review none",
    "settle UNKNOWN committed yes",
    "settle UNKNOWN failed no",
    "restore",
    "result CALL ok",
    "result CALL ok",
    "failure CALL no",
    "recover",
    "recover",
    "fails rate_limited",
    "intent 500",
];

#[test]
fn any_order_with_consent_is_sound_and_goes_on() {
    let mut seen = BTreeSet::new();
    for seed in 1..=200 {
        let mut chance = (seed * 0x9e37_79b9) | 1;
        let mut script = Script::new();
        script.step("create tools hello").expect("created");
        for nth in 1..=160 {
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            let Some(step) = filled(STEPS[(chance % STEPS.len() as u64) as usize], &script, chance) else { continue };
            take(&mut script, &step, nth, seed);
            pairs(&script, seed);
            begun_once(&script, seed);
            goes_on(&script.state, &format!("seed {seed}, after {step}"));
        }
        forks(&script, seed);
        seen.extend(script.log.iter().map(|record| record.encode().kind));
    }
    for kind in ["approval_asked", "approval_answered", "program_paused", "restored", "abandoned", "turn_ended"] {
        assert!(seen.contains(kind), "{kind}: {seen:?}");
    }
}

/// With a place named where the step needs one; None where there is none.
fn filled(step: &str, script: &Script, chance: u64) -> Option<String> {
    let nth = usize::try_from(chance >> 40).unwrap_or_default();
    let state = &script.state;
    let open = |wanted: &dyn Fn(&OpenTool) -> bool| -> Vec<String> {
        let tools = state.turn.iter().flat_map(|turn| &turn.tools).filter(|open| wanted(open));
        tools.map(|open| open.call.effect.0.to_string()).collect()
    };
    let missing = |open: &OpenTool| open.consent() == Consent::Missing;
    let unanswered = state.calls.iter().filter(|(_, call)| call.outcome.is_none());
    let places = [
        ("PROGRAM", open(&|open| open.is_due() && open.call.kind == ToolKind::Program)),
        ("MISSING", open(&|open| open.is_due() && missing(open))),
        ("READY", open(&|open| open.is_due() && !missing(open))),
        ("REVIEW", open(&|open| open.request.as_ref().is_some_and(|request| request.review.is_some()))),
        ("REQUEST", state.requests.values().map(|request| request.effect.0.to_string()).collect()),
        ("UNKNOWN", state.unsettled.keys().map(|effect| effect.0.to_string()).collect()),
        ("CALL", unanswered.map(|(id, _)| id.to_string()).collect()),
    ];
    for (word, known) in places {
        if step.contains(word) {
            return known.get(nth % known.len().max(1)).map(|one| step.replace(word, one));
        }
    }
    Some(place(step, script, chance))
}

fn take(script: &mut Script, step: &str, nth: u64, seed: u64) {
    let step = match step {
        "restore" => {
            restore(script, nth);
            "recover"
        }
        step => step,
    };
    let before = script.state.clone();
    if script.step(step).is_err() {
        assert_eq!(before, script.state, "seed {seed}: {step}");
    }
}

fn restore(script: &mut Script, nth: u64) {
    let turn = script.state.turn.as_ref().map(|turn| turn.id.clone());
    let restored = Restored { epoch: Epoch(9), backup: Timestamp(5), effect: EffectId(nth << 20), turn };
    let at = script.log.last().map_or(Timestamp(0), |record| record.at);
    let record = Record { at, body: RecordBody::Restored(restored) };
    let seq = script.state.seq.next();
    apply(&mut script.state, seq, &record);
    script.log.push(record);
}

/// A turn that nobody waits for must not wait for its end.
fn goes_on(state: &State, place: &str) {
    let Some(turn) = &state.turn else { return };
    let acts = pending(state, &Limits::default()).iter().any(|effect| !matches!(effect, Effect::TurnDeadline { .. }));
    assert!(acts || turn.waits() || state.is_held(), "{place}: nothing is due, and nobody is waited for");
    assert_eq!(Turn::is_worked_on(turn), acts, "{place}: what is worked on has something due");
}

struct Sevens;

impl Entropy for Sevens {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

/// A fork at any record has nothing to do, and its model is shown calls with their results.
fn forks(script: &Script, seed: u64) {
    let mut state = State::new(SessionId::new("sess_1"));
    for (at, record) in script.log.iter().enumerate() {
        apply(&mut state, Seq(at as u64 + 1), record);
        let mut fork = state.clone();
        let mut log = script.log[..=at].to_vec();
        let mut stamp = Stamp::new(record.at, &Sevens);
        let settings = Box::new((*state.settings).clone());
        let input = Input::Fork { session: SessionId::new("sess_2"), settings, keeps_calls: false };
        for record in admit(&fork, &script.rules, input, &mut stamp).expect("a fork") {
            let seq = fork.seq.next();
            apply(&mut fork, seq, &record);
            log.push(record);
        }
        assert!(!fork.needs_work() && fork.turn.is_none() && fork.next_expiry().is_none(), "seed {seed}: fork at {at}");
        shown_in_pairs(&fork, &log, script, &format!("seed {seed}: fork at {at}"));
    }
}

fn shown_in_pairs(fork: &State, log: &[Record], script: &Script, place: &str) {
    let (mut calls, mut results) = (BTreeSet::<CallId>::new(), BTreeSet::new());
    for seq in context(fork, &script.rules) {
        let RecordBody::Item(item) = &log[seq.0 as usize - 1].body else { panic!("{place}: no item") };
        match &item.body {
            ItemBody::FunctionCall { call_id, told: Told::InPlace, .. } => drop(calls.insert(call_id.clone())),
            ItemBody::ToolCall(call) => {
                assert!(call.parent.is_none(), "{place}: a program's call");
                calls.insert(call.call_id.clone());
            }
            ItemBody::ToolOutcome { call: types::ToolCall { call_id, .. }, .. }
            | ItemBody::FunctionCallOutput { call_id, apart: None, .. }
            | ItemBody::ClosedCall { call_id, apart: None, .. } => {
                assert!(calls.contains(call_id), "{place}: a result without its call");
                results.insert(call_id.clone());
            }
            _ => {}
        }
    }
    assert_eq!(calls, results, "{place}");
}
