//! Sessions with hosted environments: what their maker asks of the runtime, by the very runtime; and everything that may
//! go wrong beside them.

#![expect(clippy::expect_used, clippy::panic, reason = "a test says what it expects")]

use models::{Entry, Models, Script};
use runtime::{Handle, NewFork, Start, World};
use sim::{Crashes, Faults, Line, MemStore, Plan, Sim, Summary};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use types::{
    AgentSettings, ContainerSize, EnvironmentChange, EnvironmentId, EnvironmentSettings, EnvironmentStatus, EventBody,
    HostedSettings, Input, Message, ModelRules, NetworkSettings, NewSession, Packages, ProjectId, Record, RefusalKind,
    Review, Rules, SessionId, SessionStatus, TurnId, TurnStatus,
};

fn project() -> ProjectId {
    ProjectId::new("default")
}

fn settings(session: &SessionId) -> HostedSettings {
    HostedSettings {
        id: EnvironmentId::of(session),
        container_size: ContainerSize::default(),
        network: NetworkSettings::default(),
        capability_directories: Vec::new(),
        files: Vec::new(),
        packages: Packages::default(),
        plugins: Vec::new(),
        skills: Vec::new(),
    }
}

/// Runs a client in a world with the scripted model.
fn run<F, T>(client: F)
where
    F: FnOnce(Stage) -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let sim = Sim::new(11);
    let clock = sim.clock();
    let entry = Entry {
        model: Arc::new(Script::new(sim.clock(), sim.entropy())),
        upstream_model: None,
        first_byte: Duration::from_secs(60),
        stall: Duration::from_secs(30),
    };
    let models = BTreeMap::from([("m".to_owned(), ModelRules::default())]);
    let world = World {
        clock: sim.clock(),
        entropy: sim.entropy(),
        spawn: sim.spawn(),
        store: MemStore::new(&sim),
        models: Arc::new(Models { entries: BTreeMap::from([("m".to_owned(), entry)]) }),
        tools: Arc::new(types::NoTools),
        rules: Arc::new(Rules { models, ..Rules::default() }),
    };
    let outcome = sim.run(async move {
        let (handle, _) = runtime::start(world).await.expect("a node");
        client(Stage { handle, clock }).await;
    });
    assert!(outcome.is_ok(), "{outcome:?}");
}

struct Stage {
    handle: Handle,
    clock: Arc<dyn types::Clock>,
}

fn new(session: &SessionId, input: &str) -> NewSession {
    NewSession {
        id: Some(session.clone()),
        agent_id: None,
        agent_name: None,
        agent: AgentSettings::new("m"),
        environment: EnvironmentSettings::OpenaiHosted(Box::new(settings(session))),
        vault_ids: Vec::new(),
        prompt_cache: None,
        review: Review::None,
        spend_limit: None,
        metadata: BTreeMap::new(),
        aws: None,
        input: if input.is_empty() { Vec::new() } else { vec![Message::text(input)] },
    }
}

impl Stage {
    /// A session whose environment is being set up.
    async fn create(&self, input: &str) -> SessionId {
        let session = self.handle.new_session_id();
        let view = self.handle.create(&project(), new(&session, input)).await.expect("created");
        assert_eq!(
            (&view.head.session, view.settings.environment.id()),
            (&session, Some(&EnvironmentId::of(&session)))
        );
        session
    }

    async fn tell(&self, session: &SessionId, change: impl Into<EnvironmentChange>) {
        self.handle.environment_changed(&project(), session, change.into()).await.expect("told");
    }

    async fn say(&self, session: &SessionId, text: &str) {
        let input = vec![Input::Message(vec![Message::text(text)])];
        self.handle.submit(&project(), session, input, None).await.expect("taken");
    }

    /// Waits for the end of the session's turn; says how it ended.
    async fn rest(&self, session: &SessionId) -> (TurnId, TurnStatus) {
        let mut events = self.handle.subscribe(&project(), session, Start::Beginning).await.expect("a stream");
        let mut ended = None;
        loop {
            match events.next().await.expect("more comes").body {
                EventBody::TurnCompleted(turn) | EventBody::TurnFailed(turn) | EventBody::TurnCancelled(turn) => {
                    ended = Some((turn.id, turn.status));
                }
                EventBody::SessionIdle(view) | EventBody::SessionFailed(view)
                    if self.handle.session(&project(), session).await.expect("there").head.seq == view.head.seq =>
                {
                    return ended.expect("a turn");
                }
                _ => {}
            }
        }
    }

