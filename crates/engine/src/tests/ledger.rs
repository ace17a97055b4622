//! The ledger: what a log says of every effect.

use super::run;
use crate::ledger::{EffectState, Entry, Ledger, Problem};
use crate::{State, apply};
use expect_test::{Expect, expect};
use std::fmt::Write;
use types::{EffectId, Epoch, Record, RecordBody, Restored, SessionId, Timestamp};

const HANDED_OUT: &str = "create hello\ncalls c1 f {}";

/// The ledger after the steps, a line for each effect and for each try.
fn check(steps: &str, expected: Expect) {
    expected.assert_eq(&told(&run(steps).log));
}

fn told(log: &[Record]) -> String {
    let mut ledger = Ledger::default();
    for record in log {
        ledger.read(record);
    }
    let mut out = String::new();
    for entry in ledger.into_entries() {
        tell(&mut out, &entry);
    }
    out
}

fn tell(out: &mut String, entry: &Entry) {
    let Entry { id, kind, class, state, name, error, diverged, attempts, .. } = entry;
    let name = name.as_deref().unwrap_or("-");
    let open = if entry.ended_at.is_none() { ", open" } else { "" };
    let diverged = if *diverged { ", diverged" } else { "" };
    writeln!(out, "{} {kind:?} {class:?} {name}: {state:?}{open}{diverged}{}", id.0, why(error)).expect("memory");
    for attempt in attempts {
        let model = attempt.model.as_deref().unwrap_or("-");
        let verdict = attempt.permitted.map_or("no verdict", |permitted| if permitted { "permit" } else { "deny" });
        let charged = attempt.charged.0;
        let (number, outcome) = (attempt.number.0, attempt.outcome);
        writeln!(out, "  {number} {model} {verdict} {outcome:?} charged {charged}{}", why(&attempt.error))
            .expect("memory");
    }
}

fn why(error: &Option<Problem>) -> String {
    error.as_ref().map_or_else(String::new, |problem| format!(" ({}: {})", problem.code, problem.message))
}

