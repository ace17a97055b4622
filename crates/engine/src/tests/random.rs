//! Whatever comes in whatever order: the state stays sound (`Script::sound` looks after every step), calls and results
//! pair in what the model is shown, and nothing panics.

mod consent;

use super::script::Script;
use std::collections::BTreeSet;
use types::{Class, EnvironmentSettings, EnvironmentStatus, ItemBody, RecordBody};

const STEPS: &[&str] = &[
    "message more",
    "message more",
    "says fine",
    "says fine",
    "unheard fine",
    "thinks hm",
    "stops tokens half",
    "calls c1 f {} & c2 g {}",
    "offer read pure & get idempotent & pay keyed & run attachable & send irreversible",
    "offer send irreversible & f pure",
    "calls t1 read {} & t2 get {} & t3 pay {} & t4 run {} & t5 send {}",
    "calls t1 send {} & c1 f {} & t2 pay {}",
    "calls t1 run {}",
    "begin OPEN",
    "begin OPEN",
    "refuse OPEN",
    "done OPEN ok",
    "done OPEN ok",
    "broke OPEN no",
    "lost OPEN who knows",
    "overdue OPEN",
    "done GONE late",
    "calls c1 f {}",
    "calls c1 nobody {} & c2 f {",
    "result c1 ok",
    "result c1 other",
    "result c2 ok",
    "failure c2 no",
    "respond ALL & user asks",
    "respond ALL & user asks",
    "respond user asks",
    "import user brings",
    "stop turn_x",
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

/// Of a session with an environment.
const AWAY: &[&str] = &[
    "environment connected",
    "environment connected",
    "environment disconnected",
    "environment disconnected",
    "environment failed environment_connection_failed",
    "message more",
    "deadline",
    "cancel",
    "recover",
];

#[test]
fn any_order_is_sound() {
    sound(400, "create hello", STEPS);
}

#[test]
fn any_order_is_sound_with_an_environment_that_comes_and_goes() {
    let steps = [STEPS, AWAY].concat();
    sound(200, "create self hello", &steps);
    sound(200, "create self", &steps);
}

/// Of one that this server sets up.
const HOSTED: &[&str] = &[
    "environment ready",
    "environment connected",
    "environment connected reset 1",
    "environment pending reset 2",
    "environment suspended",
    "environment expired",
    "message more",
    "deadline",
    "cancel",
    "recover",
];

#[test]
fn any_order_is_sound_with_a_hosted_environment() {
    let steps = [STEPS, AWAY, HOSTED, HOSTED].concat();
    sound(200, "create hosted hello", &steps);
    sound(200, "create hosted", &steps);
}

fn sound(seeds: u64, first: &str, steps: &[&str]) {
    for seed in 1..=seeds {
        let mut chance = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut script = Script::new();
        script.step(first).expect("created");
        for _ in 0..80 {
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            let step = &place(steps[(chance % steps.len() as u64) as usize], &script, chance);
            // A refusal is an answer too; the state was not touched.
            let before = script.state.clone();
            if script.step(step).is_err() {
                assert_eq!(before, script.state, "seed {seed}: {step}");
            }
            pairs(&script, seed);
            begun_once(&script, seed);
            begun_where_it_can(&script, seed);
        }
    }
}

/// Names a tool call that is open, or one that may be given up.
fn place(step: &str, script: &Script, chance: u64) -> String {
    let open: Vec<u64> = script.state.turn.iter().flat_map(|turn| &turn.tools).map(|open| open.call.effect.0).collect();
    let nth = usize::try_from(chance >> 32).unwrap_or_default();
    let one = open.get(nth % open.len().max(1)).copied().unwrap_or(999);
    let gone = script.state.doubts.keys().next().map_or(999, |effect| effect.0);
    let handed: Vec<_> = script.state.calls.iter().filter(|(_, call)| call.outcome.is_none()).collect();
    let all = handed.iter().map(|(id, _)| format!("got {id} ok")).collect::<Vec<_>>().join(" & ");
    let all = if all.is_empty() { "user first".to_owned() } else { all };
    let step = step.replace("ALL", &all);
    step.replace("OPEN", &one.to_string()).replace("GONE", &gone.to_string())
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
            ItemBody::ToolCall(call) => {
                assert!(calls.insert(call.call_id.clone()), "seed {seed}: call {} twice", call.call_id);
            }
            ItemBody::ToolOutcome { call, .. } => {
                assert!(calls.contains(&call.call_id), "seed {seed}: an outcome without its call");
                assert!(results.insert(call.call_id.clone()), "seed {seed}: two outcomes for {}", call.call_id);
            }
            _ => {}
        }
    }
    let performed = script.state.turn.iter().flat_map(|turn| &turn.tools).map(|open| open.call.call_id.clone());
    let open: BTreeSet<_> = script
        .state
        .calls
        .iter()
        .filter(|(_, call)| call.outcome.is_none())
        .map(|(id, _)| id.clone())
        .chain(performed)
        .collect();
    let missing: BTreeSet<_> = calls.difference(&results).cloned().collect();
    assert_eq!(missing, open, "seed {seed}: calls without a result are those that wait");
}

/// A turn begins only where the environment lets it, and no model is asked and no tool called before it begins.
fn begun_where_it_can(script: &Script, seed: u64) {
    let settings = &script.state.settings.environment;
    let (mut status, mut begun) = (EnvironmentStatus::Pending, false);
    for record in &script.log {
        match &record.body {
            RecordBody::EnvironmentChanged(changed) => status = changed.status,
            RecordBody::TurnCreated { .. } => begun = false,
            RecordBody::TurnHeld(_) => {
                assert_ne!(status, EnvironmentStatus::Failed, "seed {seed}: it waits for nothing");
            }
            RecordBody::TurnStarted { .. } => {
                let may_begin = match settings {
                    EnvironmentSettings::None => true,
                    EnvironmentSettings::SelfHosted { .. } => status == EnvironmentStatus::Connected,
                    EnvironmentSettings::OpenaiHosted(_) => {
                        !matches!(status, EnvironmentStatus::Pending | EnvironmentStatus::Failed)
                    }
                };
                assert!(may_begin, "seed {seed}: begun while the environment was {status:?}");
                begun = true;
            }
            RecordBody::Intended(_) | RecordBody::Committed(_) => assert!(begun, "seed {seed}: asked too early"),
            _ => {}
        }
    }
    if script.state.is_held() {
        assert!(crate::waits_for_environment(settings, Some(status)), "seed {seed}: held while it is {status:?}");
    }
}

/// An irreversible call has one intent; a keyed or idempotent one has a new one only after the old was abandoned.
fn begun_once(script: &Script, seed: u64) {
    let mut begun = BTreeSet::new();
    for record in &script.log {
        let RecordBody::Intended(intended) = &record.body else { continue };
        if intended.class == Class::Repeatable {
            continue;
        }
        let attempt = if intended.class == Class::Irreversible { 1 } else { intended.attempt.0 };
        assert!(begun.insert((intended.effect, attempt)), "seed {seed}: effect {} begun twice", intended.effect.0);
    }
}
