//! Turns that requests begin. The items of a case, parted by `&`:
//!
//! ```text
//! user TEXT   system TEXT   said TEXT   thought TEXT   brief TEXT   #ID before any of them
//! called ID NAME TEXT   typed ID NAME TEXT (of a custom tool)   got ID TEXT
//! model NAME   tool NAME (a custom one)   at most N tokens: `within N`   only these tools: `allows NAME…`
//! ```

use super::script::Script;
use super::{check, refused, run};
use crate::state::State;
use crate::{context, standing};
use expect_test::expect;
use std::sync::Arc;
use types::*;

/// Reads a step.
pub(super) fn input(state: &State, verb: &str, rest: &str) -> Input {
    let (first, others) = rest.split_once(' ').unwrap_or((rest, ""));
    match verb {
        "respond" => respond(state, None, rest),
        "follows" => respond(state, Some(Seq(first.parse().expect("a seq"))), others),
        "import" => Input::Import { items: rest.split(" & ").map(brought).collect() },
        "remove" => {
            let seq = Seq(first.parse().expect("a seq"));
            Input::RemoveItem { item: ItemId::new("msg_x"), seq }
        }
        "unlist" => Input::RemoveTurn { turn: TurnId::new(first) },
        _ => Input::CancelTurn { turn: TurnId::new(first) },
    }
}

fn respond(state: &State, follows: Option<Seq>, rest: &str) -> Input {
    let mut agent = state.settings.agent.clone();
    let mut request = TurnRequest { hands_over: true, ..TurnRequest::default() };
    let mut items = Vec::new();
    for part in rest.split(" & ") {
        match part.split_once(' ') {
            Some(("model", name)) => agent.model = name.to_owned(),
            Some(("tool", name)) => {
                let (name, description) = (name.to_owned(), String::new());
                agent.tools.push(Tool::Custom { name, description, format: CustomFormat::Text });
            }
            Some(("within", _)) => request.truncate = true,
            Some(("allows", names)) => request.allowed_tools = Some(names.split(' ').map(str::to_owned).collect()),
            _ => items.push(brought(part)),
        }
    }
    Input::Respond { agent: Box::new(agent), request: Arc::new(request), items, follows, turn: None }
}

fn brought(part: &str) -> InputItem {
    let (id, part) = match part.strip_prefix('#').and_then(|part| part.split_once(' ')) {
        Some((id, part)) => (Some(id.to_owned()), part),
        None => (None, part),
    };
    let (verb, rest) = part.split_once(' ').unwrap_or((part, ""));
    let text = rest.to_owned();
    let content = vec![Content::Text { text: text.clone() }];
    let mut words = rest.splitn(3, ' ').map(str::to_owned);
    let mut word = || words.next().unwrap_or_default();
    let body = match verb {
        "user" => InputBody::Message { role: Role::User, content },
        "system" => InputBody::Message { role: Role::System, content },
        "said" => InputBody::Assistant { text, phase: None },
        "thought" => InputBody::Reasoning { summary: vec![text], opaque: None },
        "brief" => InputBody::Compaction { text },
        "called" | "typed" => {
            let (call_id, name, arguments) = (CallId::new(word()), word(), word());
            InputBody::Call { call_id, name, arguments, custom: verb == "typed" }
        }
        "got" => {
            let (call_id, output) = (CallId::new(word()), CallOutput::Text(word()));
            InputBody::Output { call_id, output }
        }
        other => panic!("no item {other}"),
    };
    InputItem { id, body }
}

