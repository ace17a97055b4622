//! Consent to calls: asked, given, refused, late, twice; by a person, by a model, by nobody. And what an operator says of
//! outcomes that nobody knew.

use super::script::Script;
use super::{check, refused, run};
use crate::ledger::{EffectKind, EffectState, Entry, Ledger};
use crate::state::State;
use crate::{apply, context, head, pending};
use expect_test::{Expect, expect};
use types::{
    Answer, Approver, Decider, Decision, Effect, EffectId, Epoch, Input, ItemBody, Limits, ModelError, ModelErrorKind,
    ModelFinish, Record, RecordBody, RequestId, RequiredAction, Restored, Review, Said, Seq, SessionChange,
    SessionStatus, Settlement, Stop, Timestamp, Usage,
};

const ASKS: &str = "create hello\noffer send irreversible asks p1 & get idempotent & list pure asks";

/// The steps of these cases.
pub(super) fn input(state: &State, verb: &str, rest: &str) -> Input {
    let (first, more) = rest.split_once(' ').unwrap_or((rest, ""));
    let number = |text: &str| EffectId(text.parse().expect("an effect"));
    match verb {
        "consent" => {
            let decision: Decision = serde_json::from_value(first.into()).expect("a decision");
            Input::Approval { request: request(state, more), decision }
        }
        "review" => {
            let review = if first == "auto" { Review::AutoReview } else { Review::None };
            Input::Update(SessionChange { review: Some(review), ..SessionChange::default() })
        }
        "expire" => Input::Expire,
        "settle" => {
            let (how, text) = more.split_once(' ').expect("how and what");
            let outcome = match how {
                "committed" => Settlement::Committed(text.to_owned()),
                _ => Settlement::Failed(text.to_owned()),
            };
            Input::Settle { effect: number(first), outcome, by: Some("key_1".to_owned()) }
        }
        _ => {
            let open = state.tool(number(first)).and_then(|open| open.request.as_ref()?.review.as_ref());
            let call = open.expect("a review");
            let (effect, attempt, context) = (call.effect, call.attempt, state.seq);
            if verb == "judged" {
                let usage = Usage { input_tokens: 200, cached_tokens: 0, output_tokens: 20, reasoning_tokens: 0 };
                let said = Said::Message { text: more.to_owned(), logprobs: Vec::new() };
                let finish = ModelFinish { usage: Some(usage), stop: Stop::End };
                return Input::ModelDone { effect, attempt, context, answer: Answer { items: vec![said] }, finish };
            }
            let kind: ModelErrorKind = serde_json::from_value(more.into()).expect("a kind");
            let error = ModelError::new(kind, "broken");
            Input::ModelFailed { effect, attempt, context, error, spoke: false, retry: true }
        }
    }
}

/// The request about an effect, or a text that is none.
fn request(state: &State, effect: &str) -> RequestId {
    let number = effect.parse().map(EffectId);
    let known = state.requests.iter().find(|(_, known)| number.as_ref().is_ok_and(|number| known.effect == *number));
    known.map_or(RequestId::new(effect), |(id, _)| id.clone())
}

#[test]
fn a_call_waits_for_consent_and_goes_on_with_it() {
    check(
        &format!("{ASKS}\ncalls c1 send {{}}\nask 2\nask 2\nconsent approve 2\nbegin 2\ndone 2 sent\nsays done"),
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            offer send irreversible asks p1 & get idempotent & list pure asks
              5 tools offered: 
            calls c1 send {}
              6-8 the model, 1.1, calls send (Irreversible): mcp_1e1a1i0 is effect 2
            ask 2
              9 asked 2 Person: session.requires_action(1)
            ask 2
            consent approve 2
              10 answered 2 Approve Person: session.in_progress
            begin 2
              11 intended 2.1 Irreversible: 
            done 2 sent
              12 outcome 2.1 Answered Done(Text("sent")): item.done
            says done
              13-16 the model answers, 3.1 msg_1e3a1i1, and the turn is over
        "#]],
    );
}

