//! A share of the seeds that `cargo xtask sim` runs, and the faults whose place is the simulator.

#![expect(clippy::panic, reason = "a test says what it expects")]

use sim::notes::Notes;
use sim::{Crashes, Faults, ModelFault, Plan, Summary, ToolFault, check};
use std::collections::BTreeSet;
use types::{
    Cause, Class, EffectId, Ending, EventBody, ItemBody, Record, RecordBody, SessionId, SessionStatus, ToolOutcome,
};

fn calm(seed: u64) -> Plan {
    let mut plan = Plan::small(seed, Crashes::Never);
    plan.faults = Faults::default();
    plan.limits = types::Limits { recoveries: 1000, ..types::Limits::default() };
    plan.limit = None;
    plan
}

/// A run in which nothing is wrong, with what was seen and what is left.
fn sound(plan: Plan) -> (sim::Report, Notes, check::Disk) {
    let (report, notes, disk) = sim::look(plan);
    if !report.problems.is_empty() {
        panic!("{:#?}\n{:#?}\n{:?}", report.problems, report.tail, report.plan);
    }
    (report, notes, disk)
}

fn records(disk: &check::Disk) -> Vec<(SessionId, Record)> {
    let of = |kept: &sim::Kept| {
        let session = kept.row.head.session.clone();
        let decode = move |stored: &store::Stored| Some((session.clone(), Record::decode(&stored.record).ok()?));
        kept.records.iter().filter_map(decode).collect::<Vec<_>>()
    };
    disk.sessions.iter().flat_map(of).collect()
}

fn endings(disk: &check::Disk) -> Vec<Ending> {
    let ending = |(_, record): (SessionId, Record)| match record.body {
        RecordBody::TurnEnded(ended) => Some(ended.ending),
        _ => None,
    };
    records(disk).into_iter().filter_map(ending).collect()
}

