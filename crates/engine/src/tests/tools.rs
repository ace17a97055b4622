//! Calls that this server performs: every class, whatever happens to it.

use super::script::Script;
use super::{check, refused, run};
use crate::{apply, context, pending, standing};
use expect_test::{Expect, expect};
use serde_json::{Map, json};
use std::sync::Arc;
use types::{
    Class, Effect, EffectId, Epoch, Input, Limits, Offer, OfferedTool, Record, RecordBody, Restored, Rules, Timestamp,
};

const OFFER: &str = "create hello\noffer read pure & get idempotent & pay keyed & run attachable & send irreversible";
const TOOLS: [&str; 5] = ["read", "get", "pay", "run", "send"];

/// What becomes of a call of each class, by what happens to it. A pure call is never begun by a record of its own.
fn fates(steps: &str, expected: Expect) {
    let mut out = String::new();
    for tool in TOOLS {
        let steps: Vec<_> = steps.lines().filter(|step| tool != "read" || *step != "begin 2").collect();
        let script = run(&format!("{OFFER}\ncalls c1 {tool} {{}}\n{}", steps.join("\n")));
        let called = script.log.iter().position(|record| record.body.is_committed()).expect("called");
        let told = script.told(called + 1);
        out.push_str(&format!("{tool}: {}\n", told.join("; ")));
    }
    expected.assert_eq(&out);
}

trait Committed {
    fn is_committed(&self) -> bool;
}

impl Committed for RecordBody {
    fn is_committed(&self) -> bool {
        matches!(self, Self::Committed(_))
    }
}

