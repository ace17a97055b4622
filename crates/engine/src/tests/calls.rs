//! Function calls: asked, answered in any order, closed; and what never became a call.

use super::{check, refused, run};
use crate::context;
use expect_test::expect;
use types::Rules;

#[test]
fn a_call_waits_for_its_answer() {
    check(
        "create hello\ncalls c1 f {\"a\":1}\nresult c1 ok\nsays done",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            calls c1 f {"a":1}
              5-7 the model, 1.1, calls f of its caller: c1 is effect 2
            result c1 ok
              8 output c1: item.added, session.in_progress
            says done
              9-12 the model answers, 3.1 msg_1e3a1i1, and the turn is over
        "#]],
    );
}

#[test]
fn several_calls_are_answered_in_any_order() {
    check(
        "create hello\ncalls c1 f {} & c2 g {}\nfailure c2 broken\nresult c1 ok\nsays done",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            calls c1 f {} & c2 g {}
              5 intended 1.1 m: 
              6 call c1 f effect 2: item.added, item.done
              7 call c2 g effect 3: item.added, item.done
              8 committed 1.1 charged 120: session.requires_action(2)
            failure c2 broken
              9 output c2: item.added
            result c1 ok
              10 output c1: item.added, session.in_progress
            says done
              11-14 the model answers, 4.1 msg_1e4a1i2, and the turn is over
        "#]],
    );
}

#[test]
fn a_repeat_changes_nothing_and_another_answer_is_refused() {
    check(
        "create hello\ncalls c1 f {} & c2 f {}\nresult c1 ok\nresult c1 ok",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            calls c1 f {} & c2 f {}
              5 intended 1.1 m: 
              6 call c1 f effect 2: item.added, item.done
              7 call c2 f effect 3: item.added, item.done
              8 committed 1.1 charged 120: session.requires_action(2)
            result c1 ok
              9 output c1: item.added
            result c1 ok
        "#]],
    );
    refused(
        "create hello\ncalls c1 f {} & c2 f {}\nresult c1 ok\nresult c1 other",
        expect!["Conflict: Tool call c1 has already been answered with another result."],
    );
    refused(
        "create hello\ncalls c1 f {} & c2 f {}\nresult c1 ok\nfailure c1 ok",
        expect!["Conflict: Tool call c1 has already been answered with another result."],
    );
}

#[test]
fn answers_to_nothing_are_refused() {
    refused("create hello\nresult call_x ok", expect!["Invalid: Unknown pending tool call: call_x"]);
    refused(
        "create hello\ncalls c1 f {}\nresult c1 ok @turn_other",
        expect!["Invalid: Tool call c1 does not belong to turn turn_other."],
    );
    refused(
        "create hello\ncalls c1 f {}\ncancel\nresult c1 ok",
        expect!["Conflict: Tool call c1 is closed: its turn ended before the result arrived."],
    );
}

#[test]
fn cancel_closes_what_waits() {
    check(
        "create hello\ncalls c1 f {} & c2 f {}\nresult c1 ok\ncancel\nmessage again\nsays hi",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            calls c1 f {} & c2 f {}
              5 intended 1.1 m: 
              6 call c1 f effect 2: item.added, item.done
              7 call c2 f effect 3: item.added, item.done
              8 committed 1.1 charged 120: session.requires_action(2)
            result c1 ok
              9 output c1: item.added
            cancel
              10 closed c2: 
              11 turn Cancelled: turn.cancelled, session.idle
            message again
              12-14 a turn that runs
            says hi
              15-18 the model answers, 4.1 msg_1e4a1i0, and the turn is over
        "#]],
    );
}

#[test]
fn a_message_waits_while_a_call_does() {
    let script = run("create hello\ncalls c1 f {}\nmessage also\nresult c1 ok");
    // hello, the call, its result, and only then the message.
    let shown: Vec<_> = context(&script.state, &Rules::default()).into_iter().map(|seq| seq.0).collect();
    assert_eq!(shown, [3, 6, 9, 8]);
}

#[test]
fn malformed_calls_never_leave() {
    check(
        "create hello\ncalls c1 nobody {} & c2 f [1] & c3 f {\"a\":1e999} & c4 f\nresult c4 ok\nsays done",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            calls c1 nobody {} & c2 f [1] & c3 f {"a":1e999} & c4 f
              5 intended 1.1 m: 
              6 malformed c1: There is no function named "nobody".: 
              7 malformed c2: The arguments are not a JSON object: invalid type: sequence, expected an object at line 1 column 0.: 
              8 malformed c3: The arguments are not a JSON object: number out of range at line 1 column 10.: 
              9 call c4 f effect 2: item.added, item.done
              10 committed 1.1 charged 120: session.requires_action(1)
            result c4 ok
              11 output c4: item.added, session.in_progress
            says done
              12-15 the model answers, 3.1 msg_1e3a1i4, and the turn is over
        "#]],
    );
    check(
        "create hello\ncalls c1 f {\nsays sorry",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            calls c1 f {
              5 intended 1.1 m: 
              6 malformed c1: The arguments are not a JSON object: EOF while parsing an object at line 1 column 1.: 
              7 committed 1.1 charged 120: 
            says sorry
              8-11 the model answers, 2.1 msg_1e2a1i1, and the turn is over
        "#]],
    );
}

#[test]
fn an_id_counts_once() {
    check(
        "create hello\ncalls c1 f {} & c1 f {} &  f {}\nresult c1 ok",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            calls c1 f {} & c1 f {} &  f {}
              5 intended 1.1 m: 
              6 call c1 f effect 2: item.added, item.done
              7 call call_1e1a1i1 f effect 3: item.added, item.done
              8 call call_1e1a1i2 f effect 4: item.added, item.done
              9 committed 1.1 charged 120: session.requires_action(3)
            result c1 ok
              10 output c1: item.added
        "#]],
    );
    let long = "x".repeat(65);
    check(
        &format!("create hello\ncalls {long} f {{}}\ncancel").replace(&long, "LONG"),
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            calls LONG f {}
              5-7 the model, 1.1, calls f of its caller: LONG is effect 2
            cancel
              8 closed LONG: 
              9 turn Cancelled: turn.cancelled, session.idle
        "#]],
    );
}

#[test]
fn no_money_for_a_call_in_an_answer_that_was_cut_off() {
    check(
        "create hello\nstops tokens let me",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            stops tokens let me
              5 intended 1.1 m: 
              6 answer msg_1e1a1i0 FinalAnswer (cut off): item.added, part.added, delta, text.done, part.done, item.done
              7 committed 1.1 charged 120: 
              8 turn failed max_output_tokens: error, turn.failed, session.idle
        "#]],
    );
}