#[test]
fn f01_a_process_that_dies_at_every_boundary_loses_nothing_and_repeats_nothing() {
    let mut summary = Summary::default();
    for seed in 1..=24 {
        let case = sim::case(seed);
        if let Some((replay, report)) = case.failed {
            panic!("{}\n{:#?}\n{:#?}", replay.command(), report.problems, report.tail);
        }
        summary.merge(&case.summary);
    }
    let boundaries = [
        "a write asked",
        "a write under way",
        "a write committed",
        "a write answered",
        "a model call begun",
        "a model in the middle",
        "a model call ended",
        "a tool call begun",
        "a tool in the middle",
        "a tool call ended",
        "a reply to a client",
        "an event to a client",
    ];
    for boundary in boundaries {
        assert!(summary.of(&format!("crash: {boundary}")) > 5, "too few died at {boundary}:\n{summary}");
    }
    for class in [Class::Pure, Class::Idempotent, Class::Keyed, Class::Attachable, Class::Irreversible] {
        assert!(summary.of(&format!("tool calls: {class:?}")) > 20, "too few calls of {class:?}:\n{summary}");
    }
    // What stops to happen is not checked any more, and nothing else would say so.
    let happens = [
        "outcomes unknown",
        "answers asked for",
        "answers asked for twice",
        "answers that go on",
        "answers in sessions of their own",
        "programs that go on",
        "reviews",
        "searches",
        "commands found again",
    ];
    for what in happens {
        assert!(summary.of(what) > 20, "too little of {what:?}:\n{summary}");
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let mut digests = BTreeSet::new();
    for seed in [3, 5, 7, 9] {
        let (one, other) = (sim::run(Plan::large(seed)), sim::run(Plan::large(seed)));
        assert_eq!((one.digest, one.boundaries, one.counts), (other.digest, other.boundaries, other.counts));
        digests.insert(one.digest);
    }
    assert_eq!(digests.len(), 4, "another seed is another run");
}

/// A disk that takes nothing for a while, in the middle of anything: whoever is refused may come again, and nothing that
/// a model says meanwhile is lost.
#[test]
fn f06_a_disk_that_is_full_for_a_while() {
    let mut full = 0;
    for seed in 0..30 {
        let mut plan = Plan { sessions: 2, rounds: 4, followers: 2, ..calm(seed) };
        plan.faults = Faults { full: 60, ..Faults::default() };
        let (report, _, disk) = sound(plan);
        full += report.counts.get("store: full for a while").copied().unwrap_or_default();
        let failed = endings(&disk).into_iter().find(|ending| matches!(ending, Ending::Failed { .. }));
        assert_eq!(failed, None, "seed {seed}");
    }
    assert!(full > 30, "the disk was full {full} times");
}

/// A write that is kept and reported as failed: it is read back, and nothing is written twice.
#[test]
fn f12_a_commit_of_which_nobody_knows_whether_it_was_kept() {
    let mut torn = 0;
    for seed in 0..30 {
        let mut plan = Plan { sessions: 2, rounds: 4, followers: 2, ..calm(seed) };
        plan.faults = Faults { torn: 80, ..Faults::default() };
        let (report, ..) = sound(plan);
        torn += report.counts.get("store: kept, and reported as failed").copied().unwrap_or_default();
    }
    assert!(torn > 100, "only {torn} answers of the store were lost");
}

/// Two nodes at work on one disk: the newer one wins, whatever the older has under way.
#[test]
fn f10_an_older_node_writes_nothing_more() {
    let mut refused = 0;
    for seed in 0..30 {
        let plan = Plan { sessions: 2, rounds: 6, followers: 2, takeovers: 4, ..calm(seed) };
        let (report, ..) = sound(plan);
        refused += report.counts.get("appends refused to old nodes").copied().unwrap_or_default();
    }
    assert!(refused > 10, "only {refused} appends of older nodes were refused");
}

/// A message that kills whoever works on it is given up after five recoveries; the others never notice.
#[test]
fn f15_a_session_that_kills_its_node_is_parked() {
    for seed in 0..10 {
        let mut plan = Plan { sessions: 3, rounds: 2, poison: true, ..calm(seed) };
        plan.limits.recoveries = 5;
        let (report, notes, disk) = sound(plan);
        assert!(report.counts.get("poison").is_some_and(|died| (1..=20).contains(died)), "{:?}", report.counts);
        let failed: Vec<_> =
            disk.sessions.iter().filter(|kept| kept.row.head.status == SessionStatus::Failed).collect();
        assert_eq!(failed.len(), 1, "seed {seed}");
        let poisoned = &failed[0].row.head.session;
        let asked = notes.calls.iter().filter(|call| call.session == *poisoned).count();
        // Who changes its settings meanwhile may have healed it: it is tried as often again.
        let changes = records(&disk).into_iter().filter(|(of, record)| {
            of == poisoned && matches!(record.body, RecordBody::SessionUpdated { .. } | RecordBody::TurnCreated { .. })
        });
        let tries = 6 * changes.count();
        assert!(asked <= tries, "seed {seed}: asked {asked} times of {tries}");
        for (session, record) in records(&disk) {
            if let RecordBody::TurnEnded(ended) = record.body
                && session != *poisoned
            {
                assert!(!matches!(ended.ending, Ending::Failed { .. }), "seed {seed}: {:?}", ended.ending);
            }
        }
    }
}

/// Silence in mid-word, or the end of the connection: what was half said is closed as incomplete and no part of the log,
/// no call is made of it, and after a bounded number of tries the turn ends.
#[test]
fn f16_a_model_that_stalls_or_tears_in_mid_token() {
    for (fault, code) in [(ModelFault::Stalls, "request_timeout"), (ModelFault::Torn, "server_error")] {
        let mut closed = 0;
        for seed in 0..10 {
            let mut plan = calm(seed);
            plan.faults = Faults { model: 1000, model_only: Some(fault), ..Faults::default() };
            let (_, notes, disk) = sound(plan);
            assert!(notes.dispatches.is_empty(), "{fault:?}: a call was made of half an answer");
            for (_, record) in records(&disk) {
                let RecordBody::Item(item) = record.body else { continue };
                assert!(matches!(item.body, ItemBody::UserMessage { .. }), "{fault:?}: half of it was kept: {item:?}");
            }
            for ending in endings(&disk) {
                assert!(
                    matches!(&ending, Ending::Failed { code: is, .. } if is == code) || ending == Ending::Cancelled,
                    "{fault:?}: {ending:?}"
                );
            }
            let dropped = |event: &&types::Event| matches!(event.body, EventBody::DraftDropped { .. });
            closed += notes.streams.iter().flat_map(|stream| &stream.events).filter(dropped).count();
        }
        assert!(closed > 10, "{fault:?}: only {closed} half-said items were closed");
    }
}

/// Refusals and storms of 5xx: a turn asks each entry as often as it may and no more, and ends with the kind's code.
#[test]
fn f17_a_model_that_refuses_is_asked_a_bounded_number_of_times() {
    let storms = [
        (ModelFault::Refused, "connection_failed"),
        (ModelFault::RateLimited, "rate_limit_exceeded"),
        (ModelFault::RateLimitedFor, "rate_limit_exceeded"),
        (ModelFault::Overloaded, "server_overloaded"),
        (ModelFault::Broken, "server_error"),
    ];
    for (fault, code) in storms {
        for seed in 0..6 {
            let mut plan = calm(seed);
            plan.faults = Faults { model: 1000, model_only: Some(fault), ..Faults::default() };
            let rules = plan.rules();
            let most: u32 = rules.models.values().map(|model| model.attempts).sum();
            let (_, notes, disk) = sound(plan);
            let endings = endings(&disk);
            assert!(
                notes.calls.len() <= endings.len() * most as usize,
                "{fault:?}: {} calls for {} turns",
                notes.calls.len(),
                endings.len()
            );
            for ending in endings {
                assert!(
                    matches!(&ending, Ending::Failed { code: is, .. } if is == code) || ending == Ending::Cancelled,
                    "{fault:?}: {ending:?}"
                );
            }
        }
    }
}

/// A tool that hangs, is deaf to being taken back, or answers when its time is over: the call is given up by its limit,
/// and its late word is in the log under its number and nowhere else.
#[test]
fn f20_a_tool_that_hangs_or_answers_too_late() {
    let (mut overdue, mut late) = (0, 0);
    for fault in [ToolFault::Hangs, ToolFault::Late] {
        for seed in 0..48 {
            let mut plan = Plan { rounds: 3, ..calm(seed) };
            plan.faults = Faults { tool: 500, tool_only: Some(fault), ..Faults::default() };
            let (_, _, disk) = sound(plan);
            let mut given_up: BTreeSet<(SessionId, EffectId)> = BTreeSet::new();
            let mut answered: BTreeSet<(SessionId, EffectId)> = BTreeSet::new();
            for (session, record) in records(&disk) {
                match record.body {
                    RecordBody::Item(item) => {
                        let ItemBody::ToolOutcome { call, cause, outcome, .. } = &item.body else { continue };
                        overdue += u32::from(*cause == Cause::CallDeadline);
                        let place = (session, call.effect);
                        if cause.is_given_up() {
                            assert!(!matches!(outcome, ToolOutcome::Done(_)), "{outcome:?}");
                            given_up.insert(place);
                        } else {
                            answered.insert(place);
                        }
                    }
                    RecordBody::Late(of) => {
                        late += 1;
                        assert!(given_up.contains(&(session.clone(), of.effect)), "late, and nobody gave it up");
                        assert!(!answered.contains(&(session, of.effect)), "it had its answer");
                    }
                    _ => {}
                }
            }
        }
    }
    assert!(overdue > 10 && late > 3, "{overdue} overdue, {late} late");
}
