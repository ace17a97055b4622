//! Sessions with an environment under the simulator: it connects late, goes away and comes back, or never comes, while
//! everything else goes wrong too. What holds is in `check`; here is that it happens at all.

#![expect(clippy::panic, reason = "a test says what it expects")]

use models::Models;
use runtime::World;
use sim::{Crashes, Faults, Line, MemStore, Plan, Sim, Summary};
use std::sync::Arc;
use types::{
    AgentSettings, Ending, EnvironmentId, EnvironmentSettings, EnvironmentStatus, Message, ModelRules, NewSession,
    ProjectId, Record, RecordBody, RefusalKind, Review, Rules, SessionStatus, ToolOutcome,
};

fn sound(plan: Plan) -> (sim::Report, sim::notes::Notes, Vec<(SessionStatus, Vec<RecordBody>)>) {
    let (report, notes, disk) = sim::look(plan);
    if !report.problems.is_empty() {
        panic!("{:#?}\n{:#?}\n{:#?}\n{:?}", report.problems, report.tail, report.logs, report.plan);
    }
    let of = |kept: &sim::Kept| {
        let records = kept.records.iter().filter_map(|stored| Record::decode(&stored.record).ok());
        (kept.row.head.status, records.map(|record| record.body).collect())
    };
    (report, notes, disk.sessions.iter().map(of).collect())
}

fn calm(seed: u64, line: Line) -> Plan {
    let limits = types::Limits { recoveries: 1000, ..types::Limits::default() };
    let faults = Faults::default();
    Plan { line: Some(line), faults, limits, limit: None, askers: 0, ..Plan::small(seed, Crashes::Never) }
}

#[test]
fn an_environment_that_never_comes_ends_every_turn_and_asks_no_model() {
    let (mut failed, mut idle) = (0, 0);
    for seed in 0..24 {
        let (_, notes, sessions) = sound(Plan { sessions: 2, ..calm(seed, Line::Never) });
        assert!(notes.calls.is_empty(), "seed {seed}: a model was asked");
        for (status, records) in sessions {
            let mut initial = false;
            for body in &records {
                if let RecordBody::TurnHeld(held) = body {
                    initial = held.initial;
                }
                let RecordBody::TurnEnded(ended) = body else { continue };
                match &ended.ending {
                    Ending::Failed { code, .. } => assert_eq!(code, "sandbox_error", "seed {seed}"),
                    Ending::Cancelled => continue,
                    Ending::Completed => panic!("seed {seed}: a turn without its environment was completed"),
                }
                assert_eq!(ended.session, if initial { SessionStatus::Failed } else { SessionStatus::Idle });
                failed += u32::from(status == SessionStatus::Failed);
                idle += u32::from(status == SessionStatus::Idle);
            }
        }
    }
    assert!(failed > 5 && idle > 5, "{failed} failed, {idle} idle");
}

#[test]
fn one_that_comes_late_is_waited_for_but_not_for_ever() {
    let (mut begun, mut given_up) = (0, 0);
    for seed in 0..40 {
        let (_, _, sessions) = sound(calm(seed, Line::Late));
        for (_, records) in sessions {
            let held = records.iter().any(|body| matches!(body, RecordBody::TurnHeld(held) if held.initial));
            begun += u32::from(held && records.iter().any(|body| matches!(body, RecordBody::TurnStarted { .. })));
            given_up += u32::from(records.iter().any(|body| matches!(body, RecordBody::SessionFailed { .. })));
        }
    }
    assert!(begun > 5 && given_up > 2, "{begun} began late, {given_up} were given up");
}

#[test]
fn a_process_that_dies_at_every_boundary_of_a_wait_keeps_it() {
    let mut summary = Summary::default();
    for seed in 1..=4 {
        let plan = |crashes| Plan { line: Some(Line::Restless), askers: 0, ..Plan::small(seed, crashes) };
        let (report, ..) = sound(plan(Crashes::Never));
        summary.add(&report);
        for at in 1..=report.boundaries.min(120) {
            summary.add(&sound(plan(Crashes::At(at, at.is_multiple_of(3).then_some(5)))).0);
        }
    }
    assert!(summary.of("environment Disconnected") > 50, "{summary}");
}

