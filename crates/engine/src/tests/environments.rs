//! Sessions with an environment: turns that wait for it, and what happens while it is away.

use super::{check, refused, run};
use crate::{head, pending};
use expect_test::expect;
use types::{Effect, EnvironmentId, RequiredAction, Rules, SessionStatus, Timestamp};

#[test]
fn the_initial_input_waits_for_the_environment() {
    check(
        "create self hello\nmessage and this\nenvironment connected\nsays hi",
        expect![[r#"
            create self hello
              1-4 a session, and a turn that waits for its machine
            message and this
              5 user message: item.added
            environment connected
              6 environment changed: environment[Connected]
              7 turn started: session.in_progress, turn.in_progress[InProgress]
            says hi
              8-11 the model answers, 1.1 msg_1e1a1i0, and the turn is over
        "#]],
    );
}

#[test]
fn what_is_waited_for_is_said_and_timed() {
    let script = run("create self hello");
    let head = head(&script.state);
    let id = EnvironmentId::new("env_1");
    assert_eq!(head.status, SessionStatus::RequiresAction);
    assert_eq!(head.required_actions, [RequiredAction::EnvironmentConnection { environment: id }]);
    assert!(head.needs_work, "a start looks for it");
    let due = pending(&script.state, &Rules::default().limits);
    let [Effect::TurnDeadline { at, .. }] = due.as_slice() else { panic!("{due:?}") };
    assert_eq!(*at, Timestamp(301_000), "five minutes after it was asked for");
}

#[test]
fn without_its_initial_input_there_is_no_session() {
    check(
        "create self hello\ndeadline",
        expect![[r#"
            create self hello
              1-4 a session, and a turn that waits for its machine
            deadline
              5 environment changed: environment[Failed]
              6 turn failed sandbox_error: error, turn.failed
              7 session failed: error, session.failed
        "#]],
    );
    refused(
        "create self hello\ndeadline\nenvironment connected",
        expect!["Conflict: The session's environment has failed and cannot be used again. Create a new session."],
    );
    refused(
        "create self hello\ndeadline\nmessage again",
        expect!["Conflict: The session has failed and cannot continue. Create a new session."],
    );
    check(
        "create self hello\nenvironment failed executor_version_incompatible",
        expect![[r#"
            create self hello
              1-4 a session, and a turn that waits for its machine
            environment failed executor_version_incompatible
              5 environment changed: environment[Failed]
              6 turn failed sandbox_error: error, turn.failed
              7 session failed: error, session.failed
        "#]],
    );
}

#[test]
fn no_turn_begins_where_the_environment_has_failed() {
    for steps in [
        "create self\nenvironment failed executor_version_incompatible\nmessage hello",
        "create hosted\nenvironment failed sandbox_error\nmessage hello",
        "create hosted\nenvironment failed sandbox_error\nrespond user hello",
    ] {
        refused(
            steps,
            expect!["Conflict: The session's environment has failed and cannot be used again. Create a new session."],
        );
    }
}

#[test]
fn any_other_input_that_waited_in_vain_may_come_again() {
    check(
        "create self\nmessage hello\ndeadline\nenvironment connected\nmessage again\nsays hi",
        expect![[r#"
            create self
              1 session created: session.created[Idle], environment[Pending]
            message hello
              2-4 a turn that waits for its machine
            deadline
              5 turn failed sandbox_error: error, turn.failed, session.idle
            environment connected
              6 environment changed: environment[Connected]
            message again
              7-9 a turn that runs
            says hi
              10-13 the model answers, 1.1 msg_1e1a1i0, and the turn is over
        "#]],
    );
}

#[test]
fn a_running_turn_goes_on_while_the_environment_is_away() {
    check(
        "create self\nenvironment connected\nmessage hello\nenvironment disconnected\nenvironment disconnected\nsays hi\nmessage more\nenvironment connected\nsays again",
        expect![[r#"
            create self
              1 session created: session.created[Idle], environment[Pending]
            environment connected
              2 environment changed: environment[Connected]
            message hello
              3-5 a turn that runs
            environment disconnected
              6 environment changed: environment[Disconnected]
            environment disconnected
            says hi
              7-10 the model answers, 1.1 msg_1e1a1i0, and the turn is over
            message more
              11-13 a turn that waits for its machine
            environment connected
              14 environment changed: environment[Connected]
              15 turn started: session.in_progress, turn.in_progress[InProgress]
            says again
              16-19 the model answers, 3.1 msg_1e3a1i0, and the turn is over
        "#]],
    );
}

#[test]
fn a_turn_that_waits_can_be_cancelled() {
    check(
        "create self hello\ncancel\nenvironment connected\nenvironment connected\ncancel",
        expect![[r#"
            create self hello
              1-4 a session, and a turn that waits for its machine
            cancel
              5 turn Cancelled: turn.cancelled, session.idle
            environment connected
              6 environment changed: environment[Connected]
            environment connected
            cancel
        "#]],
    );
}

#[test]
fn recovery_changes_nothing_of_a_turn_that_waits() {
    check(
        "create self hello\nrecover\nrecover\nenvironment connected\nrecover\nsays hi",
        expect![[r#"
            create self hello
              1-4 a session, and a turn that waits for its machine
            recover
            recover
            environment connected
              5 environment changed: environment[Connected]
              6 turn started: session.in_progress, turn.in_progress[InProgress]
            recover
              7-8 a crash, after 1.1
            says hi
              9-12 the model answers, 1.2 msg_1e1a2i0, and the turn is over
        "#]],
    );
}

#[test]
fn a_session_without_an_environment_has_none() {
    refused("create hello\nenvironment connected", expect!["Invalid: The session has no environment."]);
}

#[test]
fn commands_tell_what_they_printed() {
    check(
        "create self\nenvironment connected\nmessage hello\noffer shell attachable command & read pure\ncalls c1 shell {} & c2 shell {} & c3 read {}\nbegin 2\nbegin 3\nran 2 0 hello\nran 3 1 \ndone 4 text\nsays hi",
        expect![[r#"
            create self
              1 session created: session.created[Idle], environment[Pending]
            environment connected
              2 environment changed: environment[Connected]
            message hello
              3-5 a turn that runs
            offer shell attachable command & read pure
              6 tools offered: 
            calls c1 shell {} & c2 shell {} & c3 read {}
              7 intended 1.1 m: 
              8 tool call cmd_1e1a1i0 shell effect 2 Attachable: item.added
              9 tool call cmd_1e1a1i1 shell effect 3 Attachable: item.added
              10 tool call mcp_1e1a1i2 read effect 4 Pure: item.added
              11 committed 1.1 charged 120: 
            begin 2
              12 intended 2.1 Attachable: 
            begin 3
              13 intended 3.1 Attachable: 
            ran 2 0 hello
              14 outcome 2.1 Answered Ran(CommandResult { told: "hello", output: None, exit_code: Some(0), duration_ms: None, working_directory: None, whole: None }): output, item.done
            ran 3 1
              15 outcome 3.1 Answered Ran(CommandResult { told: "", output: None, exit_code: Some(1), duration_ms: None, working_directory: None, whole: None }): item.done
            done 4 text
              16 intended 4.1 Pure: 
              17 outcome 4.1 Answered Done(Text("text")): item.done
            says hi
              18-21 the model answers, 5.1 msg_1e5a1i3, and the turn is over
        "#]],
    );
}

#[test]
fn an_executor_that_comes_back_after_each_crash_is_no_progress() {
    let crash = "environment disconnected\nrecover\nenvironment connected\n";
    let script = run(&format!("create self\nenvironment connected\nmessage hello\n{}", crash.repeat(3)));
    assert_eq!(script.state.recoveries, 3);
}
