//! Programs: what they call, how they go on, and how they end.

use super::script::Script;
use super::{check, run};
use crate::state::State;
use crate::{context, pending};
use expect_test::expect;
use types::{
    CallOutput, Effect, EffectId, Entropy, Input, Limits, Pause, ProgramCall, SessionId, Stamp, Timestamp, ToolOutcome,
};

const OFFER: &str = "create hello
offer py pure program & read pure & send irreversible & look idempotent web & find pure search
calls c1 py {}
";

fn steps(more: &str) -> String {
    format!("{OFFER}{more}")
}

/// The tool calls that are due, with their attempts.
fn due(state: &State) -> Vec<(u64, u32)> {
    let effects = pending(state, &Limits::default()).into_iter();
    let calls = effects.filter_map(|effect| match effect {
        Effect::ToolCall { id, attempt, .. } => Some((id.0, attempt.0)),
        _ => None,
    });
    calls.collect()
}

#[test]
fn a_program_calls_and_goes_on_with_the_results() {
    check(
        &steps(
            "paused 2 read {\"n\":1} & send {}\nbegin 4\ndone 3 one\ndone 4 sent\npaused 2 f {}\n\
             result call_1e5a1i3 x\ndone 2 all done\nsays so",
        ),
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            offer py pure program & read pure & send irreversible & look idempotent web & find pure search
              5 tools offered: 
            calls c1 py {}
              6-8 the model, 1.1, calls py (Pure): cmd_1e1a1i0 is effect 2
            paused 2 read {"n":1} & send {}
              9 tool call mcp_1e3a1i1 read effect 3 Pure: item.added
              10 tool call mcp_1e4a1i2 send effect 4 Irreversible: item.added
              11 paused 2.1 "after 1": 1 is 3, 2 is 4: 
            begin 4
              12 intended 4.1 Irreversible: 
            done 3 one
              13 intended 3.1 Pure: 
              14 outcome 3.1 Answered Done(Text("one")): item.done
            done 4 sent
              15 outcome 4.1 Answered Done(Text("sent")): item.done
            paused 2 f {}
              16 call call_1e5a1i3 f effect 5: item.added, item.done
              17 paused 2.2 "after 2": 1 is 5: session.requires_action(1)
            result call_1e5a1i3 x
              18 output call_1e5a1i3: item.added, session.in_progress
            done 2 all done
              19 intended 2.3 Pure: 
              20 outcome 2.3 Answered Done(Text("all done")): item.done
            says so
              21-24 the model answers, 6.1 msg_1e6a1i4, and the turn is over
        "#]],
    );
}

#[test]
fn a_program_is_due_when_all_its_calls_have_results() {
    let script = run(&steps("paused 2 read {} & f {} & nothing {}"));
    assert_eq!(due(&script.state), [(3, 1)], "it waits, its call does not");
    let script = run(&steps("paused 2 read {} & f {} & nothing {}\ndone 3 one"));
    assert_eq!(due(&script.state), []);
    assert!(!script.state.needs_work(), "only the caller is waited for");
    let script = run(&steps("paused 2 read {} & f {} & nothing {}\ndone 3 one\nfailure call_1e4a1i2 no"));
    assert_eq!(due(&script.state), [(2, 2)]);
    let turn = script.state.turn.expect("a turn");
    let resume = turn.tools[0].program.as_ref().expect("a program").resume();
    assert_eq!((&*resume.snapshot, resume.printed.as_str()), ("after 1", "1\n"));
    assert_eq!(
        resume.results,
        [
            (1, Ok(CallOutput::Text("one".to_owned()))),
            (2, Err("no".to_owned())),
            (3, Err("There is no function named \"nothing\".".to_owned())),
        ]
    );
}

#[test]
fn the_model_is_shown_a_program_and_nothing_that_it_called() {
    let script = run(&steps("paused 2 read {} & f {}\ndone 3 one\nresult call_1e4a1i2 two\ndone 2 three"));
    let shown = context(&script.state, &script.rules).into_iter();
    let kinds: Vec<_> = shown.map(|seq| script.log[seq.0 as usize - 1].encode().kind).collect();
    assert_eq!(kinds, ["user_message", "tool_call", "tool_outcome"]);
}