#[test]
fn calls_and_what_asked_for_them() {
    check(
        "create hello\ncalls c1 f {} & c2 g {}\nresult c1 one\nfailure c2 no\nsays done",
        expect![[r#"
        1 ModelCall Repeatable m: Committed
          1 m permit Committed charged 120
        2 FunctionCall External f: Committed
        3 FunctionCall External g: Failed (call_failed: no)
        4 ModelCall Repeatable m: Committed
          1 m permit Committed charged 120
    "#]],
    );
}

#[test]
fn what_never_became_an_effect_is_not_there() {
    check(
        "create hello\ncalls c1 nothing {} & c2 f [1]\nsays well",
        expect![[r#"
        1 ModelCall Repeatable m: Committed
          1 m permit Committed charged 120
        2 ModelCall Repeatable m: Committed
          1 m permit Committed charged 120
    "#]],
    );
}

#[test]
fn a_call_that_waits_and_one_that_was_closed() {
    check(
        HANDED_OUT,
        expect![[r#"
        1 ModelCall Repeatable m: Committed
          1 m permit Committed charged 120
        2 FunctionCall External f: Waiting, open
    "#]],
    );
    check(
        &format!("{HANDED_OUT}\ncancel"),
        expect![[r#"
        1 ModelCall Repeatable m: Committed
          1 m permit Committed charged 120
        2 FunctionCall External f: Unknown (no_result: outcome unknown: cancelled before a result arrived)
    "#]],
    );
    check(
        &format!("{HANDED_OUT}\ndeadline"),
        expect![[r#"
        1 ModelCall Repeatable m: Committed
          1 m permit Committed charged 120
        2 FunctionCall External f: Unknown (no_result: outcome unknown: the turn ran out of time before a result arrived)
    "#]],
    );
}

#[test]
fn every_attempt_is_told_with_its_money() {
    check(
        "create hello\nintent 500\nfails upstream\nintent 500\nfails rate_limited\nintent 500\nsays hi",
        expect![[r#"
        1 ModelCall Repeatable m: Committed
          1 m permit Abandoned charged 500 (upstream: broken)
          2 m permit Abandoned charged 0 (rate_limited: broken)
          3 m permit Committed charged 120
    "#]],
    );
    check(
        "create hello\nfails connect\nfails connect\nfails connect\nsays hi",
        expect![[r#"
        1 ModelCall Repeatable spare: Committed
          1 m permit Abandoned charged 0 (connect: broken)
          2 m permit Abandoned charged 0 (connect: broken)
          3 m permit Abandoned charged 0 (connect: broken)
          4 spare permit Committed charged 0
    "#]],
    );
}

#[test]
fn a_durable_intent_without_outcome_is_dispatched() {
    check(
        "create hello\nintent 500",
        expect![[r#"
        1 ModelCall Repeatable m: Dispatched, open
          1 m permit Dispatched charged 0
    "#]],
    );
    check(
        "create hello\nintent 500\nrecover",
        expect![[r#"
        1 ModelCall Repeatable m: Intended, open
          1 m permit Abandoned charged 500
          2 m no verdict Intended charged 0
    "#]],
    );
    check(
        "create hello\nrecover\nsays hi",
        expect![[r#"
        1 ModelCall Repeatable m: Committed
          1 - no verdict Abandoned charged 0
          2 m permit Committed charged 120
    "#]],
    );
}

#[test]
fn what_was_refused_was_never_asked() {
    check(
        "create hello\ndeny context_length_exceeded",
        expect![[r#"
        1 ModelCall Repeatable m: Failed (context_length_exceeded: no)
          1 m deny Denied charged 0 (context_length_exceeded: no)
    "#]],
    );
    check("create hello\nover budget", expect![""]);
}

#[test]
fn an_attempt_that_was_only_named_ends_with_its_turn() {
    check(
        "create hello\nintent 500\ntorn half\nover budget",
        expect![[r#"
        1 ModelCall Repeatable m: Failed (session_budget_exceeded: The session has reached its spending limit (spend_control.limit).)
          1 m permit Abandoned charged 500 (torn: broken)
          2 m no verdict Intended charged 0
    "#]],
    );
}

#[test]
fn what_ends_with_its_turn_says_why() {
    check(
        "create hello\nintent 500\ncancel",
        expect![[r#"
        1 ModelCall Repeatable m: Failed (cancelled: The turn was cancelled.)
          1 m permit Abandoned charged 500
    "#]],
    );
    check(
        "create hello\nintent 500\ndeadline",
        expect![[r#"
        1 ModelCall Repeatable m: Failed (request_timeout: The turn took longer than this server allows (limits.turn_time).)
          1 m permit Abandoned charged 500
    "#]],
    );
    check(
        "create hello\nfails invalid",
        expect![[r#"
        1 ModelCall Repeatable m: Failed (invalid: broken)
          1 m permit Abandoned charged 0 (invalid: broken)
    "#]],
    );
}

#[test]
fn calls_of_tools() {
    let offer = "create hello\noffer get idempotent & send irreversible";
    check(
        &format!("{offer}\ncalls c1 get {{}} & c2 send {{}}\nbegin 2\nbegin 3\ndone 2 ok"),
        expect![[r#"
        1 ModelCall Repeatable m: Committed
          1 m permit Committed charged 120
        2 ToolCall Idempotent get: Committed
          1 - permit Committed charged 0
        3 ToolCall Irreversible send: Dispatched, open
          1 - permit Dispatched charged 0
    "#]],
    );
    check(
        &format!("{offer}\ncalls c1 get {{}} & c2 send {{}}\nbegin 2\nbegin 3\nrecover"),
        expect![[r#"
        1 ModelCall Repeatable m: Committed
          1 m permit Committed charged 120
        2 ToolCall Idempotent get: Intended, open
          1 - permit Abandoned charged 0
          2 - no verdict Intended charged 0
        3 ToolCall Irreversible send: Unknown (interrupted: outcome unknown: the server stopped before the call ended; it may have taken effect)
          1 - permit Abandoned charged 0 (interrupted: outcome unknown: the server stopped before the call ended; it may have taken effect)
    "#]],
    );
    check(
        &format!("{offer}\ncalls c2 send {{}}\nbegin 2\ncancel"),
        expect![[r#"
        1 ModelCall Repeatable m: Committed
          1 m permit Committed charged 120
        2 ToolCall Irreversible send: Unknown (cancelled: outcome unknown: the turn was cancelled before the call ended; it may have taken effect)
          1 - permit Abandoned charged 0 (cancelled: outcome unknown: the turn was cancelled before the call ended; it may have taken effect)
    "#]],
    );
    check(
        &format!("{offer}\ncalls c2 send {{}}\nbegin 2\ncancel\ndone 2 ok"),
        expect![[r#"
        1 ModelCall Repeatable m: Committed
          1 m permit Committed charged 120
        2 ToolCall Irreversible send: Reconciled
          1 - permit Abandoned charged 0 (cancelled: outcome unknown: the turn was cancelled before the call ended; it may have taken effect)
    "#]],
    );
    check(
        &format!("{offer}\ncalls c2 send {{}}\nbegin 2\nbroke 2 no"),
        expect![[r#"
        1 ModelCall Repeatable m: Committed
          1 m permit Committed charged 120
        2 ToolCall Irreversible send: Failed (call_failed: no)
          1 - permit Abandoned charged 0 (call_failed: no)
    "#]],
    );
}

/// A page holds whole turns: what it keeps of each call must be little.
#[test]
fn f21_of_a_long_error_the_beginning_is_told() {
    let long = "\u{e4}".repeat(1 << 20);
    let offer = "create hello\noffer get idempotent";
    let mut ledger = Ledger::default();
    let failed = format!("{offer}\ncalls c1 f {{}} & c2 get {{}}\nfailure c1 {long}\nbegin 3\nbroke 3 {long}");
    run(&failed).log.iter().for_each(|record| ledger.read(record));
    for entry in ledger.into_entries().into_iter().filter(|entry| entry.state == EffectState::Failed) {
        let attempts = entry.attempts.iter().filter_map(|attempt| attempt.error.as_ref());
        for problem in attempts.chain(&entry.error) {
            assert_eq!(problem.message, format!("{}\u{2026}", "\u{e4}".repeat(500)));
        }
        assert!(entry.error.is_some(), "{:?} failed", entry.kind);
    }
}

/// Effects begin after its number, what was open may have ended, and what came after the backup is one entry.
#[test]
fn a_restore_says_that_it_does_not_know() {
    let script = run(HANDED_OUT);
    let turn = script.state.turn.as_ref().map(|turn| turn.id.clone());
    let restored = Restored { epoch: Epoch(9), backup: Timestamp(5), effect: EffectId(1000), turn };
    let mut log = script.log.clone();
    log.push(Record { at: Timestamp(9_000), body: RecordBody::Restored(restored) });
    expect![[r#"
        1 ModelCall Repeatable m: Committed
          1 m permit Committed charged 120
        2 FunctionCall External f: Waiting, open, diverged
        1000 Restore Irreversible -: Unknown, diverged (diverged: The session was restored from a backup: what it did after the backup is not known.)
    "#]].assert_eq(&told(&log));

    let mut state = State::new(SessionId::new("sess_1"));
    for (record, seq) in log.iter().zip(1..) {
        let events = apply(&mut state, types::Seq(seq), record);
        assert!(!matches!(record.body, RecordBody::Restored(_)) || events.is_empty());
    }
    assert_eq!(state.effects, EffectId(1000));
    let before = State { seq: state.seq, effects: state.effects, restored: EffectId(1000), ..script.state };
    assert_eq!(state, before, "nothing else has changed");
}

/// What was in flight without a record is told by what recovery says of it.
#[test]
fn a_free_call_in_flight_at_a_backup_has_diverged() {
    let script = run("create hello\nrecover\nsays hi");
    let restored = Restored { epoch: Epoch(9), backup: Timestamp(5), effect: EffectId(1000), turn: None };
    let created = script.log.iter().position(|record| matches!(record.body, RecordBody::Recovered { .. }));
    let (before, after) = script.log.split_at(created.expect("recovered"));
    let mark = Record { at: Timestamp(9_000), body: RecordBody::Restored(restored) };
    expect![[r#"
        1 ModelCall Repeatable m: Committed, diverged
          1 - no verdict Abandoned charged 0
          2 m permit Committed charged 120
        1000 Restore Irreversible -: Unknown, diverged (diverged: The session was restored from a backup: what it did after the backup is not known.)
    "#]]
    .assert_eq(&told(&[before, &[mark], after].concat()));
}

/// The records of one turn give the effects of that turn, and the kinds that are named suffice.
#[test]
fn a_turn_stands_for_itself() {
    let script =
        run("create hello\ncalls c1 f {}\nresult c1 one\nsays hi\nmessage again\nintent 5\nfails torn\nsays so");
    let whole = told(&script.log);
    let mut parts = String::new();
    let turns = script.log.iter().filter_map(|record| match &record.body {
        RecordBody::TurnCreated { turn, .. } => Some(turn.clone()),
        _ => None,
    });
    for turn in turns {
        let of_turn = script.log.iter().filter(|record| {
            let encoded = record.encode();
            encoded.turn.as_ref() == Some(&turn) && crate::ledger::KINDS.contains(&encoded.kind.as_str())
        });
        parts.push_str(&told(&of_turn.cloned().collect::<Vec<_>>()));
    }
    assert_eq!(parts, whole);
}