#[test]
fn what_needs_no_consent_runs_while_others_wait() {
    check(
        &format!(
            "{ASKS}\ncalls a f {{}} & b send {{}} & c get {{}} & d list {{}}\nask 3\nask 5\nbegin 4\ndone 4 got\nresult a x\n\
             consent deny 3\nconsent approve 5\ndone 5 listed\nsays done"
        ),
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            offer send irreversible asks p1 & get idempotent & list pure asks
              5 tools offered: 
            calls a f {} & b send {} & c get {} & d list {}
              6 intended 1.1 m: 
              7 call a f effect 2: item.added, item.done
              8 tool call mcp_1e1a1i1 send effect 3 Irreversible: item.added
              9 tool call mcp_1e1a1i2 get effect 4 Idempotent: item.added
              10 tool call mcp_1e1a1i3 list effect 5 Pure: item.added
              11 committed 1.1 charged 120: session.requires_action(1)
            ask 3
              12 asked 3 Person: session.requires_action(2)
            ask 5
              13 asked 5 Person: session.requires_action(3)
            begin 4
              14 intended 4.1 Idempotent: 
            done 4 got
              15 outcome 4.1 Answered Done(Text("got")): item.done
            result a x
              16 output a: item.added
            consent deny 3
              17 answered 3 Deny Person: 
              18 outcome 3.1 Denied Failed("the call was not approved"): item.done
            consent approve 5
              19 answered 5 Approve Person: session.in_progress
            done 5 listed
              20 intended 5.1 Pure: 
              21 outcome 5.1 Answered Done(Text("listed")): item.done
            says done
              22-25 the model answers, 6.1 msg_1e6a1i4, and the turn is over
        "#]],
    );
}

#[test]
fn a_refusal_is_told_to_the_model() {
    for (decision, expected) in [
        (
            "consent deny 2",
            expect![[
                r#"committed 1.1 charged 120; asked 2 Person; answered 2 Deny Person; outcome 2.1 Denied Failed("the call was not approved")"#
            ]],
        ),
        (
            "consent cancel 2",
            expect![[
                r#"committed 1.1 charged 120; asked 2 Person; answered 2 Cancel Person; outcome 2.1 Denied Failed("the request for approval was dismissed")"#
            ]],
        ),
        (
            "later 25\nexpire",
            expect![[
                r#"committed 1.1 charged 120; asked 2 Person; answered 2 Deny Expiry; outcome 2.1 Denied Failed("nobody approved the call in time")"#
            ]],
        ),
    ] {
        let script = run(&format!("{ASKS}\ncalls c1 send {{}}\nask 2\n{decision}"));
        expected.assert_eq(&script.told(7).join("; "));
        assert_eq!(script.state.status, SessionStatus::InProgress);
    }
}

#[test]
fn nothing_expires_before_its_time() {
    let script = run(&format!("{ASKS}\ncalls c1 send {{}}\nask 2\nlater 23\nexpire"));
    assert_eq!(script.state.status, SessionStatus::RequiresAction);
    let expiry = script.state.next_expiry().expect("waits");
    assert!(!head(&script.state).needs_work, "nobody works on it until {expiry:?}");
}

fn refusal(steps: &str, expected: Expect) {
    refused(&format!("{ASKS}\ncalls c1 send {{}}\n{steps}"), expected);
}

#[test]
fn f23_an_answer_counts_once_in_time_and_for_its_call() {
    refusal("consent approve mcpr_none", expect!["Invalid: Unknown pending MCP approval request: mcpr_none"]);
    refusal(
        "ask 2\nconsent approve 2\nconsent deny 2",
        expect!["Conflict: MCP approval request mcpr_b7256be762d13b6c3597f553 has already been answered otherwise."],
    );
    refusal(
        "ask 2\nconsent deny 2\nconsent approve 2",
        expect!["Conflict: MCP approval request mcpr_b7256be762d13b6c3597f553 has already been answered otherwise."],
    );
    refusal(
        "ask 2\nlater 24\nconsent approve 2",
        expect!["Conflict: MCP approval request mcpr_b7256be762d13b6c3597f553 has expired."],
    );
    refusal(
        "ask 2\nlater 24\nexpire\nconsent approve 2",
        expect!["Conflict: MCP approval request mcpr_b7256be762d13b6c3597f553 has expired."],
    );
    refusal(
        "ask 2\ncancel\nconsent approve 2",
        expect![
            "Conflict: MCP approval request mcpr_b7256be762d13b6c3597f553 is closed: its call ended before the answer arrived."
        ],
    );
    // The same word again changes nothing, whenever it comes.
    for again in
        ["consent approve 2", "begin 2\nconsent approve 2", "begin 2\ndone 2 x\nsays y\nlater 99\nconsent approve 2"]
    {
        let steps = format!("{ASKS}\ncalls c1 send {{}}\nask 2\nconsent approve 2\n{again}");
        let last = |steps: &str| run(steps).log.len();
        let (before, _) = steps.rsplit_once('\n').expect("steps");
        assert_eq!(last(&steps), last(before), "{again}");
    }
}

