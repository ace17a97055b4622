//! Sessions that go on where another one stood, cut off at every record that it has.

use super::script::{Script, run};
use crate::state::{HeadKind, State};
use crate::{apply, head, pending};
use expect_test::expect;
use types::*;

const SCRIPTS: [&str; 5] = [
    "create hello
     says hi
     message more
     says yes",
    "create hello
     calls a f {} & b g {}
     message and this
     result a one
     result b two
     thinks well
     message last",
    "create hello
     offer charge irreversible & read pure & pay keyed
     calls a charge {} & b read {} & c f {} & d pay {}
     begin 2
     begin 5
     done 3 what it read
     result c one
     lost 2 gone
     done 5 paid
     says done",
    "create hello
     fails overloaded
     torn half of it
     recover
     says whole",
    "create hello
     calls a f {}
     message meanwhile
     cancel
     message again
     deny context_length_exceeded",
];

const RESTS: &str = "create hello\nsays hi";

/// The parent up to a record, and a fork of it there.
fn fork_at(steps: &str, cut: usize, keeps_calls: bool) -> Script {
    let mut script = run(steps);
    script.log.truncate(cut);
    script.state = State::new(SessionId::new("sess_1"));
    for (record, seq) in script.log.iter().zip(1..) {
        apply(&mut script.state, Seq(seq), record);
    }
    let settings = Box::new((*script.state.settings).clone());
    let fork = Input::Fork { session: SessionId::new("sess_2"), settings, keeps_calls };
    script.take("fork", fork).expect("taken");
    script
}

fn records(steps: &str) -> usize {
    run(steps).log.len()
}

#[test]
fn at_every_record_the_fork_rests_and_goes_on() {
    for steps in SCRIPTS {
        for cut in 1..=records(steps) {
            let place = format!("{steps}\ncut at {cut}");
            let mut fork = fork_at(steps, cut, false);
            let State { session, base, status, turn, steering, spent, .. } = &fork.state;
            assert_eq!((session.as_str(), base.0, *status), ("sess_2", cut as u64, SessionStatus::Idle), "{place}");
            assert!(turn.is_none() && steering.is_empty() && *spent == MicroUsd::ZERO, "{place}");
            assert!(fork.state.calls.values().all(|call| call.outcome.is_some()), "{place}");
            assert_eq!(pending(&fork.state, &fork.rules.limits), [], "{place}");
            let seen = head(&fork.state);
            assert_eq!(
                (seen.base, seen.usage, seen.needs_work),
                (Some(Seq(cut as u64)), Some(Usage::default()), false)
            );
            assert!(seen.required_actions.is_empty(), "{place}");
            let count = |kind| fork.state.transcript.iter().filter(|head| head.kind == kind).count();
            assert_eq!(count(HeadKind::Call), count(HeadKind::Output), "{place}: {:?}", fork.told(cut));
            assert_ne!(fork.state.transcript.last().map(|head| head.kind), Some(HeadKind::Reasoning), "{place}");
            // What comes next is new: no effect of before is done again.
            let before = fork.state.effects;
            fork.step("message go on").expect("taken");
            let next = pending(&fork.state, &fork.rules.limits);
            let calls = next.iter().filter_map(|effect| match effect {
                Effect::ModelCall { id, .. } => Some(*id > before),
                Effect::ToolCall { .. } => Some(false),
                Effect::TurnDeadline { .. } | Effect::Review { .. } => None,
            });
            assert_eq!(calls.collect::<Vec<_>>(), [true], "{place}");
            fork.step("says on").expect("taken");
            assert_eq!(fork.state.status, SessionStatus::Idle, "{place}");
        }
    }
}

/// What the fork's first append says, cut off at a record.
fn told(steps: &str, cut: usize) -> String {
    fork_at(steps, cut, false).told(cut).join("\n")
}

#[test]
fn what_rests_is_only_forked() {
    expect!["forked"].assert_eq(&told(RESTS, records(RESTS)));
}

#[test]
fn a_turn_that_runs_ends_here() {
    expect![[r#"
        forked
        turn Cancelled"#]]
    .assert_eq(&told(SCRIPTS[0], 4));
}

#[test]
fn open_calls_are_not_carried_over() {
    // After both calls, after the first of two, and with one answer.
    let both = "create hello\ncalls a f {} & b g {}";
    expect![[r#"
        forked
        closed a
        closed b
        turn Cancelled"#]]
    .assert_eq(&told(both, records(both)));
    expect![[r#"
        forked
        closed a
        turn Cancelled"#]]
    .assert_eq(&told(both, records(both) - 2));
    let one = "create hello\ncalls a f {} & b g {}\nresult a one";
    expect![[r#"
        forked
        closed b
        turn Cancelled"#]]
    .assert_eq(&told(one, records(one)));
}

#[test]
fn what_the_server_performs_goes_on_elsewhere() {
    let steps = "create hello
        offer charge irreversible & read pure
        calls a charge {} & b read {} & c charge {}
        begin 2";
    expect![[r#"
        forked
        outcome 2.1 Forked Unknown("not carried over; it may have taken effect")
        outcome 3.1 Forked Failed("not carried over")
        outcome 4.1 Forked Failed("not carried over")
        turn Cancelled"#]]
    .assert_eq(&told(steps, records(steps)));
    assert!(fork_at(steps, records(steps), false).state.doubts.is_empty(), "late words are heard where the calls are");
}

#[test]
fn a_failed_or_spent_session_can_be_forked() {
    let poison = format!("create hello{}", "\nrecover".repeat(6));
    for (steps, before) in
        [(poison.as_str(), SessionStatus::Failed), ("create hello\nover budget", SessionStatus::BudgetReached)]
    {
        assert_eq!(run(steps).state.status, before);
        let fork = fork_at(steps, records(steps), false);
        assert_eq!((fork.state.status, fork.state.error.as_deref()), (SessionStatus::Idle, None));
    }
}

#[test]
fn the_stream_begins_with_the_fork() {
    let fork = fork_at(RESTS, records(RESTS), false);
    let mut state = State::new(SessionId::new("sess_2"));
    let mut events = Vec::new();
    for (record, seq) in fork.log.iter().zip(1..) {
        events = apply(&mut state, Seq(seq), record);
    }
    let [Event { body: EventBody::SessionCreated(view), .. }] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((view.head.session.as_str(), view.head.status), ("sess_2", SessionStatus::Idle));
}

#[test]
fn a_fork_of_a_session_whose_turn_waits_has_an_environment_of_its_own() {
    let mut script = run("create hosted hello");
    let mut settings = Box::new((*script.state.settings).clone());
    settings.environment = super::script::hosted("env_2");
    script
        .take("fork", Input::Fork { session: SessionId::new("sess_2"), settings, keeps_calls: false })
        .expect("taken");
    let known = head(&script.state).environment.expect("one of its own");
    assert_eq!((known.id.as_str(), known.status, known.resets), ("env_2", EnvironmentStatus::Pending, 0));
    assert_eq!((script.state.status, script.state.is_held()), (SessionStatus::Idle, false));
    script.step("message go on").expect("taken");
    assert!(script.state.is_held(), "it waits for the new one");
    script.step("environment ready").expect("taken");
    assert!(pending(&script.state, &script.rules.limits).iter().any(|due| matches!(due, Effect::ModelCall { .. })));
}