    async fn is_open(&self, session: &SessionId) -> bool {
        self.handle.has_open_turn(&project(), session).await.expect("there")
    }

    async fn last(&self, session: &SessionId) -> Option<TurnId> {
        self.handle.last_completed_turn(&project(), session).await.expect("there")
    }
}

#[test]
fn a_turn_waits_for_the_setup_and_for_nothing_later() {
    run(|stage| async move {
        let session = stage.create("say one").await;
        let view = stage.handle.session(&project(), &session).await.expect("there");
        assert_eq!((view.head.status, view.head.required_actions.len()), (SessionStatus::InProgress, 0));
        assert!(stage.is_open(&session).await);
        assert_eq!(stage.last(&session).await, None);
        stage.tell(&session, EnvironmentStatus::Ready).await;
        let (first, status) = stage.rest(&session).await;
        assert_eq!((status, stage.last(&session).await), (TurnStatus::Completed, Some(first)));
        for status in [EnvironmentStatus::Suspended, EnvironmentStatus::Disconnected, EnvironmentStatus::Expired] {
            stage.tell(&session, status).await;
            stage.say(&session, "say more").await;
            let (turn, how) = stage.rest(&session).await;
            assert_eq!((how, stage.last(&session).await), (TurnStatus::Completed, Some(turn)));
        }
        assert!(!stage.is_open(&session).await);
        let missing = stage.handle.has_open_turn(&project(), &SessionId::new("sess_0")).await.expect_err("nobody");
        assert_eq!(missing.kind, RefusalKind::NotFound);
    });
}

#[test]
fn a_setup_that_never_ends_is_not_waited_for_for_ever() {
    run(|stage| async move {
        let (first, later) = (stage.create("say one").await, stage.create("").await);
        stage.say(&later, "say two").await;
        let begin = stage.clock.monotonic();
        for (session, becomes) in [(&first, SessionStatus::Failed), (&later, SessionStatus::Idle)] {
            assert_eq!(stage.rest(session).await.1, TurnStatus::Failed);
            assert_eq!(stage.handle.session(&project(), session).await.expect("there").head.status, becomes);
            assert_eq!(stage.last(session).await, None, "it came to no answer");
        }
        // The simulated clock: nothing but this wait takes time.
        let waited = stage.clock.monotonic() - begin;
        assert_eq!(waited.as_secs() / 60, 30, "{waited:?}");
    });
}

#[test]
fn the_newest_turn_that_came_to_its_answer_is_found_behind_others() {
    run(|stage| async move {
        let session = stage.create("say one").await;
        stage.tell(&session, EnvironmentStatus::Connected).await;
        let (answered, _) = stage.rest(&session).await;
        for _ in 0..20 {
            stage.say(&session, "fail 400 9").await;
            assert_eq!(stage.rest(&session).await.1, TurnStatus::Failed);
        }
        assert_eq!(stage.last(&session).await, Some(answered));
    });
}

#[test]
fn an_id_is_given_once() {
    run(|stage| async move {
        let session = stage.create("").await;
        let again = stage.handle.create(&project(), new(&session, "say other")).await.expect_err("taken");
        assert_eq!(again.kind, RefusalKind::Conflict);
        // Also when nobody has it in memory any more.
        stage.clock.sleep(Duration::from_secs(60)).await;
        let again = stage.handle.create(&project(), new(&session, "say other")).await.expect_err("taken");
        assert_eq!(again.kind, RefusalKind::Conflict);
        stage.tell(&session, EnvironmentStatus::Ready).await;
        stage.say(&session, "say one").await;
        assert_eq!(stage.rest(&session).await.1, TurnStatus::Completed);
        let fork = NewFork { id: Some(session.clone()), ..NewFork::default() };
        let taken = stage.handle.fork(&project(), &session, fork, |_| {}).await.expect_err("taken");
        assert_eq!(taken.kind, RefusalKind::Conflict);
    });
}

