//! Callers that do not answer in their time.

use super::script::Script;
use super::{refused, run};
use crate::State;
use crate::ledger::{EffectState, Ledger};
use expect_test::expect;
use std::time::Duration;
use types::{CallResult, ItemBody, Record, RecordBody, SessionStatus, Timestamp};

/// What the results in the log say, where they are failures.
fn failures(log: &[Record]) -> Vec<String> {
    let said = |record: &Record| match &record.body {
        RecordBody::Item(item) => match &item.body {
            ItemBody::FunctionCallOutput { result: CallResult::Failure { error, .. }, .. } => error.clone(),
            _ => None,
        },
        _ => None,
    };
    log.iter().filter_map(said).collect()
}

/// Two hours after the call.
fn expected(script: &Script) -> Option<Timestamp> {
    let is_call = |body: &ItemBody| matches!(body, ItemBody::FunctionCall { .. });
    let mut records = script.log.iter();
    let call = records.find(|record| matches!(&record.body, RecordBody::Item(item) if is_call(&item.body)));
    call.map(|record| record.at.after(Duration::from_secs(7200)))
}

#[test]
fn a_caller_is_waited_for_until_its_time_is_over() {
    let waits = run("within 2\ncreate hello\ncalls c1 f {}\nlater 1\nexpire");
    assert_eq!((waits.state.status, waits.state.next_expiry()), (SessionStatus::RequiresAction, expected(&waits)));
    assert!(!waits.state.needs_work(), "nobody is kept in memory for it");

    let over = run("within 2\ncreate hello\ncalls c1 f {} & c2 f {}\nresult c1 x\nlater 2\nexpire\nexpire\nsays end");
    assert_eq!(failures(&over.log), ["the caller did not answer within 7200 s"]);
    assert_eq!((over.state.status, over.state.next_expiry()), (SessionStatus::Idle, None));

    let for_ever = run("create hello\ncalls c1 f {}\nlater 9000\nexpire");
    assert_eq!((for_ever.state.status, for_ever.state.next_expiry()), (SessionStatus::RequiresAction, None));
}

#[test]
fn the_time_is_that_of_the_call() {
    let script = run("within 2\ncreate hello\ncalls c1 f {}\nwithin 1\nlater 1\nexpire");
    assert_eq!(script.state.status, SessionStatus::RequiresAction);
    // As it is read again.
    let mut state = State::new(script.state.session.clone());
    for (record, seq) in script.log.iter().zip(1..) {
        let read = Record::decode(&record.encode()).expect("a record");
        crate::apply(&mut state, types::Seq(seq), &read);
    }
    assert_eq!((&state, state.next_expiry()), (&script.state, expected(&script)));
}

#[test]
fn later_results_are_refused() {
    let overdue = "within 2\ncreate hello\ncalls c1 f {}\nlater 2\nexpire";
    for late in ["result c1 x", "failure c1 the caller did not answer within 7200 s"] {
        refused(
            &format!("{overdue}\n{late}"),
            expect!["Conflict: Tool call c1 is closed: the result did not arrive in time."],
        );
    }
}

#[test]
fn nobody_knows_what_the_caller_did() {
    let script = run("within 2\ncreate hello\ncalls c1 f {}\nlater 2\nexpire");
    let mut ledger = Ledger::default();
    script.log.iter().for_each(|record| ledger.read(record));
    let entry = ledger.into_entries().into_iter().find(|entry| entry.call_id.is_some()).expect("the call");
    let why = entry.error.map(|error| error.code);
    assert_eq!((entry.state, why.as_deref()), (EffectState::Unknown, Some("request_timeout")));
    assert!(script.state.unsettled.contains_key(&entry.id), "an operator may say it");
}

#[test]
fn what_nobody_waits_for_runs_out_too() {
    let script = run("within 2\ncreate tools hello\ncalls c1 a {}\nsays meanwhile\nlater 2\nexpire\nsays end");
    assert_eq!(failures(&script.log).len(), 1);
    assert_eq!(script.state.status, SessionStatus::Idle);
}

#[test]
fn a_program_hears_of_it() {
    let script = run("within 2\ncreate hello\noffer py pure program\ncalls c1 py {}\npaused 2 f {}\nlater 2\nexpire");
    let program = script.state.tool(types::EffectId(2)).and_then(|open| open.program.as_ref()).expect("a program");
    let results: Vec<_> = program.resume().results.into_iter().map(|(_, result)| result).collect();
    assert_eq!(results, [Err("the caller did not answer within 7200 s".to_owned())]);
    assert!(script.state.needs_work(), "it goes on");
}