#[test]
fn a_wait_ends_in_time_whatever_dies_meanwhile() {
    let mut crashes = 0;
    for seed in 1..=20 {
        let crashes_often = Crashes::Often { within: 40, times: 8 };
        let (report, _, sessions) = sound(Plan { crashes: crashes_often, rounds: 3, ..calm(seed, Line::Never) });
        crashes += report.counts.iter().filter(|(what, _)| what.starts_with("crash: ")).map(|(_, n)| n).sum::<u64>();
        for body in sessions.iter().flat_map(|(_, records)| records) {
            assert!(!matches!(body, RecordBody::TurnStarted { .. }), "seed {seed}");
        }
    }
    assert!(crashes > 20, "only {crashes} died");
}

#[test]
fn anything_at_all_may_go_wrong_beside_it() {
    let (mut commands, mut failed) = (0, 0);
    for seed in 1..=60 {
        let line = [Line::Restless, Line::Late, Line::Restless][seed as usize % 3];
        let (_, _, sessions) = sound(Plan { line: Some(line), askers: 0, ..Plan::large(seed) });
        for (status, records) in sessions {
            failed += u32::from(status == SessionStatus::Failed);
            commands += records.iter().filter(|body| is_command(body)).count();
        }
    }
    assert!(commands > 10 && failed > 3, "{commands} commands, {failed} sessions failed");
}

fn is_command(body: &RecordBody) -> bool {
    let RecordBody::Item(item) = body else { return false };
    matches!(&item.body, types::ItemBody::ToolOutcome { outcome: ToolOutcome::Ran(_), call, .. } if call.is_command())
}

/// A session with an environment of its own and something to do in it.
fn waiting() -> NewSession {
    NewSession {
        id: None,
        agent_id: None,
        agent_name: None,
        agent: AgentSettings::new("any"),
        environment: EnvironmentSettings::SelfHosted {
            id: EnvironmentId::new(""),
            workspace_directory: "/w".to_owned(),
            capability_directories: Vec::new(),
        },
        vault_ids: Vec::new(),
        prompt_cache: None,
        review: Review::None,
        spend_limit: None,
        metadata: Default::default(),
        aws: None,
        input: vec![Message::text("hello")],
    }
}

#[test]
fn only_so_many_wait_in_memory() {
    let sim = Sim::new(1);
    let mut rules = Rules { models: [("*".to_owned(), ModelRules::default())].into(), ..Rules::default() };
    rules.limits.queued_sessions_per_project = 2;
    let world = World {
        clock: sim.clock(),
        entropy: sim.entropy(),
        spawn: sim.spawn(),
        store: MemStore::new(&sim),
        models: Arc::new(Models::default()),
        tools: Arc::new(types::NoTools),
        rules: Arc::new(rules),
    };
    let done = sim.run(async {
        let project = ProjectId::new("default");
        let (handle, _) = runtime::start(world).await.expect("a start");
        let first = handle.create(&project, waiting()).await.expect("the first");
        handle.create(&project, waiting()).await.expect("the second");
        let third = handle.create(&project, waiting()).await.expect_err("one too many");
        assert!(matches!(third.kind, RefusalKind::Busy { .. }), "{third:?}");
        handle.create(&ProjectId::new("other"), waiting()).await.expect("another project");
        let rests = handle.create(&project, NewSession { input: Vec::new(), ..waiting() }).await;
        assert_eq!(rests.expect("it waits for nothing").head.status, SessionStatus::Idle);
        let session = first.head.session.clone();
        handle.environment_changed(&project, &session, EnvironmentStatus::Connected.into()).await.expect("told");
        handle.create(&project, waiting()).await.expect("there is room again");
    });
    assert_eq!(done, Ok(()));
}
