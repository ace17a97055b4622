//! What comes later: results that the model does not wait for, tools that it must find, pages that it cites.

use super::{check, run};
use crate::{context, pending, standing};
use expect_test::expect;
use types::{Citation, Input, ItemBody, Offer, OfferedTool, RecordBody, Tool};

#[test]
fn a_turn_goes_on_without_an_async_result() {
    check(
        "create tools hello\ncalls c1 a {}\nsays meanwhile\nresult c1 x\nsays end",
        expect![[r#"
            create tools hello
              1-4 a session, and a turn that runs
            calls c1 a {}
              5-7 the model, 1.1, calls a of its caller: c1 is effect 2
            says meanwhile
              8-10 the model says meanwhile and rests, 3.1 msg_1e3a1i1
            result c1 x
              11 output c1: item.added, session.in_progress
            says end
              12-15 the model answers, 4.1 msg_1e4a1i2, and the turn is over
        "#]],
    );
}

#[test]
fn an_async_result_steers_what_runs() {
    check(
        "create tools hello\ncalls c1 a {} & c2 f {}\nresult c1 x\nresult c2 y\nsays end",
        expect![[r#"
            create tools hello
              1-4 a session, and a turn that runs
            calls c1 a {} & c2 f {}
              5 intended 1.1 m: 
              6 call c1 a effect 2: item.added, item.done
              7 call c2 f effect 3: item.added, item.done
              8 committed 1.1 charged 120: session.requires_action(2)
            result c1 x
              9 output c1: item.added
            result c2 y
              10 output c2: item.added, session.in_progress
            says end
              11-14 the model answers, 4.1 msg_1e4a1i2, and the turn is over
        "#]],
    );
    check(
        "create tools hello\ncalls c1 a {}\nresult c1 x\nsays end",
        expect![[r#"
            create tools hello
              1-4 a session, and a turn that runs
            calls c1 a {}
              5-7 the model, 1.1, calls a of its caller: c1 is effect 2
            result c1 x
              8 output c1: item.added, session.in_progress
            says end
              9-12 the model answers, 3.1 msg_1e3a1i1, and the turn is over
        "#]],
    );
}

#[test]
fn a_message_wakes_a_model_that_rests() {
    check(
        "create tools hello\ncalls c1 a {} & c2 a {}\nsays meanwhile\nmessage more\nsays still\nfailure c2 no\n\
         says still\nresult c1 x\nsays end",
        expect![[r#"
            create tools hello
              1-4 a session, and a turn that runs
            calls c1 a {} & c2 a {}
              5 intended 1.1 m: 
              6 call c1 a effect 2: item.added, item.done
              7 call c2 a effect 3: item.added, item.done
              8 committed 1.1 charged 120: session.requires_action(2)
            says meanwhile
              9-11 the model says meanwhile and rests, 4.1 msg_1e4a1i2
            message more
              12 user message: item.added
            says still
              13-15 the model says meanwhile and rests, 5.1 msg_1e5a1i3
            failure c2 no
              16 output c2: item.added
            says still
              17-19 the model says meanwhile and rests, 6.1 msg_1e6a1i4
            result c1 x
              20 output c1: item.added, session.in_progress
            says end
              21-24 the model answers, 7.1 msg_1e7a1i5, and the turn is over
        "#]],
    );
}

#[test]
fn a_turn_that_ends_closes_async_calls() {
    check(
        "create tools hello\ncalls c1 a {}\nstops tokens half\nmessage again\ncalls c2 a {}\ncancel",
        expect![[r#"
            create tools hello
              1-4 a session, and a turn that runs
            calls c1 a {}
              5-7 the model, 1.1, calls a of its caller: c1 is effect 2
            stops tokens half
              8 intended 3.1 m: 
              9 answer msg_1e3a1i1 FinalAnswer (cut off): item.added, part.added, delta, text.done, part.done, item.done
              10 committed 3.1 charged 120: 
              11 closed c1: 
              12 turn failed max_output_tokens: error, turn.failed, session.idle
            message again
              13-15 a turn that runs
            calls c2 a {}
              16-18 the model, 5.1, calls a of its caller: c2 is effect 6
            cancel
              19 abandoned 7.1 charged 0: attempt.dropped
              20 closed c2: 
              21 turn Cancelled: turn.cancelled, session.idle
        "#]],
    );
}

#[test]
fn a_turn_that_fails_closes_async_calls() {
    for failure in ["deny context_length_exceeded", "fails invalid", "over"] {
        let script = run(&format!("create tools hello\ncalls c1 a {{}}\n{failure}"));
        assert!(script.state.calls.values().all(|call| call.outcome.is_some()), "{failure}");
        assert!(script.told(0).iter().any(|record| record == "closed c1"), "{failure}");
    }
}

#[test]
fn a_turn_that_rests_takes_no_time() {
    let script = run("create tools hello\ncalls c1 a {}\nsays meanwhile");
    assert!(!script.state.needs_work());
    assert!(pending(&script.state, &script.rules.limits).is_empty());
}

#[test]
fn what_took_no_place_is_told_apart() {
    let script = run("create tools hello\ncalls c1 a {}\nsays meanwhile\nresult c1 x");
    let apart = script.log.iter().filter_map(|record| match &record.body {
        RecordBody::Item(item) => match &item.body {
            ItemBody::FunctionCallOutput { apart, .. } => apart.clone(),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(apart.collect::<Vec<_>>(), ["a"]);
    let last = context(&script.state, &script.rules).pop().expect("shown");
    assert_eq!(last.0, script.log.len() as u64, "with the next call");
}

/// Which tools the model is shown after these steps, and the tokens of its context.
fn shown(steps: &str) -> (String, u64) {
    let script = run(steps);
    let (state, found) = (&script.state, script.state.found());
    let own = |wanted: &str| {
        let is_it = |tool: &&Tool| matches!(tool, Tool::Function { name, .. } if name == wanted);
        state.settings.agent.tools.iter().find(is_it).is_some_and(|tool| crate::shows(found, tool))
    };
    let offered = |wanted: &str| {
        let mut named = state.offered.tools.iter().filter(|tool| tool.name == wanted);
        named.any(|tool| crate::shows_offered(found, tool))
    };
    let names = ["f", "d", "far", "near"].into_iter().filter(|name| own(name) || offered(name));
    (names.collect::<Vec<_>>().join(" "), standing(state, &script.rules).context_tokens)
}

#[test]
fn tools_are_shown_once_they_are_found() {
    const OFFER: &str = "offer near pure & far pure deferred & find pure search";
    let (names, few) = shown(&format!("create tools hello\n{OFFER}"));
    assert_eq!(names, "f near");
    let (names, _) = shown(&format!("create hello\n{OFFER}"));
    assert_eq!(names, "f far near", "without the tool among the agent's nothing is kept back");
    let (names, _) = shown("create tools hello\noffer near pure & far pure deferred");
    assert_eq!(names, "f d far near", "without a search nothing is kept back");
    let found = format!("create tools hello\n{OFFER}\ncalls c1 find {{}}\nfound 2 d nothing far");
    let (names, more) = shown(&found);
    assert_eq!(names, "f d far near");
    assert!(more > few + 20, "{few} {more}");
    let mut state = run(&found).state;
    assert_eq!(
        state.found().expect("a search").iter().collect::<Vec<_>>(),
        ["d", "far"],
        "what there is not cannot be found"
    );
    let before = state.clone();
    crate::deferred::weigh(&mut state);
    assert_eq!(before, state, "counted anew it is the same");
}

#[test]
fn a_search_is_the_models_alone() {
    check(
        "create tools hello\noffer find pure search\ncalls c1 find {}\nfound 2 d\nsays end",
        expect![[r#"
            create tools hello
              1-4 a session, and a turn that runs
            offer find pure search
              5 tools offered: 
            calls c1 find {}
              6 intended 1.1 m: 
              7 tool call mcp_1e1a1i0 find effect 2 Pure: 
              8 committed 1.1 charged 120: 
            found 2 d
              9 intended 2.1 Pure: 
              10 outcome 2.1 Answered Found(Found { told: "found", names: ["d"] }): 
            says end
              11-14 the model answers, 3.1 msg_1e3a1i1, and the turn is over
        "#]],
    );
}

#[test]
fn an_answer_cites_what_the_turn_has_found() {
    let script = run("create hello\noffer look idempotent web\ncalls c1 look {}\nbegin 2\nsaw 2 https://a.example/\n\
         says see https://a.example and https://b.example");
    let cited = script.log.iter().find_map(|record| match &record.body {
        RecordBody::Item(item) => match &item.body {
            ItemBody::AssistantMessage { annotations, .. } => Some(annotations.clone()),
            _ => None,
        },
        _ => None,
    });
    let expected = Citation { start: 4, end: 21, url: "https://a.example/".to_owned(), title: "T".to_owned() };
    assert_eq!(cited, Some(vec![expected]));
}

#[test]
fn an_offer_has_bounds() {
    let tool = |number: usize, length: usize| OfferedTool {
        name: format!("t{number}"),
        description: "x".repeat(length),
        ..OfferedTool::default()
    };
    for (count, length, kept) in [(9000, 1, 8192), (20, 1 << 20, 15)] {
        let mut script = run("create hello");
        let tools = (0..count).map(|number| tool(number, length)).collect();
        script.take("offer", Input::Offer(Offer { tools, instructions: None })).expect("taken");
        assert_eq!(script.state.offered.tools.len(), kept);
    }
}
