//! Whatever comes in whatever order: the state stays sound (`Script::sound` looks after every step), calls and results
//! pair in what the model is shown, and nothing panics.

use super::script::Script;
use std::collections::BTreeSet;
use types::{ItemBody, RecordBody};

const STEPS: &[&str] = &[
    "message more",
    "message more",
    "says fine",
    "says fine",
    "unheard fine",
    "thinks hm",
    "stops tokens half",
    "calls c1 f {} & c2 g {}",
    "calls c1 f {}",
    "calls c1 nobody {} & c2 f {",
    "result c1 ok",
    "result c1 other",
    "result c2 ok",
    "failure c2 no",
    "cancel",
    "deadline",
    "recover",
    "fails rate_limited",
    "fails invalid",
    "torn",
    "intent 500",
    "over budget",
    "limit 1",
    "limit none",
    "late hi",
];

#[test]
fn any_order_is_sound() {
    for seed in 1..=400_u64 {
        let mut chance = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut script = Script::new();
        script.step("create hello").expect("created");
        for _ in 0..60 {
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            let step = STEPS[(chance % STEPS.len() as u64) as usize];
            // A refusal is an answer too; the state was not touched.
            let before = script.state.clone();
            if script.step(step).is_err() {
                assert_eq!(before, script.state, "seed {seed}: {step}");
            }
            pairs(&script, seed);
        }
    }
}

/// Of what ended turns showed the model, every call has one result.
fn pairs(script: &Script, seed: u64) {
    let (mut calls, mut results) = (BTreeSet::new(), BTreeSet::new());
    for record in &script.log {
        let RecordBody::Item(item) = &record.body else { continue };
        match &item.body {
            ItemBody::FunctionCall { call_id, .. } => {
                assert!(calls.insert(call_id.clone()), "seed {seed}: call {call_id} twice");
            }
            ItemBody::FunctionCallOutput { call_id, .. } | ItemBody::ClosedCall { call_id, .. } => {
                assert!(calls.contains(call_id), "seed {seed}: a result without its call");
                assert!(results.insert(call_id.clone()), "seed {seed}: two results for {call_id}");
            }
            _ => {}
        }
    }
    let open: BTreeSet<_> =
        script.state.turn.iter().flat_map(|turn| &turn.open).map(|call| call.call_id.clone()).collect();
    let missing: BTreeSet<_> = calls.difference(&results).cloned().collect();
    assert_eq!(missing, open, "seed {seed}: calls without a result are those that wait");
}