#[test]
fn what_never_becomes_an_effect_is_raised_in_the_program() {
    check(
        &steps("paused 2 py {} & find {} & read [] & nothing {}\ndone 2 end").replace("create", "create tools"),
        expect![[r#"
            create tools hello
              1-4 a session, and a turn that runs
            offer py pure program & read pure & send irreversible & look idempotent web & find pure search
              5 tools offered: 
            calls c1 py {}
              6-8 the model, 1.1, calls py (Pure): cmd_1e1a1i0 is effect 2
            paused 2 py {} & find {} & read [] & nothing {}
              9 paused 2.1 "after 1": 1 refused: "py" is not called from a program., 2 refused: "find" is not called from a program., 3 refused: The arguments are not a JSON object: invalid type: sequence, expected an object at line 1 column 0., 4 refused: There is no function named "nothing".: 
            done 2 end
              10 intended 2.2 Pure: 
              11 outcome 2.2 Answered Done(Text("end")): item.done
        "#]],
    );
    check(
        &steps("paused 2 c x\ncancel").replace("create", "create tools"),
        expect![[r#"
            create tools hello
              1-4 a session, and a turn that runs
            offer py pure program & read pure & send irreversible & look idempotent web & find pure search
              5 tools offered: 
            calls c1 py {}
              6-8 the model, 1.1, calls py (Pure): cmd_1e1a1i0 is effect 2
            paused 2 c x
              9 paused 2.1 "after 1": 1 refused: "c" takes free text and is not called from a program.: 
            cancel
              10 outcome 2.2 Cancelled Failed("the turn was cancelled before the call ended"): output, item.done
              11 turn Cancelled: turn.cancelled, session.idle
        "#]],
    );
}

#[test]
fn a_crash_goes_on_from_the_newest_pause() {
    check(
        &steps(
            "recover\npaused 2 read {}\ndone 3 one\nrecover\npaused 2 send {}\nbegin 4\nrecover\nrecover\ndone 2 end",
        ),
        expect![[r#"
            create hello
              1-4 a session, and a turn that runs
            offer py pure program & read pure & send irreversible & look idempotent web & find pure search
              5 tools offered: 
            calls c1 py {}
              6-8 the model, 1.1, calls py (Pure): cmd_1e1a1i0 is effect 2
            recover
              9 recovered: 
              10 abandoned 2.1 charged 0, next  tried 1: 
            paused 2 read {}
              11 tool call mcp_1e3a1i1 read effect 3 Pure: item.added
              12 paused 2.2 "after 2": 1 is 3: 
            done 3 one
              13 intended 3.1 Pure: 
              14 outcome 3.1 Answered Done(Text("one")): item.done
            recover
              15 recovered: 
              16 abandoned 2.3 charged 0, next  tried 3: 
            paused 2 send {}
              17 tool call mcp_1e4a1i2 send effect 4 Irreversible: item.added
              18 paused 2.4 "after 4": 1 is 4: 
            begin 4
              19 intended 4.1 Irreversible: 
            recover
              20 recovered: 
              21 outcome 4.1 Crash Unknown("the server stopped before the call ended; it may have taken effect"): item.done
            recover
              22 recovered: 
              23 abandoned 2.5 charged 0, next  tried 5: 
            done 2 end
              24 intended 2.6 Pure: 
              25 outcome 2.6 Answered Done(Text("end")): item.done
        "#]],
    );
}

#[test]
fn whatever_ends_the_turn_closes_the_program_and_its_calls() {
    for end in ["cancel", "deadline"] {
        let script = run(&steps(&format!("paused 2 send {{}} & f {{}} & read {{}}\nbegin 3\n{end}")));
        let told = script.told(script.log.len() - 5);
        assert!(told[0].starts_with("outcome 3.1") && told[0].contains("Unknown"), "{told:?}");
        assert!(told[1].starts_with("outcome 5.1") && told[2].starts_with("outcome 2.2"), "{told:?}");
        assert!(told[3].starts_with("closed call_1e4a1i2"), "{told:?}");
        let kept = context(&script.state, &script.rules).len();
        assert_eq!(kept, 3, "the message, the program and what came of it");
    }
}

#[test]
fn what_is_over_while_a_program_waits_is_not_its_time() {
    let mut script = run(&steps("paused 2 f {}"));
    let before = script.log.len();
    for step in ["overdue 2", "done 2 what nobody asked", "recover"] {
        script.step(step).expect("taken");
    }
    assert_eq!(script.log.len(), before);
    script.step("result call_1e3a1i1 x").expect("taken");
    script.step("overdue 2").expect("taken");
    let told = script.told(before + 1).concat();
    assert!(told.contains("outcome 2.2 CallDeadline Failed"), "{told}");
}

#[test]
fn calls_count_among_the_turns_calls_and_so_does_a_step_that_makes_none() {
    let mut script = run(&steps(""));
    script.rules.limits.tool_calls_per_turn = 3;
    script.step("paused 2 read {} & read {} & read {} & f {}").expect("taken");
    let told = script.told(0).pop().expect("a pause");
    assert_eq!(told.matches("not permitted: the turn made 3 tool calls").count(), 2, "{told}");
    let nth = |script: &Script| script.state.turn.as_ref().expect("a turn").tools[0].nth;
    assert_eq!(nth(&script), 1, "a program goes on from its calls' results");
    script.step("begin 3").expect("taken");
    script.step("begin 4").expect("taken");
    script.step("done 3 x").expect("taken");
    script.step("done 4 x").expect("taken");
    script.step("paused 2 read {}").expect("taken");
    assert_eq!(nth(&script), 4, "the gate refuses its next step");
}

fn take(script: &mut Script, effect: u64, outcome: ToolOutcome) {
    let effect = EffectId(effect);
    let attempt = script.state.tool(effect).expect("open").attempt;
    script.take("done", Input::ToolDone { effect, attempt, outcome }).expect("taken");
}

fn holding(bytes: usize) -> ToolOutcome {
    let calls = vec![ProgramCall { number: 1, name: "nothing".to_owned(), arguments: "{}".to_owned() }];
    ToolOutcome::Paused(Pause { snapshot: "x".repeat(bytes).into(), printed: String::new(), calls })
}

/// A mebibyte as base64.
const MOST: usize = 1_398_104;

#[test]
fn a_program_that_holds_too_much_fails() {
    let mut script = run(&steps(""));
    take(&mut script, 2, holding(MOST + 4));
    let told = script.told(6).concat();
    assert!(told.contains("too large to be kept over a call: about 1048581 bytes, and 1048576 are allowed"), "{told}");
    let mut script = run(&steps(""));
    for _ in 0..64 {
        take(&mut script, 2, holding(MOST));
    }
    assert!(script.state.tool(EffectId(2)).is_some(), "{:?}", script.told(6));
    take(&mut script, 2, holding(MOST));
    let told = script.told(script.log.len() - 1).concat();
    assert!(told.contains("too large together: more than 67108864 bytes"), "{}", &told[..200]);
}

#[test]
fn only_a_program_pauses() {
    let script = run(&steps("done 2 x\ncalls c2 read {}\npaused 4 read {}"));
    let told = script.told(0).concat();
    assert!(told.contains("the tool paused, and is no program"), "{told}");
}

/// Nothing is left to chance.
struct Sevens;

impl Entropy for Sevens {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

#[test]
fn a_fork_in_the_middle_has_the_program_closed() {
    let script = run(&steps("paused 2 read {} & f {}"));
    let mut settings = (*script.state.settings).clone();
    settings.metadata.clear();
    let session = SessionId::new("sess_2");
    for keeps_calls in [false, true] {
        let mut fork = run(&steps("paused 2 read {} & f {}"));
        let input = Input::Fork { session: session.clone(), settings: Box::new(settings.clone()), keeps_calls };
        let mut stamp = Stamp::new(Timestamp(1), &Sevens);
        let records = crate::admit(&fork.state, &fork.rules, input, &mut stamp).expect("a fork");
        for record in &records {
            let seq = fork.state.seq.next();
            crate::apply(&mut fork.state, seq, record);
        }
        assert!(fork.state.turn.is_none());
        assert!(fork.state.calls.values().all(|call| call.outcome.is_some()), "keeps_calls {keeps_calls}");
        assert_eq!(fork.state.transcript.len(), 3);
    }
}
