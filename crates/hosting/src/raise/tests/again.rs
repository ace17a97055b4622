//! What begins anew, what is given up, and who may take what runs.

use super::*;

/// A driver that never starts anything and a clock that waits for no other try, with what is told of both.
fn hasty() -> (Stage, tokio::sync::mpsc::UnboundedReceiver<&'static str>) {
    let (say, said) = unbounded_channel();
    let mut stage = Stage::new();
    stage.clock = Arc::new(Hasty { real: stage.clock.clone(), say: say.clone() });
    stage.driver = Arc::new(Starts { ability: Ability { findings: Vec::new() }, say });
    (stage, said)
}

#[tokio::test]
async fn what_the_machine_could_not_do_is_tried_again_and_then_given_up() {
    let (stage, mut said) = hasty();
    let hosting = stage.hosting().await;
    let made = hosting.create(&stage.project, Wanted::default(), None).await.unwrap();
    for _ in 0..TRIES {
        assert_eq!(said.recv().await, Some("starts"));
    }
    let seat = hosting.seat(&stage.project, made.settings.id.as_str());
    while hosting.environment(&stage.project, &seat.id).await.unwrap().status != EnvironmentStatus::Failed {
        stage.clock.sleep(Duration::from_millis(10)).await;
    }
    assert!(said.try_recv().is_err(), "no more tries than that");
}

#[tokio::test]
async fn a_setup_that_a_server_takes_along_is_left_to_the_next() {
    let (stage, mut said) = hasty();
    let hosting = stage.hosting().await;
    hosting.begin_ending();
    let made = hosting.create(&stage.project, Wanted::default(), None).await.unwrap();
    assert_eq!(said.recv().await, Some("starts"));
    let seat = hosting.seat(&stage.project, made.settings.id.as_str());
    // Whoever sets it up has the turn.
    let _turn = seat.turn.lock().await;
    let row = hosting.environment(&stage.project, &seat.id).await.unwrap();
    assert_eq!((row.status, row.error), (EnvironmentStatus::Pending, None));
    assert!(said.try_recv().is_err());
}

#[test]
fn whose_fault_it_was() {
    let exit = Exit { signal: Some(15), ..Exit::default() };
    let ended = |exit| Failed::ended(Ended::Exited(exit)).is_the_machines;
    assert!(ended(exit), "somebody ended it");
    assert!(Failed::ended(Ended::Lost).is_the_machines);
    assert!(!ended(Exit { out_of_memory: Some(1), ..exit }));
    assert!(!ended(Exit { out_of_disk: true, ..exit }));
    let of = |failed: setup::SetupFailed| Failed::from(failed).is_the_machines;
    assert!(of(setup::SetupFailed::gone()) && of(setup::SetupFailed::internal("x")));
    assert!(!of(setup::SetupFailed::new("Setup command 1 failed with exit code 3.")));
}

#[tokio::test]
async fn what_somebody_uses_is_not_taken_by_who_saw_it_unused() {
    let stage = Stage::new();
    let hosting = stage.hosting().await;
    let seat = hosting.seat(&stage.project, "env_1");
    let live = live(&hosting, &seat).await;
    seat.put(live.clone());
    let seen = seat.uses();
    assert!(seat.use_now(stage.clock.monotonic()).is_some());
    assert!(seat.take_if_unused_since(seen).is_none());
    assert!(seat.take_if_unused_since(seat.uses()).is_some());
    assert!(seat.use_now(stage.clock.monotonic()).is_none(), "who comes later does not get what ends");
    live.end().await;
}

#[tokio::test]
async fn what_arrived_unwritten_is_written_with_the_next_use() {
    let stage = Stage::new();
    let hosting = stage.hosting().await;
    let settled = hosting.inner.settle(&stage.project, types::EnvironmentId::new("env_1"), Wanted::default(), "");
    let row = Environment::new(settled.await.unwrap().0, EnvironmentStatus::Pending, Timestamp(0));
    hosting.inner.rows.write(&stage.project, (crate::rows::ENVIRONMENTS, "env_1"), &row, true).await.unwrap();
    let seat = hosting.seat(&stage.project, "env_1");
    let live = live(&hosting, &seat).await;
    seat.put(live.clone());
    assert!(hosting.raise(&seat, None).await.unwrap().is_some());
    assert_eq!(hosting.environment(&stage.project, "env_1").await.unwrap().status, EnvironmentStatus::Ready);
    live.end().await;
}

#[tokio::test]
async fn who_wants_to_use_what_is_being_copied_waits_for_the_copy() {
    let stage = Stage::new();
    let hosting = stage.hosting().await;
    let session = SessionId::new("sess_1");
    let settled = hosting.inner.settle(&stage.project, types::EnvironmentId::of(&session), Wanted::default(), "");
    let mut row = Environment::new(settled.await.unwrap().0, EnvironmentStatus::Suspended, Timestamp(0));
    row.session = Some(session.clone());
    let id = row.settings.id.clone();
    hosting.inner.rows.write(&stage.project, (crate::rows::ENVIRONMENTS, id.as_str()), &row, true).await.unwrap();
    let seat = hosting.seat(&stage.project, id.as_str());
    let live = live(&hosting, &seat).await;
    let turn = seat.turn.lock().await;
    let work = seat.begin_work();
    let patience = Duration::from_millis(1);
    let used = hosting.station(&stage.project, &session, &row.settings, patience);
    let copied = async {
        // Far beyond its patience.
        stage.clock.sleep(patience * 50).await;
        seat.put(live.clone());
        drop(work);
        drop(turn);
    };
    let (station, ()) = tokio::join!(used, copied);
    assert!(station.is_some());
    live.end().await;
}

#[tokio::test]
async fn what_runs_on_by_itself_keeps_its_environment_awake_for_its_time() {
    let stage = Stage::new();
    let hosting = stage.hosting().await;
    let seat = hosting.seat(&stage.project, "env_1");
    let minutes = |count: u64| stage.clock.monotonic() + Duration::from_secs(60 * count);
    let bound = Duration::from_secs(60 * 60);
    seat.used(minutes(0));
    assert!(seat.runs_on(minutes(59), bound));
    assert!(seat.idle(minutes(59)) < Duration::from_secs(60), "it is in use");
    assert!(!seat.runs_on(minutes(61), bound));
    assert!(seat.idle(minutes(71)) > Duration::from_secs(60 * 10), "it is not any more");
    // A turn begins it anew.
    seat.used(minutes(62));
    assert!(seat.runs_on(minutes(120), bound));
}
