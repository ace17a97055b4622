//! Sessions with an environment that this server sets up: a turn waits only for that, and what comes later is told.

use super::{check, refused, run};
use crate::{head, pending};
use expect_test::expect;
use types::{Effect, Rules, SessionStatus, Timestamp};

#[test]
fn the_initial_input_waits_until_the_environment_is_set_up() {
    check(
        "create hosted hello\nmessage and this\nenvironment ready\nsays hi\nenvironment connected\nmessage more\nsays on",
        expect![[r#"
            create hosted hello
              1 session created: session.created[InProgress], environment[Pending]
              2 turn created: turn.created[Queued]
              3 user message: item.added
              4 turn held: session.in_progress
            message and this
              5 user message: item.added
            environment ready
              6 environment changed: environment[Ready]
              7 turn started: turn.in_progress[InProgress]
            says hi
              8 intended 1.1 m: 
              9 answer msg_1e1a1i0 FinalAnswer: item.added, part.added, delta, text.done, part.done, item.done
              10 committed 1.1 charged 120: 
              11 turn Completed: turn.completed, session.idle
            environment connected
              12 environment changed: environment[Connected]
            message more
              13 turn created: turn.created[Queued]
              14 user message: item.added
              15 turn started: session.in_progress, turn.in_progress[InProgress]
            says on
              16 intended 3.1 m: 
              17 answer msg_1e3a1i0 FinalAnswer: item.added, part.added, delta, text.done, part.done, item.done
              18 committed 3.1 charged 120: 
              19 turn Completed: turn.completed, session.idle
        "#]],
    );
}

#[test]
fn nothing_is_required_of_anybody_meanwhile() {
    let script = run("create hosted hello");
    let head = head(&script.state);
    assert_eq!(head.status, SessionStatus::InProgress);
    assert!(head.required_actions.is_empty() && head.needs_work, "{head:?}");
    let due = pending(&script.state, &Rules::default().limits);
    let [Effect::TurnDeadline { at, .. }] = due.as_slice() else { panic!("{due:?}") };
    assert_eq!(*at, Timestamp(1_801_000), "half an hour after it was asked for");
}

#[test]
fn a_session_without_input_rests_until_it_is_asked() {
    check(
        "create hosted\nmessage hello\nenvironment connected\nsays hi",
        expect![[r#"
        create hosted
          1 session created: session.created[Idle], environment[Pending]
        message hello
          2 turn created: turn.created[Queued]
          3 user message: item.added
          4 turn held: session.in_progress
        environment connected
          5 environment changed: environment[Connected]
          6 turn started: turn.in_progress[InProgress]
        says hi
          7 intended 1.1 m: 
          8 answer msg_1e1a1i0 FinalAnswer: item.added, part.added, delta, text.done, part.done, item.done
          9 committed 1.1 charged 120: 
          10 turn Completed: turn.completed, session.idle
    "#]],
    );
    check(
        "create hosted\nenvironment ready\nmessage hello\nsays hi",
        expect![[r#"
        create hosted
          1 session created: session.created[Idle], environment[Pending]
        environment ready
          2 environment changed: environment[Ready]
        message hello
          3 turn created: turn.created[Queued]
          4 user message: item.added
          5 turn started: session.in_progress, turn.in_progress[InProgress]
        says hi
          6 intended 1.1 m: 
          7 answer msg_1e1a1i0 FinalAnswer: item.added, part.added, delta, text.done, part.done, item.done
          8 committed 1.1 charged 120: 
          9 turn Completed: turn.completed, session.idle
    "#]],
    );
}

#[test]
fn once_it_is_set_up_no_turn_waits() {
    check(
        "create hosted\nenvironment ready\nenvironment connected\nenvironment disconnected\nmessage one\nsays 1\nenvironment suspended\nmessage two\nsays 2\nenvironment expired\nmessage three\nsays 3",
        expect![[r#"
            create hosted
              1 session created: session.created[Idle], environment[Pending]
            environment ready
              2 environment changed: environment[Ready]
            environment connected
              3 environment changed: environment[Connected]
            environment disconnected
              4 environment changed: environment[Disconnected]
            message one
              5 turn created: turn.created[Queued]
              6 user message: item.added
              7 turn started: session.in_progress, turn.in_progress[InProgress]
            says 1
              8 intended 1.1 m: 
              9 answer msg_1e1a1i0 FinalAnswer: item.added, part.added, delta, text.done, part.done, item.done
              10 committed 1.1 charged 120: 
              11 turn Completed: turn.completed, session.idle
            environment suspended
              12 environment changed: environment[Suspended]
            message two
              13 turn created: turn.created[Queued]
              14 user message: item.added
              15 turn started: session.in_progress, turn.in_progress[InProgress]
            says 2
              16 intended 3.1 m: 
              17 answer msg_1e3a1i0 FinalAnswer: item.added, part.added, delta, text.done, part.done, item.done
              18 committed 3.1 charged 120: 
              19 turn Completed: turn.completed, session.idle
            environment expired
              20 environment changed: environment[Expired]
            message three
              21 turn created: turn.created[Queued]
              22 user message: item.added
              23 turn started: session.in_progress, turn.in_progress[InProgress]
            says 3
              24 intended 5.1 m: 
              25 answer msg_1e5a1i0 FinalAnswer: item.added, part.added, delta, text.done, part.done, item.done
              26 committed 5.1 charged 120: 
              27 turn Completed: turn.completed, session.idle
        "#]],
    );
}

#[test]
fn a_reset_is_told_once() {
    check(
        "create hosted\nenvironment connected\nenvironment expired idle_timeout\nenvironment pending reset 1\nenvironment connected reset 1\nenvironment connected reset 1\nenvironment connected reset 2\nenvironment connected reset 1",
        expect![[r#"
            create hosted
              1 session created: session.created[Idle], environment[Pending]
            environment connected
              2 environment changed: environment[Connected]
            environment expired idle_timeout
              3 environment changed: environment[Expired]
            environment pending reset 1
              4 environment changed: environment.reset(1), environment[Pending]
            environment connected reset 1
              5 environment changed: environment[Connected]
            environment connected reset 1
            environment connected reset 2
              6 environment changed: environment.reset(2)
            environment connected reset 1
        "#]],
    );
    let script = run("create hosted\nenvironment connected reset 3");
    assert_eq!(script.state.environment.map(|known| known.resets), Some(3));
}

#[test]
fn a_turn_that_is_asked_for_while_it_is_set_up_anew_waits() {
    check(
        "create hosted\nenvironment connected\nenvironment expired\nmessage one\nenvironment pending reset 1\ncancel\nmessage two\nenvironment ready\nsays 2",
        expect![[r#"
            create hosted
              1 session created: session.created[Idle], environment[Pending]
            environment connected
              2 environment changed: environment[Connected]
            environment expired
              3 environment changed: environment[Expired]
            message one
              4 turn created: turn.created[Queued]
              5 user message: item.added
              6 turn started: session.in_progress, turn.in_progress[InProgress]
            environment pending reset 1
              7 environment changed: environment.reset(1), environment[Pending]
            cancel
              8 abandoned 1.1 charged 0: attempt.dropped
              9 turn Cancelled: turn.cancelled, session.idle
            message two
              10 turn created: turn.created[Queued]
              11 user message: item.added
              12 turn held: session.in_progress
            environment ready
              13 environment changed: environment[Ready]
              14 turn started: turn.in_progress[InProgress]
            says 2
              15 intended 2.1 m: 
              16 answer msg_1e2a1i0 FinalAnswer: item.added, part.added, delta, text.done, part.done, item.done
              17 committed 2.1 charged 120: 
              18 turn Completed: turn.completed, session.idle
        "#]],
    );
}

#[test]
fn a_failed_setup_ends_what_waited() {
    check(
        "create hosted hello\nenvironment failed sandbox_error",
        expect![[r#"
        create hosted hello
          1 session created: session.created[InProgress], environment[Pending]
          2 turn created: turn.created[Queued]
          3 user message: item.added
          4 turn held: session.in_progress
        environment failed sandbox_error
          5 environment changed: environment[Failed]
          6 turn failed sandbox_error: error, turn.failed
          7 session failed: error, session.failed
    "#]],
    );
    check(
        "create hosted\nmessage hello\nenvironment failed sandbox_error",
        expect![[r#"
        create hosted
          1 session created: session.created[Idle], environment[Pending]
        message hello
          2 turn created: turn.created[Queued]
          3 user message: item.added
          4 turn held: session.in_progress
        environment failed sandbox_error
          5 environment changed: environment[Failed]
          6 turn failed sandbox_error: error, turn.failed, session.idle
    "#]],
    );
    refused(
        "create hosted hello\nenvironment failed sandbox_error\nenvironment ready",
        expect!["Conflict: The session's environment has failed and cannot be used again. Create a new session."],
    );
}

#[test]
fn a_setup_that_takes_too_long_ends_what_waited() {
    check(
        "create hosted hello\ndeadline",
        expect![[r#"
        create hosted hello
          1 session created: session.created[InProgress], environment[Pending]
          2 turn created: turn.created[Queued]
          3 user message: item.added
          4 turn held: session.in_progress
        deadline
          5 environment changed: environment[Failed]
          6 turn failed sandbox_error: error, turn.failed
          7 session failed: error, session.failed
    "#]],
    );
    check(
        "create hosted\nmessage hello\ndeadline\nenvironment ready\nmessage again",
        expect![[r#"
        create hosted
          1 session created: session.created[Idle], environment[Pending]
        message hello
          2 turn created: turn.created[Queued]
          3 user message: item.added
          4 turn held: session.in_progress
        deadline
          5 turn failed sandbox_error: error, turn.failed, session.idle
        environment ready
          6 environment changed: environment[Ready]
        message again
          7 turn created: turn.created[Queued]
          8 user message: item.added
          9 turn started: session.in_progress, turn.in_progress[InProgress]
    "#]],
    );
}

#[test]
fn a_running_turn_goes_on_whatever_becomes_of_the_environment() {
    check(
        "create hosted\nenvironment connected\nmessage hello\nenvironment disconnected sandbox_error\nenvironment failed sandbox_error\nsays hi",
        expect![[r#"
            create hosted
              1 session created: session.created[Idle], environment[Pending]
            environment connected
              2 environment changed: environment[Connected]
            message hello
              3 turn created: turn.created[Queued]
              4 user message: item.added
              5 turn started: session.in_progress, turn.in_progress[InProgress]
            environment disconnected sandbox_error
              6 environment changed: environment[Disconnected]
            environment failed sandbox_error
              7 environment changed: environment[Failed]
            says hi
              8 intended 1.1 m: 
              9 answer msg_1e1a1i0 FinalAnswer: item.added, part.added, delta, text.done, part.done, item.done
              10 committed 1.1 charged 120: 
              11 turn Completed: turn.completed, session.idle
        "#]],
    );
}

#[test]
fn a_turn_that_waits_can_be_cancelled_and_recovered() {
    check(
        "create hosted hello\nrecover\nrecover\ncancel\nmessage again\nrecover\nenvironment ready\nrecover\nsays hi",
        expect![[r#"
            create hosted hello
              1 session created: session.created[InProgress], environment[Pending]
              2 turn created: turn.created[Queued]
              3 user message: item.added
              4 turn held: session.in_progress
            recover
            recover
            cancel
              5 turn Cancelled: turn.cancelled, session.idle
            message again
              6 turn created: turn.created[Queued]
              7 user message: item.added
              8 turn held: session.in_progress
            recover
            environment ready
              9 environment changed: environment[Ready]
              10 turn started: turn.in_progress[InProgress]
            recover
              11 recovered: 
              12 abandoned 1.1 charged 0, next m tried 0: attempt.dropped
            says hi
              13 intended 1.2 m: 
              14 answer msg_1e1a2i0 FinalAnswer: item.added, part.added, delta, text.done, part.done, item.done
              15 committed 1.2 charged 120: 
              16 turn Completed: turn.completed, session.idle
        "#]],
    );
}
