//! Attempts of a model call.

use super::{check, run};
use crate::apply;
use expect_test::expect;
use types::{EffectId, Epoch, ItemBody, Record, RecordBody, Restored, Timestamp};

#[test]
fn a_failed_attempt_is_tried_again() {
    check(
        "create hello\nfails rate_limited\nfails upstream\nsays hi",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            fails rate_limited
              5 intended 1.1 m: 
              6 abandoned 1.1 charged 0, next m tried 1: attempt.dropped
            fails upstream
              7 intended 1.2 m: 
              8 abandoned 1.2 charged 0, next m tried 2: attempt.dropped
            says hi
              9-12 the model answers, 1.3 msg_1e1a3i0, and the turn is over
        "#]],
    );
}

#[test]
fn a_torn_answer_is_never_glued() {
    check(
        "create hello\ntorn\nsays hi",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            torn
              5 intended 1.1 m: 
              6 abandoned 1.1 charged 0 unmeasured, next m tried 1: attempt.dropped
            says hi
              7-10 the model answers, 1.2 msg_1e1a2i0, and the turn is over
        "#]],
    );
}

#[test]
fn then_the_next_entry_is_asked_then_nothing() {
    check(
        "create hello\nfails connect\nfails connect\nfails connect\nfails timeout\nfails timeout\nfails timeout",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            fails connect
              5 intended 1.1 m: 
              6 abandoned 1.1 charged 0, next m tried 1: attempt.dropped
            fails connect
              7 intended 1.2 m: 
              8 abandoned 1.2 charged 0, next m tried 2: attempt.dropped
            fails connect
              9 intended 1.3 m: 
              10 abandoned 1.3 charged 0, next spare tried 0: attempt.dropped
            fails timeout
              11 intended 1.4 spare: 
              12 abandoned 1.4 charged 0, next spare tried 1: attempt.dropped
            fails timeout
              13 intended 1.5 spare: 
              14 abandoned 1.5 charged 0, next spare tried 2: attempt.dropped
            fails timeout
              15 intended 1.6 spare: 
              16 abandoned 1.6 charged 0: attempt.dropped
              17 turn failed request_timeout: error, turn.failed, session.idle
        "#]],
    );
}

#[test]
fn what_is_wrong_with_the_request_is_wrong_for_every_model() {
    check(
        "create hello\nfails context_length\nmessage again\nsays hi",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            fails context_length
              5 intended 1.1 m: 
              6 abandoned 1.1 charged 0: attempt.dropped
              7 turn failed context_length_exceeded: error, turn.failed, session.idle
            message again
              8-10 a turn that runs
            says hi
              11-14 the model answers, 2.1 msg_1e2a1i0, and the turn is over
        "#]],
    );
    check(
        "create hello\nfails invalid",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            fails invalid
              5 intended 1.1 m: 
              6 abandoned 1.1 charged 0: attempt.dropped
              7 turn failed invalid_request: error, turn.failed, session.idle
        "#]],
    );
    check(
        "create hello\nfails authentication\nsays hi",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            fails authentication
              5 intended 1.1 m: 
              6 abandoned 1.1 charged 0, next spare tried 0: attempt.dropped
            says hi
              7 intended 1.2 spare: 
              8 answer msg_1e1a2i0 FinalAnswer: item.added, part.added, delta, text.done, part.done, item.done
              9 committed 1.2 charged 0: 
              10 turn Completed: turn.completed, session.idle
        "#]],
    );
}

#[test]
fn a_priced_attempt_without_an_outcome_is_charged_what_was_reserved() {
    check(
        "create hello\nintent 700\ntorn\nintent 700\nfails rate_limited\nintent 700\nsays hi",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            intent 700
              5 intended 1.1 m: 
            torn
              6 abandoned 1.1 charged 700 unmeasured, next m tried 1: attempt.dropped
            intent 700
              7 intended 1.2 m: 
            fails rate_limited
              8 abandoned 1.2 charged 0, next m tried 2: attempt.dropped
            intent 700
              9 intended 1.3 m: 
            says hi
              10 answer msg_1e1a3i0 FinalAnswer: item.added, part.added, delta, text.done, part.done, item.done
              11 committed 1.3 charged 120: 
              12 turn Completed: turn.completed, session.idle
        "#]],
    );
    check(
        "create hello\nintent 700\ncancel",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            intent 700
              5 intended 1.1 m: 
            cancel
              6 abandoned 1.1 charged 700 unmeasured: attempt.dropped
              7 turn Cancelled: turn.cancelled, session.idle
        "#]],
    );
}