#[test]
fn a_fork_works_in_what_was_made_for_it_or_in_nothing() {
    run(|stage| async move {
        let mother = stage.create("say one").await;
        stage.tell(&mother, EnvironmentStatus::Connected).await;
        stage.rest(&mother).await;
        let none = stage.handle.fork(&project(), &mother, NewFork::default(), |_| {}).await.expect("forked");
        assert_eq!((&none.settings.environment, &none.head.environment), (&EnvironmentSettings::None, &None));

        let id = stage.handle.new_session_id();
        let wanted = NewFork { id: Some(id.clone()), hosted: Some(settings(&id)), ..NewFork::default() };
        let fork = stage.handle.fork(&project(), &mother, wanted, |_| {}).await.expect("forked").head;
        let known = fork.environment.as_ref().expect("one of its own");
        assert_eq!((&fork.session, fork.status), (&id, SessionStatus::Idle));
        assert_eq!((&known.id, known.status), (&EnvironmentId::of(&id), EnvironmentStatus::Pending));
        assert_eq!(stage.last(&id).await, None, "the turns of its mother are not its own");
        stage.say(&id, "say two").await;
        assert!(stage.is_open(&id).await);
        stage.tell(&id, EnvironmentStatus::Ready).await;
        let (turn, status) = stage.rest(&id).await;
        assert_eq!((status, stage.last(&id).await), (TurnStatus::Completed, Some(turn)));
    });
}

#[test]
fn a_reset_is_an_event_of_its_own() {
    run(|stage| async move {
        let session = stage.create("").await;
        let mut events = stage.handle.subscribe(&project(), &session, Start::Live).await.expect("a stream");
        let reset = |count| EnvironmentChange { reset: Some(count), ..EnvironmentStatus::Connected.into() };
        for count in [1, 1, 2] {
            stage.tell(&session, reset(count)).await;
        }
        let mut told = Vec::new();
        while told.len() < 3 {
            told.push(match events.next().await.expect("more comes").body {
                EventBody::EnvironmentReset { environment, count } => {
                    assert_eq!(environment, EnvironmentId::of(&session));
                    format!("reset {count}")
                }
                EventBody::Environment(view) => {
                    format!("{:?}", view.head.environment.as_ref().expect("one").status)
                }
                other => panic!("{other:?}"),
            });
        }
        assert_eq!(told, ["reset 1", "Connected", "reset 2"]);
    });
}

fn sound(plan: Plan) -> (sim::Report, sim::notes::Notes, sim::check::Disk) {
    let (report, notes, disk) = sim::look(plan);
    if !report.problems.is_empty() {
        panic!("{:#?}\n{:#?}\n{:#?}\n{:?}", report.problems, report.tail, report.logs, report.plan);
    }
    (report, notes, disk)
}

#[test]
fn the_end_of_every_turn_is_told() {
    let mut told = 0;
    for seed in 0..24 {
        let plan = Plan {
            line: Some(Line::Hosted),
            askers: 0,
            faults: Faults { model: 200, tool: 200, ..Faults::default() },
            ..Plan::small(seed, Crashes::Never)
        };
        let (_, notes, disk) = sound(plan);
        let records = disk.sessions.iter().flat_map(|kept| &kept.records);
        let ended = records.filter(|stored| {
            Record::decode(&stored.record).is_ok_and(|record| matches!(record.body, types::RecordBody::TurnEnded(_)))
        });
        assert_eq!(notes.ended.len(), ended.count(), "seed {seed}");
        told += notes.ended.len();
    }
    assert!(told > 30, "only {told} turns");
}

#[test]
fn a_process_that_dies_at_every_boundary_loses_no_wait() {
    let mut summary = Summary::default();
    for seed in 1..=4 {
        let plan = |crashes| Plan { line: Some(Line::Hosted), askers: 0, ..Plan::small(seed, crashes) };
        let (report, ..) = sound(plan(Crashes::Never));
        summary.add(&report);
        for at in 1..=report.boundaries.min(120) {
            summary.add(&sound(plan(Crashes::At(at, at.is_multiple_of(3).then_some(5)))).0);
        }
    }
    assert!(summary.of("environment Ready") > 50, "{summary}");
}

#[test]
fn anything_at_all_may_go_wrong_beside_it() {
    let (mut resets, mut failed) = (0, 0);
    for seed in 1..=60 {
        let (report, _, disk) = sound(Plan { line: Some(Line::Hosted), askers: 0, ..Plan::large(seed) });
        resets += report.counts.get("environment resets told").copied().unwrap_or_default();
        failed += disk.sessions.iter().filter(|kept| kept.row.head.status == SessionStatus::Failed).count();
    }
    assert!(resets > 20 && failed > 3, "{resets} resets, {failed} sessions failed");
}