#[test]
fn a_request_begins_a_turn() {
    check(
        "create\nrespond user hello\nsays hi\nrespond model spare & user more\nsays fine",
        expect![[r#"
            create
              1 session created: session.created[Idle]
            respond user hello
              2-4 a turn that runs
            says hi
              5-8 the model answers, 1.1 msg_1e1a1i0, and the turn is over
            respond model spare & user more
              9 session updated: 
              10-12 a turn that runs
            says fine
              13 intended 3.1 spare: 
              14 answer msg_1e3a1i0 FinalAnswer: item.added, part.added, delta, text.done, part.done, item.done
              15 committed 3.1 charged 0: 
              16 turn Completed: turn.completed, session.idle
        "#]],
    );
}

#[test]
fn calls_are_handed_over_and_answered_by_the_next_request() {
    check(
        "create\nrespond user hello\ncalls c1 f {} & c2 g {}\nrespond got c2 two & got c1 one & user and\nsays done",
        expect![[r#"
            create
              1 session created: session.created[Idle]
            respond user hello
              2-4 a turn that runs
            calls c1 f {} & c2 g {}
              5 intended 1.1 m: 
              6 call c1 f effect 2: item.added, item.done
              7 call c2 g effect 3: item.added, item.done
              8 committed 1.1 charged 120: 
              9 turn Completed: turn.completed, session.idle
            respond got c2 two & got c1 one & user and
              10 turn created: turn.created[Queued]
              11 output c2: item.added
              12 output c1: item.added
              13 user message: item.added
              14 turn started: session.in_progress, turn.in_progress[InProgress]
            says done
              15-18 the model answers, 5.1 msg_1e5a1i0, and the turn is over
        "#]],
    );
}

#[test]
fn a_custom_tool_takes_free_text() {
    check(
        "create\nrespond tool patch & user go\ncalls c1 patch not {json\nrespond got c1 ok",
        expect![[r#"
            create
              1 session created: session.created[Idle]
            respond tool patch & user go
              2 session updated: 
              3-5 a turn that runs
            calls c1 patch not {json
              6 intended 1.1 m: 
              7 call c1 patch effect 2: item.added, item.done
              8 committed 1.1 charged 120: 
              9 turn Completed: turn.completed, session.idle
            respond got c1 ok
              10 turn created: turn.created[Queued]
              11 output c1: item.added
              12 turn started: session.in_progress, turn.in_progress[InProgress]
        "#]],
    );
}

#[test]
fn what_never_became_a_call_is_told_to_the_model_first() {
    check(
        "create\nrespond user go\ncalls c1 nobody {}\ncalls c2 f {} & c3 f {oops",
        expect![[r#"
            create
              1 session created: session.created[Idle]
            respond user go
              2-4 a turn that runs
            calls c1 nobody {}
              5 intended 1.1 m: 
              6 malformed c1: There is no function named "nobody".: 
              7 committed 1.1 charged 120: 
            calls c2 f {} & c3 f {oops
              8 intended 2.1 m: 
              9 call c2 f effect 3: item.added, item.done
              10 malformed c3: The arguments are not a JSON object: key must be a string at line 1 column 2.: 
              11 committed 2.1 charged 120: 
              12 turn Completed: turn.completed, session.idle
        "#]],
    );
}

#[test]
fn tools_of_this_server_are_waited_for_before_calls_are_handed_over() {
    check(
        "create\noffer read pure & send irreversible\nrespond user go
         calls c1 f {} & t1 read {} & t2 send {}\nbegin 4\ndone 3 page\ndone 4 sent\nrespond got c1 ok\nsays done",
        expect![[r#"
            create
              1 session created: session.created[Idle]
            offer read pure & send irreversible
              2 tools offered: 
            respond user go
              3-5 a turn that runs
            calls c1 f {} & t1 read {} & t2 send {}
              6 intended 1.1 m: 
              7 call c1 f effect 2: item.added, item.done
              8 tool call mcp_1e1a1i1 read effect 3 Pure: item.added
              9 tool call mcp_1e1a1i2 send effect 4 Irreversible: item.added
              10 committed 1.1 charged 120: 
            begin 4
              11 intended 4.1 Irreversible: 
            done 3 page
              12 intended 3.1 Pure: 
              13 outcome 3.1 Answered Done(Text("page")): item.done
            done 4 sent
              14 outcome 4.1 Answered Done(Text("sent")): item.done
              15 turn Completed: turn.completed, session.idle
            respond got c1 ok
              16 turn created: turn.created[Queued]
              17 output c1: item.added
              18 turn started: session.in_progress, turn.in_progress[InProgress]
            says done
              19-22 the model answers, 6.1 msg_1e6a1i0, and the turn is over
        "#]],
    );
}

#[test]
fn a_crash_ends_the_last_tool_and_the_turn() {
    check(
        "create\noffer send irreversible\nrespond user go\ncalls c1 f {} & t1 send {}\nbegin 3\nrecover",
        expect![[r#"
            create
              1 session created: session.created[Idle]
            offer send irreversible
              2 tools offered: 
            respond user go
              3-5 a turn that runs
            calls c1 f {} & t1 send {}
              6 intended 1.1 m: 
              7 call c1 f effect 2: item.added, item.done
              8 tool call mcp_1e1a1i1 send effect 3 Irreversible: item.added
              9 committed 1.1 charged 120: 
            begin 3
              10 intended 3.1 Irreversible: 
            recover
              11 recovered: 
              12 outcome 3.1 Crash Unknown("the server stopped before the call ended; it may have taken effect"): item.done
              13 turn Completed: turn.completed, session.idle
        "#]],
    );
}

#[test]
fn an_answer_that_was_cut_off_says_why() {
    check(
        "create\nrespond user go\nstops tokens half\nrespond user on\nstops filter half",
        expect![[r#"
            create
              1 session created: session.created[Idle]
            respond user go
              2-4 a turn that runs
            stops tokens half
              5 intended 1.1 m: 
              6 answer msg_1e1a1i0 FinalAnswer (cut off): item.added, part.added, delta, text.done, part.done, item.done
              7 committed 1.1 charged 120: 
              8 turn failed max_output_tokens: error, turn.failed, session.idle
            respond user on
              9-11 a turn that runs
            stops filter half
              12 intended 3.1 m: 
              13 answer msg_1e3a1i0 FinalAnswer (cut off): item.added, part.added, delta, text.done, part.done, item.done
              14 committed 3.1 charged 120: 
              15 turn failed content_filter: error, turn.failed, session.idle
        "#]],
    );
}

#[test]
fn a_turn_that_is_cancelled_hands_nothing_over() {
    check(
        "create\noffer send irreversible\nrespond user go\ncalls c1 f {} & t1 send {}\nbegin 3\ncancel\nrespond user on",
        expect![[r#"
            create
              1 session created: session.created[Idle]
            offer send irreversible
              2 tools offered: 
            respond user go
              3-5 a turn that runs
            calls c1 f {} & t1 send {}
              6 intended 1.1 m: 
              7 call c1 f effect 2: item.added, item.done
              8 tool call mcp_1e1a1i1 send effect 3 Irreversible: item.added
              9 committed 1.1 charged 120: 
            begin 3
              10 intended 3.1 Irreversible: 
            cancel
              11 outcome 3.1 Cancelled Unknown("the turn was cancelled before the call ended; it may have taken effect"): item.done
              12 closed c1: 
              13 turn Cancelled: turn.cancelled, session.idle
            respond user on
              14-16 a turn that runs
        "#]],
    );
}

#[test]
fn a_whole_history_is_brought() {
    check(
        "create\nrespond system be kind & user hi & said hello & called c1 f {} & got c1 ok & typed c2 p x & got c2 y \
         & thought hm & brief long ago & user now\nsays done",
        expect![[r#"
            create
              1 session created: session.created[Idle]
            respond system be kind & user hi & said hello & called c1 f {} & got c1 ok & typed c2 p x & got c2 y & thought hm & brief long ago & user now
              2 turn created: turn.created[Queued]
              3 user message: item.added
              4 user message: item.added
              5 answer msg_000000000000000000000004 FinalAnswer: item.added, item.done
              6 call c1 f effect 1: item.added, item.done
              7 output c1: item.added
              8 call c2 p effect 2: item.added, item.done
              9 output c2: item.added
              10 reasoning rs_000000000000000000000007: item.added, item.done
              11 compaction: item.added
              12 user message: item.added
              13 turn started: session.in_progress, turn.in_progress[InProgress]
            says done
              14-17 the model answers, 3.1 msg_1e3a1i0, and the turn is over
        "#]],
    );
}

#[test]
fn items_are_imported_without_a_model() {
    check(
        "create\nimport user hi & called c1 f {}\nimport got c1 ok\nrespond user on\nsays fine",
        expect![[r#"
            create
              1 session created: session.created[Idle]
            import user hi & called c1 f {}
              2 turn created: turn.created[Queued]
              3 user message: item.added
              4 call c1 f effect 1: item.added, item.done
              5 turn Completed: turn.completed, session.idle
            import got c1 ok
              6 turn created: turn.created[Queued]
              7 output c1: item.added
              8 turn Completed: turn.completed, session.idle
            respond user on
              9-11 a turn that runs
            says fine
              12-15 the model answers, 2.1 msg_1e2a1i0, and the turn is over
        "#]],
    );
}

#[test]
fn a_calls_id_is_free_again_once_it_is_answered() {
    check(
        "create\nrespond called c1 f {} & got c1 a & called c1 f {} & got c1 b\nsays done",
        expect![[r#"
            create
              1 session created: session.created[Idle]
            respond called c1 f {} & got c1 a & called c1 f {} & got c1 b
              2 turn created: turn.created[Queued]
              3 call c1 f effect 1: item.added, item.done
              4 output c1: item.added
              5 call c1 f effect 2: item.added, item.done
              6 output c1: item.added
              7 turn started: session.in_progress, turn.in_progress[InProgress]
            says done
              8-11 the model answers, 3.1 msg_1e3a1i0, and the turn is over
        "#]],
    );
}

#[test]
fn ids_are_kept_where_they_are_new_and_ours_in_form() {
    let script = run(
        "create\nimport #msg_a user one & #msg_a user two & #x user three & #msg_1e1a1i0 user four & #msg_a/b user five
         import #msg_a user six & #fc_7 called c1 f {} & #rs_9 thought hm",
    );
    let ids: Vec<_> = script
        .log
        .iter()
        .filter_map(|record| match &record.body {
            RecordBody::Item(item) => Some(item.id.to_string()),
            _ => None,
        })
        .collect();
    expect![[r#"
        msg_a
        msg_000000000000000000000002
        msg_000000000000000000000003
        msg_000000000000000000000004
        msg_000000000000000000000005
        msg_000000000000000000000007
        fc_7
        rs_9"#]]
    .assert_eq(&ids.join("\n"));
}

#[test]
fn calls_and_results_must_fit() {
    let handed = "create\nrespond user go\ncalls c1 f {}\n";
    refused(&format!("{handed}respond user no"), expect!["Invalid: No tool output found for function call c1."]);
    refused(
        &format!("{handed}respond got c1 a & got c1 b"),
        expect!["Invalid: No tool call found for function call output with call_id c1."],
    );
    refused(
        &format!("{handed}respond got c1 a & called c2 f {{}}"),
        expect!["Invalid: No tool output found for function call c2."],
    );
    refused(
        "create\nrespond got c9 a",
        expect!["Invalid: No tool call found for function call output with call_id c9."],
    );
    refused(
        "create\nimport got c9 a",
        expect!["Invalid: No tool call found for function call output with call_id c9."],
    );
    refused(
        "create\nimport called c1 f {} & called c1 g {}",
        expect!["Invalid: No tool output found for function call c1."],
    );
    refused(
        &format!("{handed}result c1 no"),
        expect!["Conflict: Tool call c1 is closed: its turn ended before the result arrived."],
    );
}

#[test]
fn one_turn_at_a_time_and_after_the_right_one() {
    refused(
        "create\nrespond user go\nrespond user more",
        expect!["Locked: Another process is currently operating on this conversation. Please retry in a few seconds."],
    );
    refused(
        "create\nrespond user go\nimport user more",
        expect!["Locked: Another process is currently operating on this conversation. Please retry in a few seconds."],
    );
    refused(
        "create\nrespond user go\nremove 3",
        expect!["Locked: Another process is currently operating on this conversation. Please retry in a few seconds."],
    );
    refused(
        "create\nrespond user go\nsays a\nrespond user b\nsays c\nfollows 2 user d",
        expect!["Conflict: Another turn came after the one that this one continues."],
    );
    refused(
        "create\nrespond user go\nsays a\nunlist turn_000000000000000000000001\nfollows 2 user d",
        expect!["NotFound: No turn found with id 'turn_000000000000000000000001'."],
    );
    refused("create\nfollows 2 user d", expect!["Conflict: Another turn came after the one that this one continues."]);
    run("create\nrespond user go\nsays a\nfollows 2 user b\nsays c");
}

#[test]
fn only_the_turn_that_is_named_is_cancelled() {
    check(
        "create\nrespond user go\nstop turn_x\nstop turn_000000000000000000000001\nstop turn_000000000000000000000001",
        expect![[r#"
            create
              1 session created: session.created[Idle]
            respond user go
              2-4 a turn that runs
            stop turn_x
            stop turn_000000000000000000000001
              5 abandoned 1.1 charged 0: attempt.dropped
              6 turn Cancelled: turn.cancelled, session.idle
            stop turn_000000000000000000000001
        "#]],
    );
}

#[test]
fn a_message_of_another_door_closes_what_was_handed_over() {
    check(
        "create\nrespond user go\ncalls c1 f {}\nmessage and now\nsays so",
        expect![[r#"
            create
              1 session created: session.created[Idle]
            respond user go
              2-4 a turn that runs
            calls c1 f {}
              5 intended 1.1 m: 
              6 call c1 f effect 2: item.added, item.done
              7 committed 1.1 charged 120: 
              8 turn Completed: turn.completed, session.idle
            message and now
              9 turn created: turn.created[Queued]
              10 closed c1: 
              11 user message: item.added
              12 turn started: session.in_progress, turn.in_progress[InProgress]
            says so
              13-16 the model answers, 4.1 msg_1e4a1i0, and the turn is over
        "#]],
    );
}

#[test]
fn what_was_taken_out_is_shown_no_more() {
    let shown = |script: &Script| context(&script.state, &script.rules).iter().map(|seq| seq.0).collect::<Vec<_>>();
    let script = run("create\nimport user one & called c1 f {} & user three\nremove 4\nremove 5\nrespond user four");
    assert_eq!(shown(&script), [3, 10]);
    assert!(script.state.has_gaps && script.state.calls.values().all(|call| call.outcome.is_some()));
}

#[test]
fn a_result_that_was_taken_out_may_be_brought_again() {
    let script = run("create\nimport called c1 f {} & got c1 one\nremove 4\nimport got c1 two\nrespond user on");
    let shown: Vec<_> = context(&script.state, &script.rules).iter().map(|seq| seq.0).collect();
    assert_eq!(shown, [3, 8, 11]);
    let (once, again) =
        ("create\nimport called c1 f {} & got c1 one\nremove 4", "import got c1 two\nimport got c1 three");
    run(&format!("{once}\nrespond user nobody waits for it"));
    refused(
        &format!("{once}\n{again}"),
        expect!["Invalid: No tool call found for function call output with call_id c1."],
    );
}

#[test]
fn a_forgotten_turn_may_take_a_result_along() {
    let script = run("create\nrespond user go\ncalls c1 f {}\nrespond got c1 ok & user on\nfails context_length");
    assert!(script.state.may_part && !script.state.has_gaps);
    let shown: Vec<_> = context(&script.state, &script.rules).iter().map(|seq| seq.0).collect();
    assert_eq!(shown, [3, 6], "the call is there still, its result is not");
}

#[test]
fn the_oldest_exchanges_give_way() {
    let mut script = run("create\nrespond system rule & user a & said b & user c & said d & within 1 & user e");
    let mut shown = |window| {
        let model = script.rules.models.get_mut("m").expect("the model");
        model.context_tokens = Some(window);
        let all = context(&script.state, &script.rules).iter().map(|seq| seq.0).collect::<Vec<_>>();
        (all, standing(&script.state, &script.rules).context_tokens)
    };
    let (all, whole) = shown(u64::MAX);
    assert_eq!(all, [3, 4, 5, 6, 7, 8]);
    let (fits, tokens) = shown(whole - 1);
    assert_eq!(fits, [3, 6, 7, 8]);
    assert!(tokens < whole);
    assert_eq!(shown(1).0, [3, 8]);
}

#[test]
fn a_program_calls_what_its_request_allows() {
    let script = run("create\nrespond allows prog read & user asks\n\
         offer prog pure program & read pure & send irreversible\ncalls c1 prog {}\npaused 2 read {} & send {}");
    expect![[r#"paused 2.1 "after 1": 1 is 3, 2 refused: "send" is not among the tools that this request allows."#]]
        .assert_eq(script.told(script.log.len() - 1)[0].trim());
}
