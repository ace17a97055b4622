//! Tools that there are and that the model may not call now: its request leaves them out, or it has not found them. It is
//! told so, and nothing is performed.

use super::run;
use super::script::Script;
use crate::{shows_offered, standing};
use std::collections::BTreeSet;

/// What the model is told of its newest call.
fn told(script: &Script) -> String {
    let newest = script.told(0).into_iter().rfind(|line| line.starts_with("malformed"));
    newest.unwrap_or_default()
}

#[test]
fn a_call_of_what_the_request_does_not_allow_is_told_so() {
    let offer = "create hello\nsays hi\noffer near pure & far pure";
    for (allowed, calls, expected) in [
        ("f", "c1 near {}", "malformed c1: \"near\" is not among the tools that this request allows."),
        ("near", "c1 f {}", "malformed c1: \"f\" is not among the tools that this request allows."),
        ("near", "c1 near {}", ""),
        ("f", "c1 f {}", ""),
        ("near", "c1 none {}", "malformed c1: There is no function named \"none\"."),
    ] {
        let mut script = run(offer);
        script.step(&format!("respond user more & allows {allowed}")).expect("taken");
        script.step("offer near pure & far pure").expect("taken");
        script.step(&format!("calls {calls}")).expect("taken");
        assert_eq!(told(&script), expected, "{allowed}: {calls}");
        let turn = script.state.turn.as_ref();
        let goes_on = turn.is_some_and(|turn| turn.call.is_some() && turn.tools.is_empty() && turn.open.is_empty());
        assert_eq!(goes_on, !expected.is_empty(), "{allowed}: {calls}");
    }
}

#[test]
fn what_was_not_found_is_not_called() {
    const OFFER: &str = "offer near pure & far pure deferred & find pure search";
    const FIRST: &str = "It is not shown at the moment: find it with \"find\", and then call it.";
    for (create, calls, expected) in [
        ("create tools hello", "c1 far {}", format!("malformed c1: {FIRST}")),
        ("create tools hello", "c1 d {}", format!("malformed c1: {FIRST}")),
        ("create tools hello", "c1 near {}", String::new()),
        ("create hello", "c1 far {}", String::new()),
        ("create tools hello", "c1 find {} & c2 far {}", format!("malformed c2: {FIRST}")),
    ] {
        let script = run(&format!("{create}\n{OFFER}\ncalls {calls}"));
        assert_eq!(told(&script), expected, "{create}: {calls}");
    }
    let found =
        format!("create tools hello\n{OFFER}\ncalls c1 find {{}}\nfound 2 far d\ncalls c2 far {{}} & c3 d {{}}");
    assert_eq!(told(&run(&found)), "");
    let alone = "create tools hello\noffer far pure deferred\ncalls c1 far {}";
    assert_eq!(told(&run(alone)), "", "without a search nothing is kept back");
}

#[test]
fn what_was_found_longest_ago_is_kept_back_again() {
    let tools: Vec<String> = (0..200).map(|number| format!("t{number:03} pure deferred")).collect();
    let mut script = run(&format!("create tools hello\noffer {} & find pure search", tools.join(" & ")));
    let mut effect = 1;
    let mut search = |script: &mut Script, found: &[usize]| {
        let names: Vec<String> = found.iter().map(|number| format!("t{number:03}")).collect();
        script.step(&format!("calls c{effect} find {{}}")).expect("taken");
        effect += 1;
        script.step(&format!("found {effect} {}", names.join(" "))).expect("taken");
        effect += 1;
    };
    for first in (0..180).step_by(20) {
        search(&mut script, &(first..first + 20).collect::<Vec<_>>());
        if first == 100 {
            // Found again, it is new.
            search(&mut script, &[3]);
        }
    }
    let shown: BTreeSet<String> = script.state.found().expect("a search").clone();
    let expected: BTreeSet<String> = [3].into_iter().chain(53..180).map(|number| format!("t{number:03}")).collect();
    assert_eq!(shown, expected);
    let offered = script.state.offered.tools.iter();
    assert_eq!(offered.filter(|tool| tool.deferred && shows_offered(Some(&shown), tool)).count(), 128);
    let mut again = script.state.clone();
    crate::deferred::weigh(&mut again);
    assert_eq!(script.state, again, "counted anew it is the same");
    script.step("calls c50 t000 {} & c51 t003 {}").expect("taken");
    assert!(told(&script).starts_with("malformed c50: It is not shown"), "{}", told(&script));
}

#[test]
fn what_was_found_takes_so_many_bytes_and_the_newest_stays() {
    use types::{Input, Offer, OfferedTool, ToolKind};
    let tool = |number: usize, bytes: usize| OfferedTool {
        name: format!("t{number}"),
        description: "x".repeat(bytes),
        deferred: true,
        ..OfferedTool::default()
    };
    let search = OfferedTool { name: "find".into(), kind: ToolKind::ToolSearch, ..OfferedTool::default() };
    let mut script = run("create tools hello");
    let sizes = [200 << 10, 200 << 10, 200 << 10, 700 << 10];
    let tools = sizes.into_iter().zip(0..).map(|(bytes, number)| tool(number, bytes)).chain([search]).collect();
    script.take("offer", Input::Offer(Offer { tools, instructions: None })).expect("taken");
    let none = standing(&script.state, &script.rules).context_tokens;
    let mut shown = Vec::new();
    for (number, effect) in [0, 1, 2, 3].into_iter().zip([2, 4, 6, 8]) {
        script.step(&format!("calls c{number} find {{}}")).expect("taken");
        script.step(&format!("found {effect} t{number}")).expect("taken");
        let names: Vec<String> = script.state.found().expect("a search").iter().cloned().collect();
        shown.push(names.join(" "));
    }
    assert_eq!(shown, ["t0", "t0 t1", "t1 t2", "t3"]);
    let more = standing(&script.state, &script.rules).context_tokens - none;
    assert!(((700 << 10) / 4..(710 << 10) / 4).contains(&more), "{more}");
}
