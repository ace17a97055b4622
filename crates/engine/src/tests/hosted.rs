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
              1-4 a session, and a turn that waits for its setup
            message and this
              5 user message: item.added
            environment ready
              6 environment changed: environment[Ready]
              7 turn started: turn.in_progress[InProgress]
            says hi
              8-11 the model answers, 1.1 msg_1e1a1i0, and the turn is over
            environment connected
              12 environment changed: environment[Connected]
            message more
              13-15 a turn that runs
            says on
              16-19 the model answers, 3.1 msg_1e3a1i0, and the turn is over
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
              2-4 a turn that waits for its setup
            environment connected
              5 environment changed: environment[Connected]
              6 turn started: turn.in_progress[InProgress]
            says hi
              7-10 the model answers, 1.1 msg_1e1a1i0, and the turn is over
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
              3-5 a turn that runs
            says hi
              6-9 the model answers, 1.1 msg_1e1a1i0, and the turn is over
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
              5-7 a turn that runs
            says 1
              8-11 the model answers, 1.1 msg_1e1a1i0, and the turn is over
            environment suspended
              12 environment changed: environment[Suspended]
            message two
              13-15 a turn that runs
            says 2
              16-19 the model answers, 3.1 msg_1e3a1i0, and the turn is over
            environment expired
              20 environment changed: environment[Expired]
            message three
              21-23 a turn that runs
            says 3
              24-27 the model answers, 5.1 msg_1e5a1i0, and the turn is over
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
              4-6 a turn that runs
            environment pending reset 1
              7 environment changed: environment.reset(1), environment[Pending]
            cancel
              8 abandoned 1.1 charged 0: attempt.dropped
              9 turn Cancelled: turn.cancelled, session.idle
            message two
              10-12 a turn that waits for its setup
            environment ready
              13 environment changed: environment[Ready]
              14 turn started: turn.in_progress[InProgress]
            says 2
              15-18 the model answers, 2.1 msg_1e2a1i0, and the turn is over
        "#]],
    );
}

#[test]
fn a_failed_setup_ends_what_waited() {
    check(
        "create hosted hello\nenvironment failed sandbox_error",
        expect![[r#"
            create hosted hello
              1-4 a session, and a turn that waits for its setup
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
              2-4 a turn that waits for its setup
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
              1-4 a session, and a turn that waits for its setup
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
              2-4 a turn that waits for its setup
            deadline
              5 turn failed sandbox_error: error, turn.failed, session.idle
            environment ready
              6 environment changed: environment[Ready]
            message again
              7-9 a turn that runs
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
              3-5 a turn that runs
            environment disconnected sandbox_error
              6 environment changed: environment[Disconnected]
            environment failed sandbox_error
              7 environment changed: environment[Failed]
            says hi
              8-11 the model answers, 1.1 msg_1e1a1i0, and the turn is over
        "#]],
    );
}

#[test]
fn a_turn_that_waits_can_be_cancelled_and_recovered() {
    check(
        "create hosted hello\nrecover\nrecover\ncancel\nmessage again\nrecover\nenvironment ready\nrecover\nsays hi",
        expect![[r#"
            create hosted hello
              1-4 a session, and a turn that waits for its setup
            recover
            recover
            cancel
              5 turn Cancelled: turn.cancelled, session.idle
            message again
              6-8 a turn that waits for its setup
            recover
            environment ready
              9 environment changed: environment[Ready]
              10 turn started: turn.in_progress[InProgress]
            recover
              11-12 a crash, after 1.1
            says hi
              13-16 the model answers, 1.2 msg_1e1a2i0, and the turn is over
        "#]],
    );
}