#[test]
fn an_outcome_ends_a_call() {
    fates(
        "begin 2\ndone 2 ok",
        expect![[r#"
        read: intended 2.1 Pure; outcome 2.1 Answered Done(Text("ok"))
        get: intended 2.1 Idempotent; outcome 2.1 Answered Done(Text("ok"))
        pay: intended 2.1 Keyed; outcome 2.1 Answered Done(Text("ok"))
        run: intended 2.1 Attachable; outcome 2.1 Answered Done(Text("ok"))
        send: intended 2.1 Irreversible; outcome 2.1 Answered Done(Text("ok"))
    "#]],
    );
    fates(
        "begin 2\nbroke 2 no such thing",
        expect![[r#"
        read: intended 2.1 Pure; outcome 2.1 Answered Failed("no such thing")
        get: intended 2.1 Idempotent; outcome 2.1 Answered Failed("no such thing")
        pay: intended 2.1 Keyed; outcome 2.1 Answered Failed("no such thing")
        run: intended 2.1 Attachable; outcome 2.1 Answered Failed("no such thing")
        send: intended 2.1 Irreversible; outcome 2.1 Answered Failed("no such thing")
    "#]],
    );
    fates(
        "begin 2\nlost 2 the connection broke",
        expect![[r#"
        read: intended 2.1 Pure; outcome 2.1 Answered Unknown("the connection broke")
        get: intended 2.1 Idempotent; outcome 2.1 Answered Unknown("the connection broke")
        pay: intended 2.1 Keyed; outcome 2.1 Answered Unknown("the connection broke")
        run: intended 2.1 Attachable; outcome 2.1 Answered Unknown("the connection broke")
        send: intended 2.1 Irreversible; outcome 2.1 Answered Unknown("the connection broke")
    "#]],
    );
}

#[test]
fn f01_a_crash_before_the_intent_leaves_the_call_as_it_was() {
    fates(
        "recover",
        expect![[r#"
        read: recovered; abandoned 2.1 charged 0, next  tried 1
        get: recovered
        pay: recovered
        run: recovered
        send: recovered
    "#]],
    );
}

#[test]
fn f01_a_crash_after_the_intent_is_judged_by_the_class() {
    fates(
        "begin 2\nrecover",
        expect![[r#"
        read: recovered; abandoned 2.1 charged 0, next  tried 1
        get: intended 2.1 Idempotent; recovered; abandoned 2.1 charged 0, next  tried 1
        pay: intended 2.1 Keyed; recovered; abandoned 2.1 charged 0, next  tried 1
        run: intended 2.1 Attachable; recovered
        send: intended 2.1 Irreversible; recovered; outcome 2.1 Crash Unknown("the server stopped before the call ended; it may have taken effect")
    "#]],
    );
    fates(
        "begin 2\nrecover\nbegin 2\nrecover",
        expect![[r#"
        read: recovered; abandoned 2.1 charged 0, next  tried 1; recovered; abandoned 2.2 charged 0, next  tried 2
        get: intended 2.1 Idempotent; recovered; abandoned 2.1 charged 0, next  tried 1; intended 2.2 Idempotent; recovered; abandoned 2.2 charged 0, next  tried 2
        pay: intended 2.1 Keyed; recovered; abandoned 2.1 charged 0, next  tried 1; intended 2.2 Keyed; recovered; abandoned 2.2 charged 0, next  tried 2
        run: intended 2.1 Attachable; recovered; recovered
        send: intended 2.1 Irreversible; recovered; outcome 2.1 Crash Unknown("the server stopped before the call ended; it may have taken effect"); recovered; abandoned 3.1 charged 0, next m tried 0
    "#]],
    );
}

#[test]
fn an_attachable_call_is_taken_up_again_under_its_number() {
    let attach = |steps: &str| {
        let script = run(&format!("{OFFER}\ncalls c1 run {{}}\n{steps}"));
        pending(&script.state, &Limits::default()).into_iter().find_map(|effect| match effect {
            Effect::ToolCall { attempt, attach, .. } => Some((attempt.0, attach)),
            Effect::ModelCall { .. } | Effect::TurnDeadline { .. } | Effect::Review { .. } => None,
        })
    };
    assert_eq!(attach("recover"), Some((1, false)));
    assert_eq!(attach("begin 2\nrecover"), Some((1, true)));
}

#[test]
fn f20_a_turn_that_ends_closes_its_calls() {
    fates(
        "cancel",
        expect![[r#"
            read: outcome 2.1 Cancelled Failed("the turn was cancelled before the call ended"); turn Cancelled
            get: outcome 2.1 Cancelled Failed("the turn was cancelled before the call began"); turn Cancelled
            pay: outcome 2.1 Cancelled Failed("the turn was cancelled before the call began"); turn Cancelled
            run: outcome 2.1 Cancelled Failed("the turn was cancelled before the call began"); turn Cancelled
            send: outcome 2.1 Cancelled Failed("the turn was cancelled before the call began"); turn Cancelled
        "#]],
    );
    fates(
        "begin 2\ncancel",
        expect![[r#"
        read: outcome 2.1 Cancelled Failed("the turn was cancelled before the call ended"); turn Cancelled
        get: intended 2.1 Idempotent; outcome 2.1 Cancelled Failed("the turn was cancelled before the call ended"); turn Cancelled
        pay: intended 2.1 Keyed; outcome 2.1 Cancelled Unknown("the turn was cancelled before the call ended; it may have taken effect"); turn Cancelled
        run: intended 2.1 Attachable; outcome 2.1 Cancelled Failed("the turn was cancelled before the call ended"); turn Cancelled
        send: intended 2.1 Irreversible; outcome 2.1 Cancelled Unknown("the turn was cancelled before the call ended; it may have taken effect"); turn Cancelled
    "#]],
    );
    fates(
        "begin 2\ndeadline",
        expect![[r#"
        read: outcome 2.1 TurnDeadline Failed("the turn ran out of time before the call ended"); turn failed request_timeout
        get: intended 2.1 Idempotent; outcome 2.1 TurnDeadline Failed("the turn ran out of time before the call ended"); turn failed request_timeout
        pay: intended 2.1 Keyed; outcome 2.1 TurnDeadline Unknown("the turn ran out of time before the call ended; it may have taken effect"); turn failed request_timeout
        run: intended 2.1 Attachable; outcome 2.1 TurnDeadline Failed("the turn ran out of time before the call ended"); turn failed request_timeout
        send: intended 2.1 Irreversible; outcome 2.1 TurnDeadline Unknown("the turn ran out of time before the call ended; it may have taken effect"); turn failed request_timeout
    "#]],
    );
    // A keyed one that was begun before a crash may have happened, though its new attempt was not begun.
    fates(
        "begin 2\nrecover\ncancel",
        expect![[r#"
        read: recovered; abandoned 2.1 charged 0, next  tried 1; outcome 2.2 Cancelled Failed("the turn was cancelled before the call ended"); turn Cancelled
        get: intended 2.1 Idempotent; recovered; abandoned 2.1 charged 0, next  tried 1; outcome 2.2 Cancelled Failed("the turn was cancelled before the call ended"); turn Cancelled
        pay: intended 2.1 Keyed; recovered; abandoned 2.1 charged 0, next  tried 1; outcome 2.2 Cancelled Unknown("the turn was cancelled before the call ended; it may have taken effect"); turn Cancelled
        run: intended 2.1 Attachable; recovered; outcome 2.1 Cancelled Failed("the turn was cancelled before the call ended"); turn Cancelled
        send: intended 2.1 Irreversible; recovered; outcome 2.1 Crash Unknown("the server stopped before the call ended; it may have taken effect"); abandoned 3.1 charged 0; turn Cancelled
    "#]],
    );
}

#[test]
fn f20_a_call_has_its_own_time_and_the_turn_goes_on() {
    fates(
        "begin 2\noverdue 2\nsays sorry",
        expect![[r#"
        read: intended 2.1 Pure; outcome 2.1 CallDeadline Failed("the call took longer than the 600 s that this server allows"); intended 3.1 m; answer msg_1e3a1i1 FinalAnswer; committed 3.1 charged 120; turn Completed
        get: intended 2.1 Idempotent; outcome 2.1 CallDeadline Failed("the call took longer than the 600 s that this server allows"); intended 3.1 m; answer msg_1e3a1i1 FinalAnswer; committed 3.1 charged 120; turn Completed
        pay: intended 2.1 Keyed; outcome 2.1 CallDeadline Unknown("the call took longer than the 600 s that this server allows; it may have taken effect"); intended 3.1 m; answer msg_1e3a1i1 FinalAnswer; committed 3.1 charged 120; turn Completed
        run: intended 2.1 Attachable; outcome 2.1 CallDeadline Failed("the call took longer than the 600 s that this server allows"); intended 3.1 m; answer msg_1e3a1i1 FinalAnswer; committed 3.1 charged 120; turn Completed
        send: intended 2.1 Irreversible; outcome 2.1 CallDeadline Unknown("the call took longer than the 600 s that this server allows; it may have taken effect"); intended 3.1 m; answer msg_1e3a1i1 FinalAnswer; committed 3.1 charged 120; turn Completed
    "#]],
    );
}

#[test]
fn f20_what_comes_late_is_recorded_and_enters_no_transcript() {
    fates(
        "begin 2\ncancel\ndone 2.1 after all\ndone 2.1 again",
        expect![[r#"
        read: outcome 2.1 Cancelled Failed("the turn was cancelled before the call ended"); turn Cancelled
        get: intended 2.1 Idempotent; outcome 2.1 Cancelled Failed("the turn was cancelled before the call ended"); turn Cancelled; late 2.1 Done(Text("after all"))
        pay: intended 2.1 Keyed; outcome 2.1 Cancelled Unknown("the turn was cancelled before the call ended; it may have taken effect"); turn Cancelled; late 2.1 Done(Text("after all"))
        run: intended 2.1 Attachable; outcome 2.1 Cancelled Failed("the turn was cancelled before the call ended"); turn Cancelled; late 2.1 Done(Text("after all"))
        send: intended 2.1 Irreversible; outcome 2.1 Cancelled Unknown("the turn was cancelled before the call ended; it may have taken effect"); turn Cancelled; late 2.1 Done(Text("after all"))
    "#]],
    );
    fates(
        "begin 2\noverdue 2\ndone 2.1 after all\nsays sorry",
        expect![[r#"
        read: intended 2.1 Pure; outcome 2.1 CallDeadline Failed("the call took longer than the 600 s that this server allows"); intended 3.1 m; answer msg_1e3a1i1 FinalAnswer; committed 3.1 charged 120; turn Completed
        get: intended 2.1 Idempotent; outcome 2.1 CallDeadline Failed("the call took longer than the 600 s that this server allows"); late 2.1 Done(Text("after all")); intended 3.1 m; answer msg_1e3a1i1 FinalAnswer; committed 3.1 charged 120; turn Completed
        pay: intended 2.1 Keyed; outcome 2.1 CallDeadline Unknown("the call took longer than the 600 s that this server allows; it may have taken effect"); late 2.1 Done(Text("after all")); intended 3.1 m; answer msg_1e3a1i1 FinalAnswer; committed 3.1 charged 120; turn Completed
        run: intended 2.1 Attachable; outcome 2.1 CallDeadline Failed("the call took longer than the 600 s that this server allows"); late 2.1 Done(Text("after all")); intended 3.1 m; answer msg_1e3a1i1 FinalAnswer; committed 3.1 charged 120; turn Completed
        send: intended 2.1 Irreversible; outcome 2.1 CallDeadline Unknown("the call took longer than the 600 s that this server allows; it may have taken effect"); late 2.1 Done(Text("after all")); intended 3.1 m; answer msg_1e3a1i1 FinalAnswer; committed 3.1 charged 120; turn Completed
    "#]],
    );
    // In a later turn too, and of no other attempt.
    fates(
        "begin 2\ncancel\nmessage again\ndone 2.2 wrong\ndone 2.1 after all\nsays hi",
        expect![[r#"
        read: outcome 2.1 Cancelled Failed("the turn was cancelled before the call ended"); turn Cancelled; turn created; user message; turn started; intended 4.1 m; answer msg_1e4a1i0 FinalAnswer; committed 4.1 charged 120; turn Completed
        get: intended 2.1 Idempotent; outcome 2.1 Cancelled Failed("the turn was cancelled before the call ended"); turn Cancelled; turn created; user message; turn started; late 2.1 Done(Text("after all")); intended 4.1 m; answer msg_1e4a1i0 FinalAnswer; committed 4.1 charged 120; turn Completed
        pay: intended 2.1 Keyed; outcome 2.1 Cancelled Unknown("the turn was cancelled before the call ended; it may have taken effect"); turn Cancelled; turn created; user message; turn started; late 2.1 Done(Text("after all")); intended 4.1 m; answer msg_1e4a1i0 FinalAnswer; committed 4.1 charged 120; turn Completed
        run: intended 2.1 Attachable; outcome 2.1 Cancelled Failed("the turn was cancelled before the call ended"); turn Cancelled; turn created; user message; turn started; late 2.1 Done(Text("after all")); intended 4.1 m; answer msg_1e4a1i0 FinalAnswer; committed 4.1 charged 120; turn Completed
        send: intended 2.1 Irreversible; outcome 2.1 Cancelled Unknown("the turn was cancelled before the call ended; it may have taken effect"); turn Cancelled; turn created; user message; turn started; late 2.1 Done(Text("after all")); intended 4.1 m; answer msg_1e4a1i0 FinalAnswer; committed 4.1 charged 120; turn Completed
    "#]],
    );
    let script = run(&format!("{OFFER}\ncalls c1 send {{}}\nbegin 2\ncancel\nmessage again"));
    let mut late = Script::new();
    for step in format!("{OFFER}\ncalls c1 send {{}}\nbegin 2\ncancel\nmessage again\ndone 2.1 after all").lines() {
        late.step(step).expect("taken");
    }
    assert_eq!(context(&script.state, &Rules::default()), context(&late.state, &Rules::default()));
}

#[test]
fn two_at_once_and_calls_that_the_caller_answers() {
    check(
        &format!("{OFFER}\ncalls c1 send {{}} & c2 get {{}}\nbegin 2\nbegin 3\ndone 3 b\ndone 2 a\nsays so"),
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            offer read pure & get idempotent & pay keyed & run attachable & send irreversible
              5 tools offered: 
            calls c1 send {} & c2 get {}
              6 intended 1.1 m: 
              7 tool call mcp_1e1a1i0 send effect 2 Irreversible: item.added
              8 tool call mcp_1e1a1i1 get effect 3 Idempotent: item.added
              9 committed 1.1 charged 120: 
            begin 2
              10 intended 2.1 Irreversible: 
            begin 3
              11 intended 3.1 Idempotent: 
            done 3 b
              12 outcome 3.1 Answered Done(Text("b")): item.done
            done 2 a
              13 outcome 2.1 Answered Done(Text("a")): item.done
            says so
              14-17 the model answers, 4.1 msg_1e4a1i2, and the turn is over
        "#]],
    );
    check(
        &format!("{OFFER}\ncalls c1 send {{}} & c2 f {{}}\nbegin 2\nresult c2 ok\ndone 2 a\nsays so"),
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            offer read pure & get idempotent & pay keyed & run attachable & send irreversible
              5 tools offered: 
            calls c1 send {} & c2 f {}
              6 intended 1.1 m: 
              7 tool call mcp_1e1a1i0 send effect 2 Irreversible: item.added
              8 call c2 f effect 3: item.added, item.done
              9 committed 1.1 charged 120: session.requires_action(1)
            begin 2
              10 intended 2.1 Irreversible: 
            result c2 ok
              11 output c2: item.added, session.in_progress
            done 2 a
              12 outcome 2.1 Answered Done(Text("a")): item.done
            says so
              13-16 the model answers, 4.1 msg_1e4a1i2, and the turn is over
        "#]],
    );
    check(
        &format!("{OFFER}\ncalls c1 send {{}} & c2 f {{}}\nbegin 2\ndone 2 a\nresult c2 ok\nsays so"),
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            offer read pure & get idempotent & pay keyed & run attachable & send irreversible
              5 tools offered: 
            calls c1 send {} & c2 f {}
              6 intended 1.1 m: 
              7 tool call mcp_1e1a1i0 send effect 2 Irreversible: item.added
              8 call c2 f effect 3: item.added, item.done
              9 committed 1.1 charged 120: session.requires_action(1)
            begin 2
              10 intended 2.1 Irreversible: 
            done 2 a
              11 outcome 2.1 Answered Done(Text("a")): item.done
            result c2 ok
              12 output c2: item.added, session.in_progress
            says so
              13-16 the model answers, 4.1 msg_1e4a1i2, and the turn is over
        "#]],
    );
    check(
        &format!("{OFFER}\ncalls c1 send {{}} & c2 f {{}} & c3 nobody {{}}\nbegin 2\ncancel"),
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            offer read pure & get idempotent & pay keyed & run attachable & send irreversible
              5 tools offered: 
            calls c1 send {} & c2 f {} & c3 nobody {}
              6 intended 1.1 m: 
              7 tool call mcp_1e1a1i0 send effect 2 Irreversible: item.added
              8 call c2 f effect 3: item.added, item.done
              9 malformed c3: There is no function named "nobody".: 
              10 committed 1.1 charged 120: session.requires_action(1)
            begin 2
              11 intended 2.1 Irreversible: 
            cancel
              12 outcome 2.1 Cancelled Unknown("the turn was cancelled before the call ended; it may have taken effect"): item.done
              13 closed c2: 
              14 turn Cancelled: turn.cancelled, session.idle
        "#]],
    );
}

#[test]
fn only_so_many_run_at_a_time() {
    let calls = (1..=5).map(|n| format!("c{n} send {{}}")).collect::<Vec<_>>().join(" & ");
    let script = run(&format!("{OFFER}\ncalls {calls}\nbegin 2\ndone 2 ok"));
    let limits = Limits { tool_calls_at_once: 2, ..Limits::default() };
    let due: Vec<_> = pending(&script.state, &limits)
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::ToolCall { id, nth, .. } => Some((id.0, nth)),
            Effect::ModelCall { .. } | Effect::TurnDeadline { .. } | Effect::Review { .. } => None,
        })
        .collect();
    assert_eq!(due, [(3, 2), (4, 3)]);
}

#[test]
fn the_gate_refuses_a_call_and_the_model_is_told() {
    fates(
        "refuse 2\nsays sorry",
        expect![[r#"
        read: intended 2.1 Pure refused; outcome 2.1 Denied Failed("not permitted"); intended 3.1 m; answer msg_1e3a1i1 FinalAnswer; committed 3.1 charged 120; turn Completed
        get: intended 2.1 Idempotent refused; outcome 2.1 Denied Failed("not permitted"); intended 3.1 m; answer msg_1e3a1i1 FinalAnswer; committed 3.1 charged 120; turn Completed
        pay: intended 2.1 Keyed refused; outcome 2.1 Denied Failed("not permitted"); intended 3.1 m; answer msg_1e3a1i1 FinalAnswer; committed 3.1 charged 120; turn Completed
        run: intended 2.1 Attachable refused; outcome 2.1 Denied Failed("not permitted"); intended 3.1 m; answer msg_1e3a1i1 FinalAnswer; committed 3.1 charged 120; turn Completed
        send: intended 2.1 Irreversible refused; outcome 2.1 Denied Failed("not permitted"); intended 3.1 m; answer msg_1e3a1i1 FinalAnswer; committed 3.1 charged 120; turn Completed
    "#]],
    );
}

#[test]
fn time_in_which_this_server_works_counts() {
    let deadline = |steps: &str| {
        let script = run(&format!("{OFFER}\n{steps}"));
        pending(&script.state, &script.rules.limits).into_iter().find_map(|effect| match effect {
            Effect::TurnDeadline { at, .. } => Some(at.0),
            Effect::ModelCall { .. } | Effect::ToolCall { .. } | Effect::Review { .. } => None,
        })
    };
    let day = 8 * 3600 * 1000;
    // Every step takes a second; the offer is one.
    assert_eq!(deadline("calls c1 send {}"), Some(1000 + day));
    assert_eq!(deadline("calls c1 send {} & c2 f {}\nbegin 2\nmessage x"), Some(1000 + day));
    assert_eq!(deadline("calls c1 send {} & c2 f {}\nbegin 2\ndone 2 ok\nmessage x"), None);
    // Worked from 1 s to 5 s, waited until 7 s.
    assert_eq!(
        deadline("calls c1 send {} & c2 f {}\nbegin 2\ndone 2 ok\nmessage x\nresult c2 ok"),
        Some(7000 + day - 4000)
    );
    // The caller answers while the other call runs: nothing was waited for.
    assert_eq!(deadline("calls c1 send {} & c2 f {}\nbegin 2\nresult c2 ok\nmessage x"), Some(1000 + day));
}

#[test]
fn a_function_of_the_session_goes_before_an_offered_tool() {
    check(
        "create hello\noffer f irreversible & f pure & x external\ncalls c1 f {} & c2 x {}",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            offer f irreversible & f pure & x external
              5 tools offered: 
            calls c1 f {} & c2 x {}
              6 intended 1.1 m: 
              7 call c1 f effect 2: item.added, item.done
              8 tool call mcp_1e1a1i1 x effect 3 Irreversible: item.added
              9 committed 1.1 charged 120: session.requires_action(1)
        "#]],
    );
}

/// Its record could be written and never read again.
#[test]
fn a_tool_whose_schema_nests_too_deep_is_not_offered() {
    let tool = |name: &str, depth: usize| OfferedTool {
        name: name.to_owned(),
        description: String::new(),
        parameters: Map::from_iter([("a".to_owned(), (0..depth).fold(json!(1), |inner, _| json!([inner])))]).into(),
        class: Class::Pure,
        server_label: "s".to_owned(),
        ..OfferedTool::default()
    };
    let offer = |tools: &[OfferedTool]| Offer { tools: tools.to_vec(), instructions: None };
    let written = |tools: &[OfferedTool]| {
        let body = RecordBody::ToolsOffered(Arc::new(offer(tools)));
        Record::decode(&Record { at: Timestamp(0), body }.encode())
    };
    let tools = [tool("deep", 200), tool("flat", 60)];
    written(&tools).expect_err("deeper than what can be read");
    let mut script = run("create hello");
    script.take("offer", Input::Offer(offer(&tools))).expect("taken");
    assert_eq!(script.state.offered.tools, tools[1..]);
}

#[test]
fn what_is_told_of_an_offer_is_a_part_of_it() {
    check(
        "create hello\noffer a pure | Look first.\noffer a pure | Look first.\noffer a pure | Look twice.\noffer a pure\noffer a pure |",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            offer a pure | Look first.
              5 tools offered: 
            offer a pure | Look first.
            offer a pure | Look twice.
              6 tools offered: 
            offer a pure
              7 tools offered: 
            offer a pure |
        "#]],
    );
    let plain = run("create hello\noffer a pure").state;
    let told = run("create hello\noffer a pure | Look first. Then go.").state;
    assert_eq!(told.offered.instructions.as_deref(), Some("Look first. Then go."));
    assert_eq!(told.offered_bytes / 4, plain.offered_bytes / 4 + 5);
    assert_eq!(
        standing(&told, &Rules::default()).context_tokens,
        standing(&plain, &Rules::default()).context_tokens + 5
    );
    let mut script = run("create hello");
    let long = Offer { tools: Vec::new(), instructions: Some("ä".repeat(1 << 20)) };
    script.take("offer", Input::Offer(long)).expect("taken");
    assert_eq!(script.state.offered.instructions.as_deref().map(str::len), Some(128 << 10));
}

/// It is the record as it was before it had instructions.
#[test]
fn a_record_without_instructions_is_read() {
    let body = RecordBody::ToolsOffered(Arc::new(Offer::default()));
    let mut encoded = Record { at: Timestamp(0), body: body.clone() }.encode();
    assert_eq!(encoded.body, br#"{"tools":[]}"#);
    assert_eq!(Record::decode(&encoded).expect("an old one").body, body);
    encoded.body = br#"{"tools":[],"instructions":"Look."}"#.to_vec();
    let RecordBody::ToolsOffered(offer) = Record::decode(&encoded).expect("a new one").body else {
        panic!("another record")
    };
    assert_eq!(offer.instructions.as_deref(), Some("Look."));
}

#[test]
fn an_offer_is_a_record_when_it_changes() {
    check(
        "create hello\noffer a pure & a keyed\noffer a pure\noffer b pure\noffer",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            offer a pure & a keyed
              5 tools offered: 
            offer a pure
            offer b pure
              6 tools offered: 
            offer
              7 tools offered: 
        "#]],
    );
    check(
        "create hello\noffer a pure\noffer\ncalls c1 a {}",
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            offer a pure
              5 tools offered: 
            offer
              6 tools offered: 
            calls c1 a {}
              7 intended 1.1 m: 
              8 malformed c1: There is no function named "a".: 
              9 committed 1.1 charged 120: 
        "#]],
    );
}

#[test]
fn nobody_outside_answers_a_call_that_this_server_performs() {
    refused(&format!("{OFFER}\ncalls c1 send {{}}\nresult c1 ok"), expect!["Invalid: Unknown pending tool call: c1"]);
    refused(
        &format!("{OFFER}\ncalls c1 send {{}}\nbegin 2\ndone 2 ok\nresult c1 ok"),
        expect!["Invalid: Unknown pending tool call: c1"],
    );
}

#[test]
fn a_session_whose_calls_only_ever_crash_it_is_poison() {
    let recover = "recover\n".repeat(6);
    check(
        &format!("{OFFER}\ncalls c1 run {{}}\nbegin 2\n{recover}"),
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            offer read pure & get idempotent & pay keyed & run attachable & send irreversible
              5 tools offered: 
            calls c1 run {}
              6-8 the model, 1.1, calls run (Attachable): mcp_1e1a1i0 is effect 2
            begin 2
              9 intended 2.1 Attachable: 
            recover
              10 recovered: 
            recover
              11 recovered: 
            recover
              12 recovered: 
            recover
              13 recovered: 
            recover
              14 recovered: 
            recover
              15 recovered: 
              16 outcome 2.1 SessionFailed Failed("the session failed before the call ended"): item.done
              17 turn failed internal_error: error, turn.failed
              18 session failed: error, session.failed
        "#]],
    );
}

#[test]
fn f30_a_call_that_was_open_at_the_backup_may_have_been_made_after_it() {
    let fate = |tool: &str| {
        let mut script = run(&format!("{OFFER}\ncalls c1 {tool} {{}}"));
        let turn = script.state.turn.as_ref().map(|turn| turn.id.clone());
        let restored = Restored { epoch: Epoch(9), backup: Timestamp(5), effect: EffectId(1000), turn };
        let record = Record { at: Timestamp(9_000), body: RecordBody::Restored(restored) };
        let (seq, known) = (script.state.seq.next(), script.log.len() + 1);
        apply(&mut script.state, seq, &record);
        script.log.push(record);
        script.step("recover").expect("taken");
        script.told(known).join("; ")
    };
    let unknown =
        "recovered; outcome 2.1 Crash Unknown(\"the server stopped before the call ended; it may have taken effect\")";
    assert_eq!(fate("send"), unknown);
    for tool in ["read", "get", "pay"] {
        assert_eq!(fate(tool), "recovered; abandoned 2.1 charged 0, next  tried 1", "{tool}");
    }
    assert_eq!(fate("run"), "recovered");
}
