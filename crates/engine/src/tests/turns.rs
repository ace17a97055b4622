//! Turns from messages, and how they end.

use super::script::Script;
use super::{check, refused, run};
use crate::{HeadKind, context, pending};
use expect_test::expect;
use std::time::Duration;
use types::{Effect, Input, Rules, SessionStatus, TurnId};

#[test]
fn a_message_makes_a_turn() {
    check(
        "create hello\nsays hi",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            says hi
              5-8 the model answers, 1.1 msg_1e1a1i0, and the turn is over
        "#]],
    );
}

#[test]
fn a_session_without_input_waits() {
    check(
        "create\nmessage hello\nsays hi\nmessage more\nsays hi again",
        expect![[r#"
            create
              1 session created: session.created[Idle]
            message hello
              2-4 a turn that runs
            says hi
              5-8 the model answers, 1.1 msg_1e1a1i0, and the turn is over
            message more
              9-11 a turn that runs
            says hi again
              12-15 the model answers, 3.1 msg_1e3a1i0, and the turn is over
        "#]],
    );
}

#[test]
fn reasoning_comes_before_the_answer() {
    check(
        "create hello\nthinks hm",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            thinks hm
              5 intended 1.1 m: 
              6 reasoning rs_1e1a1i0: item.added, part.added, delta, text.done, part.done, item.done
              7 answer msg_1e1a1i1 FinalAnswer: item.added, part.added, delta, text.done, part.done, item.done
              8 committed 1.1 charged 120: 
              9 turn Completed: turn.completed, session.idle
        "#]],
    );
}

#[test]
fn a_message_steers_a_running_turn() {
    // Heard by the answer: the turn ends. Not heard: it goes on.
    check(
        "create hello\nmessage also this\nsays both",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            message also this
              5 user message: item.added
            says both
              6-9 the model answers, 1.1 msg_1e1a1i0, and the turn is over
        "#]],
    );
    check(
        "create hello\nmessage also this\nunheard one\nsays the other",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            message also this
              5 user message: item.added
            unheard one
              6-8 the model says meanwhile, 1.1 msg_1e1a1i0
            says the other
              9-12 the model answers, 2.1 msg_1e2a1i1, and the turn is over
        "#]],
    );
}

#[test]
fn cancel_ends_what_runs_and_nothing_else() {
    check(
        "create hello\ncancel\ncancel\nmessage again\nsays hi",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            cancel
              5 abandoned 1.1 charged 0: attempt.dropped
              6 turn Cancelled: turn.cancelled, session.idle
            cancel
            message again
              7-9 a turn that runs
            says hi
              10-13 the model answers, 2.1 msg_1e2a1i0, and the turn is over
        "#]],
    );
}

#[test]
fn an_answer_after_the_cancel_is_too_late() {
    check(
        "create hello\ncancel\nlate hi",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            cancel
              5 abandoned 1.1 charged 0: attempt.dropped
              6 turn Cancelled: turn.cancelled, session.idle
            late hi
        "#]],
    );
}

#[test]
fn an_answer_that_was_cut_off_fails_the_turn() {
    check(
        "create hello\nstops tokens half an ans\nmessage again\nstops filter no",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            stops tokens half an ans
              5 intended 1.1 m: 
              6 answer msg_1e1a1i0 FinalAnswer (cut off): item.added, part.added, delta, text.done, part.done, item.done
              7 committed 1.1 charged 120: 
              8 turn failed max_output_tokens: error, turn.failed, session.idle
            message again
              9-11 a turn that runs
            stops filter no
              12 intended 3.1 m: 
              13 answer msg_1e3a1i0 FinalAnswer (cut off): item.added, part.added, delta, text.done, part.done, item.done
              14 committed 3.1 charged 120: 
              15 turn failed cyber_policy: error, turn.failed, session.idle
        "#]],
    );
}

#[test]
fn time_runs_out() {
    check(
        "create hello\ndeadline\ndeadline",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            deadline
              5 abandoned 1.1 charged 0: attempt.dropped
              6 turn failed request_timeout: error, turn.failed, session.idle
            deadline
        "#]],
    );
}

#[test]
fn the_gate_refuses() {
    check(
        "create hello\ndeny session_budget_exceeded\nmessage again\nsays hi",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            deny session_budget_exceeded
              5 intended 1.1 m: 
              6 turn failed session_budget_exceeded: error, turn.failed, session.idle
            message again
              7-9 a turn that runs
            says hi
              10-13 the model answers, 2.1 msg_1e2a1i0, and the turn is over
        "#]],
    );
}

#[test]
fn money_runs_out_and_comes_back() {
    check(
        "create hello\nlimit 5\nintent 700\nsays hi\nmessage more\nover budget\nlimit 50\nmessage more\nintent 100\nsays hi",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            limit 5
              5 session updated: 
            intent 700
              6 intended 1.1 m: 
            says hi
              7 answer msg_1e1a1i0 FinalAnswer: item.added, part.added, delta, text.done, part.done, item.done
              8 committed 1.1 charged 120: 
              9 turn Completed: turn.completed, session.idle
            message more
              10-12 a turn that runs
            over budget
              13 turn failed session_budget_exceeded: error, turn.failed, session.budget_reached
            limit 50
              14 session updated: session.idle
            message more
              15-17 a turn that runs
            intent 100
              18 intended 4.1 m: 
            says hi
              19 answer msg_1e4a1i0 FinalAnswer: item.added, part.added, delta, text.done, part.done, item.done
              20 committed 4.1 charged 120: 
              21 turn Completed: turn.completed, session.idle
        "#]],
    );
    refused(
        "create hello\nlimit 5\nover budget\nmessage more",
        expect![
            "Conflict: The session has reached its spending limit. Raise or remove spend_control.limit to continue."
        ],
    );
}

#[test]
fn only_more_room_lifts_the_limit() {
    let stuck = "create hello\nlimit 5\nover budget\n";
    let status = |steps: &str| run(&format!("{stuck}{steps}")).state.status;
    assert_eq!(status("limit 4"), SessionStatus::BudgetReached);
    assert_eq!(status("limit 6"), SessionStatus::Idle);
    assert_eq!(status("limit none"), SessionStatus::Idle);
}

#[test]
fn a_turn_whose_context_was_too_long_is_left_out() {
    // Short history, a long message: the message goes, the history stays.
    let long = "x".repeat(4000);
    let script = run(&format!("create hello\nsays hi\nmessage {long}\nfails context_length\nmessage more"));
    let shown: Vec<_> = context(&script.state, &Rules::default()).into_iter().map(|seq| seq.0).collect();
    assert_eq!(shown, [3, 6, 16]);
    // Long history, a short message: the older half of the history goes too, at a message.
    let script = run(&format!(
        "create {long}\nsays {long}\nmessage {long}\nsays {long}\nmessage more\nfails context_length\nmessage again"
    ));
    let shown: Vec<_> = context(&script.state, &Rules::default()).into_iter().map(|seq| seq.0).collect();
    assert_eq!(shown, [10, 13, 23]);
}

/// A server that offers more than a model can read must not cost the session what was said.
#[test]
fn history_is_not_left_out_for_what_stands_beside_it() {
    let long = "x".repeat(4000);
    // The window has so many tokens more than what stands beside the conversation.
    let after = |spare: Option<i64>, beside: usize, failure: &str| {
        let mut script = run(&format!("create {long}\nsays {long}\nmessage {long}\nsays {long}\nmessage more"));
        script.step(&format!("offer |{}", "y".repeat(beside * 4))).expect("taken");
        let window = spare.and_then(|spare| crate::pending::beside(&script.state).checked_add_signed(spare));
        let model = types::ModelRules { context_tokens: window, ..types::ModelRules::default() };
        script.rules.models.insert("m".to_owned(), model);
        script.step(failure).expect("taken");
        let told = script.log.iter().rev().find_map(|record| match &record.body {
            types::RecordBody::TurnEnded(ended) => match &ended.ending {
                types::Ending::Failed { message, .. } => Some(message.contains("Instructions and tools")),
                _ => None,
            },
            _ => None,
        });
        (script.state.transcript.len(), told.expect("it failed"))
    };
    for failure in ["deny context_length_exceeded", "fails context_length"] {
        assert_eq!(after(Some(-1), 5000, failure), (5, true), "beside it alone: nothing goes, not even the turn");
        assert_eq!(after(Some(2), 5000, failure), (4, true), "no turn fits: its own message goes");
        assert_eq!(after(Some(1000), 500, failure), (2, false), "history is what is too long");
        assert_eq!(after(None, 9000, failure), (4, true), "nobody knows what fits, and the larger part is beside it");
        assert_eq!(after(None, 500, failure), (2, false));
    }
}

#[test]
fn time_in_which_a_caller_is_waited_for_does_not_count() {
    let deadline = |script: &Script| {
        pending(&script.state, &script.rules.limits).into_iter().find_map(|effect| match effect {
            Effect::TurnDeadline { at, .. } => Some(at.0),
            Effect::ModelCall { .. } | Effect::ToolCall { .. } | Effect::Review { .. } => None,
        })
    };
    let day = 8 * 3600 * 1000;
    // Every step takes a second.
    assert_eq!(deadline(&run("create hello")), Some(1000 + day));
    assert_eq!(deadline(&run("create hello\ncalls c1 f {}")), None);
    assert_eq!(
        deadline(&run("create hello\ncalls c1 f {}\nmessage x\nmessage y\nresult c1 ok")),
        Some(5000 + day - 1000)
    );
}

#[test]
fn an_intent_that_is_there_already_is_not_written_again() {
    let script = run("create hello\nintent 5\nintent 5");
    let intents = script.log.iter().filter(|record| matches!(record.body, types::RecordBody::Intended(_)));
    assert_eq!(intents.count(), 1);
}

/// A message that steers stands in the log before the results of the calls that were open, and in the transcript after
/// them: what is left out is cut out of the transcript.
#[test]
fn what_is_left_out_never_parts_a_call_from_its_result() {
    let long = "word ".repeat(200);
    let script = run(&format!(
        "create {long}\ncalls c1 f {{}}\nmessage {long}\nresult c1 ok\nsays hi\nmessage more\nfails context_length"
    ));
    let kinds: Vec<_> = script.state.transcript.iter().map(|head| head.kind).collect();
    let count = |kind| kinds.iter().filter(|of| **of == kind).count();
    assert_eq!(count(HeadKind::Call), count(HeadKind::Output), "{kinds:?}");
    assert_eq!(kinds, [HeadKind::Message, HeadKind::Answer]);
}

/// A day that the clock skips is nobody's work; what is left of a turn's time stays what it is.
#[test]
fn f08_a_clock_that_was_set_is_a_record_and_takes_no_time() {
    let mut script = run("create hello");
    let ends = |script: &Script| match &pending(&script.state, &script.rules.limits)[..] {
        [Effect::TurnDeadline { at, .. }, ..] => *at,
        other => panic!("{other:?}"),
    };
    let turn = script.state.turn.as_ref().map(|turn| turn.id.clone()).expect("a turn");
    let (before, day) = (ends(&script), Duration::from_secs(24 * 3600));
    script.take("set", Input::ClockSet { turn: turn.clone(), ends: before.after(day) }).expect("taken");
    assert_eq!(ends(&script), before.after(day));
    let other = Input::ClockSet { turn: TurnId::new("turn_other"), ends: before };
    script.take("set", other).expect("of no turn that runs");
    script.step("calls c1 f {}").expect("taken");
    let seen = script.log.len();
    script.take("set", Input::ClockSet { turn, ends: before }).expect("nobody works on it");
    assert_eq!(script.log.len(), seen);
    // The script's clock was never set: what was worked before it began is none.
    assert_eq!(script.state.turn.as_ref().map(|turn| turn.worked), Some(Duration::ZERO));
}

/// Its tools are asked for first.
#[test]
fn a_turn_that_lacks_its_tools_has_asked_no_model() {
    for model in ["m", "spare"] {
        let mut script = run("create");
        let change = types::SessionChange { model: Some(model.to_owned()), ..types::SessionChange::default() };
        script.take("update", types::Input::Update(change)).expect("taken");
        script.step("message hello").expect("taken");
        let error = types::TurnError { code: "mcp_server_startup_failed".to_owned(), message: "away".to_owned() };
        script.take("no offer", types::Input::NoOffer(error)).expect("taken");
        let told = script.told(0);
        assert!(
            told.ends_with(&["abandoned 1.1 charged 0".to_owned(), "turn failed mcp_server_startup_failed".to_owned()]),
            "{told:?}"
        );
        assert!(!script.state.unmeasured, "its usage is known: none");
    }
}