#[test]
fn a_crash_opens_a_new_attempt() {
    check(
        "create hello\nrecover\nsays hi\nrecover",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            recover
              5-6 a crash, after 1.1
            says hi
              7-10 the model answers, 1.2 msg_1e1a2i0, and the turn is over
            recover
        "#]],
    );
    check(
        "create hello\nintent 700\nrecover\nintent 700\nsays hi",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            intent 700
              5 intended 1.1 m: 
            recover
              6 recovered: 
              7 abandoned 1.1 charged 700 unmeasured, next m tried 0: attempt.dropped
            intent 700
              8 intended 1.2 m: 
            says hi
              9 answer msg_1e1a2i0 FinalAnswer: item.added, part.added, delta, text.done, part.done, item.done
              10 committed 1.2 charged 120: 
              11 turn Completed: turn.completed, session.idle
        "#]],
    );
    check(
        "create hello\ncalls c1 f {}\nrecover\nresult c1 ok\nsays hi",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            calls c1 f {}
              5-7 the model, 1.1, calls f of its caller: c1 is effect 2
            recover
            result c1 ok
              8 output c1: item.added, session.in_progress
            says hi
              9-12 the model answers, 3.1 msg_1e3a1i1, and the turn is over
        "#]],
    );
}

#[test]
fn a_session_that_only_ever_crashes_is_poison() {
    check(
        "create hello\nrecover\nrecover\nrecover\nrecover\nrecover\nrecover",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            recover
              5-6 a crash, after 1.1
            recover
              7-8 a crash, after 1.2
            recover
              9-10 a crash, after 1.3
            recover
              11-12 a crash, after 1.4
            recover
              13-14 a crash, after 1.5
            recover
              15 recovered: 
              16 abandoned 1.6 charged 0: attempt.dropped
              17 turn failed internal_error: error, turn.failed
              18 session failed: error, session.failed
        "#]],
    );
    check(
        "create hello\nrecover\nrecover\nrecover\nrecover\nmessage x\nrecover\nrecover",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            recover
              5-6 a crash, after 1.1
            recover
              7-8 a crash, after 1.2
            recover
              9-10 a crash, after 1.3
            recover
              11-12 a crash, after 1.4
            message x
              13 user message: item.added
            recover
              14-15 a crash, after 1.5
            recover
              16-17 a crash, after 1.6
        "#]],
    );
}

#[test]
fn what_a_provider_wants_back_is_kept_unless_it_is_too_deep() {
    let kept = |depth: usize| {
        let mut script = run("create hello");
        let nested = (0..depth).fold(serde_json::Value::Null, |inner, _| serde_json::json!([inner]));
        script.think(nested);
        script.log.iter().any(|record| match &record.body {
            RecordBody::Item(item) => matches!(&item.body, ItemBody::Reasoning { opaque: Some(_), .. }),
            _ => false,
        })
    };
    assert!(kept(60));
    assert!(!kept(70));
}

/// What the lost part said of a call that was open at the backup, and what two restores of it say, have ids of their own.
#[test]
fn f30_no_id_of_what_a_restore_lost_names_something_else() {
    let said = |number: Option<u64>| {
        let mut script = run("create hello\nintent 500");
        let known = script.log.len();
        if let Some(number) = number {
            let turn = script.state.turn.as_ref().map(|turn| turn.id.clone());
            let restored = Restored { epoch: Epoch(9), backup: Timestamp(5), effect: EffectId(number), turn };
            let record = Record { at: Timestamp(9_000), body: RecordBody::Restored(restored) };
            let seq = script.state.seq.next();
            apply(&mut script.state, seq, &record);
            script.log.push(record);
        }
        for step in ["recover", "recover", "fails torn", "says hi"] {
            script.step(step).expect("taken");
        }
        script.told(known).join("; ")
    };
    expect![[r#"
        recovered; abandoned 1.1 charged 500 unmeasured, next m tried 0; recovered; abandoned 1.2 charged 0, next m tried 0; intended 1.3 m; abandoned 1.3 charged 0, next m tried 1; intended 1.4 m; answer msg_1e1a4i0 FinalAnswer; committed 1.4 charged 120; turn Completed
        restored; recovered; abandoned 1.1 charged 500 unmeasured, next m tried 0; recovered; abandoned 1.1048577 charged 0, next m tried 0; intended 1.1048578 m; abandoned 1.1048578 charged 0, next m tried 1; intended 1.1048579 m; answer msg_1e1a1048579i0 FinalAnswer; committed 1.1048579 charged 120; turn Completed
        restored; recovered; abandoned 1.1 charged 500 unmeasured, next m tried 0; recovered; abandoned 1.28609763 charged 0, next m tried 0; intended 1.28609764 m; abandoned 1.28609764 charged 0, next m tried 1; intended 1.28609765 m; answer msg_1e1a28609765i0 FinalAnswer; committed 1.28609765 charged 120; turn Completed
    "#]]
    .assert_eq(&format!("{}\n{}\n{}\n", said(None), said(Some(1 << 20)), said(Some(28_900_000_000_000))));
}