#[test]
fn f23_consent_is_to_one_call() {
    // The very same call again is another one.
    let script = run(&format!("{ASKS}\ncalls c1 send {{}} & c2 send {{}}\nask 2\nask 3\nconsent approve 2"));
    let open = script.state.turn.as_ref().expect("a turn").tools.iter().map(|open| open.approved);
    assert_eq!(open.collect::<Vec<_>>(), [true, false]);
    let ids: Vec<_> = script.state.requests.keys().collect();
    assert_ne!(ids[0], ids[1]);
    // Nor is anything begun that nobody agreed to, whoever lets it through.
    let begun = |steps: &str| run(&format!("{ASKS}\ncalls c1 send {{}}\n{steps}")).log.len();
    assert_eq!(begun("begin 2"), begun(""));
    assert_eq!(begun("ask 2\nbegin 2"), begun("ask 2"));
}

#[test]
fn f22_what_changed_behind_its_name_needs_consent() {
    let changed = |steps: &str| {
        let script = run(&format!("create hello\noffer get idempotent pin one\n{steps}"));
        let waits = script.state.turn.iter().flat_map(|turn| &turn.tools).map(|open| open.consent());
        format!("{:?} {:?}", waits.collect::<Vec<_>>(), script.told(script.log.len() - 1))
    };
    expect![[r#"[NotNeeded] ["committed 1.1 charged 120"]"#]].assert_eq(&changed("calls c1 get {}"));
    expect![[r#"[Missing] ["committed 1.1 charged 120"]"#]]
        .assert_eq(&changed("offer get idempotent pin two\ncalls c1 get {}"));
    expect![[r#"[Missing] ["asked 2 Person changed"]"#]]
        .assert_eq(&changed("offer get idempotent pin two\ncalls c1 get {}\nask 2"));
    // Once somebody has agreed to it, it is what it is, and the first one is the stranger.
    let agreed = "offer get idempotent pin two\ncalls c1 get {}\nask 2\nconsent approve 2\nbegin 2\ndone 2 x";
    expect![[r#"[NotNeeded] ["committed 3.1 charged 120"]"#]]
        .assert_eq(&changed(&format!("{agreed}\ncalls c2 get {{}}")));
    expect![[r#"[Missing] ["committed 3.1 charged 120"]"#]]
        .assert_eq(&changed(&format!("{agreed}\noffer get idempotent pin one\ncalls c2 get {{}}")));
    let denied = "offer get idempotent pin two\ncalls c1 get {}\nask 2\nconsent deny 2";
    expect![[r#"[Missing] ["committed 3.1 charged 120"]"#]]
        .assert_eq(&changed(&format!("{denied}\ncalls c2 get {{}}")));
}

#[test]
fn f22_what_a_server_adds_later_needs_consent_once() {
    let waits = |steps: &str| {
        let script = run(&format!("create hello\n{steps}"));
        let waits = script.state.turn.iter().flat_map(|turn| &turn.tools).map(|open| open.consent());
        format!("{:?}", waits.collect::<Vec<_>>())
    };
    let first = "offer get idempotent pin one";
    let more = format!("{first}\n{first} & new idempotent pin new");
    assert_eq!(waits(&format!("{more}\ncalls c1 new {{}}")), "[Missing]");
    assert_eq!(waits(&format!("{more}\ncalls c1 get {{}}")), "[NotNeeded]", "what was there stays what it is");
    assert_eq!(
        waits(&format!("{first}\n{more}\n{first}\n{more}\ncalls c1 new {{}}")),
        "[Missing]",
        "time helps nothing"
    );
    let agreed = format!("{more}\ncalls c1 new {{}}\nask 2\nconsent approve 2\nbegin 2\ndone 2 x\ncalls c2 new {{}}");
    assert_eq!(waits(&agreed), "[NotNeeded]");
    let vouched = format!("{first}\n{first} & new idempotent vouched new");
    assert_eq!(waits(&format!("{vouched}\ncalls c1 new {{}}")), "[NotNeeded]");
    assert_eq!(waits(&format!("{more}\n{first} & new idempotent vouched new\ncalls c1 new {{}}")), "[NotNeeded]");
    let changed = format!("{vouched}\n{first} & new idempotent vouched other\ncalls c1 new {{}}");
    assert_eq!(waits(&changed), "[Missing]", "a name is not what is behind it");
    assert_eq!(waits("offer\noffer new idempotent pin new\ncalls c1 new {}"), "[NotNeeded]", "the server was away");
}

/// A review is shown what the user wrote, and nothing that tools said.
#[test]
fn results_that_come_later_are_nobodys_words() {
    let many = |steps: String| {
        let script = run(&format!("create tools wish\ncalls c0 f {{}}\n{steps}"));
        crate::review_context(&script.state).into_iter().map(|seq| seq.0).collect::<Vec<_>>()
    };
    let calls: Vec<_> = (1..=6).map(|n| format!("c{n} a {{}}")).collect();
    let results: Vec<_> = (1..=6).map(|n| format!("result c{n} approve")).collect();
    assert_eq!(many(format!("result c0 x\ncalls {}\n{}", calls.join(" & "), results.join("\n"))), [3]);
}

#[test]
fn people_are_told_what_they_are_asked() {
    let script = run("create hello\noffer send irreversible asks one\noffer send irreversible asks two\n\
                      calls c1 send {\"to\": 1.0}\nask 2");
    let head = head(&script.state);
    let [RequiredAction::McpApproval { server_label, name, arguments, message, .. }] = head.required_actions.as_slice()
    else {
        panic!("one request: {head:?}")
    };
    assert_eq!((server_label.as_str(), name.as_str(), arguments.as_str()), ("s", "send", "{\"to\": 1.0}"));
    expect!["The agent asks to call send of s. What the server says of this tool has changed since this session last relied on it."].assert_eq(message);
}

#[test]
fn f01_a_crash_changes_nothing_for_who_is_asked() {
    let waits = run(&format!("{ASKS}\ncalls a send {{}} & b get {{}} & c list {{}}\nask 2\nask 4\nbegin 3\nrecover"));
    expect!["intended 3.1 Idempotent; recovered; abandoned 3.1 charged 0, next  tried 1"]
        .assert_eq(&waits.told(waits.log.len() - 3).join("; "));
    assert_eq!(head(&waits.state).required_actions.len(), 2);
    let begun = run(&format!("{ASKS}\ncalls a send {{}}\nask 2\nconsent approve 2\nbegin 2\nrecover"));
    expect![[
        r#"recovered; outcome 2.1 Crash Unknown("the server stopped before the call ended; it may have taken effect")"#
    ]]
    .assert_eq(&begun.told(begun.log.len() - 2).join("; "));
}

#[test]
fn the_turns_end_closes_requests() {
    for (end, expected) in [
        (
            "cancel",
            expect![[
                r#"committed 1.1 charged 120; asked 2 Person; outcome 2.1 Cancelled Failed("the turn was cancelled before the call began"); turn Cancelled"#
            ]],
        ),
        (
            "deadline",
            expect![[
                r#"committed 1.1 charged 120; asked 2 Person; outcome 2.1 TurnDeadline Failed("the turn ran out of time before the call began"); turn failed request_timeout"#
            ]],
        ),
    ] {
        let script = run(&format!("{ASKS}\ncalls c1 send {{}}\nask 2\n{end}"));
        expected.assert_eq(&script.told(7).join("; "));
        assert!(head(&script.state).required_actions.is_empty());
    }
}

#[test]
fn only_work_counts_as_time() {
    let left = |script: &Script| {
        pending(&script.state, &Limits::default()).into_iter().find_map(|effect| match effect {
            Effect::TurnDeadline { at, .. } => Some(at.0),
            _ => None,
        })
    };
    let waiting = run(&format!("{ASKS}\ncalls c1 send {{}}\nask 2\nlater 23"));
    assert_eq!(left(&waiting), None);
    let mut on = waiting;
    on.step("consent approve 2").expect("taken");
    let day = 8 * 3600 * 1000;
    // Two seconds and a half were work before it; every step takes a second.
    assert_eq!(left(&on), Some(23 * 3_600_000 + 5000 + day - 3000));
}

#[test]
fn f30_what_may_have_been_approved_after_the_backup_is_not_made_in_silence() {
    let fate = |first: &str, class: &str| {
        let offer = format!("{first}\noffer t {class} asks\ncalls c1 t {{}}\nask 2");
        let mut script = run(&offer);
        let turn = script.state.turn.as_ref().map(|turn| turn.id.clone());
        let restored = Restored { epoch: Epoch(9), backup: Timestamp(5), effect: EffectId(1000), turn };
        let record = Record { at: Timestamp(9_000), body: RecordBody::Restored(restored) };
        let (seq, known) = (script.state.seq.next(), script.log.len() + 1);
        apply(&mut script.state, seq, &record);
        script.log.push(record);
        assert!(head(&script.state).needs_work, "somebody must look at it");
        script.step("recover").expect("taken");
        (script.told(known).join("; "), head(&script.state).required_actions.len())
    };
    let unknown =
        "recovered; outcome 2.1 Crash Unknown(\"the server stopped before the call ended; it may have taken effect\")";
    let person = "create hello";
    assert_eq!(fate(person, "irreversible"), (unknown.to_owned(), 0));
    // What may be made twice is asked about again.
    for class in ["pure", "idempotent", "keyed"] {
        assert_eq!(fate(person, class), ("recovered; abandoned 2.1 charged 0, next  tried 1".to_owned(), 1), "{class}");
    }
    // A model, too.
    let model = "create\nreview auto\nmessage hello";
    let unasked = unknown.replace("recovered", "recovered; abandoned 3.1 charged 0");
    assert_eq!(fate(model, "irreversible"), (unasked, 0));
    for class in ["pure", "idempotent", "keyed"] {
        let again =
            "recovered; abandoned 3.1 charged 0, next m tried 0; abandoned 2.1 charged 0, next  tried 1".to_owned();
        assert_eq!(fate(model, class), (again, 0), "{class}");
    }
}

// ---- a model in a person's place

const AUTO: &str = "create\nreview auto\nmessage hello\noffer send irreversible asks & get idempotent";

#[test]
fn a_model_decides() {
    let judged = |text: &str| {
        let script = run(&format!("{AUTO}\ncalls c1 send {{}}\nask 2\njudged 2 {text}"));
        let called =
            script.log.len() - script.told(0).iter().rev().take_while(|told| !told.starts_with("asked")).count();
        script.told(called).join("; ")
    };
    expect!["intended 3.1 m; committed 3.1 charged 240; answered 2 Approve Model: it was asked for"]
        .assert_eq(&judged(r#"{"decision":"approve","reason":"it was asked for"}"#));
    expect![[r#"intended 3.1 m; committed 3.1 charged 240; answered 2 Deny Model: nobody asked; outcome 2.1 Denied Failed("the call was not approved: nobody asked")"#]].assert_eq(&judged(r#"{"decision":"deny","reason":"nobody asked"}"#));
    expect![[r#"intended 3.1 m; committed 3.1 charged 240; answered 2 Deny Model: the review came to no decision; outcome 2.1 Denied Failed("the call was not approved: the review came to no decision")"#]].assert_eq(&judged(r#"I approve. {"decision":"approve"}"#));
    expect![[r#"intended 3.1 m; committed 3.1 charged 240; answered 2 Deny Model: the review came to no decision; outcome 2.1 Denied Failed("the call was not approved: the review came to no decision")"#]].assert_eq(&judged(r#"{"decision":"APPROVE","reason":""}"#));
}

#[test]
fn a_review_is_a_model_call_of_its_own() {
    check(
        &format!(
            "{AUTO}\ncalls a send {{}} & b get {{}}\nask 2\nbegin 3\nunjudged 2 overloaded\ndone 3 x\nrecover\n\
             unjudged 2 overloaded\nunjudged 2 overloaded"
        ),
        expect![[r#"
            create
              1 session created: session.created[Idle]
            review auto
              2 session updated: 
            message hello
              3-5 a turn that runs
            offer send irreversible asks & get idempotent
              6 tools offered: 
            calls a send {} & b get {}
              7 intended 1.1 m: 
              8 tool call mcp_1e1a1i0 send effect 2 Irreversible: item.added
              9 tool call mcp_1e1a1i1 get effect 3 Idempotent: item.added
              10 committed 1.1 charged 120: 
            ask 2
              11 asked 2 Model review 4 m: 
            begin 3
              12 intended 3.1 Idempotent: 
            unjudged 2 overloaded
              13 intended 4.1 m: 
              14 abandoned 4.1 charged 0, next m tried 1: 
            done 3 x
              15 outcome 3.1 Answered Done(Text("x")): item.done
            recover
              16 recovered: 
              17 abandoned 4.2 charged 0, next m tried 1: 
            unjudged 2 overloaded
              18 intended 4.3 m: 
              19 abandoned 4.3 charged 0, next m tried 2: 
            unjudged 2 overloaded
              20 intended 4.4 m: 
              21 abandoned 4.4 charged 0: 
              22 answered 2 Deny Server: the review failed: broken: 
              23 outcome 2.1 Denied Failed("the call was not approved: the review failed: broken"): item.done
        "#]],
    );
}

#[test]
fn a_turn_keeps_who_is_asked() {
    let script = run("create hello\noffer send irreversible asks\nreview auto\ncalls c1 send {}\nask 2");
    assert_eq!(script.state.status, SessionStatus::RequiresAction);
    let script =
        run("create\nreview auto\nmessage hello\noffer send irreversible asks\nreview none\ncalls c1 send {}\nask 2");
    assert_eq!(script.state.status, SessionStatus::InProgress);
}

#[test]
fn a_review_in_flight_ends_with_its_turn() {
    let script = run(&format!("{AUTO}\ncalls c1 send {{}}\nask 2\ncancel"));
    expect![[r#"abandoned 3.1 charged 0; outcome 2.1 Cancelled Failed("the turn was cancelled before the call began"); turn Cancelled"#]].assert_eq(&script.told(script.log.len() - 3).join("; "));
}

#[test]
fn what_is_too_long_to_be_looked_at_is_not_agreed_to() {
    let long = "x".repeat(200_000);
    let script = run(&format!("{AUTO}\ncalls c1 send {{\"a\":\"{long}\"}}\nask 2"));
    expect![[r#"asked 2 Model; answered 2 Deny Server: its arguments are longer than the 131072 bytes that a review looks at; outcome 2.1 Denied Failed("the call was not approved: its arguments are longer than the 131072 bytes that a review looks at")"#]].assert_eq(&script.told(script.log.len() - 3).join("; "));
}

// ---- what nobody knew

#[test]
fn an_operators_word_is_shown_with_the_next_call() {
    let unknown = "create hello\noffer send irreversible\ncalls c1 send {}\nbegin 2\nrecover";
    check(
        &format!("{unknown}\nsettle 2 committed sent at noon\nunheard and so\nsays on"),
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            offer send irreversible
              5 tools offered: 
            calls c1 send {}
              6-8 the model, 1.1, calls send (Irreversible): mcp_1e1a1i0 is effect 2
            begin 2
              9 intended 2.1 Irreversible: 
            recover
              10 recovered: 
              11 outcome 2.1 Crash Unknown("the server stopped before the call ended; it may have taken effect"): item.done
            settle 2 committed sent at noon
              12 settled 2 Committed("sent at noon"): 
            unheard and so
              13-15 the model says meanwhile, 3.1 msg_1e3a1i1
            says on
              16-19 the model answers, 4.1 msg_1e4a1i2, and the turn is over
        "#]],
    );
    let script = run(&format!("{unknown}\nsays sorry\nsettle 2 failed it bounced"));
    let shown = context(&script.state, &script.rules);
    assert_eq!(shown.last(), Some(&script.state.seq), "the next model call is shown it");
}

#[test]
fn an_operators_word_is_shown_though_it_came_in_a_turn_that_was_too_long() {
    let unknown = "create hello\noffer send irreversible\ncalls c1 send {}\nbegin 2\nrecover\nsays sorry";
    let long = "x".repeat(4000);
    let word = "settle 2 failed it bounced";
    let script = run(&format!("{unknown}\nmessage {long}\n{word}\nfails context_length\nmessage again"));
    let at = |is_it: &dyn Fn(&ItemBody) -> bool| {
        let of_it = |record: &Record| matches!(&record.body, RecordBody::Item(item) if is_it(&item.body));
        Seq(script.log.iter().position(of_it).expect("it is there") as u64 + 1)
    };
    let settled = at(&|body| matches!(body, ItemBody::Settled { .. }));
    let shown = context(&script.state, &script.rules);
    assert!(shown.contains(&settled), "{settled} is not in {shown:?}");
    let too_long =
        at(&|body| matches!(body, ItemBody::UserMessage { content, .. } if format!("{content:?}").contains(&long)));
    assert!(!shown.contains(&too_long), "{too_long} is in {shown:?}");
}

#[test]
fn only_what_is_unknown_is_settled_and_once() {
    let unknown = "create hello\noffer send irreversible\ncalls c1 send {} & c2 f {}\nbegin 2\nrecover";
    let refused = |steps: &str, expected| refused(&format!("{unknown}\n{steps}"), expected);
    refused(
        "settle 3 committed x",
        expect![
            "Conflict: Only a call whose outcome is unknown can be resolved; the ledger says otherwise of this one."
        ],
    );
    refused(
        "settle 1 committed x",
        expect![
            "Conflict: Only a call whose outcome is unknown can be resolved; the ledger says otherwise of this one."
        ],
    );
    refused(
        "settle 2 committed x\nsettle 2 failed x",
        expect!["Conflict: The effect was resolved before, with another outcome."],
    );
    refused(
        "done 2 late\nsettle 2 committed x",
        expect![
            "Conflict: Only a call whose outcome is unknown can be resolved; the ledger says otherwise of this one."
        ],
    );
    let again = run(&format!("{unknown}\nsettle 2 committed x\nsettle 2 committed x"));
    assert_eq!(again.state.settled.len(), 1);
    // A caller that never answered is nobody's to know either.
    let closed = run(&format!("{unknown}\ncancel\nsettle 3 failed never called"));
    assert_eq!(closed.told(closed.log.len() - 1), ["settled 3 Failed(\"never called\")"]);
}

/// What the ledger says of an effect.
fn entry(steps: &str, effect: u64) -> Entry {
    let mut ledger = Ledger::default();
    run(steps).log.iter().for_each(|record| ledger.read(record));
    let entries = ledger.into_entries().into_iter();
    entries.into_iter().find(|entry| entry.id == EffectId(effect)).expect("an entry")
}

#[test]
fn the_ledger_says_who_was_asked_and_what_it_cost() {
    let call =
        entry(&format!("{AUTO}\ncalls c1 send {{}}\nask 2\njudged 2 {{\"decision\":\"deny\",\"reason\":\"no\"}}"), 2);
    let asked = call.approval.expect("asked");
    let answer = asked.answer.expect("answered");
    assert_eq!((call.state, asked.by, asked.review), (EffectState::Failed, Approver::Model, Some(EffectId(3))));
    assert_eq!((answer.by, answer.decision, answer.reason.as_deref()), (Decider::Model, Decision::Deny, Some("no")));
    let review = entry(&format!("{AUTO}\ncalls c1 send {{}}\nask 2\njudged 2 {{}}"), 3);
    assert_eq!(
        (review.kind, review.state, review.name.as_deref()),
        (EffectKind::Review, EffectState::Committed, Some("m"))
    );
    assert_eq!(review.attempts.iter().map(|attempt| attempt.charged.0).sum::<u64>(), 240);
    let open = entry(&format!("{ASKS}\ncalls c1 send {{}}\nask 2"), 2).approval.expect("asked");
    assert_eq!((open.by, open.answer), (Approver::Person, None));
}

#[test]
fn the_ledger_says_who_settled_what() {
    let unknown = "create hello\noffer send irreversible\ncalls c1 send {}\nbegin 2\nrecover";
    let call = entry(&format!("{unknown}\nsettle 2 failed it bounced"), 2);
    let settled = call.settled.expect("settled");
    assert_eq!((call.state, settled.committed, settled.said.as_str()), (EffectState::Reconciled, false, "it bounced"));
    assert_eq!(settled.by.as_deref(), Some("key_1"));
}
